"""What watching a training with PyTorch costs: the time of a step, over that of the same step without.

    python -m tests.benchmarks.overhead_torch [--rounds N] [--workloads dense convolutional attention]

Every configuration trains in a process of its own, but only one at a time: each in its turn makes a short stretch of steps and
hands over, in an order shuffled anew each time, so that all see the same quiet and the same busy moments of a shared machine.
Five stretches are a round. Ratios to the mean of the two plain trainings are taken within a round; their median over the rounds
is printed, of processor time with its quartiles, and of wall time. How far "plain" and "plain again" are from 1 is the noise.

Beside SCRAM stand hooks as W&B's `watch(model, log="gradients")` sets them: one for each parameter's gradient, which makes a
histogram of 64 bins at every 1000th step (its default), and at every 100th.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time

import numpy as np

from tests.benchmarks import ratios

WARM = 400  # steps before anything is timed: from then on SCRAM's pace is that of the rest of a training
STRETCHES = 5  # of a round
# shape of an example, batch size, steps of a stretch, rounds
WORKLOADS = {
    "dense": ((28, 28), 32, 100, 40),
    "convolutional": ((3, 32, 32), 64, 10, 20),
    "attention": ((64, 32), 32, 10, 20),
}
CONFIGURATIONS = ("plain", "plain again", "watch", "watch(every=1)", "hooks, every 1000th", "hooks, every 100th")


def net(name):
    from torch import nn

    if name == "dense":
        layers = [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10)]
    elif name == "convolutional":
        layers = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 64, 64), nn.ReLU(), nn.Linear(64, 10)]
    else:
        block = nn.TransformerEncoderLayer(32, 4, 128, batch_first=True)
        layers = [nn.TransformerEncoder(block, 2, enable_nested_tensor=False), nn.Flatten(), nn.Linear(64 * 32, 10)]
    return nn.Sequential(*layers)


def hooks(model, every):
    """A histogram of each gradient, now and then."""
    import torch

    kept = {}

    def hook_of(name):
        steps = 0

        def hook(gradient):
            nonlocal steps
            steps += 1
            if steps % every == 0:
                flat = gradient.detach().flatten()
                low, high = flat.min().item(), flat.max().item()
                kept[name] = torch.histc(flat, 64, min=low, max=high).cpu().tolist()

        return hook

    for name, parameter in model.named_parameters():
        parameter.register_hook(hook_of(name))


def train(name, configuration, pipe):
    """Answers each number of steps with the (wall, processor) seconds that they took."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    import scram_plugin

    shape, batch, _, _ = WORKLOADS[name]
    torch.manual_seed(0)
    x = torch.rand(200 * batch, *shape)
    y = (x.flatten(1) @ torch.randn(x[0].numel(), 10)).argmax(dim=1)
    model = net(name)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loader = DataLoader(TensorDataset(x, y), batch, shuffle=True)
    if configuration.startswith("watch"):
        every = 1 if "every=1" in configuration else None
        scram_plugin.watch(model, optimizer, log_dir=tempfile.mkdtemp(), every=every, print_findings=False)
    if configuration.startswith("hooks"):
        hooks(model, 1000 if "1000" in configuration else 100)
    loss_function, left, begin = torch.nn.CrossEntropyLoss(), 0, None
    while True:
        for inputs, targets in loader:
            if left == 0:
                if begin is not None:
                    pipe.send((time.perf_counter() - begin[0], time.process_time() - begin[1]))
                left = pipe.recv()
                if left == 0:
                    return
                begin = time.perf_counter(), time.process_time()
            left -= 1
            optimizer.zero_grad()
            loss = loss_function(model(inputs), targets)
            loss.backward()
            optimizer.step()


def steady(name, rounds):
    _, batch, steps, usual = WORKLOADS[name]
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for configuration in CONFIGURATIONS:
        pipes[configuration], other = context.Pipe()
        processes.append(context.Process(target=train, args=(name, configuration, other), daemon=True))
        processes[-1].start()

    def stretch(configuration, number):
        pipes[configuration].send(number)
        return np.array(pipes[configuration].recv()) / number

    for configuration in CONFIGURATIONS:
        stretch(configuration, WARM)
    found = {configuration: [] for configuration in CONFIGURATIONS}
    for _ in range((rounds or usual) * STRETCHES):
        for configuration in random.sample(CONFIGURATIONS, len(CONFIGURATIONS)):
            found[configuration].append(stretch(configuration, steps))
    for configuration in CONFIGURATIONS:
        pipes[configuration].send(0)
    for process in processes:
        process.join(30)
    ratios.of_turns(name, batch, steps, STRETCHES, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="of stretches; by default as many as that takes some minutes")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    arguments = parser.parse_args()
    for name in arguments.workloads:
        steady(name, arguments.rounds)


if __name__ == "__main__":
    main()
