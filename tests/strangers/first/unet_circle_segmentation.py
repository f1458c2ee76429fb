# segmentation of noisy circles with a mini U-Net, everything synthetic
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader

torch.manual_seed(2024)


class Circles(Dataset):
    def __init__(self, n, seed):
        rs = np.random.RandomState(seed)
        yy, xx = np.mgrid[:32, :32]
        self.images, self.masks = [], []
        for _ in range(n):
            m = np.zeros((32, 32), dtype=bool)
            for _ in range(rs.randint(1, 4)):
                r, cy, cx = rs.randint(3, 7), rs.randint(4, 28), rs.randint(4, 28)
                m |= (yy - cy) ** 2 + (xx - cx) ** 2 <= r ** 2
            img = m * rs.uniform(0.4, 0.9) + 0.02 * xx * rs.rand() + rs.normal(0, 0.3, (32, 32))
            self.images.append(((img - 0.35) / 0.45).astype(np.float32))
            self.masks.append(m.astype(np.float32))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return torch.from_numpy(self.images[i])[None], torch.from_numpy(self.masks[i])[None]


def double_conv(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True),
                         nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.d1, self.d2, self.mid = double_conv(1, 8), double_conv(8, 16), double_conv(16, 32)
        self.pool = nn.MaxPool2d(2)
        self.up2, self.u2 = nn.ConvTranspose2d(32, 16, 2, stride=2), double_conv(32, 16)
        self.up1, self.u1 = nn.ConvTranspose2d(16, 8, 2, stride=2), double_conv(16, 8)
        self.final = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        c1 = self.d1(x)
        c2 = self.d2(self.pool(c1))
        m = self.mid(self.pool(c2))
        x = self.u2(torch.cat([self.up2(m), c2], 1))
        x = self.u1(torch.cat([self.up1(x), c1], 1))
        return torch.sigmoid(self.final(x))


def mean_iou(net, loader):
    net.eval()
    ious = []
    with torch.no_grad():
        for im, gt in loader:
            p = net(im) > 0.5
            g = gt > 0.5
            inter = (p & g).sum((1, 2, 3)).float()
            union = (p | g).sum((1, 2, 3)).float()
            ious += (inter / union).tolist()
    return sum(ious) / len(ious)


train_loader = DataLoader(Circles(320, 1), batch_size=16, shuffle=True)
val_loader = DataLoader(Circles(128, 2), batch_size=32)
unet = UNet()
bce = nn.BCELoss()
optimizer = torch.optim.Adam(unet.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.4)

# WATCH(unet, optimizer)
for epoch in range(6):
    unet.train()
    running = 0.0
    for image, mask in train_loader:
        optimizer.zero_grad()
        out = unet(image)
        loss = bce(out, mask)
        loss.backward()
        optimizer.step()
        running += loss.item()
    scheduler.step()
    print('epoch: {}  loss: {:.4f}  val IoU: {:.4f}'.format(epoch + 1, running / len(train_loader), mean_iou(unet, val_loader)))

print('RESULT {:.4f} higher'.format(mean_iou(unet, val_loader)))
