"""
Siamese network: do two little pictures show the same digit?
Pictures are drawn from a 5x7 dot-matrix font, shifted, dimmed and made noisy.
"""
import time
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader

SEED = 1234
np.random.seed(SEED)
torch.manual_seed(SEED)

FONT = {
    0: "01110 10001 10011 10101 11001 10001 01110", 1: "00100 01100 00100 00100 00100 00100 01110",
    2: "01110 10001 00001 00010 00100 01000 11111", 3: "11111 00010 00100 00010 00001 10001 01110",
    4: "00010 00110 01010 10010 11111 00010 00010", 5: "11111 10000 11110 00001 00001 10001 01110",
    6: "00110 01000 10000 11110 10001 10001 01110", 7: "11111 00001 00010 00100 01000 01000 01000",
    8: "01110 10001 10001 01110 10001 10001 01110", 9: "01110 10001 10001 01111 00001 00010 01100",
}
GLYPHS = {d: np.array([[int(c) for c in row] for row in s.split()], dtype=np.float32)
          for d, s in FONT.items()}


def draw(digit):
    """16x16 uint8 picture of a digit, as it would come out of a png"""
    img = np.zeros((16, 16), dtype=np.float32)
    big = np.kron(GLYPHS[digit], np.ones((2, 2), dtype=np.float32))   # 14 x 10
    r, c = np.random.randint(0, 3), np.random.randint(0, 7)
    img[r:r + 14, c:c + 10] = big * np.random.uniform(120, 200)
    img += np.random.rand(16, 16) * 50
    return img.astype(np.uint8)


def make_pictures(n):
    digits = np.random.randint(0, 10, size=n)
    return np.stack([draw(d) for d in digits]), digits


def make_pairs(digits, n_pairs):
    """first half positives, second half negatives, then mixed"""
    by_digit = [np.where(digits == d)[0] for d in range(10)]
    left, right, same = [], [], []
    for k in range(n_pairs):
        i = np.random.randint(len(digits))
        if k < n_pairs // 2:
            j = np.random.choice(by_digit[digits[i]])
        else:
            other = (digits[i] + np.random.randint(1, 10)) % 10
            j = np.random.choice(by_digit[other])
        left.append(i)
        right.append(j)
        same.append(int(k < n_pairs // 2))
    order = np.random.permutation(n_pairs)
    left, right, same = np.array(left), np.array(right), np.array(same)
    return left[order], right[order], same[order]


class PairDataset(Dataset):
    def __init__(self, pictures, digits, n_pairs):
        scaled = pictures / 255.0
        self.images = torch.tensor(scaled, dtype=torch.float32).unsqueeze(1)
        left, right, same = make_pairs(digits, n_pairs)
        self.left, self.right = left, right
        self.same = torch.tensor(same)

    def __len__(self):
        return len(self.same)

    def __getitem__(self, k):
        return self.images[self.left[k]], self.images[self.right[k]], self.same[k]


class Siamese(nn.Module):
    def __init__(self, dim=48):
        super().__init__()
        self.tower = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(24 * 4 * 4, dim), nn.ReLU(), nn.Linear(dim, dim),
        )
        self.head = nn.Sequential(nn.Linear(2 * dim, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, a, b):
        ea, eb = self.tower(a), self.tower(b)
        out = self.head(torch.cat([(ea - eb).abs(), ea * eb], dim=1))
        return F.log_softmax(out, dim=1)


train_set = PairDataset(*make_pictures(1500), n_pairs=5000)
test_set = PairDataset(*make_pictures(500), n_pairs=1500)
train_dl = DataLoader(train_set, batch_size=64, shuffle=True)
test_dl = DataLoader(test_set, batch_size=250)

net = Siamese()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
criterion = nn.NLLLoss()
# WATCH(net, opt)

t0 = time.time()
for epoch in range(7):
    net.train()
    running = 0.0
    for a, b, target in train_dl:
        opt.zero_grad()
        loss = criterion(net(a, b), target)
        loss.backward()
        opt.step()
        running += loss.item() * len(target)
    print("epoch %d | loss %.4f | %.1fs" % (epoch + 1, running / len(train_set), time.time() - t0))

net.eval()
hits = 0
with torch.no_grad():
    for a, b, target in test_dl:
        p_same = net(a, b)[:, 1].exp()
        hits += ((p_same > 0.5).long() == target).sum().item()
print("RESULT %.4f higher" % (hits / len(test_set)))
