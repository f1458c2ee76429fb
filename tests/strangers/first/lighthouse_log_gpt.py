"""A small character transformer that writes a lighthouse keeper's log."""
import math
import random

import torch
from torch import nn
from torch.nn import functional as F


class Logbook:
    """Makes up the text, and cuts it into pieces."""

    winds = {"north": "cold", "south": "mild", "east": "dry", "west": "wet"}
    ships = ["brig ann", "cutter may", "ketch rose", "barque ivy", "yawl tern"]
    lamps = ["lamp lit", "lamp trimmed", "wick changed", "glass wiped"]

    def __init__(self, lines, seed):
        r = random.Random(seed)
        out = []
        for _ in range(lines):
            wind = r.choice(list(self.winds))
            force = r.randint(1, 8)
            sea = "calm" if force < 3 else "choppy" if force < 6 else "heavy"
            s = f"wind {wind} {force}, {self.winds[wind]}, sea {sea}. "
            if sea != "heavy":
                s += f"{r.choice(self.ships)} passed {wind}. "
            s += r.choice(self.lamps) + ".\n"
            out.append(s)
        self.text = "".join(out)

    def encode(self, stoi):
        return torch.tensor([stoi[c] for c in self.text])


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, 3 * d), nn.GELU(), nn.Linear(3 * d, d))

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (z.view(b, t, self.heads, d // self.heads).transpose(1, 2)
                   for z in self.qkv(self.ln1(x)).split(d, dim=2))
        att = q @ k.transpose(-2, -1) / math.sqrt(d // self.heads)
        mask = torch.ones(t, t, dtype=torch.bool).tril()
        att = att.masked_fill(~mask, float("-inf")).softmax(-1)
        x = x + self.proj((att @ v).transpose(1, 2).reshape(b, t, d))
        return x + self.mlp(self.ln2(x))


class KeeperGPT(nn.Module):
    def __init__(self, vocab, block=40, d=48, heads=4, layers=2):
        super().__init__()
        self.block = block
        self.tok, self.pos = nn.Embedding(vocab, d), nn.Embedding(block, d)
        self.blocks = nn.Sequential(*[Block(d, heads) for _ in range(layers)])
        self.ln = nn.LayerNorm(d)
        self.head = nn.Linear(d, vocab)

    def forward(self, idx):
        x = self.tok(idx) + self.pos(torch.arange(idx.shape[1]))
        return self.head(self.ln(self.blocks(x)))


class Writer:
    def __init__(self, book, steps=480, batch=24, lr=4e-3):
        self.chars = sorted(set(book.text))
        self.stoi = {c: i for i, c in enumerate(self.chars)}
        self.data = book.encode(self.stoi)
        self.steps, self.batch = steps, batch
        self.model = KeeperGPT(len(self.chars))
        decay = [p for n, p in self.model.named_parameters() if p.dim() >= 2]
        rest = [p for n, p in self.model.named_parameters() if p.dim() < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}], lr=lr)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=steps)

    def sample_batch(self):
        n = self.model.block
        starts = torch.randint(len(self.data) - n - 1, (self.batch,))
        x = torch.stack([self.data[s:s + n] for s in starts])
        y = torch.stack([self.data[s + 1:s + n + 1] for s in starts])
        return x, y

    def fit(self):
        model, optimizer = self.model, self.optimizer
        # WATCH(model, optimizer)
        for step in range(1, self.steps + 1):
            x, y = self.sample_batch()
            logits = model(x)
            loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            self.schedule.step()
            if step % 60 == 0:
                print(f"step {step}: {loss.item():.3f}")
        return self

    @torch.no_grad()
    def surprise(self, book):
        """Nats per character, each predicted from the full window before it."""
        self.model.eval()
        data, n = book.encode(self.stoi), self.model.block
        windows = data.unfold(0, n + 1, 3)[:1500]
        logits = self.model(windows[:, :n])[:, -1]
        return F.cross_entropy(logits, windows[:, n]).item()

    @torch.no_grad()
    def write(self, prompt, length=120):
        out = [self.stoi[c] for c in prompt]
        for _ in range(length):
            logits = self.model(torch.tensor([out[-self.model.block:]]))[0, -1]
            out.append(torch.multinomial(logits.softmax(-1), 1).item())
        return "".join(self.chars[i] for i in out)


if __name__ == "__main__":
    torch.manual_seed(1851)
    writer = Writer(Logbook(1500, seed=1)).fit()
    print(writer.write("wind north 3"))
    print(f"RESULT {writer.surprise(Logbook(200, seed=2)):.4f} lower")
