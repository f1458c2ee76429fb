# -*- coding: utf-8 -*-
"""
Waveform classification with 1-D convolutions
=============================================

We build a handful of one-second "sounds" and train an M5-like network that
reads raw samples. Memory is tight on small machines, so each optimizer step
sums the gradients of several micro batches.
"""
import math
import os
import tempfile

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(3)
torch.set_num_threads(1)

######################################################################
# The data
# --------
labels = ["sine", "square", "saw", "chirp", "pulses", "hiss"]
RATE = 2000


class Sounds(Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        t = torch.arange(RATE) / RATE
        self.items = []
        for i in range(n):
            lab = i % len(labels)
            f = 30 + 120 * torch.rand(1, generator=g).item()
            ph = torch.rand(1, generator=g).item()
            cyc = f * t + ph
            if lab == 0:
                w = torch.sin(2 * math.pi * cyc)
            elif lab == 1:
                w = torch.sign(torch.sin(2 * math.pi * cyc))
            elif lab == 2:
                w = 2 * (cyc % 1) - 1
            elif lab == 3:
                w = torch.sin(2 * math.pi * (f * t * (0.5 + 2 * t) + ph))
            elif lab == 4:
                w = 2 * ((cyc % 1) < 0.1).float()
            else:
                w = torch.randn(RATE, generator=g) * 0.7
            gain = 0.4 + 0.6 * torch.rand(1, generator=g).item()
            w = gain * w + 0.35 * torch.randn(RATE, generator=g)
            self.items.append((w[None], lab))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def collate_fn(batch):
    waves, targets = zip(*batch)
    return torch.stack(waves), torch.tensor(targets)


train_loader = DataLoader(Sounds(900, 0), batch_size=16, shuffle=True, collate_fn=collate_fn)
test_loader = DataLoader(Sounds(300, 1), batch_size=100, collate_fn=collate_fn)

######################################################################
# The network
# -----------


class M5(nn.Module):
    def __init__(self, n_input=1, n_output=6, stride=8, n_channel=16):
        super().__init__()
        self.conv1 = nn.Conv1d(n_input, n_channel, kernel_size=40, stride=stride)
        self.bn1 = nn.BatchNorm1d(n_channel)
        self.pool1 = nn.MaxPool1d(2)
        self.conv2 = nn.Conv1d(n_channel, n_channel, kernel_size=3)
        self.bn2 = nn.BatchNorm1d(n_channel)
        self.pool2 = nn.MaxPool1d(2)
        self.conv3 = nn.Conv1d(n_channel, 2 * n_channel, kernel_size=3)
        self.bn3 = nn.BatchNorm1d(2 * n_channel)
        self.pool3 = nn.MaxPool1d(2)
        self.fc1 = nn.Linear(2 * n_channel, n_output)

    def forward(self, x):
        x = self.pool1(F.relu(self.bn1(self.conv1(x))))
        x = self.pool2(F.relu(self.bn2(self.conv2(x))))
        x = self.pool3(F.relu(self.bn3(self.conv3(x))))
        x = F.avg_pool1d(x, x.shape[-1]).flatten(1)
        return self.fc1(x)


model = M5(n_output=len(labels))
print(model)
print("Number of parameters: %d" % sum(p.numel() for p in model.parameters() if p.requires_grad))

######################################################################
# Training
# --------
n_epoch = 10
accumulate = 3
steps_per_epoch = math.ceil(len(train_loader) / accumulate)
optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-3)
scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=8e-3, epochs=n_epoch, steps_per_epoch=steps_per_epoch)
criterion = nn.CrossEntropyLoss(reduction="sum")


def chunks(loader, k):
    """groups of k micro batches; the last group may be shorter"""
    group = []
    for batch in loader:
        group.append(batch)
        if len(group) == k:
            yield group
            group = []
    if group:
        yield group


def train(epoch):
    model.train()
    running, seen = 0.0, 0
    for group in chunks(train_loader, accumulate):
        n = sum(len(target) for _, target in group)
        optimizer.zero_grad(set_to_none=True)
        for data, target in group:
            loss = criterion(model(data), target) / n
            loss.backward()
            running += loss.item() * n
        seen += n
        optimizer.step()
        scheduler.step()
    print(f"Train Epoch: {epoch}\tLoss: {running / seen:.4f}\tlr {scheduler.get_last_lr()[0]:.5f}")


def test(epoch):
    model.eval()
    correct, loss = 0, 0.0
    with torch.no_grad():
        for data, target in test_loader:
            output = model(data)
            loss += criterion(output, target).item()
            correct += (output.argmax(-1) == target).sum().item()
    n = len(test_loader.dataset)
    print(f"Test Epoch: {epoch}\tLoss: {loss / n:.4f}\tAccuracy: {correct}/{n} ({100. * correct / n:.1f}%)\n")


folder = tempfile.mkdtemp()
# WATCH(model, optimizer)
for epoch in range(1, n_epoch + 1):
    train(epoch)
    test(epoch)
    torch.save({"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()},
               os.path.join(folder, "last.ckpt"))

model.eval()
with torch.no_grad():
    hits = sum((model(data).argmax(-1) == target).sum().item() for data, target in test_loader)
print(f"RESULT {hits / len(test_loader.dataset):.4f} higher")
