"""Knowledge distillation: CNN teacher -> small student, Fashion-MNIST."""
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def get_loaders(path=os.environ["SCRAM_DATA"] + "/fashion_mnist.npz", bs=128):
    raw = np.load(path)
    mean, std = 0.2860, 0.3530          # the usual Fashion-MNIST constants
    prep = lambda a: ((torch.from_numpy(a).float() / 255.0) - mean).div(std).unsqueeze(1)
    tr = TensorDataset(prep(raw["x_train"]), torch.from_numpy(raw["y_train"]).long())
    te = TensorDataset(prep(raw["x_test"]), torch.from_numpy(raw["y_test"]).long())
    return DataLoader(tr, bs, shuffle=True, drop_last=True), DataLoader(te, 500)


def teacher_net():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Dropout(0.25),
        nn.Linear(128, 10))


def student_net():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 7 * 7, 10))


def shift(x, pad=2):
    """Random translation of the whole batch, by up to `pad` pixels."""
    dy, dx = torch.randint(-pad, pad + 1, (2,)).tolist()
    return torch.roll(x, (dy, dx), (2, 3))


@torch.no_grad()
def accuracy(net, loader):
    net.eval()
    hits = sum((net(x).argmax(1) == y).sum().item() for x, y in loader)
    return hits / len(loader.dataset)


def train_teacher(net, loader, val, epochs=4):
    opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    sch = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, total_steps=epochs * len(loader))
    for ep in range(epochs):
        net.train()
        tot = 0
        for x, y in loader:
            loss = F.cross_entropy(net(shift(x, 1)), y)
            opt.zero_grad(); loss.backward(); opt.step(); sch.step()
            tot += loss.item()
        print(f"teacher epoch {ep}: loss {tot / len(loader):.4f}  test acc {accuracy(net, val):.4f}")


def distill(student, teacher, loader, val, T=4.0, alpha=0.7, epochs=6):
    teacher.eval()
    for p in teacher.parameters():
        p.requires_grad_(False)
    opt = torch.optim.Adam(student.parameters(), lr=4e-3)
    sch = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs * len(loader))
    for ep in range(epochs):
        student.train()
        tot = soft_tot = 0
        for x, y in loader:
            with torch.no_grad():
                t_logits = teacher(x)
            s_logits = student(x)
            soft = F.kl_div(F.log_softmax(s_logits / T, dim=1), F.softmax(t_logits / T, dim=1),
                            reduction="batchmean") * T * T
            hard = F.cross_entropy(s_logits, y)
            loss = alpha * soft + (1 - alpha) * hard
            opt.zero_grad(); loss.backward(); opt.step(); sch.step()
            tot += loss.item(); soft_tot += soft.item()
        print(f"student epoch {ep}: loss {tot / len(loader):.4f} (soft {soft_tot / len(loader):.4f})  "
              f"test acc {accuracy(student, val):.4f}")


if __name__ == "__main__":
    torch.manual_seed(10)
    train_loader, test_loader = get_loaders()
    teacher, student = teacher_net(), student_net()
    count = lambda m: sum(p.numel() for p in m.parameters())
    print(f"teacher {count(teacher)} params, student {count(student)} params")
    train_teacher(teacher, train_loader, test_loader)
    distill(student, teacher, train_loader, test_loader)
    print(f"teacher test acc {accuracy(teacher, test_loader):.4f}, student test acc {accuracy(student, test_loader):.4f}")
