# %% [markdown]
"""Exercise 3 - a small convolutional network for handwritten digits.

We take the 8x8 digits of scikit-learn, enlarge the training part with shifted
copies and train a CNN with batch norm and dropout. The grade is the mean
negative log-likelihood on the test images.

RESULT test_nll lower
"""
# %% imports
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

SEED = 3
np.random.seed(SEED)
torch.manual_seed(SEED)

# %% load the data and look at it
digits = load_digits()
images, labels = digits.images, digits.target
print(images.shape, images.dtype, images.min(), images.max(), np.bincount(labels))

x_train, x_test, y_train, y_test = train_test_split(
    images, labels, test_size=0.3, stratify=labels, random_state=SEED)

# %% 3a) more data: shift every training image by one pixel
SHIFTS = [(0, 0), (0, 1), (1, 0)]


def shift(batch, dy, dx):
    out = np.zeros_like(batch)
    out[:, dy:, dx:] = batch[:, :8 - dy, :8 - dx]
    return out


x_big = np.concatenate([shift(x_train, dy, dx) for dy, dx in SHIFTS])
y_big = np.tile(y_train, len(SHIFTS))
print("after augmentation:", x_big.shape, y_big.shape)


# %% 3b) scale to [0, 1], add the channel dimension
def to_tensor(a):
    a = a / 16.0
    return torch.from_numpy(a.astype(np.float32)).unsqueeze(1)


train_set = TensorDataset(to_tensor(x_big), torch.from_numpy(y_big).long())
test_set = TensorDataset(to_tensor(x_test), torch.from_numpy(y_test).long())
train_loader = DataLoader(train_set, batch_size=64, shuffle=True, drop_last=True)
test_loader = DataLoader(test_set, batch_size=4)


# %% 3c) the network
class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(32)
        self.drop = nn.Dropout(0.4)
        self.fc1 = nn.Linear(32 * 2 * 2, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        x = self.drop(F.relu(self.fc1(x.flatten(1))))
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


net = DigitNet()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
print(sum(p.numel() for p in net.parameters()), "parameters")
# WATCH(net, opt)

# %% 3d) training
EPOCHS = 8
curve = []
for epoch in range(EPOCHS):
    net.train()
    total = 0.0
    for xb, yb in train_loader:
        opt.zero_grad()
        loss = F.nll_loss(net(xb), yb)
        loss.backward()
        opt.step()
        total += loss.item() * len(xb)
    curve.append(total / len(train_set))
    print(f"epoch {epoch + 1}: train nll {curve[-1]:.4f}")

# %% 3e) test
net.eval()
log_p = []
with torch.no_grad():
    for xb, yb in test_loader:
        log_p.append(net(xb))
log_p = torch.cat(log_p)
truth = test_set.tensors[1]
acc = (log_p.argmax(1) == truth).float().mean().item()
print(f"accuracy {acc:.4f}")

# %% 3f) how sure is the network of the right class?
p = log_p.exp()
p = p / p.sum(1, keepdim=True)
nll = -torch.log(p[torch.arange(len(truth)), truth] + 1e-12).mean().item()
print(f"RESULT test_nll {nll:.4f}")
