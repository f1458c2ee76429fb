import torch
from torch import nn

import scram_plugin
from config import Config
from data import get_loaders
from model import TumourNet


def train_one_epoch(model, loader, criterion, optimizer, clip):
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        total += loss.item()
    return total / len(loader)


@torch.no_grad()
def evaluate(model, loader, criterion):
    model.eval()
    loss, hits, n = 0.0, 0, 0
    for x, y in loader:
        logits = model(x)
        loss += criterion(logits, y).item() * len(y)
        hits += ((logits > 0) == (y > 0.5)).sum().item()
        n += len(y)
    return loss / n, hits / n


def main():
    config = Config()
    torch.manual_seed(config.seed)
    train_loader, val_loader = get_loaders(config)
    model = TumourNet(30, config.model)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)

    with scram_plugin.watch(model, optimizer, log_dir="logs") as scram:
        for epoch in range(config.epochs):
            train_loss = train_one_epoch(model, train_loader, criterion, optimizer, config.clip)
            val_loss, val_acc = evaluate(model, val_loader, criterion)
            scram.log(loss=train_loss, val_loss=val_loss, val_accuracy=val_acc)
            print(f"{epoch:3d}  train {train_loss:.4f}  val {val_loss:.4f}  acc {val_acc:.4f}")
    print(f"val accuracy: {val_acc:.4f}")


if __name__ == "__main__":
    main()
