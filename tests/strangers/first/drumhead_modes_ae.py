# Squeezing pictures of vibrating drumheads into 6 numbers.
#
# Each picture is a standing wave on a square membrane (a mix of a few low modes)
# as it would come from a cheap 8 bit camera.  Nothing fancy: MLP autoencoder, plain loops.

import numpy as np
import torch
from torch import nn

torch.manual_seed(3)
np.random.seed(3)
torch.set_num_threads(1)

SIDE = 20
N_TRAIN, N_TEST = 3000, 600
BATCH = 50
EPOCHS = 30


def membrane(n):
    """n grey pictures, uint8, (n, SIDE*SIDE)"""
    g = np.linspace(0, np.pi, SIDE + 2)[1:-1]
    modes = []
    for a, b in [(1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1)]:
        modes.append(np.outer(np.sin(a * g), np.sin(b * g)).ravel())
    modes = np.stack(modes)
    amp = np.random.randn(n, len(modes)) * np.array([1.0, 0.9, 0.9, 0.7, 0.6, 0.6])
    h = np.tanh(amp @ modes)                       # the camera saturates
    h += 0.03 * np.random.randn(*h.shape)
    return np.clip(np.round(127.5 + 120 * h), 0, 255).astype(np.uint8)


train_u8 = membrane(N_TRAIN)
test_u8 = membrane(N_TEST)


def to_input(u8):
    # 0..255  ->  -1..1
    x = (u8 / 255.0).astype(np.float32)
    return torch.from_numpy(x) * 2 - 1


def to_grey(x):
    return (x.numpy() + 1) * 127.5


X = to_input(train_u8)
X_test = to_input(test_u8)

encoder = nn.Sequential(
    nn.Linear(SIDE * SIDE, 256), nn.ReLU(),
    nn.Linear(256, 64), nn.ReLU(),
    nn.Linear(64, 6),
)
decoder = nn.Sequential(
    nn.Linear(6, 64), nn.ReLU(),
    nn.Linear(64, 256), nn.ReLU(),
    nn.Linear(256, SIDE * SIDE), nn.Tanh(),
)
ae = nn.Sequential(encoder, decoder)
optim = torch.optim.Adam(ae.parameters(), lr=1e-3)
loss_fn = nn.MSELoss()


def explained(model):
    """share of the grey level variance (per pixel) that the reconstruction explains"""
    model.eval()
    with torch.no_grad():
        rec = to_grey(model(X_test))
    ref = test_u8.astype(np.float64)
    return 1 - ((ref - rec) ** 2).sum() / ((ref - ref.mean(0)) ** 2).sum()


# WATCH(ae, optim)
n_batches = N_TRAIN // BATCH
for epoch in range(EPOCHS):
    ae.train()
    perm = np.random.permutation(N_TRAIN)
    running = 0.0
    for b in range(n_batches):
        idx = perm[b * BATCH:(b + 1) * BATCH]
        batch = X[idx]
        optim.zero_grad()
        loss = loss_fn(ae(batch), batch)
        loss.backward()
        optim.step()
        running += loss.item()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1:3d}  train mse {running / n_batches:.5f}  test R2 {explained(ae):.4f}")

print(f"RESULT {explained(ae):.4f} higher")
