"""One-shot detector on toy pictures.

Pictures are 32x32, grey, noisy; many are empty, others hold one or two things (a disc or a square).
The network looks at a 8x8 grid; every cell says whether the centre of a thing lies in it,
what the thing is, and where its box is.
"""
import argparse

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

SIZE, GRID, NUM_CLASSES = 32, 8, 2
CELL = SIZE // GRID


def make_pictures(n, rng):
    """Returns pictures, objectness map, class map (-1: none) and box map (dx, dy, w, h)."""
    yy, xx = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    pics = rng.normal(0.3, 0.08, (n, 1, SIZE, SIZE))
    obj = np.zeros((n, 1, GRID, GRID))
    cls = np.full((n, GRID, GRID), -1)
    box = np.zeros((n, 4, GRID, GRID))
    for i in range(n):
        count = rng.choice(3, p=[0.7, 0.18, 0.12])
        taken = []
        while len(taken) < count:
            r = rng.uniform(3, 6)
            cx, cy = rng.uniform(r, SIZE - r, 2)
            if any(abs(cx - a) + abs(cy - b) < 14 for a, b in taken):
                continue
            taken.append((cx, cy))
            kind = rng.integers(NUM_CLASSES)
            shape = (xx - cx) ** 2 + (yy - cy) ** 2 <= r * r if kind == 0 else np.maximum(abs(xx - cx), abs(yy - cy)) <= r
            pics[i, 0][shape] += rng.uniform(0.3, 0.6)
            gx, gy = int(cx // CELL), int(cy // CELL)
            obj[i, 0, gy, gx] = 1
            cls[i, gy, gx] = kind
            box[i, :, gy, gx] = cx / CELL - gx, cy / CELL - gy, np.log(2 * r / 8), np.log(2 * r / 8)
    return (torch.tensor(pics, dtype=torch.float32), torch.tensor(obj, dtype=torch.float32),
            torch.tensor(cls), torch.tensor(box, dtype=torch.float32))


class Detector(nn.Module):
    def __init__(self, width=16):
        super().__init__()

        def conv(i, o, stride=1):
            return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))

        self.backbone = nn.Sequential(conv(1, width, 2), conv(width, 2 * width, 2), conv(2 * width, 2 * width),
                                      conv(2 * width, 2 * width))
        self.obj_head = nn.Conv2d(2 * width, 1, 1)
        self.cls_head = nn.Conv2d(2 * width, NUM_CLASSES, 1)
        self.box_head = nn.Conv2d(2 * width, 4, 1)
        nn.init.constant_(self.obj_head.bias, -3.0)   # things are rare

    def forward(self, x):
        f = self.backbone(x)
        return self.obj_head(f).squeeze(1), self.cls_head(f), self.box_head(f)


def focal_loss(logit, target, gamma=2.0, alpha=0.5):
    p = torch.sigmoid(logit)
    pos = -alpha * (1 - p) ** gamma * F.logsigmoid(logit) * target
    neg = -(1 - alpha) * p ** gamma * F.logsigmoid(-logit) * (1 - target)
    return (pos + neg).sum() / target.sum().clamp(min=1.0)


def criterion(out, obj, cls, box):
    obj_logit, cls_logit, box_pred = out
    positive = cls >= 0
    n_pos = positive.sum().clamp(min=1)
    loss_obj = focal_loss(obj_logit, obj.squeeze(1))
    loss_cls = F.cross_entropy(cls_logit, cls, ignore_index=-1, reduction="sum") / n_pos
    mask = positive.unsqueeze(1).expand_as(box)
    loss_box = F.smooth_l1_loss(box_pred[mask], box[mask], reduction="sum") / n_pos
    return loss_obj, loss_cls, loss_box


def decode(obj_logit, box, cls, threshold):
    """One picture -> list of (score, class, x1, y1, x2, y2)."""
    found = []
    for gy, gx in torch.nonzero(obj_logit > threshold).tolist():
        dx, dy, lw, lh = box[:, gy, gx].tolist()
        cx, cy, w, h = (gx + dx) * CELL, (gy + dy) * CELL, 8 * np.exp(lw), 8 * np.exp(lh)
        found.append((obj_logit[gy, gx].item(), int(cls[gy, gx]), cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2))
    return sorted(found, reverse=True)


def iou(a, b):
    w = min(a[4], b[4]) - max(a[2], b[2])
    h = min(a[5], b[5]) - max(a[3], b[3])
    if w <= 0 or h <= 0:
        return 0.0
    inter = w * h
    return inter / ((a[4] - a[2]) * (a[5] - a[3]) + (b[4] - b[2]) * (b[5] - b[3]) - inter)


def nms(found, limit=0.4):
    kept = []
    for f in found:
        if all(iou(f, k) < limit for k in kept):
            kept.append(f)
    return kept


@torch.no_grad()
def evaluate(model, loader):
    """F1 of detections with the right class and IoU of at least 0.5."""
    model.eval()
    tp = n_found = n_true = 0
    total, batches = 0.0, 0
    for pics, obj, cls, box in loader:
        out = model(pics)
        total += sum(criterion(out, obj, cls, box)).item()
        batches += 1
        for i in range(len(pics)):
            found = nms(decode(out[0][i], out[2][i], out[1][i].argmax(0), threshold=0.0))
            truth = decode(obj[i, 0], box[i], cls[i], threshold=0.5)
            n_found += len(found)
            n_true += len(truth)
            for f in found:
                match = next((t for t in truth if t[1] == f[1] and iou(t, f) >= 0.5), None)
                if match is not None:
                    truth.remove(match)
                    tp += 1
    return total / batches, 2 * tp / max(1, n_found + n_true)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=12)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    train_loader = DataLoader(TensorDataset(*make_pictures(2160, rng)), args.batch_size, shuffle=True, drop_last=True)
    valid_loader = DataLoader(TensorDataset(*make_pictures(400, rng)), 100)

    model = Detector()
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=1e-3)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[5, 7], gamma=0.2)

    f1 = 0.0
    # WATCH(model, optimizer)
    for epoch in range(1, args.epochs + 1):
        model.train()
        sums = np.zeros(3)
        for pics, obj, cls, box in train_loader:
            losses = criterion(model(pics), obj, cls, box)
            loss = losses[0] + losses[1] + losses[2]
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            sums += [l.item() for l in losses]
        scheduler.step()
        valid_loss, f1 = evaluate(model, valid_loader)
        parts = " ".join(f"{name} {v:.3f}" for name, v in zip(("obj", "cls", "box"), sums / len(train_loader)))
        print(f"[{epoch}/{args.epochs}] train: {parts} | valid: loss {valid_loss:.3f} F1 {f1:.3f}")

    print(f"RESULT {f1:.4f} higher")


if __name__ == "__main__":
    main()
