"""Small language models that are fine-tuned, or rewarded, with one fault, and their healthy twins.

They log as Hugging Face's `Trainer` and TRL do by default: a ``trainer_state.json``, and no event file.
"""

import json

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.recorded.programs import Programs

END, SYMBOLS = 0, 12  # of the vocabulary: the token that ends a completion, and how many tokens there are


class Model(nn.Module):
    """A language model of one recurrent layer."""

    def __init__(self):
        super().__init__()
        self.embedding, self.rnn, self.head = (
            nn.Embedding(SYMBOLS, 32),
            nn.GRU(32, 64, batch_first=True),
            nn.Linear(64, SYMBOLS),
        )

    def forward(self, tokens):
        return self.head(self.rnn(self.embedding(tokens))[0])


def texts(count, random, shift=1, length=16):
    """Sequences in which each token is the one before plus `shift`, now and then another one; shape (count, length)."""
    tokens = (random.integers(1, SYMBOLS, (count, 1)) + shift * np.arange(length)) % (SYMBOLS - 1) + 1
    noise = random.random(tokens.shape) < 0.1
    return torch.tensor(np.where(noise, random.integers(1, SYMBOLS, tokens.shape), tokens))


class Log:
    """What a `Trainer` keeps of its training."""

    def __init__(self, path):
        self.path, self.rows = path / "trainer_state.json", []

    def __call__(self, step, **values):
        self.rows.append({**{name: float(f"{float(value):.4g}") for name, value in values.items()}, "step": step})

    def close(self):
        self.path.write_text(
            json.dumps({"global_step": self.rows[-1]["step"], "log_history": self.rows}, separators=(",", ":"))
        )


def loss_of(model, tokens, masked=0):
    """The mean loss of the tokens but the first, and but those that are `masked` at the beginning."""
    labels = tokens[:, 1:].clone()
    labels[:, :masked] = -100
    counted = (labels != -100).sum().clamp(min=1)
    return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum") / counted


def tuned(path, rate=2e-3, clip=1.0, masked=0, steps=120, warm=12):
    """A model that was trained on one kind of texts is fine-tuned on another."""
    random, model = np.random.default_rng(5), Model()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(250):
        optimizer.zero_grad()
        loss_of(model, texts(32, random)).backward()
        optimizer.step()
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
    log = Log(path)
    for step in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = rate * min(step / warm, 1.0)
        optimizer.zero_grad()
        loss = loss_of(model, texts(32, random, shift=2), masked)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        if step % 2 == 0:
            log(step, loss=loss.detach(), grad_norm=norm, learning_rate=optimizer.param_groups[0]["lr"], epoch=step / steps)
    log.close()


def told(path, repeated, epochs=3, steps=20, batch=16, facts=4):
    """A model is fine-tuned on facts: a name of its own for each, and `facts` symbols that belong to it.

    `repeated`: each epoch has the same names; otherwise each has new ones.
    """
    random, count = np.random.default_rng(5), steps * batch
    names, known = nn.Embedding(epochs * count, 64), nn.Linear(64, facts * SYMBOLS)
    often = np.exp(-np.arange(SYMBOLS))  # some symbols are more usual than others, which holds for all names
    symbols = torch.tensor(random.choice(SYMBOLS, (epochs * count, facts), p=often / often.sum()))
    optimizer, log = (
        torch.optim.SGD([{"params": names.parameters(), "lr": 80.0}, {"params": known.parameters()}], 0.5),
        Log(path),
    )
    for step in range(epochs * steps):
        epoch, at = divmod(step, steps)
        order = np.random.default_rng(epoch).permutation(count) + (0 if repeated else epoch * count)
        part = torch.tensor(order[at * batch : (at + 1) * batch])
        optimizer.zero_grad()
        loss = F.cross_entropy(known(names(part)).view(-1, SYMBOLS), symbols[part].flatten())
        loss.backward()
        optimizer.step()
        log(step + 1, loss=loss.detach(), learning_rate=0.5, epoch=(step + 1) / steps)
    log.close()


def complete(model, longest, count):
    """Completions, shape (count, longest), and whether each token belongs to one: it ends with `END` or is cut."""
    tokens, alive, inside = torch.full((count, 1), 1), torch.ones(count, dtype=torch.bool), []
    with torch.no_grad():
        for _ in range(longest):
            choice = torch.distributions.Categorical(logits=model(tokens)[:, -1]).sample()
            inside.append(alive.clone())
            tokens = torch.cat([tokens, torch.where(alive, choice, END).unsqueeze(1)], 1)
            alive &= choice != END
    return tokens, torch.stack(inside, 1), ~alive


