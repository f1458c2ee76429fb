"""DQN (double Q, replay memory, soft target update) on a slippery 5x5 grid
with pits."""
import random
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

Transition = namedtuple("Transition", "s a r s2 done")


class Grid:
    """start anywhere free, walk to the goal; pits end the episode."""
    MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]

    def __init__(self, size=5, max_steps=30, slip=0.1):
        self.size, self.max_steps, self.slip = size, max_steps, slip
        self.goal = (size - 1, size - 1)
        self.pits = {(1, 1), (2, 3), (3, 1)}
        self.free = [(r, c) for r in range(size) for c in range(size)
                     if (r, c) != self.goal and (r, c) not in self.pits]

    def obs(self):
        v = np.zeros(self.size * self.size, np.float32)
        v[self.pos[0] * self.size + self.pos[1]] = 1.0
        return v

    def reset(self, pos=None):
        self.pos = pos or random.choice(self.free)
        self.t = 0
        return self.obs()

    def step(self, a):
        if random.random() < self.slip:
            a = random.randrange(4)
        dr, dc = self.MOVES[a]
        r = min(max(self.pos[0] + dr, 0), self.size - 1)
        c = min(max(self.pos[1] + dc, 0), self.size - 1)
        self.pos = (r, c)
        self.t += 1
        if self.pos == self.goal:
            return self.obs(), 1.0, True, False
        if self.pos in self.pits:
            return self.obs(), -1.0, True, False
        return self.obs(), -0.02, False, self.t >= self.max_steps


class QNet(nn.Module):
    def __init__(self, n_in, n_out, hidden=64):
        super().__init__()
        self.l1 = nn.Linear(n_in, hidden)
        self.l2 = nn.Linear(hidden, hidden)
        self.q = nn.Linear(hidden, n_out)

    def forward(self, x):
        return self.q(F.relu(self.l2(F.relu(self.l1(x)))))


class Agent:
    def __init__(self, n_obs, n_act, gamma=0.95, lr=1e-3, tau=0.02, batch=64, capacity=5000):
        self.policy = QNet(n_obs, n_act)
        self.target = QNet(n_obs, n_act)
        self.target.load_state_dict(self.policy.state_dict())
        self.target.requires_grad_(False)
        self.optim = torch.optim.Adam(self.policy.parameters(), lr=lr)
        self.memory = deque(maxlen=capacity)
        self.n_act, self.gamma, self.tau, self.batch = n_act, gamma, tau, batch

    def act(self, obs, eps):
        if random.random() < eps:
            return random.randrange(self.n_act)
        with torch.no_grad():
            return self.policy(torch.from_numpy(obs)).argmax().item()

    def learn(self):
        if len(self.memory) < 2 * self.batch:
            return None
        b = Transition(*zip(*random.sample(self.memory, self.batch)))
        s, s2 = torch.from_numpy(np.stack(b.s)), torch.from_numpy(np.stack(b.s2))
        a = torch.tensor(b.a).unsqueeze(1)
        r, done = torch.tensor(b.r), torch.tensor(b.done, dtype=torch.float32)
        q = self.policy(s).gather(1, a).squeeze(1)
        with torch.no_grad():
            best = self.policy(s2).argmax(1, keepdim=True)
            target = r + self.gamma * (1 - done) * self.target(s2).gather(1, best).squeeze(1)
        loss = F.smooth_l1_loss(q, target)
        self.optim.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(self.policy.parameters(), 1.0)
        self.optim.step()
        for t, p in zip(self.target.parameters(), self.policy.parameters()):
            t.data.mul_(1 - self.tau).add_(p.data, alpha=self.tau)
        return loss.item()


def greedy_eval(agent, env):
    rets, wins = [], 0
    for start in env.free:
        s, total, over = env.reset(start), 0.0, False
        while not over:
            s, r, done, trunc = env.step(agent.act(s, 0.0))
            total += r
            over = done or trunc
        rets.append(total)
        wins += env.pos == env.goal
    return float(np.mean(rets)), wins / len(env.free)


def main(episodes=300, seed=0):
    torch.set_num_threads(1)
    random.seed(seed); np.random.seed(seed); torch.manual_seed(seed)
    env, test_env = Grid(), Grid()
    agent = Agent(25, 4)
    eps, losses, returns = 1.0, deque(maxlen=200), deque(maxlen=25)
    print("before training: return %.2f, reaches goal %.2f" % greedy_eval(agent, test_env))
    # WATCH(agent.policy, agent.optim)
    for ep in range(1, episodes + 1):
        s, total, over = env.reset(), 0.0, False
        while not over:
            a = agent.act(s, eps)
            s2, r, done, trunc = env.step(a)
            # a time-out is no terminal state: it is still bootstrapped
            agent.memory.append(Transition(s, a, r, s2, done))
            s, total, over = s2, total + r, done or trunc
            loss = agent.learn()
            if loss is not None:
                losses.append(loss)
        returns.append(total)
        eps = max(0.05, eps * 0.99)
        if ep % 25 == 0:
            g, w = greedy_eval(agent, test_env)
            print(f"episode {ep:4d}  eps {eps:.2f}  mean return {np.mean(returns):6.2f}  "
                  f"td loss {np.mean(losses) if losses else float('nan'):.4f}  greedy return {g:5.2f}  goal {w:.2f}")
    print(f"RESULT {g:.4f} higher")


if __name__ == "__main__":
    main()
