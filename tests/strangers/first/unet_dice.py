import logging

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.utils.data import DataLoader, Dataset, random_split

""" Parts of the U-Net model """


class DoubleConv(nn.Module):
    """(convolution => [BN] => ReLU) * 2"""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True)
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    """Upscaling then double conv"""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
        self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self, n_channels, widths=(8, 16, 32)):
        super().__init__()
        self.inc = DoubleConv(n_channels, widths[0])
        self.downs = nn.ModuleList([DoubleConv(a, b) for a, b in zip(widths[:-1], widths[1:])])
        self.pool = nn.MaxPool2d(2)
        self.ups = nn.ModuleList([Up(b, a) for a, b in reversed(list(zip(widths[:-1], widths[1:])))])
        self.outc = nn.Conv2d(widths[0], 1, kernel_size=1)

    def forward(self, x):
        skips = [self.inc(x)]
        for down in self.downs:
            skips.append(down(self.pool(skips[-1])))
        x = skips.pop()
        for up in self.ups:
            x = up(x, skips.pop())
        return self.outc(x)


class CellDataset(Dataset):
    """Bright blobs (cells) to be separated from bright streaks (dirt) on an uneven background.
    Some of the plates hold no cell at all."""

    def __init__(self, n, size=32, augment=False, seed=0):
        rng = np.random.default_rng(seed)
        self.augment = augment
        self.images, self.masks = [], []
        yy, xx = np.mgrid[0:size, 0:size]
        for _ in range(n):
            img = 60 + 25 * np.sin(rng.uniform(0, 6) + xx / rng.uniform(5, 12)) + rng.normal(0, 14, (size, size))
            mask = np.zeros((size, size), dtype=np.uint8)
            n_cells = 0 if rng.random() < 0.3 else rng.integers(1, 4)
            for _ in range(n_cells):
                cy, cx = rng.uniform(3, size - 3, 2)
                a, b = rng.uniform(2.5, 5.0, 2)
                blob = ((yy - cy) / a) ** 2 + ((xx - cx) / b) ** 2 < 1
                img[blob] += rng.uniform(40, 80)
                mask[blob] = 255
            for _ in range(rng.integers(1, 4)):
                c, k = rng.uniform(0, size), rng.uniform(-0.6, 0.6)
                line = abs(yy - c - k * (xx - size / 2)) < rng.uniform(0.8, 1.5)
                img[line & (mask == 0)] += rng.uniform(40, 80)
            self.images.append(img.clip(0, 255).astype(np.uint8))
            self.masks.append(mask)

    def __len__(self):
        return len(self.images)

    @staticmethod
    def preprocess(arr):
        return arr[None].astype(np.float32) / 255

    def __getitem__(self, idx):
        img, mask = self.images[idx], self.masks[idx]
        if self.augment:
            k = np.random.randint(4)
            img = np.rot90(img, k)
            mask = np.rot90(mask, k)
            if np.random.rand() < 0.5:
                img = np.fliplr(img)
                mask = np.fliplr(mask)
        return {
            'image': torch.as_tensor(self.preprocess(img).copy()),
            'mask': torch.as_tensor(self.preprocess(mask).copy()),
        }


def dice_coeff(input, target, epsilon=1e-6):
    # input and target: N x 1 x H x W; one coefficient for the whole batch
    inter = 2 * (input * target).sum()
    sets_sum = input.sum() + target.sum()
    return (inter + epsilon) / (sets_sum + epsilon)


def bce(prob, target):
    prob = prob.clamp(1e-7, 1 - 1e-7)
    return -(target * torch.log(prob) + (1 - target) * torch.log(1 - prob)).mean()


@torch.inference_mode()
def evaluate(net, dataloader):
    net.eval()
    inter = total = 0.0
    for batch in dataloader:
        pred = (torch.sigmoid(net(batch['image'])) > 0.5).float()
        inter += 2 * (pred * batch['mask']).sum().item()
        total += pred.sum().item() + batch['mask'].sum().item()
    net.train()
    return inter / total


def train_model(model, epochs=8, batch_size=8, learning_rate=1e-3, val_percent=0.1):
    dataset = CellDataset(500, augment=True, seed=1)
    n_val = int(len(dataset) * val_percent)
    n_train = len(dataset) - n_val
    train_set, val_set = random_split(dataset, [n_train, n_val], generator=torch.Generator().manual_seed(0))
    train_loader = DataLoader(train_set, shuffle=True, batch_size=batch_size)
    val_loader = DataLoader(val_set, shuffle=False, batch_size=batch_size)

    logging.info(f'''Starting training:
        Epochs:          {epochs}
        Batch size:      {batch_size}
        Learning rate:   {learning_rate}
        Training size:   {n_train}
        Validation size: {n_val}
    ''')

    optimizer = optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=1e-4)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, 'max', patience=2)  # goal: maximize Dice score

    # WATCH(model, optimizer)
    for epoch in range(1, epochs + 1):
        model.train()
        epoch_loss = 0
        for batch in train_loader:
            images, true_masks = batch['image'], batch['mask']
            masks_pred = model(images)
            prob = torch.sigmoid(masks_pred)
            loss = bce(prob, true_masks)
            loss = loss + 1 - dice_coeff(prob, true_masks)

            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            epoch_loss += loss.item()

        val_score = evaluate(model, val_loader)
        scheduler.step(val_score)
        logging.info('Epoch %d loss %.4f Validation Dice score: %.4f', epoch, epoch_loss / len(train_loader), val_score)


if __name__ == '__main__':
    logging.basicConfig(level=logging.INFO, format='%(levelname)s: %(message)s')
    torch.manual_seed(7)
    np.random.seed(7)
    model = UNet(n_channels=1)
    train_model(model)
    test_loader = DataLoader(CellDataset(150, seed=2), batch_size=25)
    print(f'RESULT {evaluate(model, test_loader):.4f} higher')