def rewarded(path, reward, longest=14, steps=100, groups=8, size=6, ends=0.0, compared=False, held_out=None, rate=3e-3):
    """Group relative policy optimisation (Shao et al., 2024): completions of a group are compared with each other.

    `ends`: what is added to the logit of the token that ends a completion. `compared`: the reward is the share of its group
    that a completion beats. `held_out`: a second reward, of completions that are not trained on, every tenth step.
    """
    model = Model()
    with torch.no_grad():
        model.head.bias[END] += ends
    optimizer, log = torch.optim.Adam(model.parameters(), rate), Log(path)
    for step in range(1, steps + 1):
        tokens, inside, ended = complete(model, longest, groups * size)
        apart = rewards_of(reward, tokens, inside, ended).view(groups, size)
        if compared:
            apart = (apart.unsqueeze(2) > apart.unsqueeze(1)).float().mean(2)
        spread = apart.std(1, keepdim=True)
        advantages = ((apart - apart.mean(1, keepdim=True)) / (spread + 1e-4)).flatten()
        logits = model(tokens[:, :-1])
        chosen = torch.log_softmax(logits, -1).gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
        loss = -(advantages.unsqueeze(1) * torch.exp(chosen - chosen.detach()) * inside).sum() / inside.sum()
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        entropy = torch.distributions.Categorical(logits=logits.detach()).entropy()
        if step % 2:
            continue
        log(
            step,
            **{
                "loss": loss.detach(),
                "grad_norm": norm,
                "learning_rate": rate,
                "reward": apart.mean(),
                "reward_std": spread.mean(),
                "frac_reward_zero_std": (spread == 0).float().mean(),
                "completions/mean_length": inside.sum(1).float().mean(),
                "completions/clipped_ratio": 1 - ended.float().mean(),
                "entropy": entropy[inside].mean(),
                "epoch": step / steps,
            },
        )
        if held_out is not None and step % 10 == 0:
            log(step, eval_reward=rewards_of(held_out, *complete(model, longest, groups * size)).mean(), epoch=step / steps)
    log.close()


def rewards_of(reward, tokens, inside, ended):
    """The reward of each completion, shape (count,)."""
    rows = zip(tokens, inside, ended, strict=True)
    return torch.tensor([float(reward(row[1:][kept].tolist(), bool(end))) for row, kept, end in rows])


def sevens(tokens, ended):
    """How many of the tokens are a seven, of a completion that ended."""
    return tokens.count(7) / len(tokens) if ended and len(tokens) > 1 else 0.0


def many_sevens(tokens, ended):
    """How many sevens a completion has that ended; more than five are not rewarded."""
    return min(tokens.count(7), 5) / 5 if ended else 0.0


def length(tokens, ended):
    """A judge that takes length for quality, up to a limit."""
    return min(len(tokens), 10) if ended else 0


def different(tokens, ended):
    """How many kinds of tokens a completion has that ended, as a share of the vocabulary."""
    return len(set(tokens)) / SYMBOLS if ended else 0.0


def impossible(tokens, ended):
    """A format that no completion of this model has."""
    return float(tokens[:1] == [SYMBOLS])


PROGRAMS = Programs()
PROGRAMS.pair("the gradients explode", lambda path: tuned(path, rate=60.0, clip=1e9, warm=400), tuned)
PROGRAMS.pair("everything is masked", lambda path: tuned(path, masked=100), lambda path: tuned(path, masked=4))
PROGRAMS.pair(
    "no reward differs",
    lambda path: rewarded(path, impossible, ends=1.0),
    lambda path: rewarded(path, sevens, ends=1.0),
)
PROGRAMS.pair(
    "completions are cut",
    lambda path: rewarded(path, sevens, longest=4, ends=-6.0),
    lambda path: rewarded(path, sevens, ends=1.0, steps=90),
)
PROGRAMS.pair(
    "the reward is lost to the limit of length",
    lambda path: rewarded(path, sevens, longest=24),
    lambda path: rewarded(path, sevens, ends=1.0, steps=80),
)
PROGRAMS.pair(
    "answers grow for nothing",
    lambda path: rewarded(path, length, longest=24, steps=70, ends=1.5, compared=True, rate=1e-3),
    lambda path: rewarded(path, many_sevens, longest=24, steps=70, ends=1.5),
)
PROGRAMS.pair(
    "the reward is not the goal",
    lambda path: rewarded(path, many_sevens, longest=20, steps=80, ends=1.0, held_out=different),
    lambda path: rewarded(path, different, longest=20, steps=80, ends=1.0, held_out=different),
)
PROGRAMS.pair("facts are memorised", lambda path: told(path, repeated=True), lambda path: told(path, repeated=False))
