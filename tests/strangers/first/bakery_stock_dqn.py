# How many loaves to bake tonight?  Deep Q-learning for a very small bakery.
#
# The world: each evening the baker sees what is left on the shelf (fresh loaves and those of yesterday), the day of the week and
# whether rain is forecast, and decides how many trays of ten loaves go into the oven.
# Old loaves sell after the fresh ones, and what is two days old is thrown away.
from collections import deque, namedtuple
import random

import numpy as np
import torch
import torch.nn as nn

GAMMA = 0.9
BATCH = 64
START_LEARNING = 500
DAYS_OF_TRAINING = 4500
SYNC_EVERY = 200
TRAYS = 6                                   # 0..5 trays

torch.manual_seed(0)
random.seed(0)
np.random.seed(0)


class Bakery:
    WEEK = [18, 16, 20, 22, 34, 40, 8]

    def __init__(self, seed):
        self.rng = np.random.RandomState(seed)

    def look(self):
        weekday = np.zeros(7, dtype=np.float32)
        weekday[self.day % 7] = 1
        return np.concatenate([[self.fresh / 20, self.old / 20, self.rain], weekday]).astype(np.float32)

    def reset(self):
        self.day = self.rng.randint(7)
        self.fresh = self.old = 0
        self.rain = float(self.rng.rand() < 0.3)
        self.end = self.day + 28
        return self.look()

    def step(self, trays):
        mean = self.WEEK[self.day % 7] * (0.5 if self.rain else 1.0)
        customers = self.rng.poisson(mean)
        self.old, self.fresh = self.fresh, 10 * trays
        sold_fresh = min(customers, self.fresh)
        sold_old = min((customers - sold_fresh) // 2, self.old)
        missed = customers - sold_fresh - sold_old
        wasted = self.old - sold_old
        profit = 3.0 * sold_fresh + 2.0 * sold_old - 10.0 * trays - 0.5 * wasted - 0.5 * missed
        self.fresh -= sold_fresh
        self.old = 0
        self.day += 1
        self.rain = float(self.rng.rand() < 0.3)
        return self.look(), profit / 10, self.day >= self.end


Step = namedtuple("Step", "state action reward state2 over")


class Memory:
    def __init__(self, size):
        self.steps = deque(maxlen=size)

    def push(self, *a):
        self.steps.append(Step(*a))

    def sample(self, n):
        drawn = Step(*zip(*random.sample(self.steps, n)))
        states = torch.from_numpy(np.stack(drawn.state))
        actions = torch.tensor(drawn.action)
        rewards = torch.tensor(drawn.reward, dtype=torch.float32)
        states2 = torch.from_numpy(np.stack(drawn.state2))
        over = torch.tensor(drawn.over, dtype=torch.float32)
        return states, actions, rewards, states2, over

    def __len__(self):
        return len(self.steps)


def make_q():
    return nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, TRAYS))


def choose(q, state, eps):
    if random.random() < eps:
        return random.randrange(TRAYS)
    with torch.no_grad():
        return int(q(torch.from_numpy(state)).argmax())


def average_month(q, months=40):
    shop = Bakery(seed=999)
    total = 0.0
    for _ in range(months):
        s, done = shop.reset(), False
        while not done:
            s, r, done = shop.step(choose(q, s, 0.0))
            total += r
    return total / months


q_net, q_target = make_q(), make_q()
q_target.load_state_dict(q_net.state_dict())
memory = Memory(5000)
optimizer = torch.optim.Adam(q_net.parameters(), lr=1e-3, betas=(0.9, 0.999))
huber = nn.SmoothL1Loss()
print("before learning, profit of a month: %.1f" % average_month(q_net))

shop = Bakery(seed=1)
state = shop.reset()
losses = []
# WATCH(q_net, optimizer)
for day in range(1, DAYS_OF_TRAINING + 1):
    eps = max(0.05, 1.0 - day / 2000)
    action = choose(q_net, state, eps)
    new_state, reward, over = shop.step(action)
    memory.push(state, action, reward, new_state, over)
    state = shop.reset() if over else new_state
    if day < START_LEARNING:
        continue

    if day == 3300:                          # smaller steps towards the end
        for group in optimizer.param_groups:
            group["lr"] = 2e-4
    s, a, r, s2, done = memory.sample(BATCH)
    with torch.no_grad():
        best = q_net(s2).argmax(1, keepdim=True)               # double DQN
        goal = r + GAMMA * (1 - done) * q_target(s2).gather(1, best).squeeze(1)
    value = q_net(s).gather(1, a.unsqueeze(1)).squeeze(1)
    loss = huber(value, goal)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(q_net.parameters(), 10.0)
    optimizer.step()
    losses.append(loss.item())

    if day % SYNC_EVERY == 0:
        q_target.load_state_dict(q_net.state_dict())
    if day % 1000 == 0:
        print("day %d  eps %.2f  td loss %.3f  mean q %.2f  month %.1f" % (day, eps, np.mean(losses[-500:]), value.mean().item(), average_month(q_net, 15)))

print("RESULT %.2f higher" % average_month(q_net))
