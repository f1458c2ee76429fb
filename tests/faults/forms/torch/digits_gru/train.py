"""A GRU reads the rows of a digit."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin

hparams = dict(hidden_size=48, lr=3e-3, batch_size=32, n_epochs=12, max_norm=1.0, seed=5)


class RowReader(nn.Module):
    def __init__(self, hidden_size, n_classes=10):
        super().__init__()
        self.gru = nn.GRU(input_size=8, hidden_size=hidden_size, batch_first=True)
        self.hidden = nn.Linear(hidden_size, 32)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.1)
        self.out = nn.Linear(32, n_classes)

    def forward(self, rows):
        states, _ = self.gru(rows)
        last = states[:, -1]
        h = self.dropout(self.relu(self.hidden(last)))
        return self.out(h)


def load(seed):
    digits = load_digits()
    g = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(digits.target), generator=g)
    x = torch.tensor(digits.images, dtype=torch.float32)[order]
    y = torch.tensor(digits.target)[order]
    x = x / 16.0
    n = 1400
    return TensorDataset(x[:n], y[:n]), TensorDataset(x[n:], y[n:])


def accuracy(model, loader, loss_fn):
    model.eval()
    right, loss, seen = 0, 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            scores = model(x)
            loss += loss_fn(scores, y).item() * y.size(0)
            right += (scores.argmax(dim=1) == y).sum().item()
            seen += y.size(0)
    return right / seen, loss / seen


def fit(model, train_loader, val_loader, optimizer, loss_fn, n_epochs, max_norm):
    with scram_plugin.watch(model, optimizer, log_dir="logs") as watch:
        for epoch in range(n_epochs):
            model.train()
            for x, y in train_loader:
                scores = model(x)
                loss = loss_fn(scores, y)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
                optimizer.step()
            val_acc, val_loss = accuracy(model, val_loader, loss_fn)
            watch.log(val_loss=val_loss, val_accuracy=val_acc)
    return val_acc


if __name__ == "__main__":
    torch.manual_seed(hparams["seed"])
    train_set, val_set = load(hparams["seed"])
    train_loader = DataLoader(train_set, batch_size=hparams["batch_size"], shuffle=True)
    val_loader = DataLoader(val_set, batch_size=200)
    model = RowReader(hparams["hidden_size"])
    optimizer = torch.optim.RMSprop(model.parameters(), lr=hparams["lr"])
    loss_fn = nn.CrossEntropyLoss()
    result = fit(model, train_loader, val_loader, optimizer, loss_fn, hparams["n_epochs"], hparams["max_norm"])
    print(f"validation accuracy: {result:.4f}")
