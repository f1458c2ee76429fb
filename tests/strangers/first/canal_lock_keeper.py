"""
Advantage actor-critic for a canal lock.

Barges queue below and above the lock. The chamber's level is low (0), half (1), or high (2). The keeper may
    0 wait    1 fill (level + 1)    2 drain (level - 1)    3 open the gate on the side where the water stands level
An open gate lets the barge in the chamber leave, if it goes that way, or else lets a barge of that side enter.
+1 for every barge that leaves, and a little grumbling for each that waits.
"""
import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical

SEED = 5
N_ENVS = 16
ROLLOUT = 16
UPDATES = 400
GAMMA = 0.95
LAMBDA = 0.9
MAX_QUEUE = 5


class Lock:
    """N_ENVS locks side by side"""

    def __init__(self, n, seed):
        self.n = n
        self.rng = np.random.default_rng(seed)
        self.level = self.rng.integers(0, 3, n)
        self.below = self.rng.integers(0, 3, n)
        self.above = self.rng.integers(0, 3, n)
        self.cargo = np.zeros(n, dtype=int)       # +1 goes up, -1 goes down, 0 empty

    def observe(self):
        return torch.tensor(np.column_stack([
            np.eye(3)[self.level], np.eye(3)[self.cargo + 1], self.below / MAX_QUEUE, self.above / MAX_QUEUE,
            self.below > 0, self.above > 0]), dtype=torch.float32)

    def step(self, action):
        reward = np.zeros(self.n)
        for i, a in enumerate(action):
            if a == 1:
                self.level[i] = min(2, self.level[i] + 1)
            elif a == 2:
                self.level[i] = max(0, self.level[i] - 1)
            elif a == 3 and self.level[i] != 1:
                up_side = self.level[i] == 2
                wanted = 1 if up_side else -1
                queue = self.above if up_side else self.below
                if self.cargo[i] == wanted:
                    self.cargo[i] = 0
                    reward[i] += 1.0
                elif self.cargo[i] == 0 and queue[i] > 0:
                    queue[i] -= 1
                    self.cargo[i] = -wanted
        for queue in (self.below, self.above):
            queue += (self.rng.random(self.n) < 0.25).astype(int)
            np.minimum(queue, MAX_QUEUE, out=queue)
        reward -= 0.01 * (self.below + self.above)
        return self.observe(), torch.tensor(reward, dtype=torch.float32)


class Keeper(nn.Module):
    def __init__(self, n_obs=10, n_actions=4, hidden=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_obs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.policy = nn.Linear(hidden, n_actions)
        self.value = nn.Linear(hidden, 1)

    def forward(self, obs):
        h = self.body(obs)
        return Categorical(logits=self.policy(h)), self.value(h).squeeze(-1)


def rate_of_barges(agent, steps=200, n=32):
    lock = Lock(n, seed=999)
    obs, total = lock.observe(), 0.0
    with torch.no_grad():
        for _ in range(steps):
            dist, _ = agent(obs)
            obs, reward = lock.step(dist.sample().numpy())
            total += reward.mean().item()
    return total / steps * 100


def train():
    torch.manual_seed(SEED)
    lock = Lock(N_ENVS, SEED)
    agent = Keeper()
    optim = torch.optim.Adam(agent.parameters(), lr=3e-3)
    obs = lock.observe()
    # WATCH(agent, optim)
    for update in range(UPDATES):
        log_probs, values, rewards, entropies = [], [], [], []
        for _ in range(ROLLOUT):
            dist, value = agent(obs)
            action = dist.sample()
            log_probs.append(dist.log_prob(action))
            entropies.append(dist.entropy())
            values.append(value)
            obs, reward = lock.step(action.numpy())
            rewards.append(reward)
        with torch.no_grad():
            _, last = agent(obs)
            advantages, gae, nxt = [], torch.zeros(N_ENVS), last
            for r, v in zip(reversed(rewards), reversed(values)):
                delta = r + GAMMA * nxt - v
                gae = delta + GAMMA * LAMBDA * gae
                advantages.append(gae)
                nxt = v
            advantages = torch.stack(advantages[::-1]).flatten()
        values = torch.stack(values).flatten()
        log_probs = torch.stack(log_probs).flatten()
        returns = advantages + values.detach()

        policy_loss = -(log_probs * advantages).mean()
        value_loss = (values - returns).pow(2).mean()
        entropy = torch.stack(entropies).mean()
        loss = policy_loss + 0.5 * value_loss - 0.01 * entropy
        optim.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
        optim.step()
        if update % 50 == 49:
            print(f"{update + 1:4d}  reward {torch.stack(rewards).mean().item() * 100:7.2f}  value loss {value_loss.item():.3f}"
                  f"  entropy {entropy.item():.3f}")
    return agent


if __name__ == "__main__":
    keeper = train()
    print(f"RESULT {rate_of_barges(keeper):.3f} higher")
