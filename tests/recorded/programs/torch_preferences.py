"""Small language models that are trained on preferences, with one fault, and their healthy twins.

Direct preference optimisation (Rafailov et al., 2023). They log as TRL's trainer does: a ``trainer_state.json``.
"""

import copy

import numpy as np
import torch
import torch.nn.functional as F

from tests.recorded.programs import Programs
from tests.recorded.programs.torch_trainers import SYMBOLS, Log, Model, loss_of, texts

PROMPT, LENGTH = 4, 12  # tokens of a prompt, and of a prompt with its answer


def reference(random):
    """A model that was fine-tuned on texts."""
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(200):
        optimizer.zero_grad()
        loss_of(model, texts(32, random, length=LENGTH)).backward()
        optimizer.step()
    return model


def pairs(count, random, apart, wrong=0.0):
    """Chosen and rejected texts with the same prompt, shape (count, LENGTH): they differ in the last `apart` tokens.

    The chosen ones go on as the texts do. `wrong`: share of the pairs that are the other way round.
    """
    chosen = texts(count, random, length=LENGTH)
    rejected = chosen.clone()
    rejected[:, -apart:] = torch.tensor(random.integers(1, SYMBOLS, (count, apart)))
    turned = torch.tensor(random.random(count) < wrong).unsqueeze(1)
    return torch.where(turned, rejected, chosen), torch.where(turned, chosen, rejected)


def log_probability(model, tokens):
    """Of the answers, in nats, shape (count,)."""
    found = torch.log_softmax(model(tokens[:, :-1]), -1).gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
    return found[:, PROMPT - 1 :].sum(1)


def preferred(path, count, apart=LENGTH - PROMPT, wrong=0.0, beta=0.1, rate=1e-3, steps=90, batch=16, kept=0.0, every=2):
    """Trains on `count` pairs, and evaluates on others. `kept`: weight of the loss of the chosen answers themselves."""
    random = np.random.default_rng(5)
    model = reference(random)
    before, log = copy.deepcopy(model), Log(path)
    train, held_out = pairs(count, random, apart, wrong), pairs(64, random, apart, wrong)
    optimizer = torch.optim.Adam(model.parameters(), rate)

    def measured(chosen, rejected):
        with torch.no_grad():
            old = log_probability(before, chosen), log_probability(before, rejected)
        now = log_probability(model, chosen), log_probability(model, rejected)
        rewards = beta * (now[0] - old[0]), beta * (now[1] - old[1])
        margins = rewards[0] - rewards[1]
        loss = -F.logsigmoid(margins).mean() - kept * now[0].mean() / (LENGTH - PROMPT)
        of_rewards = dict(
            zip(("chosen", "rejected", "accuracies", "margins"), (*rewards, (margins > 0).float(), margins), strict=True)
        )
        told = {f"rewards/{name}": values.detach().mean() for name, values in of_rewards.items()}
        return loss, told | {"logps/chosen": now[0].detach().mean(), "logps/rejected": now[1].detach().mean()}

    order = np.concatenate([random.permutation(count) for _ in range(-(-steps * batch // count))])
    for step in range(1, steps + 1):
        part = torch.tensor(order[(step - 1) * batch : step * batch])
        loss, told = measured(train[0][part], train[1][part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % every == 0:
            log(step, loss=loss.detach(), learning_rate=rate, **told, epoch=step * batch / count)
        if step % (5 * every) == 0:
            with torch.no_grad():
                loss, told = measured(*held_out)
            log(
                step,
                eval_loss=loss,
                **{f"eval_{n}": v for n, v in told.items() if n == "rewards/accuracies"},
                epoch=step * batch / count,
            )
    log.close()


PROGRAMS = Programs()
PROGRAMS.pair(
    "preferences are memorised",
    lambda path: preferred(path, 48, wrong=0.4, rate=4e-3, beta=0.2),
    lambda path: preferred(path, 1440, wrong=0.05, apart=3, rate=1e-3, beta=0.3),
)
PROGRAMS.pair(
    "chosen answers become unlikely",
    lambda path: preferred(path, 1440, apart=1, beta=0.02, rate=3e-3),
    lambda path: preferred(path, 1440, apart=1, beta=0.02, rate=3e-3, kept=0.2),
)
