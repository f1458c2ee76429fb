"""Sub-pixel convolution super resolution on drawn images (rectangles, discs, stripes)."""
from math import log10
import os
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.init as init
import torch.optim as optim
from torch.utils.data import Dataset, DataLoader

torch.set_num_threads(1)
torch.manual_seed(123)
upscale_factor = 2
nEpochs = 14


def draw(rng, size=32, ss=4):
    """one grey image, drawn at ss times the size and box filtered (anti-aliasing)"""
    n = size * ss
    yy, xx = np.mgrid[0:n, 0:n] / n
    img = rng.uniform(0.2, 0.8) + 0.3 * (xx - 0.5) * rng.uniform(-1, 1) + 0.3 * (yy - 0.5) * rng.uniform(-1, 1)
    for _ in range(rng.integers(3, 7)):
        cx, cy, r, s, v = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(.08, .3), rng.uniform(.08, .3), rng.uniform(0, 1)
        if rng.random() < 0.5:
            m = (xx - cx) ** 2 / r ** 2 + (yy - cy) ** 2 / s ** 2 < 1
        else:
            a = rng.uniform(0, np.pi)
            u, w = (xx - cx) * np.cos(a) + (yy - cy) * np.sin(a), (yy - cy) * np.cos(a) - (xx - cx) * np.sin(a)
            m = (abs(u) < r) & (abs(w) < s)
        img = np.where(m, v, img)
    img = img.reshape(size, ss, size, ss).mean((1, 3))
    return np.clip(img, 0, 1).astype('float32')


class DrawnImages(Dataset):
    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.images = [draw(rng) for _ in range(n)]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        target = torch.from_numpy(self.images[index])[None]
        small = F.avg_pool2d(target[None], upscale_factor)[0]
        return small, target


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super(Net, self).__init__()
        self.upscale_factor = upscale_factor
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 24, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(24, 24, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(24, 16, (3, 3), (1, 1), (1, 1))
        self.conv4 = nn.Conv2d(16, upscale_factor ** 2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        up = F.interpolate(x, scale_factor=self.upscale_factor, mode='bicubic', align_corners=False)
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        x = self.pixel_shuffle(self.conv4(x))
        return up + x       # the network draws what bicubic misses

    def _initialize_weights(self):
        init.orthogonal_(self.conv1.weight, init.calculate_gain('relu'))
        init.orthogonal_(self.conv2.weight, init.calculate_gain('relu'))
        init.orthogonal_(self.conv3.weight, init.calculate_gain('relu'))
        init.normal_(self.conv4.weight, std=0.01)


print('===> Loading datasets')
train_set = DrawnImages(560, seed=0)
test_set = DrawnImages(60, seed=1)
training_data_loader = DataLoader(train_set, batch_size=16, shuffle=True)
testing_data_loader = DataLoader(test_set, batch_size=10, shuffle=False)

print('===> Building model')
model = Net(upscale_factor)
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=2e-3)
scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[9, 12], gamma=0.4)


def train(epoch):
    epoch_loss = 0
    model.train()
    for iteration, batch in enumerate(training_data_loader, 1):
        input, target = batch
        optimizer.zero_grad()
        loss = criterion(model(input), target)
        epoch_loss += loss.item()
        loss.backward()
        optimizer.step()
        if iteration % 10 == 0:
            print("===> Epoch[{}]({}/{}): Loss: {:.5f}".format(epoch, iteration, len(training_data_loader), loss.item()))
    print("===> Epoch {} Complete: Avg. Loss: {:.5f}".format(epoch, epoch_loss / len(training_data_loader)))


def test():
    avg_psnr, avg_bicubic = 0, 0
    model.eval()
    with torch.no_grad():
        for input, target in testing_data_loader:
            mse = criterion(model(input), target)
            avg_psnr += 10 * log10(1 / mse.item())
            up = F.interpolate(input, scale_factor=upscale_factor, mode='bicubic', align_corners=False)
            avg_bicubic += 10 * log10(1 / criterion(up, target).item())
    n = len(testing_data_loader)
    print("===> Avg. PSNR: {:.4f} dB (bicubic {:.4f} dB)".format(avg_psnr / n, avg_bicubic / n))


def checkpoint(epoch):
    model_out_path = os.path.join(out_dir, "model_epoch_{}.pth".format(epoch))
    torch.save(model, model_out_path)
    print("Checkpoint saved to {}".format(os.path.basename(model_out_path)))


out_dir = tempfile.mkdtemp()
# WATCH(model, optimizer)
for epoch in range(1, nEpochs + 1):
    train(epoch)
    test()
    scheduler.step()
    if epoch % 4 == 0:
        checkpoint(epoch)

model.eval()
with torch.no_grad():
    psnr = [10 * log10(1 / criterion(model(input), target).item()) for input, target in testing_data_loader]
print("RESULT {:.4f} higher".format(sum(psnr) / len(psnr)))
