import math
import warnings

import lightning as L
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
L.seed_everything(1234)

N_DIGITS = 7
VOCAB = 13          # 0..11 and the separator
SEP = 12
BLOCK = 2 * N_DIGITS


class CausalSelfAttention(nn.Module):
    def __init__(self, d_model, n_head):
        super().__init__()
        self.n_head = n_head
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.proj = nn.Linear(d_model, d_model)
        mask = torch.tril(torch.ones(BLOCK + 1, BLOCK + 1))
        self.register_buffer("mask", mask.view(1, 1, BLOCK + 1, BLOCK + 1))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.qkv(x).split(C, dim=2)
        k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))
        att = att.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
        att = F.softmax(att, dim=-1)
        y = att @ v
        y = y.transpose(1, 2).contiguous().view(B, T, C)
        return self.proj(y)


class Block(nn.Module):
    def __init__(self, d_model, n_head):
        super().__init__()
        self.ln1 = nn.LayerNorm(d_model)
        self.attn = CausalSelfAttention(d_model, n_head)
        self.ln2 = nn.LayerNorm(d_model)
        self.mlp = nn.Sequential(
            nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Linear(4 * d_model, d_model)
        )

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        x = x + self.mlp(self.ln2(x))
        return x


class LitSorter(L.LightningModule):
    """GPT that continues `4 1 9 0 SEP` with `0 1 4 9`"""

    def __init__(self, d_model=48, n_head=4, n_layer=2, lr=3e-3, warmup=100, max_steps=600):
        super().__init__()
        self.save_hyperparameters()
        self.tok = nn.Embedding(VOCAB, d_model)
        self.pos = nn.Embedding(BLOCK + 1, d_model)
        self.blocks = nn.ModuleList([Block(d_model, n_head) for _ in range(n_layer)])
        self.ln_f = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, VOCAB, bias=False)

    def forward(self, idx):
        T = idx.size(1)
        x = self.tok(idx) + self.pos(torch.arange(T, device=idx.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))

    def training_step(self, batch, batch_idx):
        (seq,) = batch
        x, y = seq[:, :-1], seq[:, 1:].clone()
        y[:, :N_DIGITS] = -100          # only the sorted part is predicted
        logits = self(x)
        loss = F.cross_entropy(logits.reshape(-1, VOCAB), y.reshape(-1), ignore_index=-100)
        self.log("train_loss", loss)
        return loss

    def on_train_epoch_end(self):
        loss = self.trainer.callback_metrics.get("train_loss")
        print(f"epoch {self.current_epoch}: train_loss={loss:.4f}")

    @torch.no_grad()
    def generate(self, prompt):
        self.eval()
        idx = prompt
        for _ in range(N_DIGITS):
            logits = self(idx)[:, -1]
            idx = torch.cat([idx, logits.argmax(-1, keepdim=True)], dim=1)
        return idx[:, -N_DIGITS:]

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=0.01)

        def lr_lambda(step):
            if step < self.hparams.warmup:
                return (step + 1) / self.hparams.warmup
            t = (step - self.hparams.warmup) / max(1, self.hparams.max_steps - self.hparams.warmup)
            return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, t)))

        sched = torch.optim.lr_scheduler.LambdaLR(opt, lr_lambda)
        return {"optimizer": opt, "lr_scheduler": {"scheduler": sched, "interval": "step"}}


def make_sequences(n, generator):
    a = torch.randint(0, SEP, (n, N_DIGITS), generator=generator)
    s = a.sort(dim=1).values
    sep = torch.full((n, 1), SEP)
    return torch.cat([a, sep, s], dim=1)


gen = torch.Generator().manual_seed(0)
train_seqs = make_sequences(12800, gen)
test_seqs = make_sequences(500, gen)
train_loader = DataLoader(TensorDataset(train_seqs), batch_size=128, shuffle=True, drop_last=True)

model = LitSorter(max_steps=6 * len(train_loader))
trainer = L.Trainer(
    max_epochs=6,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
# WATCH(model, trainer)
trainer.fit(model, train_loader)

out = model.generate(test_seqs[:, : N_DIGITS + 1])
truth = test_seqs[:, N_DIGITS + 1 :]
print("example:", test_seqs[0, :N_DIGITS].tolist(), "->", out[0].tolist())
exact = (out == truth).all(dim=1).float().mean().item()
print(f"RESULT {exact:.4f} higher")
