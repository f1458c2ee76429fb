# Fine-tune a pretrained backbone on a small dataset.
# The backbone knows the digits 0-5, the new task are the digits 6-9.
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import Dataset, DataLoader


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class ToTensor:
    def __call__(self, img):
        return torch.from_numpy(img).float().unsqueeze(0)


class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, t):
        return (t - self.mean) / self.std


class RandomShift:
    def __call__(self, t):
        dx, dy = random.randint(-1, 1), random.randint(-1, 1)
        return torch.roll(t, (dy, dx), dims=(1, 2))


class Compose:
    def __init__(self, ts):
        self.ts = ts

    def __call__(self, x):
        for t in self.ts:
            x = t(x)
        return x


class DigitDataset(Dataset):
    def __init__(self, images, labels, transform):
        self.images = images
        self.labels = labels
        self.transform = transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), int(self.labels[i])


MEAN, STD = 4.88, 6.02
data_transforms = {
    'train': Compose([ToTensor(), Normalize(MEAN, STD), RandomShift()]),
    'val': Compose([ToTensor(), Normalize(MEAN, STD)]),
}


class SmallResNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(32)
        self.fc = nn.Linear(32 * 4, num_classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        x = F.relu(x + self.bn3(self.conv3(x)))
        x = F.max_pool2d(x, 2)
        return self.fc(torch.flatten(x, 1))


def pretrained_backbone(images, labels, epochs=8):
    """stands in for torchvision.models.resnet18(pretrained=True)"""
    net = SmallResNet(6)
    loader = DataLoader(DigitDataset(images, labels, data_transforms['train']),
                        batch_size=64, shuffle=True)
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    net.train()
    for _ in range(epochs):
        for x, y in loader:
            opt.zero_grad()
            F.cross_entropy(net(x), y).backward()
            opt.step()
    return net


class Trainer:
    def __init__(self, model, optimizer, criterion, loaders, num_epochs=25):
        self.model = model
        self.optimizer = optimizer
        self.criterion = criterion
        self.loaders = loaders
        self.num_epochs = num_epochs

    def train_epoch(self):
        self.model.train()
        running_loss, running_corrects, n = 0.0, 0, 0
        for inputs, labels in self.loaders['train']:
            self.optimizer.zero_grad()
            outputs = self.model(inputs)
            loss = self.criterion(outputs, labels)
            loss.backward()
            self.optimizer.step()
            running_loss += loss.item() * inputs.size(0)
            running_corrects += (outputs.argmax(1) == labels).sum().item()
            n += inputs.size(0)
        return running_loss / n, running_corrects / n

    def validate(self, which='val'):
        self.model.eval()
        corrects, n = 0, 0
        with torch.no_grad():
            for inputs, labels in self.loaders[which]:
                corrects += (self.model(inputs).argmax(1) == labels).sum().item()
                n += inputs.size(0)
        return corrects / n

    def fit(self):
        # WATCH(self.model, self.optimizer)
        for epoch in range(self.num_epochs):
            loss, acc = self.train_epoch()
            val_acc = self.validate()
            if epoch % 5 == 0:
                print('Epoch {}/{}  Loss: {:.4f} Acc: {:.4f}  val Acc: {:.4f}'.format(
                    epoch, self.num_epochs - 1, loss, acc, val_acc))
        return self.validate('test')


def main():
    set_seed(0)
    digits = load_digits()
    images, labels = digits.images, digits.target
    old = labels < 6
    backbone_images, backbone_labels = images[old], labels[old]
    images, labels = images[~old], labels[~old] - 6

    idx = np.random.permutation(len(images))
    images, labels = images[idx], labels[idx]
    parts = {'train': slice(0, 240), 'val': slice(240, 400), 'test': slice(400, None)}
    loaders = {}
    for name, sl in parts.items():
        tf = data_transforms['train' if name == 'train' else 'val']
        loaders[name] = DataLoader(DigitDataset(images[sl], labels[sl], tf),
                                   batch_size=16, shuffle=(name == 'train'))

    model = pretrained_backbone(backbone_images, backbone_labels)

    # freeze the backbone
    for param in model.parameters():
        param.requires_grad = False
    num_ftrs = model.fc.in_features
    model.fc = nn.Linear(num_ftrs, 4)

    params_to_update = [p for p in model.parameters() if p.requires_grad]
    print('params to learn:', sum(p.numel() for p in params_to_update))
    optimizer = torch.optim.SGD(params_to_update, lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    trainer = Trainer(model, optimizer, criterion, loaders, num_epochs=30)
    acc = trainer.fit()
    print('RESULT %.4f higher' % acc)


if __name__ == '__main__':
    main()
