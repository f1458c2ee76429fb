# ---------------------------------------------------------------------------
# Exercise 6: Metric learning
#
# In this exercise you train an embedding network with the triplet loss.
# The network only ever sees 120 "alphabet letters"; afterwards we test whether
# the embedding space is also useful for 30 letters it has never seen
# (one-shot retrieval, recall@1).
# ---------------------------------------------------------------------------
import numpy as np
import torch
from torch import nn

SEED = 42
np.random.seed(SEED)
torch.manual_seed(SEED)

IMG = 20
N_CLASSES = 150
N_TRAIN_CLASSES = 120
PER_CLASS = 15


# --- Part 1: the data --------------------------------------------------------

def make_letter(rng):
    """A letter is a poly-line with 5 to 6 corner points in [-1, 1]^2."""
    return rng.uniform(-0.8, 0.8, size=(rng.integers(5, 7), 2))


def render(points, rng):
    """Draws a letter with a random rotation, scale, shift and pen wobble."""
    angle = rng.normal(0, 0.2)
    rot = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pts = points @ rot.T * rng.uniform(0.75, 1.05) + rng.normal(0, 0.12, size=2)
    pts = pts + rng.normal(0, 0.05, size=pts.shape)
    steps = np.linspace(0, 1, 12)[:, None]
    ink = np.concatenate([a + steps * (b - a) for a, b in zip(pts[:-1], pts[1:])])
    grid = np.linspace(-1.2, 1.2, IMG)
    gx = np.exp(-((grid[None] - ink[:, :1]) ** 2) / 0.016)
    gy = np.exp(-((grid[None] - ink[:, 1:]) ** 2) / 0.016)
    img = np.minimum(np.max(gy[:, :, None] * gx[:, None, :], axis=0), 1)
    img = img * rng.uniform(120, 200) + rng.uniform(0, 50) + rng.normal(0, 12, size=img.shape)
    return np.clip(img, 0, 255).astype(np.uint8)


def build_dataset():
    rng = np.random.default_rng(SEED)
    images, labels = [], []
    for c in range(N_CLASSES):
        letter = make_letter(rng)
        for _ in range(PER_CLASS):
            images.append(render(letter, rng))
            labels.append(c)
    return np.stack(images), np.array(labels)


images, labels = build_dataset()
is_train = labels < N_TRAIN_CLASSES

# scale to [0, 1], then standardise with the statistics of the training letters
images = images.astype(np.float32) / 255.0
mean, std = images[is_train].mean(), images[is_train].std()
images = (images - mean) / std

x_train = torch.tensor(images[is_train], dtype=torch.float32).unsqueeze(1)
y_train = torch.tensor(labels[is_train])
x_test = torch.tensor(images[~is_train], dtype=torch.float32).unsqueeze(1)
y_test = torch.tensor(labels[~is_train])
print("train:", tuple(x_train.shape), "test:", tuple(x_test.shape))


# --- Part 2: the network -----------------------------------------------------

class EmbeddingNet(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(32 * 5 * 5, 96),
            nn.ReLU(),
            nn.Linear(96, dim),
        )

    def forward(self, x):
        z = self.head(self.features(x))
        return nn.functional.normalize(z, dim=1)


# --- Part 3: the loss --------------------------------------------------------

def triplet_loss(anchor, positive, negative, margin=0.4):
    """mean( max(0, |a - p|^2 - |a - n|^2 + margin) )"""
    d_pos = (anchor - positive).pow(2).sum(dim=1)
    d_neg = (anchor - negative).pow(2).sum(dim=1)
    return torch.relu(d_pos - d_neg + margin).mean()


# --- Part 4: drawing triplets ------------------------------------------------

def sample_triplets(y, anchors):
    """For each anchor index draw an index of the same and of another letter."""
    positives, negatives = [], []
    for a in anchors:
        same = torch.nonzero(y == y[a]).squeeze(1)
        other = torch.nonzero(y != y[a]).squeeze(1)
        positives.append(same[torch.randint(len(same), (1,))])
        negatives.append(other[torch.randint(len(other), (1,))])
    return torch.cat(positives), torch.cat(negatives)


# --- Part 5: evaluation ------------------------------------------------------

def recall_at_1(model, x, y):
    """Is the nearest neighbour (leaving out the picture itself) the same letter?"""
    model.eval()
    with torch.no_grad():
        z = model(x)
    dist = torch.cdist(z, z)
    dist.fill_diagonal_(float("inf"))
    nearest = dist.argmin(dim=1)
    return (y[nearest] == y).float().mean().item()


# --- Part 6: training --------------------------------------------------------

model = EmbeddingNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
batch_size = 64
num_epochs = 14

print("recall@1 before training: %.3f" % recall_at_1(model, x_test, y_test))

# WATCH(model, optimizer)
for epoch in range(num_epochs):
    model.train()
    order = torch.randperm(len(x_train))
    losses = []
    for start in range(0, len(order), batch_size):
        anchors = order[start:start + batch_size]
        positives, negatives = sample_triplets(y_train, anchors)
        # one pass for the three parts, so that batch norm sees them together
        batch = torch.cat([x_train[anchors], x_train[positives], x_train[negatives]])
        za, zp, zn = model(batch).chunk(3)
        loss = triplet_loss(za, zp, zn)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print("epoch %2d  loss %.4f  recall@1 %.3f"
          % (epoch + 1, np.mean(losses), recall_at_1(model, x_test, y_test)))

print("RESULT %.4f higher" % recall_at_1(model, x_test, y_test))
