"""Policies that are trained with PPO to balance a pole on a cart, with one fault, and their healthy twins.

They log as Stable-Baselines3 does by default: a ``progress.csv``, and no event file.
"""

import csv
import math

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

from tests.recorded.programs import Programs

CARTS, LENGTH = 8, 128  # carts that are driven at once, and steps of each between two updates
LONGEST = 200  # steps of an episode
COLUMNS = (
    *("rollout/ep_len_mean", "rollout/ep_rew_mean", "time/iterations", "time/total_timesteps", "train/approx_kl"),
    *("train/clip_fraction", "train/entropy_loss", "train/explained_variance", "train/learning_rate", "train/loss"),
    *("train/policy_gradient_loss", "train/value_loss"),
)


class Carts:
    """Carts with a pole each (Barto, Sutton & Anderson, 1983): position, speed, angle, angular speed."""

    def __init__(self, random, sparse=False):
        """`sparse`: a reward only for a pole that stood for the whole episode; otherwise one for each step."""
        self.random, self.sparse = random, sparse
        self.states = np.stack([self._fresh() for _ in range(CARTS)])
        self.ages = np.zeros(CARTS, int)
        self.finished = []  # lengths of the last episodes
        self.earned = []  # their returns

    def _fresh(self):
        return self.random.uniform(-0.05, 0.05, 4)

    def step(self, actions):
        """(rewards, whether an episode ended at each cart)"""
        _, speed, angle, turning = self.states.T
        force = np.where(actions == 1, 10.0, -10.0)
        sine, cosine = np.sin(angle), np.cos(angle)
        pushed = (force + 0.05 * turning**2 * sine) / 1.1
        bent = (9.8 * sine - cosine * pushed) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
        moved = pushed - 0.05 * bent * cosine / 1.1
        self.states += 0.02 * np.stack([speed, moved, turning, bent]).T
        self.ages += 1
        fallen = (np.abs(self.states[:, 0]) > 2.4) | (np.abs(self.states[:, 2]) > 12 * math.pi / 180)
        ended = fallen | (self.ages >= LONGEST)
        rewards = (~fallen & ended).astype(float) if self.sparse else np.ones(CARTS)
        for i in np.flatnonzero(ended):
            self.finished = [*self.finished[-99:], int(self.ages[i])]
            self.earned = [*self.earned[-99:], rewards[i] if self.sparse else int(self.ages[i])]
            self.states[i], self.ages[i] = self._fresh(), 0
        return rewards, ended


def train(path, rate=3e-4, bonus=0.01, updates=100, epochs=10, later=None, sparse=False, weight=0.5, heat=1.0):
    """PPO (Schulman et al., 2017). `later`: the learning rate after half of the updates; `weight`: that of the critic's loss;
    `heat`: the temperature at which actions are chosen, while the updates know of none."""
    carts = Carts(np.random.default_rng(3), sparse)
    policy = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
    critic = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    with torch.no_grad():
        policy[-1].weight *= 0.01
    parameters = [*policy.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, rate, eps=1e-5)
    with open(path / "progress.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for update in range(updates):
            if later is not None and update == updates // 2:
                optimizer.param_groups[0]["lr"] = later
            row = learn(policy, critic, optimizer, parameters, collect(carts, policy, critic, heat), bonus, weight, epochs)
            writer.writerow(
                {
                    "rollout/ep_len_mean": np.mean(carts.finished),
                    "rollout/ep_rew_mean": np.mean(carts.earned),
                    "time/iterations": update + 1,
                    "time/total_timesteps": (update + 1) * CARTS * LENGTH,
                    "train/learning_rate": optimizer.param_groups[0]["lr"],
                    **row,
                }
            )


def collect(carts, policy, critic, heat):
    """Some steps of each cart: states, actions, their log-probabilities, advantages and returns, all flat."""
    states, actions, logps, rewards, ended, values = [], [], [], [], [], []
    with torch.no_grad():
        for _ in range(LENGTH):
            state = torch.tensor(carts.states, dtype=torch.float32)
            choice = Categorical(logits=policy(state) / heat)
            action = choice.sample()
            states.append(state)
            actions.append(action)
            logps.append(choice.log_prob(action))
            values.append(critic(state).squeeze(1))
            reward, end = carts.step(action.numpy())
            rewards.append(torch.tensor(reward, dtype=torch.float32))
            ended.append(torch.tensor(end, dtype=torch.float32))
        values.append(critic(torch.tensor(carts.states, dtype=torch.float32)).squeeze(1))
    advantages, ahead = [], torch.zeros(CARTS)
    for t in reversed(range(LENGTH)):
        goes_on = 1 - ended[t]
        ahead = rewards[t] + 0.99 * goes_on * values[t + 1] - values[t] + 0.99 * 0.95 * goes_on * ahead
        advantages.insert(0, ahead)
    advantage, value = torch.stack(advantages).flatten(), torch.stack(values[:-1]).flatten()
    return torch.cat(states), torch.cat(actions), torch.cat(logps), advantage, advantage + value, value


def learn(policy, critic, optimizer, parameters, data, bonus, weight, epochs):
    """Some epochs over what was collected; what is logged of it."""
    states, actions, before, advantages, returns, values = data
    seen = {name: [] for name in ("approx_kl", "clip_fraction", "entropy_loss", "loss", "policy_gradient_loss", "value_loss")}
    for _ in range(epochs):
        for part in torch.randperm(len(states)).split(256):
            choice = Categorical(logits=policy(states[part]))
            change = choice.log_prob(actions[part]) - before[part]
            ratio, advantage = change.exp(), advantages[part]
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            gain = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
            miss, entropy = (critic(states[part]).squeeze(1) - returns[part]).pow(2).mean(), choice.entropy().mean()
            loss = gain + weight * miss - bonus * entropy
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 0.5)
            optimizer.step()
            told = (((ratio - 1) - change).mean(), ((ratio - 1).abs() > 0.2).float().mean(), -entropy, loss, gain, miss)
            for name, value in zip(seen, told, strict=True):
                seen[name].append(float(value.detach()))
    explained = 1 - float((returns - values).var() / (returns.var() + 1e-8))
    return {**{f"train/{name}": np.mean(told) for name, told in seen.items()}, "train/explained_variance": explained}


PROGRAMS = Programs()
PROGRAMS.pair(
    "the return collapses",
    lambda path: train(path, later=0.05, bonus=0.05, updates=48),
    lambda path: train(path, updates=48),
)
PROGRAMS.pair(
    "an update goes too far",
    lambda path: train(path, later=0.1, updates=40),
    lambda path: train(path, updates=40),
)
PROGRAMS.pair(
    "no other actions",
    lambda path: train(path, rate=0.1, bonus=0.0, updates=50),
    lambda path: train(path, rate=1e-3, updates=50),
)
PROGRAMS.pair(
    "no episode earns a reward",
    lambda path: train(path, updates=60, sparse=True),
    lambda path: train(path, updates=60),
)
PROGRAMS.pair(
    "the updates are too small",
    lambda path: train(path, rate=1e-7, updates=60),
    lambda path: train(path, updates=56),
)
PROGRAMS.pair(
    "the critic's loss has the wrong sign",
    lambda path: train(path, weight=-0.5, updates=40),
    lambda path: train(path, updates=42),
)
PROGRAMS.pair(
    "most samples are clipped",
    lambda path: train(path, rate=3e-3, heat=10.0, updates=60),
    lambda path: train(path, rate=3e-3, updates=60),
)
