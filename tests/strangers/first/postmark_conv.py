from __future__ import print_function
import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset

SHAPES = ['ring', 'double ring', 'box', 'diamond', 'waves', 'bars']


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, 1)
        self.conv2 = nn.Conv2d(12, 24, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.4)
        self.fc1 = nn.Linear(24 * 5 * 5, 64)
        self.fc2 = nn.Linear(64, len(SHAPES))

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(x, 2)
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        x = self.fc2(x)
        output = F.log_softmax(x, dim=1)
        return output


def stamp(rng, kind, size=28):
    """One cancelled stamp, as an 8-bit scan."""
    yy, xx = np.mgrid[:size, :size].astype(np.float64)
    cx, cy = rng.uniform(10, 18, 2)
    r = rng.uniform(5, 9)
    width = rng.uniform(0.6, 1.2)
    dx, dy = xx - cx, yy - cy
    if kind == 0:
        d = np.abs(np.hypot(dx, dy) - r)
    elif kind == 1:
        rr = np.hypot(dx, dy)
        d = np.minimum(np.abs(rr - r), np.abs(rr - 0.55 * r))
    elif kind == 2:
        d = np.abs(np.maximum(np.abs(dx), np.abs(dy)) - 0.9 * r)
    elif kind == 3:
        d = np.abs(np.abs(dx) + np.abs(dy) - 1.2 * r) / 1.4
    else:
        gap = rng.uniform(4.5, 6.5)
        swing = rng.uniform(1.2, 2.0) if kind == 4 else rng.uniform(0.0, 0.5)
        y = yy + swing * np.sin(xx * rng.uniform(0.6, 0.9) + rng.uniform(0, 6)) + rng.uniform(0, gap)
        d = np.abs((y % gap) - gap / 2)
    ink = np.exp(-(d / width) ** 2)
    # worn ink and the dirt of the envelope
    wear = rng.random((size // 4, size // 4)).repeat(4, 0).repeat(4, 1)
    ink = ink * (0.35 + 0.65 * (wear > 0.25)) * rng.uniform(0.35, 0.9)
    if rng.random() < 0.04:
        ink = ink * 0.02
    img = 20 + 205 * ink + rng.normal(0, 22, (size, size))
    return img.clip(0, 250).astype(np.uint8)


def load_postmarks(n, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(SHAPES), n)
    scans = np.stack([stamp(rng, k) for k in labels])
    images = torch.from_numpy(scans).float().div(255).unsqueeze(1)
    labels = torch.from_numpy(labels)
    # the empty scans are of no use
    keep = images.flatten(1).std(dim=1) > 0.095
    images, labels = images[keep], labels[keep]
    images = (images - 0.17) / 0.18
    return TensorDataset(images, labels)


def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        if batch_idx % args.log_interval == 0:
            print('Train Epoch: {} [{}/{} ({:.0f}%)]\tLoss: {:.6f}'.format(
                epoch, batch_idx * len(data), len(train_loader.dataset),
                100. * batch_idx / len(train_loader), loss.item()))


def test(model, device, test_loader):
    model.eval()
    test_loss = 0
    correct = 0
    with torch.no_grad():
        for data, target in test_loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            test_loss += F.nll_loss(output, target, reduction='sum').item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()

    test_loss /= len(test_loader.dataset)
    print('\nTest set: Average loss: {:.4f}, Accuracy: {}/{} ({:.0f}%)\n'.format(
        test_loss, correct, len(test_loader.dataset),
        100. * correct / len(test_loader.dataset)))
    return test_loss


def main():
    parser = argparse.ArgumentParser(description='PyTorch postmark example')
    parser.add_argument('--batch-size', type=int, default=64, metavar='N')
    parser.add_argument('--test-batch-size', type=int, default=250, metavar='N')
    parser.add_argument('--epochs', type=int, default=8, metavar='N')
    parser.add_argument('--lr', type=float, default=2e-3, metavar='LR')
    parser.add_argument('--gamma', type=float, default=0.7, metavar='M',
                        help='Learning rate step gamma (default: 0.7)')
    parser.add_argument('--seed', type=int, default=1, metavar='S')
    parser.add_argument('--log-interval', type=int, default=20, metavar='N')
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    device = torch.device('cpu')

    train_loader = DataLoader(load_postmarks(2600, seed=11), batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(load_postmarks(700, seed=12), batch_size=args.test_batch_size)

    model = Net().to(device)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    # WATCH(model, optimizer)

    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    test_loss = 0.0
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test_loss = test(model, device, test_loader)
        scheduler.step()

    print('RESULT {:.4f} lower'.format(test_loss))


if __name__ == '__main__':
    main()
