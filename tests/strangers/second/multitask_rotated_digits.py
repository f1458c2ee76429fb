# Two heads are better than one: which digit is it, and by how much was it turned?
#
# Each training image is rotated afresh by a random angle in [-45, 45] degrees;
# one head classifies the digit, the other regresses the angle (in units of 45 deg).
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(123)
torch.set_num_threads(1)

data = load_digits()
images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.tensor(data.target)
# upsample a bit, so that rotation does not destroy the digits
images = F.interpolate(images, size=(16, 16), mode="bilinear", align_corners=False)
shuffle = torch.randperm(len(images))
train_idx, val_idx = shuffle[:1440], shuffle[1440:]


def rotate(x, angle):
    """angle in radians, one per image"""
    c, s = angle.cos(), angle.sin()
    zero = torch.zeros_like(c)
    theta = torch.stack([torch.stack([c, -s, zero], 1), torch.stack([s, c, zero], 1)], 1)
    grid = F.affine_grid(theta, x.shape, align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


MAX = math.pi / 4


def random_rotation(x):
    t = torch.rand(len(x)) * 2 - 1
    return rotate(x, t * MAX), t


val_x, val_t = random_rotation(images[val_idx])     # fixed once
val_y = labels[val_idx]


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 16, 96), nn.ReLU(),
        )
        self.digit = nn.Linear(96, 10)
        self.angle = nn.Sequential(nn.Linear(96, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x):
        h = self.trunk(x)
        return self.digit(h), self.angle(h).squeeze(1)


def losses(out, y, t):
    logits, ang = out
    return F.cross_entropy(logits, y), F.smooth_l1_loss(ang, t)


model = TwoHeads()
ANGLE_WEIGHT = 4.0        # brings both losses to the same order of magnitude
EPOCHS, BATCH = 18, 64
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)

print("guessing the mean angle has an error of %.1f degrees" % (val_t.abs().mean() * 45))

# WATCH(model, optimizer)
for epoch in range(EPOCHS):
    model.train()
    sums = [0.0, 0.0]
    batches = train_idx[torch.randperm(len(train_idx))].split(BATCH)
    for b in batches:
        x, t = random_rotation(images[b])
        ce, reg = losses(model(x), labels[b], t)
        loss = ce + ANGLE_WEIGHT * reg
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        sums[0] += ce.item()
        sums[1] += reg.item()
    scheduler.step()

    model.eval()
    with torch.no_grad():
        out = model(val_x)
        ce, reg = losses(out, val_y, val_t)
        acc = (out[0].argmax(1) == val_y).float().mean()
        err = (out[1] - val_t).abs().mean() * 45
    print(f"{epoch:2d}  train ce {sums[0]/len(batches):.3f} angle {sums[1]/len(batches):.4f}   "
          f"val ce {ce:.3f} angle {reg:.4f}   acc {acc:.3f}  error {err:.1f} deg")
print(f"RESULT {acc:.4f} higher")
