import torch
import torch.nn as nn


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        nn.init.zeros_(m.bias)


class Block(nn.Module):
    def __init__(self, width, dropout):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return x + self.dropout(torch.relu(self.linear(self.norm(x))))


class MoonNet(nn.Module):
    """Which moon? Gives a probability."""

    def __init__(self, n_features, width=32, depth=2, dropout=0.1):
        super().__init__()
        self.embed = nn.Linear(n_features, width)
        self.blocks = nn.ModuleList([Block(width, dropout) for _ in range(depth)])
        self.out = nn.Linear(width, 1)
        self.apply(init_weights)

    def forward(self, x):
        x = torch.relu(self.embed(x))
        for block in self.blocks:
            x = block(x)
        return torch.sigmoid(self.out(x)).squeeze(1)
