"""Digits, the shortest way."""
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin

seed = 0
torch.manual_seed(seed)
np.random.seed(seed)

digits = load_digits()
pixels = (digits.data * 255 / 16).astype(np.uint8)
order = np.random.permutation(len(pixels))
pixels, labels = pixels[order], digits.target[order]

X = torch.tensor(pixels, dtype=torch.float32) / 255
y = torch.tensor(labels)
X_train, X_test = X[:1400], X[1400:]
y_train, y_test = y[:1400], y[1400:]

train_loader = DataLoader(TensorDataset(X_train, y_train), batch_size=32, shuffle=True)
test_loader = DataLoader(TensorDataset(X_test, y_test), batch_size=128)

model = nn.Sequential(
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
scram = scram_plugin.watch(model, optimizer, log_dir="logs")

for epoch in range(15):
    model.train()
    for inputs, targets in train_loader:
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()

    model.eval()
    correct, val_loss = 0, 0.0
    with torch.no_grad():
        for inputs, targets in test_loader:
            outputs = model(inputs)
            val_loss += criterion(outputs, targets).item() * len(targets)
            correct += (outputs.argmax(1) == targets).sum().item()
    val_loss /= len(y_test)
    accuracy = correct / len(y_test)
    scram.log(val_loss=val_loss, val_accuracy=accuracy)
    print(f"epoch {epoch + 1}: loss {val_loss:.4f}, accuracy: {accuracy:.4f}")

scram.close()
