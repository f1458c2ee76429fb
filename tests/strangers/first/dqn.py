# -*- coding: utf-8 -*-
"""
Reinforcement Learning (DQN): catch the falling ball
"""
import math
import random
from collections import namedtuple
from itertools import count

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

random.seed(11)
torch.manual_seed(11)


class CatchEnv:
    """The ball falls one row per step and may drift with the wind. +1 if caught, -1 if missed."""
    rows, cols = 9, 7
    n_actions = 3

    def reset(self):
        self.ball = [0, random.randrange(self.cols)]
        self.wind = random.choice([-1, 0, 0, 1])
        self.paddle = self.cols // 2
        return self._obs()

    def _obs(self):
        o = [0.0] * (3 * self.cols + 2)
        o[self.ball[1]] = 1.0
        o[self.cols + self.paddle] = 1.0
        o[2 * self.cols + min(self.ball[0], self.cols - 1)] = 1.0
        o[-2] = float(self.wind)
        o[-1] = self.ball[0] / self.rows
        return o

    def step(self, action):
        self.paddle = min(max(self.paddle + action - 1, 0), self.cols - 1)
        self.ball[0] += 1
        if self.ball[0] % 2 == 0:
            self.ball[1] = min(max(self.ball[1] + self.wind, 0), self.cols - 1)
        done = self.ball[0] == self.rows - 1
        reward = 0.0
        if action != 1:
            reward -= 0.02
        if done:
            reward += 1.0 if self.paddle == self.ball[1] else -1.0
        return self._obs(), reward, done


Transition = namedtuple('Transition', ('state', 'action', 'next_state', 'reward'))


class ReplayMemory(object):

    def __init__(self, capacity):
        self.capacity = capacity
        self.memory = []
        self.position = 0

    def push(self, *args):
        """Save a transition"""
        if len(self.memory) < self.capacity:
            self.memory.append(None)
        self.memory[self.position] = Transition(*args)
        self.position = (self.position + 1) % self.capacity

    def sample(self, batch_size):
        return random.sample(self.memory, batch_size)

    def __len__(self):
        return len(self.memory)


class DQN(nn.Module):

    def __init__(self, n_observations, n_actions):
        super(DQN, self).__init__()
        self.layer1 = nn.Linear(n_observations, 64)
        self.layer2 = nn.Linear(64, 64)
        self.layer3 = nn.Linear(64, n_actions)

    # Called with either one element to determine next action, or a batch during optimization.
    def forward(self, x):
        x = F.relu(self.layer1(x))
        x = F.relu(self.layer2(x))
        return self.layer3(x)


BATCH_SIZE = 64
GAMMA = 0.97
EPS_START = 0.9
EPS_END = 0.05
EPS_DECAY = 1500
TAU = 0.01
LR = 1e-3
NUM_EPISODES = 700

env = CatchEnv()
n_observations = len(env.reset())
policy_net = DQN(n_observations, env.n_actions)
target_net = DQN(n_observations, env.n_actions)
target_net.load_state_dict(policy_net.state_dict())

optimizer = optim.AdamW(policy_net.parameters(), lr=LR, amsgrad=True)
memory = ReplayMemory(4000)
steps_done = 0


def select_action(state, greedy=False):
    global steps_done
    sample = random.random()
    eps_threshold = EPS_END + (EPS_START - EPS_END) * math.exp(-1. * steps_done / EPS_DECAY)
    if not greedy:
        steps_done += 1
    if greedy or sample > eps_threshold:
        with torch.no_grad():
            return policy_net(state).max(1).indices.view(1, 1)
    return torch.tensor([[random.randrange(env.n_actions)]], dtype=torch.long)


def optimize_model():
    if len(memory) < 5 * BATCH_SIZE:
        return
    transitions = memory.sample(BATCH_SIZE)
    # Transpose the batch (see https://stackoverflow.com/a/19343/3343043 for detailed explanation).
    batch = Transition(*zip(*transitions))

    # Compute a mask of non-final states and concatenate the batch elements
    non_final_mask = torch.tensor(tuple(map(lambda s: s is not None, batch.next_state)), dtype=torch.bool)
    non_final_next_states = torch.cat([s for s in batch.next_state if s is not None])
    state_batch = torch.cat(batch.state)
    action_batch = torch.cat(batch.action)
    reward_batch = torch.cat(batch.reward)

    # Compute Q(s_t, a)
    state_action_values = policy_net(state_batch).gather(1, action_batch)

    # Compute V(s_{t+1}) for all next states.
    next_state_values = torch.zeros(BATCH_SIZE)
    with torch.no_grad():
        next_state_values[non_final_mask] = target_net(non_final_next_states).max(1).values
    # Compute the expected Q values
    expected_state_action_values = (next_state_values * GAMMA) + reward_batch

    # Compute Huber loss
    criterion = nn.SmoothL1Loss()
    loss = criterion(state_action_values, expected_state_action_values.unsqueeze(1))

    # Optimize the model
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()


episode_returns = []

# WATCH(policy_net, optimizer)
for i_episode in range(NUM_EPISODES):
    # Initialize the environment and get its state
    state = torch.tensor([env.reset()])
    episode_return = 0.0
    for t in count():
        action = select_action(state)
        observation, reward, done = env.step(action.item())
        episode_return += reward
        next_state = None if done else torch.tensor([observation])

        # Store the transition in memory
        memory.push(state, action, next_state, torch.tensor([reward]))
        state = next_state

        # Perform one step of the optimization (on the policy network)
        optimize_model()

        # Soft update of the target network's weights
        target_net_state_dict = target_net.state_dict()
        policy_net_state_dict = policy_net.state_dict()
        for key in policy_net_state_dict:
            target_net_state_dict[key] = policy_net_state_dict[key] * TAU + target_net_state_dict[key] * (1 - TAU)
        target_net.load_state_dict(target_net_state_dict)

        if done:
            episode_returns.append(episode_return)
            break
    if (i_episode + 1) % 100 == 0:
        print('episode', i_episode + 1, 'mean return', round(sum(episode_returns[-100:]) / 100, 3))

print('Complete')
random.seed(2024)
total = 0.0
for _ in range(200):
    obs, done = env.reset(), False
    while not done:
        obs, r, done = env.step(select_action(torch.tensor([obs]), greedy=True).item())
        total += r
print('RESULT', round(total / 200, 4), 'higher')
