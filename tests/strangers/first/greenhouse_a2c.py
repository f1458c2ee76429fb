"""Advantage actor-critic that runs the heater and the vent of a greenhouse.

python greenhouse_a2c.py --episodes-per-update 8 --updates 120
"""
import argparse
import logging

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

log = logging.getLogger("greenhouse")


class Greenhouse:
    """Temperature in the house; actions: 0 nothing, 1 heater, 2 vent. Heating costs. The sun comes and goes."""

    length = 40

    def __init__(self, rng):
        self.rng = rng

    def reset(self):
        self.t = 0
        self.temp = self.rng.uniform(12.0, 28.0)
        self.outside = self.rng.uniform(2.0, 14.0)
        self.phase = self.rng.uniform(0, 2 * np.pi)
        return self._observe()

    def _sun(self):
        return max(0.0, np.sin(self.phase + self.t / 7.0))

    def _observe(self):
        return np.array([(self.temp - 20) / 6, (self.outside - 8) / 4, self._sun(), np.cos(self.phase + self.t / 7.0)],
                        dtype=np.float32)

    def step(self, action):
        leak = 0.06 + (0.18 if action == 2 else 0.0)
        self.temp += leak * (self.outside - self.temp) + 1.8 * self._sun() + (2.6 if action == 1 else 0.0)
        self.temp += self.rng.normal(0, 0.15)
        self.t += 1
        reward = 1.0 - min(2.0, abs(self.temp - 20) / 3) - (0.1 if action == 1 else 0.0)
        return self._observe(), reward, self.t >= self.length


class ActorCritic(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 3))
        self.critic = nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def policy(self, obs):
        return Categorical(logits=self.actor(obs), validate_args=False)

    def value(self, obs):
        return self.critic(obs).squeeze(-1)


def init_weights(module):
    if isinstance(module, nn.Linear):
        nn.init.orthogonal_(module.weight)
        nn.init.zeros_(module.bias)


class Agent:
    def __init__(self, args):
        self.args = args
        self.net = ActorCritic(args.hidden)
        self.net.apply(init_weights)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=args.lr)
        self.smooth_loss = 0.0

    def act(self, obs, greedy=False):
        with torch.no_grad():
            dist = self.net.policy(torch.from_numpy(obs))
            return (dist.probs.argmax() if greedy else dist.sample()).item()

    def loss(self, observations, actions, rewards):
        returns, ret = [], 0.0
        for r in reversed(rewards):
            ret = r + self.args.gamma * ret
            returns.insert(0, ret)
        obs = torch.from_numpy(np.stack(observations))
        returns = torch.tensor(returns, dtype=torch.float32) * (1 - self.args.gamma)   # of the size of a reward
        dist = self.net.policy(obs)
        values = self.net.value(obs)
        advantage = (returns - values).detach()
        log_probs = dist.log_prob(torch.tensor(actions))
        actor_loss = -(log_probs * advantage).mean()
        critic_loss = (returns - values).pow(2).mean()
        return actor_loss + 0.5 * critic_loss - self.args.entropy * dist.entropy().mean()

    def update(self, env):
        """one step of the optimizer from the gradients of several episodes"""
        scores = []
        self.optimizer.zero_grad()
        for _ in range(self.args.episodes_per_update):
            observations, actions, rewards = play(env, self)
            loss = self.loss(observations, actions, rewards) / self.args.episodes_per_update
            loss.backward()
            self.smooth_loss = 0.95 * self.smooth_loss + 0.05 * loss.item()
            scores.append(sum(rewards))
        self.optimizer.step()
        return np.mean(scores)


def play(env, agent, greedy=False):
    observations, actions, rewards = [], [], []
    obs, done = env.reset(), False
    while not done:
        action = agent.act(obs, greedy)
        observations.append(obs)
        actions.append(action)
        obs, reward, done = env.step(action)
        rewards.append(reward)
    return observations, actions, rewards


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=80)
    parser.add_argument("--episodes-per-update", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1.5e-2)
    parser.add_argument("--gamma", type=float, default=0.85)
    parser.add_argument("--entropy", type=float, default=0.002)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    torch.manual_seed(args.seed)
    env = Greenhouse(np.random.default_rng(args.seed))
    agent = Agent(args)
    # WATCH(agent.net, agent.optimizer)
    for update in range(args.updates):
        score = agent.update(env)
        if update % 20 == 0:
            log.info("update %d score %.2f loss %.4f", update, score, agent.smooth_loss)
    test_env = Greenhouse(np.random.default_rng(1000))
    final = np.mean([sum(play(test_env, agent, greedy=True)[2]) for _ in range(30)])
    print(f"RESULT {final:.3f} higher")


if __name__ == "__main__":
    main()
