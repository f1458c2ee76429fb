"""Trainings with PyTorch whose loop, axes, targets or parts of the loss are wrong, and their healthy twins."""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

import scram_plugin
from tests.paths import ROOT, environment
from tests.recorded.digits import IMAGES, LABELS
from tests.recorded.programs import Programs

X, Y = torch.tensor(IMAGES).reshape(-1, 4, 2, 4, 2).mean(dim=(2, 4)), torch.tensor(LABELS).long()  # 4 x 4 pixels
TEXT = torch.randint(0, 24, (256, 1), generator=torch.Generator().manual_seed(0)) + 5 * torch.arange(18)
TEXT = (TEXT + torch.arange(18) // 6) % 24


def net(*last):
    torch.manual_seed(5)
    hidden = (nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1))
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(32, 10), *last)


def digits(classes=10):
    torch.manual_seed(5)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, classes))


class Loop:
    """A loop over the digits, with an evaluation after each epoch. A subclass does one thing differently."""

    epochs = 10

    def __init__(self):
        self.model = self.make()
        self.optimizer = self.optimize()

    def make(self):
        return net()

    def optimize(self):
        return torch.optim.Adam(self.model.parameters(), 6e-3)

    def loss(self, at):
        return F.cross_entropy(self.model(X[at]), Y[at])

    def step(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def evaluate(self):
        self.model.eval()
        with torch.no_grad():
            parts = [self.loss(at) for at in torch.arange(1440, len(X)).split(128)]
        self.model.train()
        return torch.stack(parts).mean()

    def run(self, path):
        shuffled = torch.Generator().manual_seed(1)
        with scram_plugin.watch(self.model, self.optimizer, log_dir=path, every=40, print_findings=False) as scram:
            for _ in range(self.epochs):
                for at in torch.randperm(1440, generator=shuffled).split(64):
                    self.step(self.loss(at))
                scram.log(val_loss=self.evaluate())


class LeftInEval(Loop):
    def evaluate(self):
        loss = super().evaluate()
        self.model.eval()
        return loss


class NeverEval(Loop):
    def evaluate(self):
        with torch.no_grad():
            return torch.stack([self.loss(at) for at in torch.arange(1440, len(X)).split(128)]).mean()


class ClippedAfter(Loop):
    def step(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)


class Clipped(Loop):
    def step(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)
        self.optimizer.step()


class NoStep(Loop):
    def step(self, loss):
        self.optimizer.zero_grad()
        loss.backward()


class Kept(Loop):
    def step(self, loss):
        super().step(loss)
        self.__dict__.setdefault("losses", []).append(loss)


class OverTheBatch(Loop):
    def make(self):
        return net(nn.Softmax(dim=0))


class Heads(nn.Module):
    """Attention over the rows of a digit: the heads are put together by a view, or by a transposition."""

    def __init__(self, transpose):
        super().__init__()
        torch.manual_seed(5)
        self.parts, self.last, self.transpose = nn.Linear(4, 48), nn.Linear(64, 10), transpose

    def forward(self, x):
        query, key, value = (t.transpose(1, 2) for t in self.parts(x).view(-1, 4, 2, 24).split(8, dim=3))
        seen = F.softmax(query @ key.transpose(2, 3) / 3, dim=-1) @ value  # examples, heads, rows, channels
        seen = seen.transpose(1, 2).reshape(-1, 4, 16) if self.transpose else seen.reshape(-1, 4, 16)
        return self.last(F.relu(seen).flatten(1))


class Viewed(Loop):
    def make(self):
        return Heads(transpose=False)


class Transposed(Loop):
    def make(self):
        return Heads(transpose=True)


class Detached(nn.Module):
    def __init__(self, cut):
        super().__init__()
        torch.manual_seed(5)
        self.encoder, self.head, self.cut = digits(classes=32), nn.Linear(32, 10), cut

    def forward(self, x):
        hidden = F.relu(self.encoder(x))
        return self.head(hidden.detach() if self.cut else hidden)


class CutOff(Loop):
    def make(self):
        return Detached(cut=True)


class Whole(Loop):
    def make(self):
        return Detached(cut=False)


class HeadAlone(Loop):
    def make(self):
        return digits()

    def optimize(self):
        return torch.optim.Adam(self.model[3].parameters(), 6e-3)


class All(Loop):
    def make(self):
        return digits()


class Variational(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.encoder, self.decoder = nn.Linear(16, 16), nn.Linear(8, 16)

    def forward(self, x):
        mean, spread = self.encoder(x.flatten(1)).chunk(2, dim=1)
        return self.decoder(mean + torch.randn_like(mean) * (spread / 2).exp()), mean, spread


class SumAndMean(Loop):
    def make(self):
        return Variational()

    def loss(self, at):
        x = X[at].flatten(1)
        decoded, mean, spread = self.model(x)
        return F.mse_loss(decoded, x) - 0.5 * torch.sum(1 + spread - mean.square() - spread.exp())


class Sums(SumAndMean):
    def loss(self, at):
        x = X[at].flatten(1)
        decoded, mean, spread = self.model(x)
        divergence = -0.5 * torch.sum(1 + spread - mean.square() - spread.exp())
        return (F.mse_loss(decoded, x, reduction="sum") + divergence) / len(x)


class Characters(nn.Module):
    def __init__(self, both=False):
        super().__init__()
        torch.manual_seed(5)
        self.table = nn.Embedding(24, 16)
        self.layer, self.last = nn.GRU(16, 32, batch_first=True, bidirectional=both), nn.Linear(64 if both else 32, 24)

    def forward(self, x):
        return self.last(self.layer(self.table(x))[0])


class NextToken(Loop):
    epochs, by, both = 9, 1, False

    def make(self):
        return Characters(self.both)

    def loss(self, at):
        x, y = TEXT[at % 256, :16], TEXT[at % 256, self.by : 16 + self.by]
        return F.cross_entropy(self.model(x).flatten(0, 1), y.flatten())


class BothWays(NextToken):
    both = True


class SameToken(NextToken):
    by = 0


class Swapped(All):
    def optimize(self):
        return torch.optim.Adam(self.model.parameters(), 6e-3, betas=(0.999, 0.9))


class Table(Loop):
    """How bright a digit is, from three of its pixels."""

    epochs = 1
    columns = X.flatten(1)[:, 5:8]
    wanted = X.flatten(1).sum(dim=1, keepdim=True)

    def make(self):
        torch.manual_seed(5)
        return nn.Sequential(nn.Linear(self.columns.shape[1], 8), nn.ReLU(), nn.Linear(8, 1))

    def loss(self, at):
        return F.mse_loss(self.model(self.columns[at]), (self.wanted[at] - 5) / 2)


class TargetInTable(Table):
    columns = torch.cat([Table.columns[:, :2], Table.wanted, Table.columns[:, 2:]], dim=1)


OWN_PROGRAM = """\
import sys
import torch
from sklearn.datasets import load_digits
import scram_plugin

x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x / 16, dtype=torch.float32)[:, 20:44:3], torch.tensor(y)
torch.manual_seed(0)
order = torch.randperm(len(x))
x, y = x[order], TARGETS
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
optimizer = torch.optim.Adam(model.parameters(), 1e-2)
with scram_plugin.watch(model, optimizer, log_dir=sys.argv[1], every=1000, print_findings=False):
    for epoch in range(1):
        for i in range(0, END, 120):
            xb, yb = x[i : i + 120], y[i : i + 120]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(xb), yb).backward()
            optimizer.step()
"""


def by_its_own_file(targets="y[order]", end="len(x)"):
    """A training whose program the log holds."""

    def run(path):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "train.py")
            program.write_text(OWN_PROGRAM.replace("TARGETS", targets).replace("END", end), encoding="utf-8")
            given = {**environment(), "PYTHONPATH": str(ROOT)}
            subprocess.run([sys.executable, program.name, str(path)], cwd=folder, env=given, check=True)

    return run


PROGRAMS = Programs()
PROGRAMS.pair("an order for the inputs alone", by_its_own_file("y[torch.randperm(len(y))]"), by_its_own_file())
PROGRAMS.pair("a range of batches", by_its_own_file(end="len(x) // 120"), by_its_own_file())
for name, fault, healthy in (
    ("left in evaluation mode", LeftInEval, Loop),
    ("evaluated in training mode", NeverEval, Loop),
    ("clipped after the step", ClippedAfter, Clipped),
    ("no step", NoStep, Loop),
    ("losses kept with their graphs", Kept, Loop),
    ("softmax over the batch", OverTheBatch, Loop),
    ("a view of heads", Viewed, Transposed),
    ("an encoder cut off", CutOff, Whole),
    ("a head alone", HeadAlone, All),
    ("a sum and a mean", SumAndMean, Sums),
    ("a language model that reads both ways", BothWays, NextToken),
    ("targets that are the inputs", SameToken, NextToken),
    ("betas swapped", Swapped, All),
    ("the target in the table", TargetInTable, Table),
):
    PROGRAMS.pair(name, lambda p, made=fault: made().run(p), lambda p, made=healthy: made().run(p))
