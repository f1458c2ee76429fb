import argparse
import math
from collections import deque

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical

parser = argparse.ArgumentParser(description='REINFORCE on a home-made cart pole')
parser.add_argument('--gamma', type=float, default=0.99, help='discount factor')
parser.add_argument('--seed', type=int, default=11)
parser.add_argument('--log-interval', type=int, default=10)
parser.add_argument('--episodes', type=int, default=400)
args = parser.parse_args()

torch.manual_seed(args.seed)
torch.set_num_threads(1)


class CartPole:
    """Cart with a pole hinged on it; push left or right; +1 for every step upright."""
    g, m_cart, m_pole, half_len, force, dt = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    limit = 100

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def reset(self):
        self.s = self.rng.uniform(-0.05, 0.05, 4)
        self.t = 0
        return self.s.copy()

    def step(self, action):
        x, v, th, om = self.s
        f = self.force if action == 1 else -self.force
        total = self.m_cart + self.m_pole
        c, s = math.cos(th), math.sin(th)
        tmp = (f + self.m_pole * self.half_len * om ** 2 * s) / total
        alpha = (self.g * s - c * tmp) / (self.half_len * (4 / 3 - self.m_pole * c ** 2 / total))
        acc = tmp - self.m_pole * self.half_len * alpha * c / total
        self.s = np.array([x + self.dt * v, v + self.dt * acc, th + self.dt * om, om + self.dt * alpha])
        self.t += 1
        done = abs(self.s[0]) > 2.4 or abs(self.s[2]) > 12 * math.pi / 180 or self.t >= self.limit
        return self.s.copy(), 1.0, done


env = CartPole(args.seed)


class Policy(nn.Module):
    def __init__(self):
        super(Policy, self).__init__()
        self.affine1 = nn.Linear(4, 64)
        self.affine2 = nn.Linear(64, 2)
        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        return F.softmax(self.affine2(F.relu(self.affine1(x))), dim=1)


policy = Policy()
optimizer = optim.Adam(policy.parameters(), lr=1e-2)
eps = np.finfo(np.float32).eps.item()


def select_action(state):
    state = torch.from_numpy(state).float().unsqueeze(0)
    m = Categorical(policy(state), validate_args=False)
    action = m.sample()
    policy.saved_log_probs.append(m.log_prob(action))
    return action.item()


def finish_episode():
    R = 0
    returns = deque()
    for r in policy.rewards[::-1]:
        R = r + args.gamma * R
        returns.appendleft(R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    policy_loss = [-log_prob * R for log_prob, R in zip(policy.saved_log_probs, returns)]
    optimizer.zero_grad()
    policy_loss = torch.cat(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]


def main():
    running_reward = 10
    # WATCH(policy, optimizer)
    for i_episode in range(1, args.episodes + 1):
        state, ep_reward, done = env.reset(), 0, False
        while not done:
            action = select_action(state)
            state, reward, done = env.step(action)
            policy.rewards.append(reward)
            ep_reward += reward

        running_reward = 0.05 * ep_reward + (1 - 0.05) * running_reward
        finish_episode()
        if i_episode % args.log_interval == 0:
            print('Episode {}\tLast reward: {:.2f}\tAverage reward: {:.2f}'.format(
                i_episode, ep_reward, running_reward))
        if running_reward > 92:
            print("Solved! Running reward is now {:.1f} after {} episodes".format(running_reward, i_episode))
            break

    # play greedily
    scores = []
    with torch.no_grad():
        for _ in range(10):
            state, done, score = env.reset(), False, 0
            while not done:
                probs = policy(torch.from_numpy(state).float().unsqueeze(0))
                state, reward, done = env.step(probs.argmax().item())
                score += reward
            scores.append(score)
    print('greedy policy over 10 episodes: mean {:.1f}'.format(np.mean(scores)))
    print('RESULT {:.2f} higher'.format(np.mean(scores)))


if __name__ == '__main__':
    main()
