# Classify leaf silhouettes (6 species) with a small CNN.
# The pictures are drawn on the fly, so no download is needed.
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

torch.set_num_threads(1)

SPECIES = ["linden", "willow", "maple", "oak", "ivy", "ginkgo"]
SIZE = 28


def outline(species, theta):
    """Radius of the leaf's edge as a function of the angle."""
    if species == 0:
        return 0.75 + 0.15 * np.cos(theta)
    if species == 1:
        return 0.9 / np.sqrt(1 + 7 * np.sin(theta) ** 2)
    if species == 2:
        return 0.62 + 0.26 * np.cos(5 * theta)
    if species == 3:
        return (0.85 / np.sqrt(1 + 1.5 * np.sin(theta) ** 2)) * (1 + 0.14 * np.cos(9 * theta))
    if species == 4:
        return 0.65 + 0.22 * np.cos(3 * theta)
    return 0.8 * np.clip(1.2 - np.abs(theta) / 2.2, 0.12, 1)


def draw_leaf(species, rng):
    yy, xx = np.mgrid[-1:1:SIZE * 1j, -1:1:SIZE * 1j]
    cx, cy = rng.uniform(-0.12, 0.12, 2)
    r = np.hypot(xx - cx, yy - cy)
    theta = np.arctan2(yy - cy, xx - cx) + rng.uniform(-0.6, 0.6)
    theta = (theta + np.pi) % (2 * np.pi) - np.pi
    scale = rng.uniform(0.7, 1.05)
    inside = 1 / (1 + np.exp((r - scale * outline(species, theta)) * 25))
    veins = 0.15 * np.cos(theta * 12)
    img = inside * (rng.uniform(0.5, 0.9) + veins) + rng.normal(0, 0.22, (SIZE, SIZE))
    return np.clip(img, 0, 1)


def make_leaves(per_species, seed):
    rng = np.random.default_rng(seed)
    n_classes = len(SPECIES)
    images = [draw_leaf(s, rng) for s in range(n_classes) for _ in range(per_species)]
    labels = np.repeat(np.arange(n_classes), per_species)
    images = (np.stack(images) * 255).astype(np.uint8)
    return images, labels


class LeafDataset(Dataset):
    def __init__(self, images, labels, augment=False):
        self.images = images
        self.labels = labels
        self.augment = augment

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        x = torch.from_numpy(self.images[i]).float().div(255).sub(0.3).div(0.3)
        if self.augment and torch.rand(1).item() < 0.5:
            x = x.flip(0)
        return x.unsqueeze(0), int(self.labels[i])


class LeafNet(nn.Module):
    def __init__(self, n_classes, width=16, p_drop=0.3):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.drop = nn.Dropout(p_drop)
        self.fc1 = nn.Linear(2 * width * 7 * 7, 64)
        self.fc2 = nn.Linear(64, n_classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.drop(x.flatten(1))
        x = self.drop(F.relu(self.fc1(x)))
        return self.fc2(x)


class Trainer:
    def __init__(self, model, optimizer, scheduler, train_loader, test_loader):
        self.model = model
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.train_loader = train_loader
        self.test_loader = test_loader
        self.history = []

    def train_epoch(self):
        self.model.train()
        total, count = 0.0, 0
        for images, labels in self.train_loader:
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(images), labels)
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(labels)
            count += len(labels)
        self.scheduler.step()
        return total / count

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        hits, count = 0, 0
        for images, labels in self.test_loader:
            hits += (self.model(images).argmax(1) == labels).sum().item()
            count += len(labels)
        return hits / count

    def fit(self, epochs):
        for epoch in range(epochs):
            train_loss = self.train_epoch()
            acc = self.evaluate()
            self.history.append((train_loss, acc))
            print(f"[{epoch + 1}/{epochs}] loss={train_loss:.3f} test_acc={acc:.3f}")
        return self.history[-1][1]


if __name__ == "__main__":
    torch.manual_seed(3)
    train_set = LeafDataset(*make_leaves(500, seed=1), augment=True)
    test_set = LeafDataset(*make_leaves(100, seed=2))
    train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=200)

    model = LeafNet(len(SPECIES))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
    # WATCH(model, optimizer)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)

    trainer = Trainer(model, optimizer, scheduler, train_loader, test_loader)
    accuracy = trainer.fit(epochs=8)
    print(f"RESULT {accuracy:.4f} higher")
