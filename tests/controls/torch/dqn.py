import copy
import random

import numpy as np
import torch
from torch import nn
from torch.nn.functional import smooth_l1_loss

torch.set_num_threads(1)


class CartPoleEnv(object):
    def __init__(self, max_steps=300, seed=None):
        self.rs = np.random.RandomState(seed)
        self.max_steps = max_steps

    def reset(self):
        self.state = self.rs.uniform(low=-0.05, high=0.05, size=4)
        self.steps = 0
        return self.state.copy()

    def step(self, action):
        x, x_dot, theta, theta_dot = self.state
        force = 10.0 if action == 1 else -10.0
        cos, sin = np.cos(theta), np.sin(theta)
        temp = (force + 0.05 * theta_dot ** 2 * sin) / 1.1
        theta_acc = (9.8 * sin - cos * temp) / (0.5 * (4.0 / 3.0 - 0.1 * cos ** 2 / 1.1))
        x_acc = temp - 0.05 * theta_acc * cos / 1.1
        tau = 0.02
        self.state = np.array([x + tau * x_dot, x_dot + tau * x_acc,
                               theta + tau * theta_dot, theta_dot + tau * theta_acc])
        self.steps += 1
        fell = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 0.2095
        timeout = self.steps >= self.max_steps
        return self.state.copy(), 1.0, fell, timeout


class ReplayBuffer(object):
    def __init__(self, capacity, obs_dim):
        self.obs = np.zeros((capacity, obs_dim), np.float32)
        self.next_obs = np.zeros((capacity, obs_dim), np.float32)
        self.act = np.zeros(capacity, np.int64)
        self.rew = np.zeros(capacity, np.float32)
        self.done = np.zeros(capacity, np.float32)
        self.capacity, self.ptr, self.size = capacity, 0, 0

    def push(self, o, a, r, o2, d):
        i = self.ptr
        self.obs[i], self.act[i], self.rew[i], self.next_obs[i], self.done[i] = o, a, r, o2, d
        self.ptr = (i + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def sample(self, n):
        idx = np.random.randint(0, self.size, n)
        return [torch.from_numpy(arr[idx]) for arr in (self.obs, self.act, self.rew, self.next_obs, self.done)]


def mlp():
    return nn.Sequential(nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))


class DQNAgent(object):
    def __init__(self, lr=1e-3, gamma=0.98, tau=0.01, batch=128, capacity=30000):
        self.q = mlp()
        self.target = copy.deepcopy(self.q)
        for p in self.target.parameters():
            p.requires_grad = False
        self.optim = torch.optim.Adam(self.q.parameters(), lr=lr)
        self.buffer = ReplayBuffer(capacity, 4)
        self.gamma, self.tau, self.batch = gamma, tau, batch

    def act(self, obs, eps=0.0):
        if random.random() < eps:
            return random.randrange(2)
        with torch.no_grad():
            return self.q(torch.as_tensor(obs, dtype=torch.float32)).argmax().item()

    def learn(self):
        o, a, r, o2, d = self.buffer.sample(self.batch)
        with torch.no_grad():           # double DQN target
            best = self.q(o2).argmax(1, keepdim=True)
            y = r + self.gamma * (1 - d) * self.target(o2).gather(1, best).squeeze(1)
        q = self.q(o).gather(1, a.unsqueeze(1)).squeeze(1)
        loss = smooth_l1_loss(q, y)
        self.optim.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.q.parameters(), 10.0)
        self.optim.step()
        with torch.no_grad():
            for p, tp in zip(self.q.parameters(), self.target.parameters()):
                tp.lerp_(p, self.tau)
        return loss.item(), q.mean().item()

    def evaluate(self, episodes=10, seed=999):
        env = CartPoleEnv(seed=seed)
        out = []
        for _ in range(episodes):
            o, over = env.reset(), False
            while not over:
                o, _, fell, timeout = env.step(self.act(o))
                over = fell or timeout
            out.append(env.steps)
        return float(np.mean(out))


def run(total_steps=24000, start=1000, eps_end=0.05, eps_decay_steps=6000, seed=0):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    env, agent = CartPoleEnv(seed=seed), DQNAgent()
    lr0 = agent.optim.param_groups[0]["lr"]
    obs = env.reset()
    lengths, losses, qs = [], [], []
    for t in range(1, total_steps + 1):
        eps = max(eps_end, 1.0 - (1.0 - eps_end) * t / eps_decay_steps)
        a = agent.act(obs, eps)
        nxt, r, fell, timeout = env.step(a)
        agent.buffer.push(obs, a, r, nxt, float(fell))      # a timeout isn't terminal
        obs = nxt
        if fell or timeout:
            lengths.append(env.steps)
            obs = env.reset()
        if t > start:
            agent.optim.param_groups[0]["lr"] = lr0 * (1 - 0.9 * t / total_steps)
            loss, q = agent.learn()
            losses.append(loss)
            qs.append(q)
        if t % 3000 == 0:
            print("t=%5d eps=%.2f td-loss=%.4f mean Q=%.1f train length=%.1f"
                  % (t, eps, np.mean(losses[-1000:]), np.mean(qs[-1000:]), np.mean(lengths[-20:])))
    return agent


if __name__ == "__main__":
    before = DQNAgent().evaluate()
    agent = run()
    print("mean greedy episode length: %.1f of 300 (untrained: %.1f)" % (agent.evaluate(20), before))
