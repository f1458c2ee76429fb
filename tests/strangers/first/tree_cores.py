"""
Tree cores with Lightning: from a 24 x 64 scan of a core, say which of four species it is
and how fast the tree grew (mean ring width in micrometres).

Species differ in the profile within a ring (sharp latewood edge, soft, ring-porous dots, resin spots).
The score is the mean of species accuracy and R2 of the ring width on held-out cores.

RESULT score higher
"""
import logging
import warnings

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, random_split

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

PIXEL_UM = 250.0          # one pixel is 250 micrometres
WIDTH_MEAN, WIDTH_STD = 1900.0, 620.0


class Cores(Dataset):
    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.images, self.species, self.width = [], [], []
        for _ in range(n):
            kind, um = int(rng.integers(4)), rng.uniform(850, 3000)
            pos, edges = -rng.uniform(0, um / PIXEL_UM), []
            while pos < 64:
                edges.append(pos)
                pos += um / PIXEL_UM * np.exp(rng.normal(0, 0.10))
            edges.append(pos)
            cols = np.arange(64) + 0.5
            k = np.searchsorted(edges, cols, side="right") - 1
            lo, hi = np.array(edges)[k], np.array(edges)[np.minimum(k + 1, len(edges) - 1)]
            phase = (cols - lo) / np.maximum(hi - lo, 1e-6)
            dark = {0: phase ** 6, 1: phase, 2: phase ** 6, 3: phase ** 3}[kind]
            img = 0.75 - 0.45 * dark[None, :] + np.zeros((24, 1))
            if kind == 2:
                img -= 0.35 * (phase < 0.35)[None, :] * (rng.random((24, 64)) < 0.5)
            if kind == 3:
                for r, c in zip(rng.integers(0, 22, 6), rng.integers(0, 62, 6)):
                    img[r:r + 2, c:c + 2] = 0.15
            img = img * rng.uniform(0.85, 1.15) + rng.normal(0, 0.06, (24, 64))
            self.images.append(img.astype(np.float32))
            self.species.append(kind)
            self.width.append(np.float32(um))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = torch.from_numpy(self.images[i]).unsqueeze(0)
        width = (self.width[i] - WIDTH_MEAN) / WIDTH_STD
        return (image - 0.55) / 0.22, self.species[i], torch.tensor(width)


def mlp(*sizes):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class CoreModel(L.LightningModule):
    def __init__(self, lr=6e-3):
        super().__init__()
        self.save_hyperparameters()
        self.body = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d((2, 1)),
            nn.Conv2d(12, 24, (3, 5), padding=(1, 2)), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 24, (3, 7), padding=(1, 3)), nn.BatchNorm2d(24), nn.ReLU(),
            nn.AdaptiveAvgPool2d((1, 8)), nn.Flatten())
        self.species = mlp(192, 32, 4)
        self.width = mlp(192, 32, 1)

    def forward(self, x):
        z = self.body(x)
        return self.species(z), self.width(z).squeeze(1)

    def training_step(self, batch, _):
        x, kind, width = batch
        logits, w = self(x)
        ce = F.cross_entropy(logits, kind)
        reg = F.mse_loss(w, width)
        self.log_dict({"ce": ce, "reg": reg})
        return ce + reg

    def validation_step(self, batch, _):
        x, kind, width = batch
        logits, w = self(x)
        self.log("val_acc", (logits.argmax(1) == kind).float().mean())
        self.log("val_mse", F.mse_loss(w, width))
        self.log("val_mean2", width.square().mean())
        self.log("val_mean", width.mean())

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=1e-3)
        sched = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.65)
        return {"optimizer": opt, "lr_scheduler": {"scheduler": sched, "interval": "epoch"}}

    def on_validation_epoch_end(self):
        m = self.trainer.callback_metrics
        r2 = 1 - m["val_mse"] / (m["val_mean2"] - m["val_mean"] ** 2)
        self.log("r2", r2)
        self.log("score", (m["val_acc"] + r2) / 2)


if __name__ == "__main__":
    L.seed_everything(4, verbose=False)
    data = Cores(1500, seed=4)
    train, val = random_split(data, [1200, 300])
    model = CoreModel()
    trainer = L.Trainer(max_epochs=5, accelerator="cpu", logger=False, enable_checkpointing=False,
                        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0)
    # WATCH(trainer)
    trainer.fit(model, DataLoader(train, batch_size=40, shuffle=True), DataLoader(val, batch_size=300))
    m = trainer.callback_metrics
    print(f"accuracy {m['val_acc']:.3f}   R2 {m['r2']:.3f}")
    print(f"RESULT score {m['score']:.4f}")
