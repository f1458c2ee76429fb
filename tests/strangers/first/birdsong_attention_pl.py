# Which warbler sings? Each recording is 48 frames x 16 mel bands, mostly forest noise, with one short song somewhere in it.
# pytorch_lightning, research-group style script with argparse.
import argparse
import logging
import warnings

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, Subset

warnings.filterwarnings("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

SPECIES = ["reed", "willow", "garden", "wood", "icterine"]
FRAMES, BANDS = 48, 16


def sing(species, rng):
    """A song: ten frames of a pitch contour that is typical of the species."""
    s = np.arange(10)
    start = rng.uniform(4.5, 6.5)
    pitch = {
        "reed": start + 3 * (s % 2),
        "willow": start + 5 - 0.8 * s,
        "garden": start + 0.8 * s,
        "wood": start + 2.5 + 0 * s,
        "icterine": start + 2.5 + 3 * np.sin(2 * np.pi * s / 10),
    }[species]
    return np.exp(-0.5 * ((np.arange(BANDS)[None] - pitch[:, None]) / 0.8) ** 2)


def record_archive(n, seed):
    """The archive as it lies on the disk: {file name: spectrogram}, and the annotators' sheet, one line per recording number."""
    rng = np.random.default_rng(seed)
    archive, sheet = {}, []
    for number in range(n):
        species = SPECIES[rng.integers(len(SPECIES))]
        spec = 0.9 * rng.standard_normal((FRAMES, BANDS))
        at = rng.integers(0, FRAMES - 10)
        spec[at:at + 10] += rng.uniform(1.6, 2.6) * sing(species, rng)
        archive[f"rec_{number}.npy"] = (20 * spec - 60).astype(np.float32)       # decibels
        sheet.append(SPECIES.index(species))
    return archive, sheet


class Recordings(Dataset):
    def __init__(self, n, seed):
        archive, sheet = record_archive(n, seed)
        files = sorted(archive, key=lambda f: int(f[4:-4]))
        self.specs = torch.from_numpy(np.stack([archive[f] for f in files]))
        self.species = torch.tensor(sheet)

    def __len__(self):
        return len(self.species)

    def __getitem__(self, i):
        return (self.specs[i] + 60.0) / 20.0, self.species[i]


class AttentionPool(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, 24), nn.Tanh(), nn.Linear(24, 1))

    def forward(self, h):                       # h: batch x frames x width
        alpha = torch.softmax(self.score(h), dim=1)
        return (alpha * h).sum(1)


class Warblers(pl.LightningModule):
    def __init__(self, args):
        super().__init__()
        self.args = args
        w = args.width
        self.frontend = nn.Sequential(
            nn.Conv1d(BANDS, w, 5, padding=2), nn.ReLU(),
            nn.Conv1d(w, w, 5, padding=2), nn.ReLU(), nn.Dropout(0.1))
        self.pool = AttentionPool(w)
        self.out = nn.Linear(w, len(SPECIES))

    def forward(self, spec):
        h = self.frontend(spec.transpose(1, 2)).transpose(1, 2)
        return self.out(self.pool(h))

    def training_step(self, batch, _):
        spec, species = batch
        loss = F.cross_entropy(self(spec), species)
        self.log("loss", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch, _):
        spec, species = batch
        logits = self(spec)
        self.log("val_loss", F.cross_entropy(logits, species))
        self.log("val_acc", (logits.argmax(1) == species).float().mean())

    def on_train_epoch_end(self):
        m = self.trainer.callback_metrics
        print("epoch %2d | loss %.3f | val loss %.3f | val acc %.3f" % (self.current_epoch, m["loss"], m["val_loss"], m["val_acc"]))

    def configure_optimizers(self):
        opt = torch.optim.Adam(self.parameters(), lr=self.args.lr)
        return [opt], [torch.optim.lr_scheduler.CosineAnnealingLR(opt, self.args.epochs, eta_min=1e-4)]


def main(args):
    pl.seed_everything(args.seed)
    everything = Recordings(args.recordings, args.seed)
    n = len(everything)
    train = Subset(everything, range(0, int(0.75 * n)))
    valid = Subset(everything, range(int(0.75 * n), int(0.87 * n)))
    test = Subset(everything, range(int(0.87 * n), n))

    model = Warblers(args)
    trainer = pl.Trainer(max_epochs=args.epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
                         enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0)
    # WATCH(trainer)
    trainer.fit(model, DataLoader(train, args.batch_size, shuffle=True), DataLoader(valid, 100))

    # in the field the recorder hands us one song at a time
    model.eval()
    right = 0
    with torch.no_grad():
        for spec, species in test:
            right += int(model(spec.unsqueeze(0)).argmax() == species)
    acc = right / len(test)
    print("test accuracy", acc)
    print("RESULT %.4f higher" % acc)


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--recordings", type=int, default=2400)
    p.add_argument("--width", type=int, default=32)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--batch_size", type=int, default=32)
    p.add_argument("--epochs", type=int, default=8)
    p.add_argument("--seed", type=int, default=31)
    main(p.parse_args())
