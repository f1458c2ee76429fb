# %% [markdown]
# # Lab 5 - Convolutional networks
# In this lab you train a CNN with batch normalisation on a data set of drawn shapes, with data augmentation.
# Learning goals: (a) write a training and an evaluation function, (b) use augmentation, (c) read learning curves.

# %%
import time
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

SEED = 1234
np.random.seed(SEED)
torch.manual_seed(SEED)

# %% [markdown]
# ## 5.1 The data
# Six classes, 24 x 24 RGB. Colour, size, place and background are random, so that only the shape tells the class.

# %%
CLASSES = ["disc", "ring", "square", "frame", "plus", "cross"]
yy, xx = np.mgrid[0:24, 0:24].astype(np.float32)


def draw(cls, rs):
    cx, cy = rs.uniform(9, 15, 2)
    r = rs.uniform(4.5, 7.5)
    dx, dy = xx - cx, yy - cy
    w = rs.uniform(1.2, 1.8)
    cheb = np.maximum(abs(dx), abs(dy))
    dist = np.sqrt(dx ** 2 + dy ** 2)
    name = CLASSES[cls]
    if name == "disc":
        m = dist < r
    elif name == "ring":
        m = abs(dist - r) < w
    elif name == "square":
        m = cheb < r
    elif name == "frame":
        m = abs(cheb - r) < w
    elif name == "plus":
        m = (cheb < r) & (np.minimum(abs(dx), abs(dy)) < w)
    else:
        m = (cheb < r) & (abs(abs(dx) - abs(dy)) < w * 1.4)
    back = rs.uniform(0, 1, 3)
    fore = rs.uniform(0, 1, 3)
    while abs(fore - back).sum() < 0.7:
        fore = rs.uniform(0, 1, 3)
    img = np.where(m[None], fore[:, None, None], back[:, None, None])
    img = img + rs.normal(0, 0.13, img.shape)
    return np.clip(img, 0, 1).astype(np.float32)


def make_split(per_class, seed):
    rs = np.random.RandomState(seed)
    X = np.stack([draw(c, rs) for c in range(len(CLASSES)) for _ in range(per_class)])
    y = np.repeat(np.arange(len(CLASSES)), per_class)
    return torch.from_numpy(X), torch.from_numpy(y)


X_train, y_train = make_split(400, 0)
X_val, y_val = make_split(100, 1)
X_test, y_test = make_split(200, 2)

channel_mean = X_train.mean(dim=(0, 2, 3), keepdim=True)[0]
channel_std = X_train.std(dim=(0, 2, 3), keepdim=True)[0]


class ShapeDataset(Dataset):
    def __init__(self, X, y, augment=False):
        self.X = (X - channel_mean) / channel_std
        self.y = y
        self.augment = augment

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        img = self.X[i]
        if self.augment:
            if torch.rand(()) < 0.5:
                img = img.flip(-1)
            if torch.rand(()) < 0.5:
                img = img.flip(-2)
            sx, sy = torch.randint(-2, 3, (2,)).tolist()
            img = torch.roll(img, (sy, sx), dims=(-2, -1))
        return img, self.y[i]


train_loader = DataLoader(ShapeDataset(X_train, y_train, augment=True), batch_size=64, shuffle=True, drop_last=True)
val_loader = DataLoader(ShapeDataset(X_val, y_val), batch_size=100)
test_loader = DataLoader(ShapeDataset(X_test, y_test), batch_size=100)

# %% [markdown]
# ## 5.2 The network


# %%
def conv_block(c_in, c_out):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


class ConvNet(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.features = nn.Sequential(conv_block(3, 12), conv_block(12, 24), conv_block(24, 48))
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(48 * 3 * 3, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, n_classes)
        )

    def forward(self, x):
        return self.classifier(self.features(x))


# %% [markdown]
# ## 5.3 Training and evaluation functions


# %%
def train_one_epoch(model, loader, criterion, optimizer, scheduler):
    model.train()
    losses, hits, seen = 0.0, 0, 0
    for images, labels in loader:
        optimizer.zero_grad()
        outputs = model(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses += loss.item() * labels.size(0)
        hits += (outputs.argmax(dim=1) == labels).sum().item()
        seen += labels.size(0)
    return losses / seen, hits / seen


def evaluate(model, loader, criterion):
    model.eval()
    losses, hits, seen = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            outputs = model(images)
            losses += criterion(outputs, labels).item() * labels.size(0)
            hits += (outputs.argmax(dim=1) == labels).sum().item()
            seen += labels.size(0)
    return losses / seen, hits / seen


# %%
EPOCHS = 10
net = ConvNet(len(CLASSES))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=0.1, epochs=EPOCHS, steps_per_epoch=len(train_loader), pct_start=0.25
)
print("trainable parameters:", sum(p.numel() for p in net.parameters() if p.requires_grad))
print("before training: loss %.3f, accuracy %.3f" % evaluate(net, val_loader, criterion))

history = {"train_loss": [], "val_loss": [], "train_acc": [], "val_acc": []}
start = time.time()
# WATCH(net, optimizer)
for epoch in range(EPOCHS):
    tr_loss, tr_acc = train_one_epoch(net, train_loader, criterion, optimizer, scheduler)
    va_loss, va_acc = evaluate(net, val_loader, criterion)
    for key, value in zip(history, (tr_loss, va_loss, tr_acc, va_acc)):
        history[key].append(value)
    print(
        f"[{epoch + 1:2d}/{EPOCHS}] train loss {tr_loss:.4f} acc {tr_acc:.4f} | "
        f"val loss {va_loss:.4f} acc {va_acc:.4f} | {time.time() - start:.1f}s"
    )

# %% [markdown]
# ## 5.4 Test
# The test set is touched once, here.

# %%
test_loss, test_acc = evaluate(net, test_loader, criterion)
print(f"test loss {test_loss:.4f}")
print(f"RESULT {test_acc:.4f} higher")
