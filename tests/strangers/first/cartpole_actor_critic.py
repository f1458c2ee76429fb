"""Cart-pole (own simulation, 16 carts at a time) with an advantage actor-critic on n-step returns."""
import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical


class CartPoles:
    """A set of carts that are reset one by one when their pole falls or time is up."""
    g, m_cart, m_pole, half, force, dt = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    limit = 200

    def __init__(self, n, seed):
        self.n = n
        self.rng = np.random.default_rng(seed)
        self.s = self.rng.uniform(-0.05, 0.05, (n, 4))
        self.age = np.zeros(n, dtype=int)

    def obs(self):
        return torch.tensor(self.s * np.array([0.4, 0.5, 5.0, 0.5]), dtype=torch.float32)

    def step(self, action):
        x, v, th, w = self.s.T
        f = np.where(action == 1, self.force, -self.force)
        total = self.m_cart + self.m_pole
        tmp = (f + self.m_pole * self.half * w ** 2 * np.sin(th)) / total
        th_acc = (self.g * np.sin(th) - np.cos(th) * tmp) / (self.half * (4 / 3 - self.m_pole * np.cos(th) ** 2 / total))
        acc = tmp - self.m_pole * self.half * th_acc * np.cos(th) / total
        self.s = np.stack([x + self.dt * v, v + self.dt * acc, th + self.dt * w, w + self.dt * th_acc], 1)
        self.age += 1
        fell = (np.abs(self.s[:, 0]) > 2.4) | (np.abs(self.s[:, 2]) > 0.21)
        over = self.age >= self.limit
        final_obs = self.obs()
        lengths = self.age[fell | over].tolist()
        for i in np.nonzero(fell | over)[0]:
            self.s[i] = self.rng.uniform(-0.05, 0.05, 4)
            self.age[i] = 0
        return fell, over & ~fell, final_obs, lengths


class ActorCritic(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 2))
        self.critic = nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def policy(self, obs):
        return Categorical(logits=self.actor(obs))

    def value(self, obs):
        return self.critic(obs).squeeze(-1)


class A2C:
    def __init__(self, seed=4, n_envs=16, n_steps=20, gamma=0.99, lr=4e-3, vf_coef=2.0, ent_coef=0.001):
        torch.manual_seed(seed)
        self.env = CartPoles(n_envs, seed)
        self.net = ActorCritic()
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=lr)
        self.n_steps, self.gamma, self.vf_coef, self.ent_coef = n_steps, gamma, vf_coef, ent_coef
        self.recent = []

    def rollout(self):
        obs_l, act_l, rew_l, done_l = [], [], [], []
        obs = self.env.obs()
        for _ in range(self.n_steps):
            with torch.no_grad():
                action = self.net.policy(obs).sample()
            fell, over, final_obs, lengths = self.env.step(action.numpy())
            self.recent = (self.recent + lengths)[-40:]
            reward = torch.ones(len(fell)) * 0.02
            with torch.no_grad():                      # time ran out: the pole would have stood on
                reward = reward + self.gamma * self.net.value(final_obs) * torch.tensor(over).float()
            obs_l.append(obs); act_l.append(action); rew_l.append(reward)
            done_l.append(torch.tensor(fell | over).float())
            obs = self.env.obs()
        with torch.no_grad():
            ret = self.net.value(obs)
        returns = []
        for r, d in zip(reversed(rew_l), reversed(done_l)):
            ret = r + self.gamma * ret * (1 - d)
            returns.insert(0, ret)
        return torch.cat(obs_l), torch.cat(act_l), torch.cat(returns)

    def update(self, obs, actions, returns):
        dist = self.net.policy(obs)
        values = self.net.value(obs)
        advantage = (returns - values).detach()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        policy_loss = -(dist.log_prob(actions) * advantage).mean()
        value_loss = (returns - values).pow(2).mean()
        loss = policy_loss + self.vf_coef * value_loss - self.ent_coef * dist.entropy().mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
        self.optimizer.step()
        return value_loss.item(), dist.entropy().mean().item()

    def learn(self, updates):
        net, optimizer = self.net, self.optimizer
        # WATCH(net, optimizer)
        for u in range(1, updates + 1):
            for group in optimizer.param_groups:
                group["lr"] = 4e-3 * (1 - (u - 1) / updates)
            v_loss, entropy = self.update(*self.rollout())
            if u % 60 == 0:
                print(f"update {u:4d}  mean length of last episodes {np.mean(self.recent):6.1f}  value loss {v_loss:.5f}  entropy {entropy:.3f}")

    @torch.no_grad()
    def test(self, episodes=32):
        env = CartPoles(episodes, seed=1000)
        first = np.zeros(episodes)
        alive = np.ones(episodes, dtype=bool)
        for _ in range(env.limit):
            fell, over, _, _ = env.step(self.net.policy(env.obs()).probs.argmax(1).numpy())
            first += alive
            alive &= ~(fell | over)
        return first.mean()


if __name__ == "__main__":
    agent = A2C()
    agent.learn(600)
    print(f"RESULT {agent.test():.2f} higher")
