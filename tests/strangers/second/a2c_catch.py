"""
Advantage actor-critic on "catch", many environments stepped side by side.

A ball drops from the top of a grid, drifting sideways and bouncing off the walls; the paddle (three cells wide) at
the bottom moves left, stays, or moves right. Reward +1 for a catch, -1 for a miss, and then a new ball comes.
Moves into the wall are not allowed and get masked.
"""
import random
import time

import numpy as np
import torch
import torch.nn as nn

# ---- settings
seed = 3
num_envs = 32
num_steps = 9
num_updates = 900
gamma = 0.97
gae_lambda = 0.95
ent_coef = 0.02
vf_coef = 0.5
max_grad_norm = 0.5
learning_rate = 3e-3


class CatchVec:
    """num_envs copies of the game; an episode lasts height - 1 steps and restarts by itself."""

    def __init__(self, n, rng, width=9, height=10):
        self.n, self.w, self.h, self.rng = n, width, height, rng
        self.row = np.zeros(n, int)
        self.col = np.zeros(n, int)
        self.drift = np.zeros(n, int)
        self.paddle = np.zeros(n, int)
        self.reset_where(np.ones(n, bool))

    def reset_where(self, m):
        k = int(m.sum())
        self.row[m] = 0
        self.col[m] = self.rng.integers(0, self.w, k)
        self.drift[m] = self.rng.integers(-1, 2, k)
        self.paddle[m] = self.rng.integers(0, self.w, k)

    def obs(self):
        ball = np.eye(self.w, dtype=np.float32)[self.col]
        pad = np.eye(self.w, dtype=np.float32)[self.paddle]
        rest = np.stack([self.row / (self.h - 1), self.drift], 1).astype(np.float32)
        return torch.from_numpy(np.concatenate([ball, pad, rest], 1))

    def allowed(self):
        return torch.from_numpy(np.stack([self.paddle > 0, np.ones(self.n, bool), self.paddle < self.w - 1], 1))

    def step(self, action):
        self.paddle = np.clip(self.paddle + action - 1, 0, self.w - 1)
        nxt = self.col + self.drift
        bounce = (nxt < 0) | (nxt >= self.w)
        self.drift = np.where(bounce, -self.drift, self.drift)
        self.col = self.col + self.drift
        self.row += 1
        done = self.row == self.h - 1
        reward = np.where(done, np.where(np.abs(self.col - self.paddle) <= 1, 1.0, -1.0), 0.0)
        self.reset_where(done)
        return torch.tensor(reward, dtype=torch.float32), torch.tensor(done, dtype=torch.float32)


def layer(n_in, n_out, gain=np.sqrt(2)):
    lin = nn.Linear(n_in, n_out)
    nn.init.orthogonal_(lin.weight, gain)
    nn.init.zeros_(lin.bias)
    return lin


class Agent(nn.Module):
    def __init__(self, n_obs, n_act):
        super().__init__()
        self.trunk = nn.Sequential(layer(n_obs, 96), nn.ReLU(), layer(96, 64), nn.ReLU())
        self.actor = layer(64, n_act, gain=0.01)
        self.critic = layer(64, 1, gain=1.0)

    def forward(self, obs, allowed):
        h = self.trunk(obs)
        logits = self.actor(h).masked_fill(~allowed, float("-inf"))
        return logits.softmax(-1), self.critic(h).squeeze(-1)


def sample(probs):
    u = torch.rand(len(probs), 1)
    return (probs.cumsum(-1) < u).sum(-1).clamp(max=probs.size(-1) - 1)


@torch.no_grad()
def greedy_return(agent, episodes=400):
    env = CatchVec(episodes, np.random.default_rng(777))
    for _ in range(env.h - 1):
        probs, _ = agent(env.obs(), env.allowed())
        reward, _ = env.step(probs.argmax(-1).numpy())
    return reward.mean().item()


random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

envs = CatchVec(num_envs, np.random.default_rng(seed))
agent = Agent(envs.obs().shape[1], 3)
optimizer = torch.optim.Adam(agent.parameters(), lr=learning_rate, eps=1e-5)
start = time.time()
returns = []

# WATCH(agent, optimizer)
for update in range(1, num_updates + 1):
    optimizer.param_groups[0]["lr"] = learning_rate * (1.0 - (update - 1) / num_updates)

    # roll out
    obs_b, ok_b, act_b, rew_b, done_b, val_b = [], [], [], [], [], []
    for _ in range(num_steps):
        obs, ok = envs.obs(), envs.allowed()
        with torch.no_grad():
            probs, value = agent(obs, ok)
        action = sample(probs)
        reward, done = envs.step(action.numpy())
        returns += reward[done.bool()].tolist()
        for buf, item in zip((obs_b, ok_b, act_b, rew_b, done_b, val_b), (obs, ok, action, reward, done, value)):
            buf.append(item)

    # generalised advantages
    with torch.no_grad():
        next_value = agent(envs.obs(), envs.allowed())[1]
        adv, advs = torch.zeros(num_envs), []
        for t in reversed(range(num_steps)):
            delta = rew_b[t] + gamma * next_value * (1 - done_b[t]) - val_b[t]
            adv = delta + gamma * gae_lambda * (1 - done_b[t]) * adv
            advs.insert(0, adv)
            next_value = val_b[t]
        adv = torch.cat(advs)
        target = adv + torch.cat(val_b)

    # one update on the whole batch
    probs, value = agent(torch.cat(obs_b), torch.cat(ok_b))
    logp = probs.gather(1, torch.cat(act_b).unsqueeze(1)).squeeze(1).clamp(min=1e-8).log()
    entropy = -(probs * torch.log(probs + 1e-8)).sum(-1).mean()
    pg_loss = -(adv * logp).mean()
    v_loss = 0.5 * (target - value).pow(2).mean()
    loss = pg_loss + vf_coef * v_loss - ent_coef * entropy

    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(agent.parameters(), max_grad_norm)
    optimizer.step()

    if update % 100 == 0:
        print(f"update={update} return={np.mean(returns[-400:]):.3f} v_loss={v_loss.item():.4f} "
              f"entropy={entropy.item():.3f} sps={int(update * num_envs * num_steps / (time.time() - start))}")

print(f"RESULT {greedy_return(agent):.4f} higher")
