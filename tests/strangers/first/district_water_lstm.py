# Hi all, I forecast the water consumption of 12 districts, hour by hour, with one LSTM that walks through the year
# and keeps its state from chunk to chunk (truncated backprop). Here is a complete program with made-up data.
import math
import torch
from torch import nn

torch.manual_seed(12)

DISTRICTS, HOURS, CHUNK = 12, 24 * 30, 24
TRAIN_HOURS = 24 * 23          # 23 days to learn from, one chunk is one day
CHUNKS_PER_STEP = 6
EPOCHS = 40

# ---- data: daily curve, weekly curve, slow drift; from day 15 on the school holidays move the morning peak
t = torch.arange(HOURS + 1.)
day = torch.floor(t / 24)
base = torch.rand(DISTRICTS, 1) * 2 + 1
peak = torch.rand(DISTRICTS, 1) * 3 + 7
peak_now = peak + torch.where(day >= 15, 5., 0.)[None]
water = base + torch.exp(-((t % 24 - peak_now) / 2.) ** 2) * 1.5 + 0.8 * torch.exp(-((t % 24 - 19) / 2.5) ** 2) \
    - 0.3 * ((day % 7) >= 5).float() + 0.08 * torch.randn(DISTRICTS, HOURS + 1)
mu, sd = water[:, :TRAIN_HOURS].mean(1, keepdim=True), water[:, :TRAIN_HOURS].std(1, keepdim=True)
z = (water - mu) / sd
clock = torch.stack([torch.sin(2 * math.pi * t / 24), torch.cos(2 * math.pi * t / 24), ((day % 7) >= 5).float()], -1)
inputs = torch.cat([z[:, :-1, None], clock[None, 1:].expand(DISTRICTS, -1, -1)], -1)   # value now, clock of the next hour
targets = z[:, 1:]                                                                      # value of the next hour


class WaterNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 32, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x, state=None):
        y, state = self.lstm(x, state)
        return self.out(y).squeeze(-1), state


net = WaterNet()
lossf = nn.MSELoss()
opt = torch.optim.Adam(net.parameters(), lr=1.2e-2)
n_chunks = TRAIN_HOURS // CHUNK
steps = EPOCHS * math.ceil(n_chunks / CHUNKS_PER_STEP)
warmup = 0.1 * steps


def rate(step):
    if step < warmup:
        return (step + 1) / warmup
    return max(0.02, (steps - step) / (steps - warmup))


sched = torch.optim.lr_scheduler.LambdaLR(opt, rate)
# WATCH(net, opt)


def forecast_last_week():
    """walk through the training hours to warm up the state, then on through the rest; error of the rest"""
    net.eval()
    with torch.no_grad():
        state, outputs = None, []
        for a in range(0, HOURS, CHUNK):
            o, state = net(inputs[:, a:a + CHUNK], state)
            outputs.append(o)
    curve = torch.cat(outputs, 1)
    net.train()
    return lossf(curve[:, TRAIN_HOURS:], targets[:, TRAIN_HOURS:]), curve


curves = []
for epoch in range(EPOCHS):
    state, total, waiting = None, 0.0, 0
    opt.zero_grad()
    for c in range(n_chunks):
        a = c * CHUNK
        pred, state = net(inputs[:, a:a + CHUNK], state)
        state = tuple(s.detach() for s in state)
        # the window at the end of the month is shorter than the others
        first = c - c % CHUNKS_PER_STEP
        in_window = min(CHUNKS_PER_STEP, n_chunks - first)
        loss = lossf(pred, targets[:, a:a + CHUNK])
        (loss / in_window).backward()
        total += loss.item()
        if (c + 1) % CHUNKS_PER_STEP == 0 or c + 1 == n_chunks:
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()
            opt.zero_grad()
            sched.step()
    err, curve = forecast_last_week()
    curves.append(curve)
    if epoch % 8 == 7:
        print(f"epoch {epoch}: train {total / n_chunks:.4f}, week ahead {err.item():.4f}")

change = (curves[-1] - curves[-2]).abs().mean().item()
print(f"the forecast still moves by {change:.4f} per epoch")
print(f"RESULT {err.item():.4f} lower")
