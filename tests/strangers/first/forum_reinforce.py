# REINFORCE on cartpole. no gym on this machine so i copied the physics into a small class
import math
import random
from collections import deque

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical

SEED = 543
GAMMA = 0.99
MAX_STEPS = 200
N_EPISODES = 260

random.seed(SEED)
np.random.seed(SEED)
torch.manual_seed(SEED)


class CartPole:
    def __init__(self):
        self.rng = np.random.RandomState(SEED)

    def reset(self):
        self.s = self.rng.uniform(-0.05, 0.05, 4)
        self.t = 0
        return self.s.copy()

    def step(self, action):
        x, xd, th, thd = self.s
        force = 10.0 if action == 1 else -10.0
        ct, st = math.cos(th), math.sin(th)
        tmp = (force + 0.05 * thd * thd * st) / 1.1
        thacc = (9.8 * st - ct * tmp) / (0.5 * (4.0 / 3.0 - 0.1 * ct * ct / 1.1))
        xacc = tmp - 0.05 * thacc * ct / 1.1
        self.s = np.array([x + 0.02 * xd, xd + 0.02 * xacc, th + 0.02 * thd, thd + 0.02 * thacc])
        self.t += 1
        fell = abs(self.s[0]) > 2.4 or abs(self.s[2]) > 12 * math.pi / 180
        return self.s.copy(), 1.0, fell or self.t >= MAX_STEPS


class Policy(nn.Module):
    def __init__(self):
        super(Policy, self).__init__()
        self.affine1 = nn.Linear(4, 64)
        self.affine2 = nn.Linear(64, 2)
        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        action_scores = self.affine2(x)
        return F.softmax(action_scores, dim=1)


env = CartPole()
policy = Policy()
optimizer = optim.Adam(policy.parameters(), lr=5e-3)
eps = np.finfo(np.float32).eps.item()


def select_action(state):
    state = torch.from_numpy(state).float().unsqueeze(0)
    probs = policy(state)
    m = Categorical(probs)
    action = m.sample()
    policy.saved_log_probs.append(m.log_prob(action))
    return action.item()


def finish_episode():
    R = 0
    returns = deque()
    for r in policy.rewards[::-1]:
        R = r + GAMMA * R
        returns.appendleft(R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    log_probs = torch.cat(policy.saved_log_probs)
    policy_loss = (-log_probs * returns).sum()
    optimizer.zero_grad()
    policy_loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]


def main():
    running_reward = 10
    # WATCH(policy, optimizer)
    for i_episode in range(1, N_EPISODES + 1):
        state, ep_reward, done = env.reset(), 0, False
        while not done:
            action = select_action(state)
            state, reward, done = env.step(action)
            policy.rewards.append(reward)
            ep_reward += reward
        running_reward = 0.05 * ep_reward + (1 - 0.05) * running_reward
        finish_episode()
        if i_episode % 20 == 0:
            print('Episode {}\tLast reward: {:.2f}\tAverage reward: {:.2f}'.format(
                i_episode, ep_reward, running_reward))

    # play without learning
    scores = []
    with torch.no_grad():
        for _ in range(30):
            state, total, done = env.reset(), 0, False
            while not done:
                action = select_action(state)
                state, reward, done = env.step(action)
                total += reward
            scores.append(total)
    print('RESULT %.2f higher' % np.mean(scores))


if __name__ == '__main__':
    main()
