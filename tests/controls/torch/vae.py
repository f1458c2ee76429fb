import argparse
import os

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="VAE on Fashion-MNIST")
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--latent", type=int, default=16)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--data", default=os.environ["SCRAM_DATA"] + "/fashion_mnist.npz")


class VAE(nn.Module):
    def __init__(self, latent):
        super().__init__()
        self.fc1 = nn.Linear(784, 400)
        self.fc21 = nn.Linear(400, latent)
        self.fc22 = nn.Linear(400, latent)
        self.fc3 = nn.Linear(latent, 400)
        self.fc4 = nn.Linear(400, 784)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        return self.fc4(F.relu(self.fc3(z)))

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def loss_function(recon_logits, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(recon_logits, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce, kld


def train(epoch, model, loader, optimizer):
    model.train()
    total = 0.0
    for (x,) in loader:
        optimizer.zero_grad()
        recon, mu, logvar = model(x)
        bce, kld = loss_function(recon, x, mu, logvar)
        loss = (bce + kld) / x.size(0)
        loss.backward()
        optimizer.step()
        total += (bce + kld).item()
    return total / len(loader.dataset)


@torch.no_grad()
def test(model, loader):
    model.eval()
    bce_sum = kld_sum = mse_sum = 0.0
    for (x,) in loader:
        recon, mu, logvar = model(x)
        bce, kld = loss_function(recon, x, mu, logvar)
        bce_sum += bce.item()
        kld_sum += kld.item()
        mse_sum += (torch.sigmoid(recon) - x).pow(2).mean(1).sum().item()
    n = len(loader.dataset)
    return bce_sum / n, kld_sum / n, mse_sum / n


if __name__ == "__main__":
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)

    with np.load(args.data) as f:
        x_train = torch.from_numpy(f["x_train"]).float().div_(255).view(-1, 784)
        x_test = torch.from_numpy(f["x_test"]).float().div_(255).view(-1, 784)
    train_loader = DataLoader(TensorDataset(x_train), batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(TensorDataset(x_test), batch_size=500)

    model = VAE(args.latent)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        tr = train(epoch, model, train_loader, optimizer)
        bce, kld, mse = test(model, test_loader)
        print(f"====> Epoch {epoch:2d}  train {tr:.2f}  test {bce + kld:.2f} "
              f"(recon {bce:.2f}, KL {kld:.2f})")
    base = (x_test - x_train.mean(0)).pow(2).mean().item()
    print(f"test -ELBO {bce + kld:.2f} nats, KL {kld:.2f}, recon MSE {mse:.4f} (mean image: {base:.4f})")
