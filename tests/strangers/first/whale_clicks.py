"""Lightning: tell four toothed whales apart by their click trains.

The hydrophone signal (1024 samples) is a train of damped resonant clicks whose centre
frequency, damping and rhythm depend on the species, in coloured noise. The log spectrogram
goes through a small convolutional net with batch norm.
RESULT val_accuracy higher
"""
import logging
import warnings

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

SPECIES = {  # name: (centre frequency, damping, clicks in the window)
    "sperm": (0.080, 0.020, 3),
    "beaked": (0.140, 0.035, 6),
    "pilot": (0.110, 0.030, 4),
    "porpoise": (0.170, 0.050, 8),
}


def hydrophone(rng, name, n=1024):
    freq, damp, clicks = SPECIES[name]
    s = np.zeros(n)
    gap = n / clicks * rng.uniform(0.93, 1.07)
    start = rng.uniform(0, gap)
    f = freq * rng.uniform(0.93, 1.07)
    while start < n - 8:
        tail = np.arange(n - int(start))
        s[int(start):] += rng.uniform(0.6, 1.2) * np.exp(-damp * tail) * np.sin(2 * np.pi * f * tail)
        start += gap * rng.uniform(0.95, 1.05)
    noise = rng.normal(size=n)
    noise[1:] += 0.6 * noise[:-1]
    return s + 0.45 * noise


class ClickData(L.LightningDataModule):
    def __init__(self, per_species=300, batch_size=32):
        super().__init__()
        self.per_species, self.batch_size = per_species, batch_size

    def setup(self, stage=None):
        rng = np.random.default_rng(52)
        waves, names = [], []
        for label, name in enumerate(SPECIES):
            for _ in range(self.per_species):
                waves.append(hydrophone(rng, name))
                names.append(label)
        waves = torch.tensor(np.array(waves), dtype=torch.float32)
        labels = torch.tensor(names)
        spec = torch.stft(waves, 64, hop_length=32, window=torch.hann_window(64), return_complex=True)
        spec = (spec.abs() + 1e-3).log()
        order = torch.from_numpy(rng.permutation(len(labels)))
        spec, labels = spec[order], labels[order]
        n_val = len(labels) // 4
        mean, std = spec[n_val:].mean(), spec[n_val:].std()
        spec = ((spec - mean) / std).unsqueeze(1)
        self.val = TensorDataset(spec[:n_val], labels[:n_val])
        self.train = TensorDataset(spec[n_val:], labels[n_val:])

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=80)


class Listener(L.LightningModule):
    def __init__(self, lr=3e-3, epochs=8):
        super().__init__()
        self.save_hyperparameters()
        self.ears = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(),
        )
        self.brain = nn.Sequential(nn.AdaptiveAvgPool2d((8, 1)), nn.Flatten(), nn.Linear(24 * 8, len(SPECIES)))
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, spec):
        return self.brain(self.ears(spec))

    def training_step(self, batch, _):
        spec, label = batch
        loss = self.criterion(self(spec), label)
        self.log("train_loss", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch, _):
        spec, label = batch
        logits = self(spec)
        self.log("val_loss", self.criterion(logits, label))
        self.log("val_accuracy", (logits.argmax(1) == label).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[5, 7], gamma=0.2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


def main():
    L.seed_everything(52, verbose=False)
    data, model = ClickData(), Listener()
    trainer = L.Trainer(max_epochs=model.hparams.epochs, accelerator="cpu", logger=False,
                        enable_checkpointing=False, enable_progress_bar=False,
                        enable_model_summary=False)
    # WATCH(trainer)
    trainer.fit(model, datamodule=data)
    seen = trainer.callback_metrics
    print(f"train loss {seen['train_loss']:.3f}  val loss {seen['val_loss']:.3f}")
    print(f"RESULT val_accuracy {seen['val_accuracy']:.4f}")


if __name__ == "__main__":
    main()
