"""Rock / lichen / moss segmentation with a very small U-Net. Pictures are drawn on the fly with numpy."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(42)
rng = np.random.RandomState(42)

S = 32
CLASSES = 3
STEPS = 220
BS = 12


def draw():
    yy, xx = np.mgrid[0:S, 0:S]
    img = np.ones((S, S, 3)) * rng.uniform(70, 170, size=3)          # the rock, every rock has its colour
    gx, gy = rng.uniform(-1, 1, 2)
    img += (gx * (xx - S / 2) + gy * (yy - S / 2))[..., None]
    mask = np.zeros((S, S), dtype=np.int64)
    for _ in range(rng.randint(1, 4)):                               # lichen: roundish, speckled
        cx, cy, r = rng.uniform(0, S), rng.uniform(0, S), rng.uniform(4, 10)
        m = (xx - cx) ** 2 + (yy - cy) ** 2 < r ** 2
        mask[m] = 1
        spk = rng.randn(S, S) * rng.uniform(28, 45)
        img[m] += np.array([12, 14, -6]) + spk[m][:, None]
    for _ in range(rng.randint(1, 3)):                               # moss: streaks, smooth
        a, c, w = rng.uniform(0, np.pi), rng.uniform(-S / 3, S / 3), rng.uniform(2, 4.5)
        m = np.abs((xx - S / 2) * np.cos(a) + (yy - S / 2) * np.sin(a) - c) < w
        mask[m] = 2
        img[m] = img[m] * 0.3 + np.array([48, 88, 34]) * 0.7 * rng.uniform(0.7, 1.4)
    img += rng.randn(S, S, 3) * 9
    return np.clip(img, 0, 255).astype(np.uint8), mask


pics, masks = map(np.stack, zip(*[draw() for _ in range(700)]))
n_val = int(0.25 * len(pics))
pics_tr, masks_tr = pics[n_val:], masks[n_val:]
pics_va, masks_va = pics[:n_val], masks[:n_val]
print("train", len(pics_tr), "val", len(pics_va))

MEAN = torch.tensor([0.45, 0.46, 0.42]).view(1, 3, 1, 1)
STD = 0.2


def to_tensor(u8):
    x = torch.from_numpy(u8).permute(0, 3, 1, 2).float()
    x = (x / 255).clamp(0, 1)
    return (x - MEAN) / STD


def augment(x, m):
    if torch.rand(1) < 0.5:
        x, m = x.flip(-1), m.flip(-1)
    if torch.rand(1) < 0.5:
        x, m = x.flip(-2), m.flip(-2)
    return x, m


def conv(i, o):
    return nn.Sequential(
        nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True),
        nn.Conv2d(o, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class LittleUNet(nn.Module):
    def __init__(self, w=12):
        super().__init__()
        self.d1, self.d2, self.mid = conv(3, w), conv(w, 2 * w), conv(2 * w, 4 * w)
        self.up2, self.up1 = nn.ConvTranspose2d(4 * w, 2 * w, 2, 2), nn.ConvTranspose2d(2 * w, w, 2, 2)
        self.u2, self.u1 = conv(4 * w, 2 * w), conv(2 * w, w)
        self.drop = nn.Dropout2d(0.1)
        self.last = nn.Conv2d(w, CLASSES, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        c = self.drop(self.mid(F.max_pool2d(b, 2)))
        b = self.u2(torch.cat([self.up2(c), b], 1))
        a = self.u1(torch.cat([self.up1(b), a], 1))
        return self.last(a)


def ce_dice(logits, target):
    p = logits.softmax(dim=1)
    hot = F.one_hot(target, CLASSES).permute(0, 3, 1, 2).float()
    inter = (p * hot).sum((0, 2, 3))
    dice = 1 - (2 * inter + 1) / (p.sum((0, 2, 3)) + hot.sum((0, 2, 3)) + 1)
    ce = -(hot * p.clamp_min(1e-7).log()).sum(1).mean()
    return ce + dice.mean()


def mean_iou(net):
    net.eval()
    preds = []
    with torch.no_grad():
        for k in range(0, len(pics_va), 64):
            preds.append(net(to_tensor(pics_va[k:k + 64])).argmax(1))
    p, m = torch.cat(preds), torch.from_numpy(masks_va)
    ious = [((p == c) & (m == c)).sum() / ((p == c) | (m == c)).sum() for c in range(CLASSES)]
    return torch.stack(ious).mean().item()


net = LittleUNet()
opt = torch.optim.AdamW(net.parameters(), lr=6e-3, weight_decay=1e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=6e-3, total_steps=STEPS)

# WATCH(net, opt)
for step in range(STEPS):
    net.train()
    pick = rng.choice(len(pics_tr), BS, replace=False)
    x, m = to_tensor(pics_tr[pick]), torch.from_numpy(masks_tr[pick])
    x, m = augment(x, m)
    loss = ce_dice(net(x), m)
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    if step % 40 == 0:
        print(f"step {step:4d} loss {loss.item():.3f} mIoU {mean_iou(net):.3f}")

print(f"RESULT {mean_iou(net):.4f} higher")
