"""Advantage actor-critic on a road with oncoming cars.

The road is five lanes wide. The cars come towards us, one row a step; we steer left, go straight, or steer right. A crash ends the
episode (reward -1), every step survived earns 0.1, steering costs a little. 24 roads are driven side by side.
"""
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    roads: int = 24
    lanes: int = 5
    sight: int = 5
    horizon: int = 12
    updates: int = 600
    gamma: float = 0.95
    lam: float = 0.9
    lr: float = 2e-3
    entropy: float = 0.01
    value: float = 0.5
    max_norm: float = 0.5
    seed: int = 17


class Roads:
    def __init__(self, cfg, n, seed):
        self.cfg, self.n = cfg, n
        self.rng = np.random.default_rng(seed)
        self.grid = np.zeros((n, cfg.sight, cfg.lanes), np.float32)
        self.lane = np.zeros(n, int)
        self.age = np.zeros(n, int)
        self.restart(np.ones(n, bool))

    def restart(self, which):
        self.grid[which] = 0
        self.lane[which] = self.rng.integers(self.cfg.lanes, size=which.sum())
        self.age[which] = 0

    def see(self):
        me = np.eye(self.cfg.lanes, dtype=np.float32)[self.lane]
        return torch.from_numpy(np.concatenate([self.grid.reshape(self.n, -1), me], 1))

    def drive(self, action):
        turn = action - 1
        self.lane = np.clip(self.lane + turn, 0, self.cfg.lanes - 1)
        arriving = self.grid[:, -1].copy()
        self.grid[:, 1:] = self.grid[:, :-1].copy()
        cars = self.rng.random((self.n, self.cfg.lanes)) < 0.2
        cars[np.arange(self.n), self.rng.integers(self.cfg.lanes, size=self.n)] = False     # there is always a gap
        self.grid[:, 0] = cars
        crash = arriving[np.arange(self.n), self.lane] > 0
        self.age += 1
        reward = np.where(crash, -1.0, 0.1) - 0.01 * (turn != 0)
        done = crash | (self.age >= 60)
        return reward.astype(np.float32), done


class ActorCritic(nn.Module):
    def __init__(self, inputs, actions, hidden=96):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.actor = nn.Linear(hidden, actions)
        self.critic = nn.Linear(hidden, 1)
        nn.init.orthogonal_(self.actor.weight, 0.01)
        nn.init.zeros_(self.actor.bias)

    def forward(self, obs):
        h = self.body(obs)
        return F.log_softmax(self.actor(h), dim=1), self.critic(h).squeeze(-1)


@torch.no_grad()
def drive_greedily(agent, cfg, seed=1234, n=200):
    roads = Roads(cfg, n, seed)
    alive, total = np.ones(n, bool), np.zeros(n)
    for _ in range(60):
        logp, _ = agent(roads.see())
        reward, done = roads.drive(logp.argmax(1).numpy())
        total += reward * alive
        alive &= ~done
        if not alive.any():
            break
    return total.mean()


def rollout(agent, roads, cfg):
    log_probs, values, entropies, rewards, dones = [], [], [], [], []
    for _ in range(cfg.horizon):
        logp, value = agent(roads.see())
        action = torch.multinomial(logp.detach().exp(), 1)
        reward, done = roads.drive(action.squeeze(1).numpy())
        roads.restart(done)
        log_probs.append(logp.gather(1, action).squeeze(1))
        entropies.append(-(logp.exp() * logp).sum(1))
        values.append(value)
        rewards.append(torch.from_numpy(reward))
        dones.append(torch.from_numpy(done.astype(np.float32)))
    with torch.no_grad():
        last = agent(roads.see())[1]
    return [torch.stack(v) for v in (log_probs, values, entropies, rewards, dones)] + [last]


def advantages(rewards, dones, values, last, cfg):
    out, run = torch.zeros_like(rewards), torch.zeros_like(last)
    following = last
    for t in range(len(rewards) - 1, -1, -1):
        alive = 1 - dones[t]
        delta = rewards[t] + cfg.gamma * alive * following - values[t]
        run = delta + cfg.gamma * cfg.lam * alive * run
        out[t], following = run, values[t]
    return out


def main(cfg):
    np.random.seed(cfg.seed)
    torch.manual_seed(cfg.seed)
    roads = Roads(cfg, cfg.roads, cfg.seed)
    agent = ActorCritic(cfg.sight * cfg.lanes + cfg.lanes, 3)
    optim = torch.optim.Adam(agent.parameters(), lr=cfg.lr, eps=1e-5)
    decay = torch.optim.lr_scheduler.LambdaLR(optim, lambda u: 1 - 0.9 * u / cfg.updates)
    curve = []
    print(f"untrained: return {drive_greedily(agent, cfg):.3f}")

    # WATCH(agent, optim)
    for update in range(1, cfg.updates + 1):
        log_probs, values, entropies, rewards, dones, last = rollout(agent, roads, cfg)
        adv = advantages(rewards, dones, values.detach(), last, cfg)
        target = adv + values.detach()
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)
        policy_loss = -(log_probs * adv).mean()
        value_loss = F.mse_loss(values, target)
        loss = policy_loss + cfg.value * value_loss - cfg.entropy * entropies.mean()
        optim.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), cfg.max_norm)
        optim.step()
        decay.step()
        curve.append(loss.item())
        if update % 100 == 0:
            print(f"update {update:4d}  loss {sum(curve[-100:]) / 100:+.4f}  value loss {value_loss.item():.4f}  "
                  f"entropy {entropies.mean().item():.3f}  greedy return {drive_greedily(agent, cfg):.3f}")
    print(f"RESULT {drive_greedily(agent, cfg):.4f} higher")


if __name__ == "__main__":
    main(Config())
