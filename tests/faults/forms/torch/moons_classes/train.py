from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.optim import Adam
from torch.utils.data import DataLoader, TensorDataset

from net import MoonNet
from scram_plugin import watch

RUN = Path("logs")


class Trainer:
    def __init__(self, model, lr=0.002, epochs=16, batch_size=32):
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = Adam(self.model.parameters(), lr=lr)

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = F.binary_cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def validate(self, loader):
        self.model.eval()
        losses, hits = [], []
        with torch.no_grad():
            for x, y in loader:
                p = self.model(x)
                losses.append(F.binary_cross_entropy(p, y, reduction="none"))
                hits.append((p > 0.5) == (y > 0.5))
        return torch.cat(losses).mean().item(), torch.cat(hits).float().mean().item()

    def run(self, train_set, val_set):
        train_loader = DataLoader(train_set, batch_size=self.batch_size, shuffle=True)
        val_loader = DataLoader(val_set, batch_size=256)
        with watch(self.model, self.optimizer, log_dir=RUN) as scram:
            for epoch in range(self.epochs):
                self.model.train()
                for x, y in train_loader:
                    self.step(x, y)
                val_loss, val_accuracy = self.validate(val_loader)
                scram.log(val_loss=val_loss, val_accuracy=val_accuracy)
        return val_accuracy


def make_data(seed):
    points, side = make_moons(1500, noise=0.15, random_state=seed)
    extra = np.random.default_rng(seed).normal(size=(len(points), 4))
    X = np.hstack([points * 300 + 1000, extra])
    X_train, X_val, y_train, y_val = train_test_split(X, side, test_size=0.25, random_state=seed)
    scaler = StandardScaler().fit(X_train)
    X_train = scaler.transform(X_train)
    X_val = scaler.transform(X_val)
    to = lambda a: torch.tensor(a, dtype=torch.float32)
    return TensorDataset(to(X_train), to(y_train)), TensorDataset(to(X_val), to(y_val))


SEED = 6
torch.manual_seed(SEED)
train_set, val_set = make_data(SEED)
trainer = Trainer(MoonNet(6), lr=0.002)
print("accuracy:", trainer.run(train_set, val_set))
