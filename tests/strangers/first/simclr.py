# Minimal SimCLR. Usage: python simclr.py
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
np.random.seed(0)


def make_gratings(n, seed):
    """8 textures (4 orientations x 2 frequencies) under heavy nuisance lighting."""
    g = np.random.RandomState(seed)
    y, x = np.mgrid[0:20, 0:20]
    labels = g.randint(0, 8, n)
    out = np.empty((n, 1, 20, 20), np.float32)
    for i, c in enumerate(labels):
        theta = (c % 4) * np.pi / 4 + g.normal(0, 0.12)
        freq = 0.75 if c < 4 else 1.25
        wave = np.sin(freq * (np.cos(theta) * x + np.sin(theta) * y) + g.uniform(0, 2 * np.pi))
        gy, gx = g.normal(0, 0.10, 2)
        shade = gy * (y - 10) + gx * (x - 10) + g.normal(0, 0.8)
        out[i, 0] = g.uniform(0.35, 0.8) * wave + shade + g.normal(0, 0.4, (20, 20))
    return out, labels


class ContrastiveViews(Dataset):
    def __init__(self, images, n_views=2):
        self.images = images
        self.n_views = n_views

    def __len__(self):
        return len(self.images)

    def augment(self, img):
        i, j = np.random.randint(0, 5, 2)
        v = img[:, i:i + 16, j:j + 16]
        if np.random.rand() < 0.5:
            v = -v
        ramp = np.linspace(-1, 1, 16, dtype=np.float32)
        v = v * np.random.uniform(0.5, 1.5) + np.random.normal(0, 0.8)
        v = v + np.random.normal(0, 0.8) * ramp[None, None, :] + np.random.normal(0, 0.8) * ramp[None, :, None]
        return torch.from_numpy((v + np.random.normal(0, 0.2, v.shape)).astype(np.float32))

    def __getitem__(self, k):
        return [self.augment(self.images[k]) for _ in range(self.n_views)]


class ConvSimCLR(nn.Module):
    def __init__(self, out_dim):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )
        self.projector = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, out_dim))

    def forward(self, x):
        return self.projector(self.backbone(x))


class SimCLR(object):

    def __init__(self, *args, **kwargs):
        self.args = kwargs['args']
        self.model = kwargs['model']
        self.optimizer = kwargs['optimizer']
        self.scheduler = kwargs['scheduler']
        self.criterion = nn.CrossEntropyLoss()

    def info_nce_loss(self, features):
        labels = torch.cat([torch.arange(self.args.batch_size) for i in range(self.args.n_views)], dim=0)
        labels = (labels.unsqueeze(0) == labels.unsqueeze(1)).float()

        features = F.normalize(features, dim=1)
        similarity_matrix = torch.matmul(features, features.T)

        # discard the main diagonal from both: labels and similarities matrix
        mask = torch.eye(labels.shape[0], dtype=torch.bool)
        labels = labels[~mask].view(labels.shape[0], -1)
        similarity_matrix = similarity_matrix[~mask].view(similarity_matrix.shape[0], -1)

        # select and combine multiple positives
        positives = similarity_matrix[labels.bool()].view(labels.shape[0], -1)
        # select only the negatives
        negatives = similarity_matrix[~labels.bool()].view(similarity_matrix.shape[0], -1)

        logits = torch.cat([positives, negatives], dim=1)
        labels = torch.zeros(logits.shape[0], dtype=torch.long)
        logits = logits / self.args.temperature
        return logits, labels

    def train(self, train_loader):
        # WATCH(self.model, self.optimizer)
        for epoch_counter in range(self.args.epochs):
            top1 = 0.0
            for images in train_loader:
                images = torch.cat(images, dim=0)

                features = self.model(images)
                logits, labels = self.info_nce_loss(features)
                loss = self.criterion(logits, labels)

                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                top1 += (logits.argmax(1) == labels).float().mean().item()
            self.scheduler.step()
            print(f"Epoch: {epoch_counter}\tLoss: {loss.item():.4f}\tTop1 accuracy: {top1 / len(train_loader):.3f}")


@torch.no_grad()
def knn_accuracy(backbone, bank, bank_labels, queries, query_labels, k=10):
    backbone.eval()
    center = lambda a: torch.from_numpy(a[:, :, 2:18, 2:18].copy())
    zb = F.normalize(backbone(center(bank)), dim=1)
    zq = F.normalize(backbone(center(queries)), dim=1)
    idx = (zq @ zb.T).topk(k, dim=1).indices
    votes = F.one_hot(torch.from_numpy(bank_labels)[idx], 8).sum(1)
    return (votes.argmax(1).numpy() == query_labels).mean()


def main():
    args = SimpleNamespace(batch_size=128, n_views=2, temperature=0.2, epochs=14, lr=2e-3, weight_decay=1e-4, out_dim=16)
    train_images, train_labels = make_gratings(2560, seed=1)
    test_images, test_labels = make_gratings(800, seed=2)
    train_loader = DataLoader(ContrastiveViews(train_images, args.n_views), batch_size=args.batch_size,
                              shuffle=True, drop_last=True)

    model = ConvSimCLR(args.out_dim)
    optimizer = torch.optim.Adam(model.parameters(), args.lr, weight_decay=args.weight_decay)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs, eta_min=0)
    before = knn_accuracy(model.backbone, train_images, train_labels, test_images, test_labels)
    model.train()

    simclr = SimCLR(model=model, optimizer=optimizer, scheduler=scheduler, args=args)
    simclr.train(train_loader)

    acc = knn_accuracy(model.backbone, train_images, train_labels, test_images, test_labels)
    print(f"kNN accuracy of the untrained network {before:.3f}")
    print(f"RESULT {acc:.4f} higher")


if __name__ == "__main__":
    main()
