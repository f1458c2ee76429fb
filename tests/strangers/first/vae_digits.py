from __future__ import print_function
import torch
import torch.utils.data
from torch import nn, optim
from torch.nn import functional as F
from sklearn.datasets import load_digits

torch.manual_seed(7)
torch.set_num_threads(1)

BATCH, EPOCHS, LATENT = 64, 60, 6

pixels = (torch.from_numpy(load_digits().data) > 7).float()     # black and white
perm = torch.randperm(len(pixels))
train_x, test_x = pixels[perm[:1400]], pixels[perm[1400:]]
train_loader = torch.utils.data.DataLoader(train_x, batch_size=BATCH, shuffle=True)
test_loader = torch.utils.data.DataLoader(test_x, batch_size=BATCH, shuffle=False)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.fc21 = nn.Linear(128, LATENT)
        self.fc22 = nn.Linear(128, LATENT)
        self.fc3 = nn.Linear(LATENT, 128)
        self.fc4 = nn.Linear(128, 64)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


model = VAE()
optimizer = optim.Adam(model.parameters(), lr=1e-3)


def loss_function(recon_x, x, mu, logvar):
    """Reconstruction + KL, both summed over the batch."""
    bce = F.binary_cross_entropy(recon_x, x, reduction='sum')
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld, kld


def train(epoch):
    model.train()
    train_loss, train_kld = 0.0, 0.0
    for data in train_loader:
        optimizer.zero_grad()
        recon_batch, mu, logvar = model(data)
        loss, kld = loss_function(recon_batch, data, mu, logvar)
        loss.backward()
        train_loss += loss.item()
        train_kld += kld.item()
        optimizer.step()
    n = len(train_loader.dataset)
    print('====> Epoch: {} Average loss: {:.4f} (kl {:.4f})'.format(epoch, train_loss / n, train_kld / n))


def test(epoch):
    model.eval()
    test_loss, sq = 0.0, 0.0
    with torch.no_grad():
        for data in test_loader:
            recon, mu, logvar = model(data)
            test_loss += loss_function(recon, data, mu, logvar)[0].item()
            sq += F.mse_loss(model.decode(mu), data, reduction='sum').item()
    n = len(test_loader.dataset)
    print('====> Test set loss: {:.4f}  recon mse at the mean code: {:.4f}'.format(test_loss / n, sq / n / 64))


if __name__ == "__main__":
    mean_img = train_x.mean(0, keepdim=True)
    print('mse of always answering the mean image: {:.4f}'.format(((test_x - mean_img) ** 2).mean().item()))
    # WATCH(model, optimizer)
    for epoch in range(1, EPOCHS + 1):
        train(epoch)
        test(epoch)

    with torch.no_grad():
        sample = model.decode(torch.randn(4, LATENT)).view(4, 8, 8)
    for row in range(8):
        print('   '.join(''.join(' .:-=+*#%@'[min(9, int(v * 9.99))] for v in img[row]) for img in sample))
    model.eval()
    with torch.no_grad():
        recon, mu, logvar = model(test_x)
        print('RESULT {:.4f} lower'.format(loss_function(recon, test_x, mu, logvar)[0].item() / len(test_x)))
