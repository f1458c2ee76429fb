"""
Record linkage with a Siamese network: do two customer records name the same person?

A character CNN with attention pooling maps a name to a vector; a contrastive loss
pulls two spellings of one person together and pushes different persons at least `margin`
apart.  The names are put together from syllables and then misspelt.  The
people in the test pairs never occur in training.
"""
from __future__ import annotations

import argparse
import random
import string

import torch
from torch import Tensor, nn

PAD = 0
ALPHABET = {ch: i + 1 for i, ch in enumerate(string.ascii_lowercase + " -.")}
MAX_LEN = 24

FIRST = "ma no li el jo ka ri sa be to an mi da lu vi os".split()
MIDDLE = "ra ne lo ti na ve ki mo".split()
LAST = ["berg", "son", "ova", "ini", "ez", "ski", "mann", "ard", "well", "dottir"]


def make_person(rng: random.Random) -> str:
    first = rng.choice(FIRST) + rng.choice(MIDDLE) + rng.choice(["", "", "n", "s", "a"])
    last = rng.choice(FIRST) + rng.choice(["", rng.choice(MIDDLE)]) + rng.choice(LAST)
    return f"{first} {last}"


def misspell(name: str, rng: random.Random) -> str:
    """none to two slips of the pen, and now and then an initial only"""
    first, last = name.split(" ", 1)
    if rng.random() < 0.15:
        name = f"{first[0]}. {last}" if rng.random() < 0.5 else f"{last} {first}"
    for _ in range(rng.choice([0, 1, 1, 2])):
        i = rng.randrange(len(name) - 1)
        kind = rng.random()
        if kind < 0.35:
            name = name[:i] + name[i + 1:]
        elif kind < 0.6:
            name = name[:i] + name[i + 1] + name[i] + name[i + 2:]
        elif kind < 0.8:
            name = name[:i] + name[i] + name[i:]
        else:
            name = name[:i] + rng.choice(string.ascii_lowercase) + name[i + 1:]
    return name


def encode(names: list[str]) -> Tensor:
    out = torch.full((len(names), MAX_LEN), PAD)
    for row, name in enumerate(names):
        codes = [ALPHABET[ch] for ch in name[:MAX_LEN]]
        out[row, :len(codes)] = torch.tensor(codes)
    return out


class PairSource:
    """half of the pairs are of one person; half of the others are hard (same last name)"""

    def __init__(self, people: list[str], seed: int):
        self.people, self.rng = people, random.Random(seed)
        self.by_last: dict[str, list[str]] = {}
        for p in people:
            self.by_last.setdefault(p.split(" ")[1], []).append(p)

    def pair(self) -> tuple[str, str, float]:
        rng = self.rng
        a = rng.choice(self.people)
        if rng.random() < 0.5:
            return misspell(a, rng), misspell(a, rng), 1.0
        pool = self.by_last[a.split(" ")[1]] if rng.random() < 0.5 else self.people
        b = rng.choice(pool)
        while b == a:
            b = rng.choice(self.people)
        return misspell(a, rng), misspell(b, rng), 0.0

    def batch(self, n: int) -> tuple[Tensor, Tensor, Tensor]:
        left, right, same = zip(*(self.pair() for _ in range(n)))
        return encode(list(left)), encode(list(right)), torch.tensor(same)


class NameEncoder(nn.Module):
    def __init__(self, dim: int = 48, depth: int = 2, out: int = 32):
        super().__init__()
        self.embed = nn.Embedding(len(ALPHABET) + 1, dim, padding_idx=PAD)
        self.position = nn.Parameter(torch.zeros(MAX_LEN, dim))
        self.convs = nn.ModuleList(nn.Conv1d(dim, dim, 3, padding=1) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(depth))
        self.score = nn.Linear(dim, 4)
        self.proj = nn.Linear(4 * dim, out)
        nn.init.normal_(self.position, std=0.1)

    def forward(self, ids: Tensor) -> Tensor:
        pad = ids == PAD
        h = self.embed(ids) + self.position
        for conv, norm in zip(self.convs, self.norms):
            h = norm(h + torch.relu(conv(h.transpose(1, 2)).transpose(1, 2)))
        w = self.score(h).masked_fill(pad[:, :, None], -1e4)
        w = torch.softmax(w, dim=1)                         # over the characters
        pooled = torch.einsum("ntk,ntd->nkd", w, h)
        return self.proj(pooled.flatten(1))


class Siamese(nn.Module):
    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """the distance of each pair"""
        diff = self.encoder(a) - self.encoder(b)
        return torch.sqrt(diff.pow(2).sum(1) + 1e-6)


def contrastive(dist: Tensor, same: Tensor, margin: float) -> Tensor:
    attract = same * dist.pow(2)
    repel = (1 - same) * torch.relu(margin - dist).pow(2)
    return (attract + repel).mean()


@torch.no_grad()
def evaluate(net: Siamese, data: tuple[Tensor, Tensor, Tensor], margin: float) -> tuple[float, float]:
    net.eval()
    a, b, same = data
    dist = net(a, b)
    loss = contrastive(dist, same, margin).item()
    said_same = dist < margin / 2
    return loss, (said_same == (same > 0.5)).float().mean().item()


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    ap.add_argument("--steps", type=int, default=500)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--margin", type=float, default=1.0)
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()

    torch.manual_seed(a.seed)
    rng = random.Random(a.seed)
    people = sorted({make_person(rng) for _ in range(3000)})
    rng.shuffle(people)
    cut = len(people) // 5
    test = PairSource(people[:cut], a.seed + 1).batch(1000)
    source = PairSource(people[cut:], a.seed + 2)
    print(f"{len(people)} people, {len(people) - cut} for training, e.g.:")
    for _ in range(3):
        print("   ", source.pair())

    net = Siamese(NameEncoder())
    optim = torch.optim.NAdam(net.parameters(), lr=a.lr)
    sched = torch.optim.lr_scheduler.LinearLR(optim, 1.0, 0.02, total_iters=a.steps)
    seen = 0.0
    # WATCH(net, optim)
    for step in range(1, a.steps + 1):
        net.train()
        left, right, same = source.batch(a.batch)
        loss = contrastive(net(left, right), same, a.margin)
        optim.zero_grad()
        loss.backward()
        optim.step()
        sched.step()
        seen += loss.item()
        if step % 100 == 0:
            test_loss, acc = evaluate(net, test, a.margin)
            print(f"step {step:4d}  train loss {seen / 100:.4f}  test loss {test_loss:.4f}  test accuracy {acc:.4f}")
            seen = 0.0
    print(f"RESULT {acc:.4f} higher")


if __name__ == "__main__":
    main()
