"""Vibration of a pump, three accelerometer axes: which of five conditions is it in?

Recordings of 60 samples, LSTM over time, the hidden states averaged.  Some readings
are lost on the way (NaN in the raw data) and are filled with the last one.
"""
import copy
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

CONDITIONS = ["normal", "imbalance", "bearing", "cavitation", "loose mount"]


@dataclass
class Settings:
    n_train: int = 2400
    n_val: int = 400
    n_test: int = 400
    length: int = 60
    hidden: int = 48
    batch_size: int = 64
    lr: float = 2e-3
    max_norm: float = 1.0
    max_epochs: int = 20
    seed: int = 7


@dataclass
class History:
    batch_loss: list = field(default_factory=list)
    val_loss: list = field(default_factory=list)
    val_acc: list = field(default_factory=list)


def simulate(n, length, rng):
    """-> recordings (n, 3, length) with gaps, labels (n,)"""
    t = np.arange(length)
    labels = rng.integers(0, len(CONDITIONS), n)
    rec = np.zeros((n, 3, length))
    for k, c in enumerate(labels):
        speed = rng.uniform(0.35, 0.55)
        phase = rng.uniform(0, 2 * np.pi)
        amp = rng.uniform(0.7, 1.3)
        x = np.stack([np.sin(speed * t + phase), np.sin(speed * t + phase + 1.6), 0.3 * np.sin(2 * speed * t + phase)])
        if c == 1:        # one axis sways more, slowly modulated
            x[0] *= 1.5 + 0.7 * np.sin(0.1 * t + phase)
        elif c == 2:      # short knocks at regular intervals
            knock = (t % rng.integers(9, 14)) == 0
            x[2] += knock * rng.uniform(0.9, 1.4)
        elif c == 3:      # broadband noise in bursts
            start = rng.integers(5, length - 25)
            x[:, start:start + 20] += rng.normal(0, 0.7, (3, 20))
        elif c == 4:      # two axes drift against one another
            drift = np.cumsum(rng.normal(0, 0.16, length))
            x[1] += drift
            x[2] -= drift
        x = amp * x + rng.normal(0, 0.2, x.shape)
        x[rng.random(x.shape) < 0.01] = np.nan
        rec[k] = x
    return rec, labels


def fill_gaps(rec):
    rec = rec.copy()
    rec[:, :, 0] = np.nan_to_num(rec[:, :, 0])
    for i in range(1, rec.shape[2]):
        hole = np.isnan(rec[:, :, i])
        rec[:, :, i][hole] = rec[:, :, i - 1][hole]
    return rec


class PumpLSTM(nn.Module):
    def __init__(self, n_axes, hidden, n_classes):
        super().__init__()
        self.lstm = nn.LSTM(n_axes, hidden, num_layers=1)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(hidden, n_classes)
        nn.init.constant_(self.lstm.bias_ih_l0[hidden:2 * hidden], 1.0)    # forget gate open
        nn.init.constant_(self.lstm.bias_hh_l0[hidden:2 * hidden], 0.0)

    def forward(self, x):
        n, axes, length = x.shape
        seq = x.permute(2, 0, 1)                 # time first, as nn.LSTM likes it
        out, _ = self.lstm(seq)
        return self.fc(self.drop(out.mean(0)))


def prepare(cfg):
    rng = np.random.default_rng(cfg.seed)
    sets = []
    for n in (cfg.n_train, cfg.n_val, cfg.n_test):
        rec, lab = simulate(n, cfg.length, rng)
        rec = fill_gaps(rec)
        sets.append((rec, lab))
    mean = sets[0][0].mean((0, 2), keepdims=True)
    std = sets[0][0].std((0, 2), keepdims=True)
    return [(torch.tensor((r - mean) / std, dtype=torch.float32), torch.tensor(l)) for r, l in sets]


def run_epoch(net, optimizer, x, y, cfg, history):
    net.train()
    order = torch.randperm(len(x))
    for idx in order.split(cfg.batch_size):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[idx]), y[idx])
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), cfg.max_norm)
        optimizer.step()
        history.batch_loss.append(loss.item())


def check(net, x, y):
    net.eval()
    with torch.no_grad():
        out = net(x)
    return F.cross_entropy(out, y).item(), (out.argmax(1) == y).float().mean().item(), out.argmax(1)


def main():
    cfg = Settings()
    torch.manual_seed(cfg.seed)
    (xtr, ytr), (xva, yva), (xte, yte) = prepare(cfg)
    net = PumpLSTM(3, cfg.hidden, len(CONDITIONS))
    optimizer = torch.optim.Adam(net.parameters(), lr=cfg.lr)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.4, patience=1)
    history, best = History(), (float("inf"), copy.deepcopy(net.state_dict()))

    # WATCH(net, optimizer)
    for epoch in range(cfg.max_epochs):
        before = len(history.batch_loss)
        run_epoch(net, optimizer, xtr, ytr, cfg, history)
        loss, acc, _ = check(net, xva, yva)
        plateau.step(loss)
        history.val_loss.append(loss)
        history.val_acc.append(acc)
        if loss < best[0]:
            best = (loss, copy.deepcopy(net.state_dict()))
        recent = history.batch_loss[before:]
        print(f"epoch {epoch:2d}: train {sum(recent) / len(recent):.3f}, val {loss:.3f}, "
              f"val accuracy {acc:.3f}, lr {optimizer.param_groups[0]['lr']:.1e}")

    net.load_state_dict(best[1])
    loss, acc, pred = check(net, xte, yte)
    for c, name in enumerate(CONDITIONS):
        of_class = yte == c
        print(f"  {name:12s} recall {(pred[of_class] == c).float().mean():.3f}  ({int(of_class.sum())} recordings)")
    print(f"test loss {loss:.4f}, test accuracy {acc:.4f}")
    print(f"RESULT {acc:.4f} higher")


if __name__ == "__main__":
    main()
