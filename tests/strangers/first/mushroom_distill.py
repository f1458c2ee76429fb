"""Distil a wide network for mushroom spectra into one small enough for a hand-held scanner.

Hinton et al. (2015): soft targets from the teacher at temperature T, plus the labels.
"""
import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=5)
    p.add_argument("--species", type=int, default=12)
    p.add_argument("--temperature", type=float, default=2.0)
    p.add_argument("--alpha", type=float, default=0.7, help="weight of the soft targets")
    p.add_argument("--lr", type=float, default=0.05)
    p.add_argument("--epochs", type=int, default=16)
    p.add_argument("--batch-size", type=int, default=64)
    return p.parse_args()


def make_spectra(n, species, gen, bands=36):
    """Every species has two colour forms; moisture bends the spectrum; neighbours overlap."""
    proto_gen = torch.Generator().manual_seed(77)
    forms = torch.randn(species, 2, bands, generator=proto_gen)
    wet = torch.randn(bands, generator=proto_gen)
    y = torch.randint(0, species, (n,), generator=gen)
    f = torch.randint(0, 2, (n,), generator=gen)
    m = torch.rand(n, 1, generator=gen)
    sign = torch.where(f == 0, 1.0, -1.0)[:, None]
    x = 0.45 * forms[y, f] * (0.6 + m) + sign * m * wet + 0.9 * torch.randn(n, bands, generator=gen)
    return 0.3 + 0.08 * x, y  # reflectance


def mlp(sizes, act=nn.Tanh):
    layers = []
    for a, b in zip(sizes[:-1], sizes[1:]):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1])


def distillation_loss(student_logits, teacher_logits, T):
    log_p = F.log_softmax(student_logits / T, dim=1)
    q = F.softmax(teacher_logits / T, dim=1)
    return F.kl_div(log_p, q, reduction="batchmean") * T * T


@torch.no_grad()
def evaluate(model, x, y):
    model.eval()
    out = model(x)
    return F.cross_entropy(out, y).item(), (out.argmax(1) == y).float().mean().item()


def train_teacher(teacher, loader, epochs):
    opt = torch.optim.AdamW(teacher.parameters(), lr=2e-3, weight_decay=0.05)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    for _ in range(epochs):
        teacher.train()
        for x, y in loader:
            opt.zero_grad()
            F.cross_entropy(teacher(x), y).backward()
            opt.step()
        sched.step()


def main():
    args = get_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    gen = torch.Generator().manual_seed(args.seed)

    x_big, y_big = make_spectra(7000, args.species, gen)
    x_val, y_val = make_spectra(1500, args.species, gen)
    x_test, y_test = make_spectra(3000, args.species, gen)
    mu, sd = x_big.mean(0), x_big.std(0)
    x_big, x_val, x_test = ((x - mu) / sd for x in (x_big, x_val, x_test))

    teacher = mlp([36, 192, args.species])
    train_teacher(teacher, DataLoader(TensorDataset(x_big, y_big), 128, shuffle=True), 5)
    print("teacher: val loss %.4f acc %.3f" % evaluate(teacher, x_val, y_val))
    teacher.requires_grad_(False)

    # the scanner's firm has only a third of the spectra
    train = DataLoader(TensorDataset(x_big[:2400], y_big[:2400]), args.batch_size, shuffle=True, drop_last=True)
    student = mlp([36, 24, args.species])
    optimizer = torch.optim.SGD(student.parameters(), lr=args.lr, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    # WATCH(student, optimizer)
    for epoch in range(args.epochs):
        student.train()
        soft_sum = hard_sum = 0.0
        for x, y in train:
            with torch.no_grad():
                t_logits = teacher(x)
            s_logits = student(x)
            soft = distillation_loss(s_logits, t_logits, args.temperature)
            hard = F.cross_entropy(s_logits, y)
            loss = args.alpha * soft + (1 - args.alpha) * hard
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            soft_sum += soft.item()
            hard_sum += hard.item()
        scheduler.step()
        if epoch % 4 == 3:
            vl, va = evaluate(student, x_val, y_val)
            print(f"[{epoch + 1}/{args.epochs}] soft {soft_sum / len(train):.4f} hard {hard_sum / len(train):.4f} "
                  f"val loss {vl:.4f} acc {va:.3f}")

    loss, acc = evaluate(student, x_test, y_test)
    print(f"student on test spectra: log loss {loss:.4f}, accuracy {acc:.3f}")
    print(f"RESULT {loss:.4f} lower")


if __name__ == "__main__":
    main()
