"""Knowledge distillation: a conv teacher and a much smaller MLP student.

A little fastai-flavoured Learner does the work for both.
"""
import copy
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def get_dls(bs=64, seed=0):
    X, y = load_digits(return_X_y=True)
    xt, xv, yt, yv = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=y)
    mu, sd = xt.mean(), xt.std()
    f = lambda a: torch.tensor((a - mu) / sd, dtype=torch.float32).view(-1, 1, 8, 8)
    tr = TensorDataset(f(xt), torch.tensor(yt))
    va = TensorDataset(f(xv), torch.tensor(yv))
    return DataLoader(tr, bs, shuffle=True, drop_last=True), DataLoader(va, 256)


def conv_bn(i, o, s=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


def teacher_net():
    return nn.Sequential(conv_bn(1, 32), conv_bn(32, 32), conv_bn(32, 64, 2), nn.Dropout2d(0.1),
                         conv_bn(64, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def student_net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


class HardLoss:
    def __call__(self, xb, logits, yb):
        return F.cross_entropy(logits, yb)


class DistillLoss:
    def __init__(self, teacher, T=3.0, alpha=0.7):
        self.teacher = teacher.eval().requires_grad_(False)
        self.T, self.alpha = T, alpha

    def __call__(self, xb, logits, yb):
        with torch.no_grad():
            soft = F.softmax(self.teacher(xb) / self.T, dim=1)
        kd = F.kl_div(F.log_softmax(logits / self.T, dim=1), soft, reduction="batchmean") * self.T ** 2
        return self.alpha * kd + (1 - self.alpha) * F.cross_entropy(logits, yb)


class Learner:
    def __init__(self, dls, model, loss_func, name, wd=1e-3):
        self.train_dl, self.valid_dl = dls
        self.model, self.loss_func, self.name, self.wd = model, loss_func, name, wd
        self.best_acc, self.best = 0.0, None

    def prepare(self, epochs, lr_max):
        self.epochs = epochs
        self.opt = torch.optim.AdamW(self.model.parameters(), lr=lr_max, weight_decay=self.wd)
        self.sched = torch.optim.lr_scheduler.OneCycleLR(
            self.opt, lr_max, total_steps=epochs * len(self.train_dl))
        return self

    def one_batch(self, xb, yb):
        loss = self.loss_func(xb, self.model(xb), yb)
        loss.backward()
        self.opt.step()
        self.opt.zero_grad()
        self.sched.step()
        return loss.item()

    def validate(self):
        self.model.eval()
        loss = hit = n = 0
        with torch.no_grad():
            for xb, yb in self.valid_dl:
                out = self.model(xb)
                loss += F.cross_entropy(out, yb, reduction="sum").item()
                hit += (out.argmax(1) == yb).sum().item()
                n += len(yb)
        return loss / n, hit / n

    def fit(self):
        for e in range(self.epochs):
            self.model.train()
            tl = sum(self.one_batch(xb, yb) for xb, yb in self.train_dl) / len(self.train_dl)
            vl, acc = self.validate()
            if acc > self.best_acc:
                self.best_acc, self.best = acc, copy.deepcopy(self.model.state_dict())
            print(f"{self.name:8s} {e:3d}  train_loss {tl:.4f}  valid_ce {vl:.4f}  acc {acc:.4f}")
        self.model.load_state_dict(self.best)
        return self.best_acc


torch.manual_seed(0)
dls = get_dls()
teacher = teacher_net()
t_acc = Learner(dls, teacher, HardLoss(), "teacher").prepare(epochs=5, lr_max=1e-2).fit()

student = student_net()
learn = Learner(dls, student, DistillLoss(teacher), "student").prepare(epochs=20, lr_max=1e-2)
# WATCH(learn.model, learn.opt)
s_acc = learn.fit()

n = lambda m: sum(p.numel() for p in m.parameters())
print(f"teacher {n(teacher)} params, acc {t_acc:.4f}   student {n(student)} params, acc {s_acc:.4f}")
print(f"RESULT {s_acc:.4f} higher")
