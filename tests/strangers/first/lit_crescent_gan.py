"""A GAN for points in the plane, in Lightning with manual optimisation.

The real points lie on a crescent. Generator and critic are small MLPs, and the usual non-saturating loss
with logits is used. Quality is measured by the energy distance between samples and held-out points.
"""
import logging
import math
import warnings

import lightning as L
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def crescent(n, gen):
    angle = math.pi * torch.rand(n, generator=gen)
    radius = 1.5 + 0.15 * torch.randn(n, generator=gen)
    pts = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return pts - torch.tensor([0.0, 0.95])


def mlp(n_in, n_out, hidden=64):
    return nn.Sequential(
        nn.Linear(n_in, hidden), nn.LeakyReLU(0.2),
        nn.Linear(hidden, hidden), nn.LeakyReLU(0.2),
        nn.Linear(hidden, n_out),
    )


def energy_distance(a, b):
    def within(x):
        return torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))
    return 2 * torch.cdist(a, b).mean() - within(a) - within(b)


class CrescentData(L.LightningDataModule):
    def __init__(self, batch_size=128):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        gen = torch.Generator().manual_seed(42)
        self.train_set = TensorDataset(crescent(12800, gen))
        self.val_set = TensorDataset(crescent(1000, gen))

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=1000)


class GAN(L.LightningModule):
    def __init__(self, latent_dim=4, lr_g=5e-4, lr_d=2e-3, betas=(0.5, 0.9), epochs=12):
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.generator = mlp(latent_dim, 2)
        self.discriminator = mlp(2, 1)
        self.register_buffer("fixed_z", torch.randn(1000, latent_dim, generator=torch.Generator().manual_seed(5)))
        self.distances = []

    def forward(self, z):
        return self.generator(z)

    def configure_optimizers(self):
        hp = self.hparams
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=hp.lr_g, betas=hp.betas)
        opt_d = torch.optim.Adam(self.discriminator.parameters(), lr=hp.lr_d, betas=hp.betas)
        sch_g = torch.optim.lr_scheduler.LinearLR(opt_g, 1.0, 0.05, total_iters=hp.epochs)
        sch_d = torch.optim.lr_scheduler.LinearLR(opt_d, 1.0, 0.05, total_iters=hp.epochs)
        return [opt_g, opt_d], [sch_g, sch_d]

    def training_step(self, batch, batch_idx):
        (real,) = batch
        opt_g, opt_d = self.optimizers()
        z = torch.randn(len(real), self.hparams.latent_dim)
        fake = self.generator(z)

        # discriminator
        logit_real = self.discriminator(real)
        logit_fake = self.discriminator(fake.detach())
        d_loss = 0.5 * (
            F.binary_cross_entropy_with_logits(logit_real, torch.full_like(logit_real, 0.9))
            + F.binary_cross_entropy_with_logits(logit_fake, torch.zeros_like(logit_fake))
        )
        opt_d.zero_grad()
        self.manual_backward(d_loss)
        opt_d.step()

        # generator
        logit_fake = self.discriminator(fake)
        g_loss = F.binary_cross_entropy_with_logits(logit_fake, torch.ones_like(logit_fake))
        opt_g.zero_grad()
        self.manual_backward(g_loss)
        opt_g.step()

        self.log_dict({"g_loss": g_loss, "d_loss": d_loss}, on_step=False, on_epoch=True)

    def on_train_epoch_end(self):
        for scheduler in self.lr_schedulers():
            scheduler.step()
        m = self.trainer.callback_metrics
        print(f"epoch {self.current_epoch:2d}  g_loss {m['g_loss']:.3f}  d_loss {m['d_loss']:.3f}  "
              f"energy distance {self.distances[-1]:.4f}")

    def validation_step(self, batch, batch_idx):
        (real,) = batch
        distance = energy_distance(self(self.fixed_z), real)
        self.distances.append(distance.item())
        self.log("energy", distance)


def main():
    L.seed_everything(17, verbose=False)
    data, gan = CrescentData(), GAN()
    trainer = L.Trainer(
        max_epochs=gan.hparams.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    # WATCH(trainer)
    trainer.fit(gan, datamodule=data)

    with torch.no_grad():
        fake = gan(torch.randn(2000, gan.hparams.latent_dim))
    real = crescent(2000, torch.Generator().manual_seed(77))
    print("mean of samples", [round(v, 2) for v in fake.mean(0).tolist()], "of real", [round(v, 2) for v in real.mean(0).tolist()])
    print("std  of samples", [round(v, 2) for v in fake.std(0).tolist()], "of real", [round(v, 2) for v in real.std(0).tolist()])
    print(f"RESULT {energy_distance(fake, real).item():.4f} lower")


if __name__ == "__main__":
    main()
