"""Small trainings that log to text files as tools of other kinds do: with one fault, and their healthy twins."""

import csv
import json
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.recorded.programs import Programs
from tests.recorded.programs.torch_norms import CLASSES, points


def short(value):
    return float(f"{float(value):.4g}")


def write(path, rows):
    """A file of comma-separated values, with a line of the names."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def against(path, generator_rate, discriminator_rate, steps=400, every=8):
    """A GAN of points on an ellipse (Goodfellow et al., 2014), with a ``metrics.csv`` as Lightning's CSVLogger writes it."""
    random, rows = np.random.default_rng(5), []
    generator = nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
    discriminator = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    moves_generator = torch.optim.Adam(generator.parameters(), generator_rate, betas=(0.5, 0.999))
    moves_discriminator = torch.optim.Adam(discriminator.parameters(), discriminator_rate, betas=(0.5, 0.999))
    for step in range(1, steps + 1):
        angles = random.uniform(0, 2 * np.pi, 64)
        circle = np.stack([2 + np.cos(angles), np.sin(angles)], 1) + 0.05 * random.normal(size=(64, 2))
        real, made = discriminator(torch.tensor(circle).float()), discriminator(generator(torch.randn(64, 4)).detach())
        loss_d = (
            F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
            + F.binary_cross_entropy_with_logits(made, torch.zeros_like(made))
        ) / 2
        moves_discriminator.zero_grad()
        loss_d.backward()
        moves_discriminator.step()
        made = discriminator(generator(torch.randn(64, 4)))
        loss_g = F.binary_cross_entropy_with_logits(made, torch.ones_like(made))
        moves_generator.zero_grad()
        loss_g.backward()
        moves_generator.step()
        if step % every == 0:
            rows.append({"d_loss": short(loss_d.detach()), "epoch": 0, "g_loss": short(loss_g.detach()), "step": step - 1})
    write(path / "metrics.csv", rows)


class Slow(torch.utils.data.Dataset):
    """Examples that take so many seconds each to be read."""

    def __init__(self, seconds):
        self.seconds, (self.inputs, self.classes) = seconds, points(np.random.default_rng(5), 640)

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, i):
        time.sleep(self.seconds)
        return self.inputs[i], self.classes[i]


def waiting(path, seconds, every=2):
    """A classifier whose data loader has no workers, with the ``scalars.json`` that mmengine writes."""
    model = nn.Sequential(nn.Linear(16, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, CLASSES))
    optimizer, rows = torch.optim.SGD(model.parameters(), 0.05), []
    loader = torch.utils.data.DataLoader(Slow(seconds), 16, shuffle=True)
    begun = time.perf_counter()
    for step, (inputs, classes) in enumerate(loader, 1):
        read = time.perf_counter()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs.repeat(32, 1)), classes.repeat(32))
        loss.backward()
        optimizer.step()
        ended = time.perf_counter()
        times = {"data_time": short(read - begun), "time": short(ended - begun)}
        if step % every == 0:
            rows.append({"lr": 0.05, **times, "loss": short(loss.detach()), "epoch": 1, "iter": step, "step": step})
        begun = time.perf_counter()
    place = path / "vis_data"
    place.mkdir()
    (place / "scalars.json").write_text("".join(json.dumps(row) + "\n" for row in rows))


PROGRAMS = Programs()
PROGRAMS.pair("the discriminator wins", lambda path: against(path, 1e-5, 2e-2), lambda path: against(path, 1e-3, 1e-3))
PROGRAMS.pair("data come late", lambda path: waiting(path, 0.01), lambda path: waiting(path, 0.0))
