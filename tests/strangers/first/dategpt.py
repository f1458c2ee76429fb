# dategpt: tiny decoder-only transformer that rewrites dates, "3rd of may 1987" -> "1987-05-03"
import random, torch, torch.nn as nn, torch.nn.functional as F

torch.manual_seed(0); random.seed(0); torch.set_num_threads(1)
MONTHS = "january february march april may june july august september october november december".split()
PAD, SEP, EOS = "_", ">", "$"
chars = PAD + SEP + EOS + " -.,/0123456789abcdefghijklmnopqrstuvwxyz"
stoi = {c: i for i, c in enumerate(chars)}
enc = lambda s: [stoi[c] for c in s]
dec = lambda t: "".join(chars[i] for i in t)
D, HEADS, LAYERS, LEN = 64, 4, 2, 37
BS, ACC, STEPS, LR = 64, 2, 240, 3e-3


def sample():
    d, m, y = random.randint(1, 28), random.randint(1, 12), random.randint(1900, 2049)
    name = MONTHS[m - 1] if random.random() < .5 else MONTHS[m - 1][:3]
    suf = "th" if 10 < d < 20 else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th")
    src = random.choice([f"{d} {name} {y}", f"{name} {d}, {y}", f"{d}{suf} of {name} {y}",
                         f"{d}.{m}.{y}", f"{m}/{d}/{y}", f"{name} {d}{suf}, {y}"])
    return src, f"{y}-{m:02d}-{d:02d}"


def encode(src, tgt):
    src = src.rjust(LEN - 12, PAD)  # so that the answer is always in the same place
    return enc(src + SEP + tgt + EOS)


data = list({sample() for _ in range(14000)})
data.sort(); random.shuffle(data)
held, train = data[:300], data[300:]
T = torch.tensor([encode(*p) for p in train])
print(len(train), "training pairs, e.g.", train[0], tuple(T.shape))


class Attn(nn.Module):
    def __init__(s):
        super().__init__()
        s.qkv, s.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
        s.register_buffer("mask", torch.tril(torch.ones(LEN, LEN)).bool())

    def forward(s, x):
        B, N, _ = x.shape
        q, k, v = (z.view(B, N, HEADS, D // HEADS).transpose(1, 2) for z in s.qkv(x).chunk(3, -1))
        w = q @ k.transpose(-2, -1) / (D // HEADS) ** .5
        w = w.masked_fill(~s.mask[:N, :N], float("-inf"))
        w = F.softmax(w, dim=-1)
        return s.out((w @ v).transpose(1, 2).reshape(B, N, D))


class Block(nn.Module):
    def __init__(s):
        super().__init__()
        s.n1, s.n2, s.attn = nn.LayerNorm(D), nn.LayerNorm(D), Attn()
        s.ff = nn.Sequential(nn.Linear(D, 3 * D), nn.GELU(), nn.Linear(3 * D, D))

    def forward(s, x):
        x = x + s.attn(s.n1(x))
        return x + s.ff(s.n2(x))


class DateGPT(nn.Module):
    def __init__(s):
        super().__init__()
        s.tok, s.pos = nn.Embedding(len(chars), D), nn.Embedding(LEN, D)
        s.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        s.norm, s.head = nn.LayerNorm(D), nn.Linear(D, len(chars))
        for e in (s.tok, s.pos): nn.init.normal_(e.weight, std=.3)

    def forward(s, t):
        x = s.tok(t) + s.pos(torch.arange(t.shape[1]))
        return s.head(s.norm(s.blocks(x)))


def get_loss(gpt, t):
    x, y = t[:, :-1], t[:, 1:].clone()
    y[:, :LEN - 12] = -100  # only the answer counts
    logits = gpt(x)
    return F.cross_entropy(logits.reshape(-1, len(chars)), y.reshape(-1), ignore_index=-100)


@torch.no_grad()
def translate(gpt, sources):
    gpt.eval()
    t = torch.tensor([enc(s.rjust(LEN - 12, PAD) + SEP) for s in sources])
    for _ in range(11):
        t = torch.cat([t, gpt(t)[:, -1].argmax(-1, keepdim=True)], 1)
    gpt.train()
    return [dec(r[LEN - 11:].tolist()).split(EOS)[0] for r in t]


def exact(gpt, pairs):
    outs = translate(gpt, [s for s, _ in pairs])
    return sum(o == t for o, (_, t) in zip(outs, pairs)) / len(pairs)


gpt = DateGPT()
opt = torch.optim.AdamW(gpt.parameters(), lr=LR, betas=(.9, .98), weight_decay=.01)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, LR, total_steps=STEPS, pct_start=.1)
print(sum(p.numel() for p in gpt.parameters()), "parameters")

# WATCH(gpt, opt)
for step in range(STEPS):
    opt.zero_grad()
    for _ in range(ACC):
        batch = T[torch.randint(len(T), (BS,))]
        loss = get_loss(gpt, batch) / ACC
        loss.backward()
    nn.utils.clip_grad_norm_(gpt.parameters(), 1.)
    opt.step(); sched.step()
    if step % 40 == 39:
        print(step + 1, f"loss {loss.item() * ACC:.3f} exact {exact(gpt, held[:60]):.2f}")

for (s, t), o in zip(held[:5], translate(gpt, [s for s, _ in held[:5]])): print(f"{s:>26} -> {o} ({t})")
print(f"RESULT {exact(gpt, held):.3f} higher")
