"""Transfer learning: train a backbone on six Fashion-MNIST classes, freeze it, and fit a new
head for the four classes that it has never seen, with few labels."""
import os

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(42)

SOURCE = [0, 1, 2, 3, 5, 7]     # T-shirt, trouser, pullover, dress, sandal, sneaker
TARGET = [4, 6, 8, 9]           # coat, shirt, bag, ankle boot


def make_backbone():
    layers, c_in = [], 1
    for c in (16, 32, 64):
        layers += [nn.Conv2d(c_in, c, 3, padding=1, bias=False), nn.BatchNorm2d(c),
                   nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        c_in = c
    return nn.Sequential(*layers, nn.Flatten())     # 64*3*3


class Classifier(nn.Module):
    def __init__(self, n_classes, p=0.2):
        super().__init__()
        self.backbone = make_backbone()
        self.head = nn.Sequential(nn.Dropout(p), nn.Linear(64 * 3 * 3, n_classes))

    def forward(self, x):
        return self.head(self.backbone(x))


def load(classes, per_class=None):
    f = np.load(os.environ["SCRAM_DATA"] + "/fashion_mnist.npz")
    mean, std = f["x_train"].mean() / 255, f["x_train"].std() / 255
    sets = []
    for part in ("train", "test"):
        x, y = f[f"x_{part}"], f[f"y_{part}"]
        idx = []
        for c in classes:
            where = np.flatnonzero(y == c)
            idx.append(where[:per_class] if (per_class and part == "train") else where)
        idx = np.concatenate(idx)
        remap = {c: i for i, c in enumerate(classes)}
        xs = torch.from_numpy((x[idx] / 255.0 - mean) / std).float().unsqueeze(1)
        ys = torch.tensor([remap[int(v)] for v in y[idx]])
        sets.append(TensorDataset(xs, ys))
    return (DataLoader(sets[0], batch_size=64, shuffle=True),
            DataLoader(sets[1], batch_size=256))


def evaluate(model, loader):
    was_training = model.training
    model.eval()
    correct = total = 0
    loss = 0.0
    with torch.no_grad():
        for x, y in loader:
            out = model(x)
            loss += nn.functional.cross_entropy(out, y, reduction="sum").item()
            correct += (out.argmax(1) == y).sum().item()
            total += len(y)
    model.train(was_training)
    return loss / total, correct / total


def pretrain(model, epochs=4):
    train_loader, test_loader = load(SOURCE)
    opt = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=5e-4, nesterov=True)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, 0.05, epochs=epochs, steps_per_epoch=len(train_loader))
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        running = 0.0
        for x, y in train_loader:
            flip = torch.rand(len(x)) < 0.5
            x[flip] = x[flip].flip(3)
            opt.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            opt.step()
            sched.step()
            running += loss.item() * len(y)
        vl, va = evaluate(model, test_loader)
        print(f"[pretrain {epoch + 1}/{epochs}] train {running / len(train_loader.dataset):.4f} "
              f"val {vl:.4f} acc {va:.4f}")


def finetune(model, epochs=12):
    train_loader, test_loader = load(TARGET, per_class=600)
    model.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(64 * 3 * 3, len(TARGET)))
    model.backbone.requires_grad_(False)
    opt = torch.optim.Adam(model.head.parameters(), lr=1e-3, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        model.backbone.eval()           # keep the running statistics of batch norm
        running = 0.0
        for x, y in train_loader:
            opt.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            opt.step()
            running += loss.item() * len(y)
        vl, va = evaluate(model, test_loader)
        print(f"[finetune {epoch + 1}/{epochs}] train {running / len(train_loader.dataset):.4f} "
              f"val {vl:.4f} acc {va:.4f}")
    return va


if __name__ == "__main__":
    net = Classifier(len(SOURCE))
    pretrain(net)
    acc = finetune(net)
    print(f"new-class accuracy with frozen backbone: {acc:.4f}")
