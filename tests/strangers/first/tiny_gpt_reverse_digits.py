# tiny GPT that has to write the digits backwards:  "3140225=5220413"
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1337)
N = 7                      # digits
V = 11                     # 0-9 and '='
T = 2 * N + 1


def batch(bs):
    d = torch.randint(0, 10, (bs, N))
    return torch.cat([d, torch.full((bs, 1), 10), d.flip(1)], 1)


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x, mask):
        h = self.ln1(x)
        x = x + self.attn(h, h, h, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.ln2(x))


class TinyGPT(nn.Module):
    def __init__(self, dim=48, heads=4, depth=2):
        super().__init__()
        self.tok = nn.Embedding(V, dim)
        self.pos = nn.Embedding(T, dim)
        self.blocks = nn.ModuleList([Block(dim, heads) for _ in range(depth)])
        self.ln = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, V)

    def forward(self, idx):
        t = idx.shape[1]
        x = self.tok(idx) + self.pos(torch.arange(t))
        mask = torch.triu(torch.ones(t, t), diagonal=1).bool()
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.ln(x))


@torch.no_grad()
def exact_match(model, n=300):
    model.eval()
    full = batch(n)
    seq = full[:, :N + 1]
    for _ in range(N):
        nxt = model(seq)[:, -1].argmax(-1, keepdim=True)
        seq = torch.cat([seq, nxt], 1)
    model.train()
    return (seq == full).all(1).float().mean().item()


gpt = TinyGPT()
print(sum(p.numel() for p in gpt.parameters()), 'params')
opt = torch.optim.AdamW(gpt.parameters(), lr=1e-3, weight_decay=0.01)
total_loss = 0

# WATCH(gpt, opt)
for step in range(1, 301):
    seq = batch(64)
    inp, tgt = seq[:, :-1], seq[:, 1:]
    logits = gpt(inp)
    # only the answer part counts, the question is random anyway
    loss = F.cross_entropy(logits[:, N:].reshape(-1, V), tgt[:, N:].reshape(-1))
    opt.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(gpt.parameters(), 1.0)
    opt.step()
    total_loss += loss.item()
    if step % 50 == 0:
        print(f'step {step:4d} loss {total_loss / 50:.4f} exact match {exact_match(gpt):.3f}')
        total_loss = 0

q = batch(1)[:, :N + 1]
print('question', q.tolist())
print('RESULT', round(exact_match(gpt, 1000), 4), 'higher')
