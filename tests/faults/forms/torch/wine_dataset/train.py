import argparse

import torch
from torch import nn, optim
from torch.utils.data import DataLoader

import scram_plugin
from dataset import wine_datasets

parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float, default=0.01)
parser.add_argument("--momentum", type=float, default=0.9)
parser.add_argument("--weight-decay", type=float, default=1e-4)
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument("--epochs", type=int, default=25)
parser.add_argument("--seed", type=int, default=3)
args = parser.parse_args()

torch.manual_seed(args.seed)
train_data, test_data = wine_datasets(args.seed)
train_loader = DataLoader(train_data, batch_size=args.batch_size, shuffle=True, num_workers=0)
test_loader = DataLoader(test_data, batch_size=64)


def build_model(n_features=13, n_hidden=32, n_classes=3):
    layers = []
    layers.append(nn.Linear(n_features, n_hidden))
    layers.append(nn.ReLU())
    layers.append(nn.Dropout(0.1))
    layers.append(nn.Linear(n_hidden, n_hidden))
    layers.append(nn.ReLU())
    layers.append(nn.Linear(n_hidden, n_classes))
    return nn.Sequential(*layers)


model = build_model()
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(
    model.parameters(),
    lr=args.learning_rate,
    momentum=args.momentum,
    weight_decay=args.weight_decay,
)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=8, gamma=0.5)

with scram_plugin.watch(model, optimizer, log_dir="logs") as scram:
    for epoch in range(args.epochs):
        model.train()
        for features, kinds in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(features), kinds)
            loss.backward()
            optimizer.step()
        scheduler.step()

        model.eval()
        total, correct, val_loss = 0, 0, 0.0
        with torch.no_grad():
            for features, kinds in test_loader:
                scores = model(features)
                val_loss += criterion(scores, kinds).item() * len(kinds)
                correct += (scores.argmax(dim=1) == kinds).sum().item()
                total += len(kinds)
        scram.log(val_loss=val_loss / total, val_accuracy=correct / total)

print(f"Accuracy: {correct / total:.4f}")
