"""Actor-critic policy gradient (REINFORCE with a learned baseline) on CartPole, no gym needed."""
import argparse
import math
from collections import deque

import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical


class CartPole:
    """The classic Barto-Sutton-Anderson cart-pole, Euler integration, 500-step limit."""
    G, MC, MP, LEN, FORCE, DT = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    X_MAX, TH_MAX, LIMIT = 2.4, 12 * math.pi / 180, 500

    def __init__(self, rng):
        self.rng = rng

    def reset(self):
        self.s = self.rng.uniform(-0.05, 0.05, 4)
        self.t = 0
        return self.s.astype(np.float32)

    def step(self, a):
        x, xd, th, thd = self.s
        f = self.FORCE if a == 1 else -self.FORCE
        c, s = math.cos(th), math.sin(th)
        m = self.MC + self.MP
        tmp = (f + self.MP * self.LEN * thd * thd * s) / m
        tha = (self.G * s - c * tmp) / (self.LEN * (4 / 3 - self.MP * c * c / m))
        xa = tmp - self.MP * self.LEN * tha * c / m
        self.s = np.array([x + self.DT * xd, xd + self.DT * xa, th + self.DT * thd, thd + self.DT * tha])
        self.t += 1
        terminated = bool(abs(self.s[0]) > self.X_MAX or abs(self.s[2]) > self.TH_MAX)
        return self.s.astype(np.float32), 1.0, terminated, self.t >= self.LIMIT


class ActorCritic(nn.Module):
    def __init__(self, obs=4, hidden=64, actions=2):
        super().__init__()
        self.register_buffer("scale", torch.tensor([1.0, 1.0, 5.0, 1.0]))   # angle is small
        self.actor = nn.Sequential(nn.Linear(obs, hidden), nn.Tanh(), nn.Linear(hidden, actions))
        self.critic = nn.Sequential(nn.Linear(obs, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        nn.init.orthogonal_(self.actor[-1].weight, 0.01)
        nn.init.zeros_(self.actor[-1].bias)

    def forward(self, s):
        s = s * self.scale
        return Categorical(logits=self.actor(s)), self.critic(s).squeeze(-1)


def rollout(envs, model, n_steps, state):
    """Run all the environments for n_steps. Returns a batch and the finished episode lengths."""
    S, A, R, D, V = [], [], [], [], []
    lengths = []
    for _ in range(n_steps):
        s = torch.from_numpy(np.stack(state))
        with torch.no_grad():
            pi, v = model(s)
            a = pi.sample()
        rew, done = [], []
        for i, env in enumerate(envs):
            ns, r, term, trunc = env.step(int(a[i]))
            if trunc and not term:          # bootstrap at the time limit
                with torch.no_grad():
                    r = r + args.gamma * model(torch.from_numpy(ns))[1].item() * args.reward_scale_inv
            if term or trunc:
                lengths.append(env.t)
                ns = env.reset()
            state[i] = ns
            rew.append(r * args.reward_scale)
            done.append(float(term or trunc))
        S.append(s); A.append(a); V.append(v)
        R.append(torch.tensor(rew)); D.append(torch.tensor(done))
    with torch.no_grad():
        last_v = model(torch.from_numpy(np.stack(state)))[1]
    return torch.stack(S), torch.stack(A), torch.stack(R), torch.stack(D), torch.stack(V), last_v, lengths


def gae(R, D, V, last_v, gamma, lam):
    adv = torch.zeros_like(R)
    acc = torch.zeros_like(last_v)
    nxt = last_v
    for t in reversed(range(len(R))):
        mask = 1 - D[t]
        delta = R[t] + gamma * nxt * mask - V[t]
        acc = delta + gamma * lam * mask * acc
        adv[t] = acc
        nxt = V[t]
    return adv, adv + V


def main():
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    envs = [CartPole(np.random.default_rng(args.seed * 100 + i)) for i in range(args.envs)]
    state = [e.reset() for e in envs]
    model = ActorCritic()
    opt = torch.optim.Adam(model.parameters(), lr=args.lr)
    recent = deque(maxlen=50)
    for update in range(1, args.updates + 1):
        for g in opt.param_groups:
            g["lr"] = args.lr * (1 - (update - 1) / args.updates)
        S, A, R, D, V, last_v, lengths = rollout(envs, model, args.n_steps, state)
        recent.extend(lengths)
        adv, ret = gae(R, D, V, last_v, args.gamma, args.lam)
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)

        pi, v = model(S)
        policy_loss = -(pi.log_prob(A) * adv).mean()
        value_loss = nn.functional.mse_loss(v, ret)
        entropy = pi.entropy().mean()
        loss = policy_loss + 0.5 * value_loss - args.ent * entropy
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        opt.step()
        if update % 100 == 0:
            print(f"update {update:4d}  policy {policy_loss.item():+.4f}  value {value_loss.item():.5f}  "
                  f"entropy {entropy.item():.3f}  mean episode length {np.mean(recent):.1f}")

    env = CartPole(np.random.default_rng(12345))
    scores = []
    for _ in range(10):
        s, done = env.reset(), False
        while not done:
            with torch.no_grad():
                pi, _ = model(torch.from_numpy(s))
            s, _, term, trunc = env.step(int(pi.probs.argmax()))
            done = term or trunc
        scores.append(env.t)
    print(f"greedy policy over 10 episodes: mean {np.mean(scores):.1f} of 500 (training mean {np.mean(recent):.1f})")


p = argparse.ArgumentParser()
p.add_argument("--seed", type=int, default=3)
p.add_argument("--envs", type=int, default=16)
p.add_argument("--n-steps", type=int, default=32)
p.add_argument("--updates", type=int, default=1000)
p.add_argument("--lr", type=float, default=7e-3)
p.add_argument("--gamma", type=float, default=0.99)
p.add_argument("--lam", type=float, default=0.98)
p.add_argument("--ent", type=float, default=0.001)
p.add_argument("--reward-scale", type=float, default=0.02)
args = p.parse_args()
args.reward_scale_inv = 1 / args.reward_scale

if __name__ == "__main__":
    main()
