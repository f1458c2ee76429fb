# Exercise 5: Image classification with your own Dataset
# ------------------------------------------------------
# Name: (student)
#
# a) Write a Dataset class that returns one image and its label.
# b) Add data augmentation.
# c) Train a CNN and report the accuracy on the test images.

import numpy as np
import torch
from torch import nn
from PIL import Image, ImageDraw
from torch.utils.data import Dataset, DataLoader

torch.manual_seed(42)
np.random.seed(42)
torch.set_num_threads(1)

CLASSES = ["circle", "ring", "square", "triangle", "cross", "arrow"]
IMG_SIZE = 28


# ---- given: the drawing function (do not change) ----
def draw_sign(label, rng):
    """Draw one traffic-sign-like picture, returns a uint8 array (H, W, 3)."""
    back = tuple(int(v) for v in rng.integers(20, 150, size=3))
    fore = tuple(int(min(255, v + d)) for v, d in zip(back, rng.integers(30, 110, size=3)))
    img = Image.new("RGB", (56, 56), back)
    d = ImageDraw.Draw(img)
    r = int(rng.integers(12, 19))
    cx, cy = (int(v) for v in rng.integers(22, 35, size=2))
    box = [cx - r, cy - r, cx + r, cy + r]
    if label == 0:
        d.ellipse(box, fill=fore)
    elif label == 1:
        d.ellipse(box, outline=fore, width=6)
    elif label == 2:
        d.rectangle(box, fill=fore)
    elif label == 3:
        d.polygon([(cx, cy - r), (cx - r, cy + r), (cx + r, cy + r)], fill=fore)
    elif label == 4:
        d.line([cx - r, cy - r, cx + r, cy + r], fill=fore, width=6)
        d.line([cx - r, cy + r, cx + r, cy - r], fill=fore, width=6)
    else:
        d.line([cx, cy + r, cx, cy - r], fill=fore, width=5)
        d.polygon([(cx, cy - r), (cx - 10, cy), (cx + 10, cy)], fill=fore)
    img = img.rotate(float(rng.uniform(-25, 25)), fillcolor=back)
    img = img.resize((IMG_SIZE, IMG_SIZE), Image.BILINEAR)
    arr = np.asarray(img).astype(np.float32) + rng.normal(0, 22, size=(IMG_SIZE, IMG_SIZE, 3))
    return np.clip(arr, 0, 255).astype(np.uint8)


def generate(n, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(CLASSES)      # balanced
    images = np.stack([draw_sign(k, rng) for k in labels])
    return images, labels


# ---- a) + b) ----
class SignDataset(Dataset):
    def __init__(self, images, labels, augment=False):
        self.images = images
        self.labels = labels
        self.augment = augment

    def __len__(self):
        return len(self.images)

    def random_shift(self, img, max_shift=3):
        dx, dy = np.random.randint(-max_shift, max_shift + 1, size=2)
        padded = np.pad(img, ((max_shift, max_shift), (max_shift, max_shift), (0, 0)), mode="edge")
        y0, x0 = max_shift + dy, max_shift + dx
        return padded[y0:y0 + IMG_SIZE, x0:x0 + IMG_SIZE]

    def __getitem__(self, idx):
        img = self.images[idx]
        if self.augment:
            img = self.random_shift(img)
            if np.random.rand() < 0.5:
                img = img[:, ::-1]
        x = torch.from_numpy(img.astype(np.float32)) / 255.0
        if self.augment:
            x = (x * np.random.uniform(0.8, 1.2)).clamp(0, 1)
        x = (x - 0.4) / 0.2
        return x.permute(2, 0, 1), int(self.labels[idx])


# ---- c) ----
class SignNet(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(48 * 7 * 7, 64),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(64, n_classes),
        )

    def forward(self, x):
        return self.classifier(self.features(x))


def accuracy(model, loader):
    model.eval()
    correct, total = 0, 0
    with torch.no_grad():
        for images, labels in loader:
            predicted = model(images).argmax(dim=1)
            correct += (predicted == labels).sum().item()
            total += labels.size(0)
    return correct / total


def main():
    images, labels = generate(1800, seed=1)
    test_images, test_labels = generate(600, seed=2)

    # split into training and validation data
    order = np.random.permutation(len(images))
    images, labels = images[order], labels[order]
    n_val = 240
    val_set = SignDataset(images[:n_val], labels[:n_val])
    train_set = SignDataset(images[n_val:], labels[n_val:], augment=True)
    test_set = SignDataset(test_images, test_labels)

    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=120)
    test_loader = DataLoader(test_set, batch_size=120)

    model = SignNet(len(CLASSES))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)

    # WATCH(model, optimizer)
    num_epochs = 8
    for epoch in range(num_epochs):
        model.train()
        running_loss = 0.0
        for images, labels in train_loader:
            optimizer.zero_grad()
            outputs = model(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        val_acc = accuracy(model, val_loader)
        print(f"Epoch {epoch + 1}/{num_epochs}, loss: {running_loss / len(train_loader):.3f}, "
              f"validation accuracy: {val_acc:.3f}")

    print(f"RESULT {accuracy(model, test_loader):.4f} higher")


if __name__ == "__main__":
    main()
