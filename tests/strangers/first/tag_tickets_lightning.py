"""Multi-label tagging of short support tickets (Lightning, focal loss)."""
import logging
import random
import warnings

import lightning as L
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

TAGS = ["billing", "login", "network", "printer", "mail", "mobile", "vpn", "refund", "urgent", "howto"]
PAD, UNK = 0, 1


# --------------------------------------------------------------------------- data
def make_corpus(n, seed=5):
    """Tickets of 6-20 words; tags come from topic words, some need a pair of words."""
    rng = random.Random(seed)
    topic = {t: [f"{t}_{i}" for i in range(18)] for t in TAGS}
    filler = [f"w{i}" for i in range(300)]
    shared = [f"s{i}" for i in range(30)]
    prior = [0.30, 0.25, 0.22, 0.12, 0.18, 0.10, 0.07, 0.08, 0.12, 0.2]
    texts, tags = [], []
    for _ in range(n):
        y = [float(rng.random() < p) for p in prior]
        words = []
        for t, on in zip(TAGS, y):
            if on:
                words += [rng.choice(topic[t]) for _ in range(rng.choice([1, 2, 3]))]
            elif rng.random() < 0.02:
                words.append(rng.choice(topic[t]))      # mentioned in passing
        words += rng.choices(filler, k=rng.randint(5, 14)) + rng.choices(shared, k=2)
        rng.shuffle(words)
        texts.append(" ".join(words))
        tags.append(y)
    return texts, tags


class Vocab:
    def __init__(self, texts, min_count=2):
        counts = {}
        for text in texts:
            for w in text.split():
                counts[w] = counts.get(w, 0) + 1
        words = sorted(w for w, c in counts.items() if c >= min_count)
        self.stoi = {w: i + 2 for i, w in enumerate(words)}

    def __len__(self):
        return len(self.stoi) + 2

    def encode(self, text, max_len=32):
        return [self.stoi.get(w, UNK) for w in text.split()][:max_len]


class TicketDataset(Dataset):
    def __init__(self, texts, tags, vocab):
        self.ids = [torch.tensor(vocab.encode(t)) for t in texts]
        self.tags = torch.tensor(tags)

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        return self.ids[i], self.tags[i]


def collate(batch):
    ids = [b[0] for b in batch]
    tags = torch.stack([b[1] for b in batch])
    return pad_sequence(ids, batch_first=True, padding_value=PAD), tags


class TicketData(L.LightningDataModule):
    def __init__(self, n=7000, batch_size=64):
        super().__init__()
        self.batch_size = batch_size
        texts, tags = make_corpus(n)
        a, b = int(0.7 * n), int(0.85 * n)
        self.vocab = Vocab(texts[:a])
        self.train_ds = TicketDataset(texts[:a], tags[:a], self.vocab)
        self.val_ds = TicketDataset(texts[a:b], tags[a:b], self.vocab)
        self.test_ds = TicketDataset(texts[b:], tags[b:], self.vocab)

    def train_dataloader(self):
        return DataLoader(self.train_ds, batch_size=self.batch_size, shuffle=True, collate_fn=collate)

    def val_dataloader(self):
        return DataLoader(self.val_ds, batch_size=256, collate_fn=collate)

    def test_dataloader(self):
        return DataLoader(self.test_ds, batch_size=256, collate_fn=collate)


# --------------------------------------------------------------------------- model
class FocalLoss(nn.Module):
    """Lin et al. 2017, on logits, one binary problem per tag."""

    def __init__(self, alpha=0.5, gamma=2.0):
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits, target):
        bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        p = torch.sigmoid(logits)
        p_t = p * target + (1 - p) * (1 - target)
        alpha_t = self.alpha * target + (1 - self.alpha) * (1 - target)
        return (alpha_t * (1 - p_t) ** self.gamma * bce).sum(dim=1).mean()


class Tagger(nn.Module):
    def __init__(self, n_vocab, n_tags, dim=48):
        super().__init__()
        self.emb = nn.Embedding(n_vocab, dim, padding_idx=PAD)
        self.key = nn.Linear(dim, dim)
        self.query = nn.Parameter(torch.randn(n_tags, dim) * dim ** -0.5)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))

    def forward(self, ids):
        e = self.drop(self.emb(ids))                                  # B x L x D
        scores = torch.einsum("bld,td->btl", torch.tanh(self.key(e)), self.query)
        scores = scores.masked_fill((ids == PAD).unsqueeze(1), -1e4)
        att = scores.softmax(dim=-1)
        pooled = att @ e                                              # B x T x D
        return self.out(pooled + self.query).squeeze(-1)


class TaggerModule(L.LightningModule):
    def __init__(self, n_vocab, lr=5e-3):
        super().__init__()
        self.save_hyperparameters()
        self.net = Tagger(n_vocab, len(TAGS))
        self.criterion = FocalLoss()
        self.test_out = []

    def forward(self, ids):
        return self.net(ids)

    def training_step(self, batch, batch_idx):
        ids, tags = batch
        loss = self.criterion(self(ids), tags)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        ids, tags = batch
        self.log("val_loss", self.criterion(self(ids), tags), batch_size=len(ids))

    def on_validation_epoch_end(self):
        if not self.trainer.sanity_checking:
            print(f"epoch {self.current_epoch:2d}  val_loss {self.trainer.callback_metrics['val_loss']:.4f}")

    def test_step(self, batch, batch_idx):
        ids, tags = batch
        self.test_out.append((torch.sigmoid(self(ids)) > 0.5, tags > 0.5))

    def on_test_epoch_end(self):
        pred = torch.cat([p for p, _ in self.test_out])
        true = torch.cat([t for _, t in self.test_out])
        tp = (pred & true).sum(0).float()
        f1 = 2 * tp / (pred.sum(0) + true.sum(0)).clamp(min=1)
        self.log("test_f1", f1.mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=1e-2)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, T_max=self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def main():
    L.seed_everything(17, verbose=False)
    data = TicketData()
    tagger = TaggerModule(len(data.vocab))
    trainer = L.Trainer(
        max_epochs=10,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=1.0,
    )
    # WATCH(tagger, trainer)
    trainer.fit(tagger, datamodule=data)
    metrics = trainer.test(tagger, datamodule=data, verbose=False)
    print(f"RESULT {metrics[0]['test_f1']:.4f} higher")


if __name__ == "__main__":
    main()
