# DQN, small maze with holes, written without gym
import random
from collections import deque
import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

random.seed(8); np.random.seed(8); torch.manual_seed(8)

GRID = ["S....",
        ".##..",
        "...H.",
        ".H#..",
        "....G"]
H, W = len(GRID), len(GRID[0])
FREE = [(r, c) for r in range(H) for c in range(W) if GRID[r][c] in "S."]
MOVES = [(-1, 0), (0, 1), (1, 0), (0, -1)]


class Maze:
    def reset(self, start=None):
        self.pos = start or random.choice(FREE)
        self.t = 0
        return self.obs()

    def obs(self):
        v = np.zeros(H * W, dtype=np.float32)
        v[self.pos[0] * W + self.pos[1]] = 1
        return v

    def step(self, a):
        self.t += 1
        r, c = self.pos[0] + MOVES[a][0], self.pos[1] + MOVES[a][1]
        if 0 <= r < H and 0 <= c < W and GRID[r][c] != "#":
            self.pos = (r, c)
        cell = GRID[self.pos[0]][self.pos[1]]
        reward, done = -1.0, False
        if cell == "G":
            reward, done = 0.0, True
        elif cell == "H":
            reward, done = -10.0, True
        return self.obs(), reward, done


class DQN(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(H * W, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 4)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


def evaluate(net):
    env, returns = Maze(), []
    for s0 in FREE:
        s, R = env.reset(s0), 0
        for _ in range(30):
            with torch.no_grad():
                a = net(torch.from_numpy(s)).argmax().item()
            s, r, d = env.step(a)
            R += r
            if d:
                break
        returns.append(R)
    return float(np.mean(returns))


policy_net, target_net = DQN(), DQN()
target_net.load_state_dict(policy_net.state_dict())
optimizer = optim.Adam(policy_net.parameters(), lr=1e-3)
memory = deque(maxlen=5000)
GAMMA, BATCH, eps, steps = 0.95, 64, 1.0, 0
env = Maze()
ep_returns = []

# WATCH(policy_net, optimizer)
for episode in range(1, 501):
    s, R = env.reset(), 0
    for t in range(30):
        if random.random() < eps:
            a = random.randrange(4)
        else:
            with torch.no_grad():
                a = policy_net(torch.from_numpy(s)).argmax().item()
        s2, r, done = env.step(a)
        memory.append((s, a, r, s2, float(done)))
        s, R = s2, R + r
        steps += 1
        if len(memory) >= 200:
            S, A, Rw, S2, D = zip(*random.sample(memory, BATCH))
            S, S2 = torch.from_numpy(np.stack(S)), torch.from_numpy(np.stack(S2))
            A, Rw, D = torch.tensor(A), torch.tensor(Rw), torch.tensor(D)
            q = policy_net(S).gather(1, A.unsqueeze(1)).squeeze(1)
            with torch.no_grad():
                target = Rw + GAMMA * target_net(S2).max(1)[0] * (1 - D)
            loss = ((q - target) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if steps % 100 == 0:
            target_net.load_state_dict(policy_net.state_dict())
        if done:
            break
    eps = max(0.1, eps * 0.985)
    ep_returns.append(R)
    if episode % 50 == 0:
        print('ep', episode, 'steps', steps, 'eps %.2f' % eps, 'mean return', np.mean(ep_returns[-50:]),
              'greedy', round(evaluate(policy_net), 3))

print('RESULT', round(evaluate(policy_net), 4), 'higher')
