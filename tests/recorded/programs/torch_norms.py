"""Small models whose gradients vanish, or overflow in half precision, and their healthy twins.

They log as Hugging Face's `Trainer` does by default: a ``trainer_state.json``, and no event file.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.recorded.programs import Programs
from tests.recorded.programs.torch_trainers import Log, Model, loss_of, texts

CLASSES = 10
EVERY = 4  # steps from one line of the log to the next


def points(random, count=32):
    """Points around the centres of ten classes, and their classes; shapes (count, 16) and (count,)."""
    centres = np.random.default_rng(0).normal(size=(CLASSES, 16))
    classes = random.integers(0, CLASSES, count)
    return torch.tensor(centres[classes] + 0.7 * random.normal(size=(count, 16))).float(), torch.tensor(classes)


def decayed(path, decay, rate=0.03, steps=160):
    """A classifier without biases, trained with a weight decay."""
    random = np.random.default_rng(5)
    hidden = [nn.Linear(16, 64, bias=False), nn.Tanh(), nn.Linear(64, 64, bias=False), nn.Tanh()]
    model = nn.Sequential(*hidden, nn.Linear(64, CLASSES, bias=False))
    optimizer, log = torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=decay), Log(path)
    for step in range(1, steps + 1):
        inputs, classes = points(random)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), classes)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % EVERY == 0:
            log(step, loss=loss.detach(), grad_norm=norm, learning_rate=rate, epoch=step / steps)
    log.close()


def apart(path, single, steps=100):
    """Embeddings of one class shall lie together and others apart, in mixed precision with a dynamic loss scale.

    Where the distances are not computed in single precision, their epsilon rounds to 0, and the gradient of the root of 0 is
    not finite: no scale helps.
    """
    random = np.random.default_rng(5)
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 8))
    optimizer, log = torch.optim.Adam(model.parameters(), 1e-3), Log(path)
    scaler = torch.amp.GradScaler("cpu", growth_interval=20)
    for step in range(1, steps + 1):
        inputs, classes = points(random)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            placed = model(inputs).float() if single else model(inputs)
            gaps = placed.unsqueeze(0) - placed.unsqueeze(1)
            distances = torch.sqrt((gaps * gaps).sum(2) + 1e-8)
        wanted = (classes.unsqueeze(0) != classes.unsqueeze(1)).float()
        loss = F.mse_loss(distances.float(), wanted)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        if step % EVERY == 0:
            log(step, loss=loss.detach(), grad_norm=norm, loss_scale=scaler.get_scale(), epoch=step / steps)
    log.close()


class Squared(Model):
    """A language model with a layer of squared ReLUs, whose outputs may become large."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(64, 64)

    def forward(self, tokens):
        return self.head(F.relu(self.wide(self.rnn(self.embedding(tokens))[0])) ** 2)


def halved(path, rate, steps=100, warm=60):
    """A model that was trained on one kind of texts is fine-tuned on another, in float16 throughout.

    As the `Trainer` by default (`logging_nan_inf_filter`), the log leaves losses that are not finite out of its means.
    """
    random, model = np.random.default_rng(5), Squared()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(250):
        optimizer.zero_grad()
        loss_of(model, texts(32, random)).backward()
        optimizer.step()
    model, log, total = model.half(), Log(path), 0.0
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
    for step in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = rate * min(step / warm, 1.0)
        optimizer.zero_grad()
        loss = loss_of(model, texts(32, random, shift=2))
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        value = float(loss.detach())
        total += value if math.isfinite(value) else total / (1 + (step - 1) % EVERY)
        if step % EVERY == 0:
            rate_now = optimizer.param_groups[0]["lr"]
            log(step, loss=total / EVERY, grad_norm=norm, learning_rate=rate_now, epoch=step / steps)
            total = 0.0
    log.close()


PROGRAMS = Programs()
PROGRAMS.pair("the gradient vanishes", lambda path: decayed(path, 0.3), lambda path: decayed(path, 3e-4))
PROGRAMS.pair("every step overflows", lambda path: apart(path, single=False), lambda path: apart(path, single=True))
PROGRAMS.pair("activations overflow", lambda path: halved(path, 20.0), lambda path: halved(path, 0.05))
