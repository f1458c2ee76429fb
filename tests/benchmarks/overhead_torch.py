"""What watching a training with PyTorch costs: the time of a step, over that of the same step without.

    python -m tests.benchmarks.overhead_torch [--rounds N] [--workloads dense convolutional attention]

One training goes on and on: a stretch of steps without anything, a stretch that is watched, one without, and so on, in an
order shuffled anew in each round. A ratio is that of a stretch to the mean of the plain ones before and after it: so it is of
the same second on a shared machine, and of the same tensors in the same places, which make all steps of a process faster or
slower by some hundredths. Before a watched stretch is timed, so many steps are made that SCRAM's pace is that of the rest of a
training. PyTorch has one thread: on shared cores a second one is waited for as often as it helps. Medians over the rounds are
printed, of processor time over all threads with its quartiles, and of wall time. How far "plain" is from 1 is the noise.

Beside SCRAM stand hooks as W&B's `watch(model, log="gradients")` sets them: one for each parameter's gradient, which makes a
histogram of 64 bins at every 1000th step (its default), and at every 100th.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin

EXAMPLES = 32_000
# shape of an example, batch size, steps before a watched stretch is timed, steps of a stretch, rounds
WORKLOADS = {
    "dense": ((28, 28), 32, 600, 1000, 20),
    "convolutional": ((3, 32, 32), 64, 60, 50, 6),
    "attention": ((64, 32), 32, 60, 50, 6),
}


def net(name):
    if name == "dense":
        layers = [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10)]
    elif name == "convolutional":
        layers = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 64, 64), nn.ReLU(), nn.Linear(64, 10)]
    else:
        block = nn.TransformerEncoderLayer(32, 4, 128, batch_first=True)
        layers = [nn.TransformerEncoder(block, 2, enable_nested_tensor=False), nn.Flatten(), nn.Linear(64 * 32, 10)]
    return nn.Sequential(*layers)


class Training:
    """One that goes on; `steps` makes some more, and tells the (wall, processor) seconds that each took."""

    def __init__(self, name):
        shape, batch, _, _, _ = WORKLOADS[name]
        torch.manual_seed(0)
        x = torch.rand(EXAMPLES, *shape)
        y = (x.flatten(1) @ torch.randn(x[0].numel(), 10)).argmax(dim=1)
        self.model = net(name)
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-3)
        self.loader = DataLoader(TensorDataset(x, y), batch, shuffle=True)
        self.loss_function = nn.CrossEntropyLoss()
        self.batches = iter(())
        self.hooked: dict[tuple[int, str], int] = {}  # how often a hook has been called, in all stretches together

    def steps(self, number):
        begin = np.array([time.perf_counter(), time.process_time()])
        left = number
        while left:
            for inputs, targets in self.batches:
                self.optimizer.zero_grad()
                loss = self.loss_function(self.model(inputs), targets)
                loss.backward()
                self.optimizer.step()
                left -= 1
                if not left:
                    break
            else:
                self.batches = iter(self.loader)
        return (np.array([time.perf_counter(), time.process_time()]) - begin) / number


def watched(training, every=None):
    """Watch the training; what is given back ends it."""
    scram = scram_plugin.watch(
        training.model, training.optimizer, log_dir=tempfile.mkdtemp(), every=every, print_findings=False
    )
    return scram.close


def hooked(training, every):
    """A histogram of each gradient, now and then."""
    kept, calls = {}, training.hooked

    def hook_of(name):
        def hook(gradient):
            calls[every, name] = steps = calls.get((every, name), 0) + 1
            if steps % every == 0:
                flat = gradient.detach().flatten()
                low, high = flat.min().item(), flat.max().item()
                kept[name] = torch.histc(flat, 64, min=low, max=high).cpu().tolist()

        return hook

    handles = [p.register_hook(hook_of(name)) for name, p in training.model.named_parameters()]

    def end():
        for handle in handles:
            handle.remove()

    return end


CONFIGURATIONS = {
    "plain": lambda training: lambda: None,
    "watch": watched,
    "watch(every=1)": lambda training: watched(training, 1),
    "hooks, every 1000th": lambda training: hooked(training, 1000),
    "hooks, every 100th": lambda training: hooked(training, 100),
}


def steady(name, rounds):
    _, batch, warm, steps, usual = WORKLOADS[name]
    training = Training(name)
    training.steps(warm)
    ratios = {configuration: [] for configuration in CONFIGURATIONS}
    plain = [training.steps(steps)]
    for _ in range(rounds or usual):
        for configuration in random.sample(list(CONFIGURATIONS), len(CONFIGURATIONS)):
            end = CONFIGURATIONS[configuration](training)
            if configuration.startswith("watch"):
                training.steps(warm)
            seconds = training.steps(steps)
            end()
            training.steps(20)  # what is left to do at the end is no part of the plain stretch
            plain.append(training.steps(steps))
            ratios[configuration].append(seconds / np.mean(plain[-2:], axis=0))
    usually = 1e3 * np.median(plain, axis=0)[0]
    print(f"\n{name} net, batch {batch}: {usually:.2f} ms a step, {rounds or usual} rounds of {steps} steps")
    print(f"  {'':24}{'processor time':>22}{'wall time':>14}")
    for configuration, found in ratios.items():
        wall, processor = np.array(found).T
        low, middle, high = np.quantile(processor, (0.25, 0.5, 0.75))
        print(f"  {configuration:24}{middle:8.3f} ({low:.2f}-{high:.2f}){np.median(wall):14.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="by default as many as that takes some minutes")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.workloads:
        steady(name, arguments.rounds)


if __name__ == "__main__":
    main()
