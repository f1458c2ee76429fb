# Transfer learning recipe in two acts
#   act 1: pretrain a small CNN on the digits 0..5
#   act 2: freeze its backbone, put a new head on it, learn 6..9 from few images
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

rs = np.random.RandomState(0)
torch.manual_seed(0)
torch.set_num_threads(1)


class Backbone(nn.Module):
    out_features = 64

    def __init__(self):
        super(Backbone, self).__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(32)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(32 * 4, 64)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        x = self.pool(torch.relu(self.bn2(self.conv2(x))))
        return torch.relu(self.fc(x.flatten(1)))


class Net(nn.Module):
    def __init__(self, backbone, n_classes):
        super(Net, self).__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.out_features, n_classes)

    def forward(self, x):
        return self.head(self.backbone(x))


def split(digits, offset, n_train=None):
    d = load_digits()
    keep = np.flatnonzero(np.isin(d.target, digits))
    rs.shuffle(keep)
    X = torch.tensor(d.images[keep], dtype=torch.float32)[:, None] / 8 - 1
    y = torch.tensor(d.target[keep] - offset)
    n = n_train or int(0.8 * len(keep))
    return X[:n], y[:n], X[n:], y[n:]


def minibatches(X, y, bs):
    order = torch.randperm(len(X))
    for i in range(0, len(X) - bs + 1, bs):
        j = order[i:i + bs]
        yield X[j], y[j]


def accuracy(net, X, y):
    net.eval()
    with torch.no_grad():
        out = net(X)
        return (out.argmax(1) == y).float().mean().item(), nn.functional.cross_entropy(out, y).item()


# ------------------------------------------------------------------ act 1
Xa, ya, Xa_te, ya_te = split(range(0, 6), 0)
backbone = Backbone()
pre = Net(backbone, 6)
pre_opt = torch.optim.SGD(pre.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(10):
    pre.train()
    for xb, yb in minibatches(Xa, ya, 64):
        pre_opt.zero_grad()
        loss_fn(pre(xb), yb).backward()
        pre_opt.step()
print("pretraining on 0-5: test accuracy %.4f (loss %.4f)" % accuracy(pre, Xa_te, ya_te))

# ------------------------------------------------------------------ act 2
Xb, yb_, Xb_te, yb_te = split(range(6, 10), 6, n_train=320)
net = Net(backbone, 4)
for p in net.backbone.parameters():
    p.requires_grad = False
print("trainable:", [n for n, p in net.named_parameters() if p.requires_grad])
optimizer = torch.optim.Adagrad([p for p in net.parameters() if p.requires_grad], lr=0.05)

print("before fine-tuning: accuracy %.4f (loss %.4f)" % accuracy(net, Xb_te, yb_te))
# WATCH(net, optimizer)
for epoch in range(25):
    net.train()
    net.backbone.eval()        # keep the batch-norm statistics of the pretraining
    tl = []
    for xb, yb in minibatches(Xb, yb_, 32):
        optimizer.zero_grad()
        loss = loss_fn(net(xb), yb)
        loss.backward()
        optimizer.step()
        tl.append(loss.item())
    acc, vl = accuracy(net, Xb_te, yb_te)
    print("epoch %2d  train loss %.4f  test loss %.4f  test acc %.4f" % (epoch, np.mean(tl), vl, acc))
print("RESULT %.4f higher" % acc)
