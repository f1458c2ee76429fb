"""
Blog: what is your wrist doing?

A wrist band records acceleration and rotation (six channels). We cut the recording into windows of 64 samples and let two convolutions
and an LSTM tell walking, running, brushing teeth, typing, stirring and sitting apart.
"""
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(8)
rng = np.random.default_rng(8)

ACTIVITIES = {            # frequency, strength on the six channels, share of the second harmonic
    "walk":   (1.8, [1.0, 0.6, 0.5, 0.4, 0.3, 0.2], 0.5),
    "run":    (2.5, [1.0, 0.7, 0.5, 0.4, 0.3, 0.2], 0.6),
    "brush":  (3.4, [0.5, 0.9, 0.2, 0.3, 0.8, 0.3], 0.1),
    "type":   (4.0, [0.3, 0.3, 0.2, 0.5, 0.4, 0.4], 0.8),
    "stir":   (1.3, [0.6, 0.8, 0.5, 0.6, 0.5, 0.3], 0.0),
    "sit":    (0.4, [0.2, 0.2, 0.2, 0.2, 0.2, 0.2], 0.0),
}
RATE, WINDOW = 20.0, 64


def record(name, people):
    """windows of one activity, from several people: (count, time, channels)"""
    freq, strength, second = ACTIVITIES[name]
    t = np.arange(WINDOW) / RATE
    windows = []
    for _ in range(people):
        own = rng.normal(1, 0.12)                      # this person's pace
        lags = rng.uniform(0, 2 * np.pi, 6)
        for _ in range(10):
            f = freq * own * rng.normal(1, 0.05)
            phase = rng.uniform(0, 2 * np.pi)
            arg = 2 * np.pi * f * t[:, None] + phase + lags
            wave = np.sin(arg) + second * np.sin(2 * arg + 1)
            gain = np.array(strength) * rng.uniform(0.6, 1.3)
            windows.append(gain * wave + rng.normal(0, 0.45, (WINDOW, 6)))
    return np.array(windows, dtype=np.float32)


def dataset(people):
    x = [record(a, people) for a in ACTIVITIES]
    y = [np.full(len(w), k) for k, w in enumerate(x)]
    return torch.from_numpy(np.concatenate(x)), torch.from_numpy(np.concatenate(y))


x_train, y_train = dataset(people=40)                  # the people of the test are others
x_test, y_test = dataset(people=15)
mean, std = x_train.mean((0, 1)), x_train.std((0, 1))
x_train, x_test = (x_train - mean) / std, (x_test - mean) / std

train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=40, shuffle=True)
test_loader = DataLoader(TensorDataset(x_test, y_test), batch_size=180)


class ConvLSTM(nn.Module):
    def __init__(self, channels=6, filters=24, hidden=32, classes=6):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(channels, filters, 5, stride=2, padding=2), nn.ReLU(),
                                  nn.Conv1d(filters, filters, 5, stride=2, padding=2), nn.ReLU())
        self.lstm = nn.LSTM(filters, hidden)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x):
        n = len(x)
        features = self.conv(x.transpose(1, 2))        # n, filters, time
        steps = features.permute(2, 0, 1)              # time, n, filters: what an LSTM expects
        out, _ = self.lstm(steps)
        return self.head(self.drop(out.mean(0)))


net = ConvLSTM()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=6, gamma=0.3)

history = {"train": [], "test": [], "acc": []}
# WATCH(net, optimizer)
for epoch in range(10):
    net.train()
    losses = []
    for xb, yb in train_loader:
        loss = criterion(net(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()

    net.eval()
    with torch.no_grad():
        outputs = torch.cat([net(xb) for xb, _ in test_loader])
    history["train"].append(float(sum(losses)) / len(losses))
    history["test"].append(criterion(outputs, y_test).item())
    history["acc"].append((outputs.argmax(1) == y_test).float().mean().item())
    print(f"Epoch {epoch + 1:2d}: " + ", ".join(f"{k} {v[-1]:.4f}" for k, v in history.items()))

print(f"RESULT {history['acc'][-1]:.4f} higher")
