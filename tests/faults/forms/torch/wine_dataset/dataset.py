"""The wines as a map-style data set, with transforms in the manner of torchvision."""
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch.utils.data import Dataset


class ToTensor:
    def __call__(self, row):
        return torch.tensor(row, dtype=torch.float32)


class Normalize:
    def __init__(self, mean, std):
        self.mean = torch.tensor(mean, dtype=torch.float32)
        self.std = torch.tensor(std, dtype=torch.float32)

    def __call__(self, x):
        return (x - self.mean) / self.std


class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x):
        for t in self.transforms:
            x = t(x)
        return x


class Wines(Dataset):
    def __init__(self, rows, kinds, transform=None):
        self.rows, self.kinds, self.transform = rows, kinds, transform

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        x = self.rows[index]
        if self.transform:
            x = self.transform(x)
        return x, int(self.kinds[index])


def wine_datasets(seed):
    rows, kinds = load_wine(return_X_y=True)
    train_rows, test_rows, train_kinds, test_kinds = train_test_split(
        rows, kinds, test_size=0.3, random_state=seed, stratify=kinds
    )
    train_transform = Compose([
        ToTensor(),
        Normalize(train_rows.mean(axis=0), train_rows.std(axis=0)),
    ])
    test_transform = Compose([
        ToTensor(),
        Normalize(train_rows.mean(axis=0), train_rows.std(axis=0)),
    ])
    return Wines(train_rows, train_kinds, train_transform), Wines(test_rows, test_kinds, test_transform)
