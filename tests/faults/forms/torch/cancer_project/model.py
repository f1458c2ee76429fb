from torch import nn


class TumourNet(nn.Module):
    def __init__(self, in_features, config):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(in_features, config.hidden),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(),
            nn.Dropout(p=config.dropout),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
        )
        self.head = nn.Linear(config.hidden, 1)

    def forward(self, x):
        return self.head(self.body(x)).squeeze(-1)
