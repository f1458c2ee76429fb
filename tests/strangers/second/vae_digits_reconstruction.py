# VAE on 8x8 digits, everything in one file
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Normal
from sklearn.datasets import load_digits

torch.manual_seed(0)
data = torch.tensor(load_digits().images, dtype=torch.float32).flatten(1) / 16.0
data = data[torch.randperm(len(data))]
train, test = data[:1400], data[1400:]
Z = 8
BATCH = 50
EPOCHS = 60


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.mu = nn.Linear(64, Z)
        self.logvar = nn.Linear(64, Z)
        self.dec = nn.Sequential(nn.Linear(Z, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64))

    def encode(self, x):
        h = self.enc(x)
        return self.mu(h), self.logvar(h)

    def forward(self, x):
        mu, logvar = self.encode(x)
        q = Normal(mu, torch.exp(0.5 * logvar))
        z = q.rsample()
        return torch.sigmoid(self.dec(z)), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x, reduction='sum')
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return (BCE + KLD) / x.shape[0], KLD / x.shape[0]


vae = VAE()
optim = torch.optim.Adam(vae.parameters(), lr=2e-3)

# WATCH(vae, optim)
for epoch in range(1, EPOCHS + 1):
    vae.train()
    total_loss = total_kl = 0
    perm = torch.randperm(len(train))
    for k in range(0, len(train), BATCH):
        x = train[perm[k:k + BATCH]]
        recon, mu, logvar = vae(x)
        loss, kl = loss_function(recon, x, mu, logvar)
        optim.zero_grad()
        loss.backward()
        optim.step()
        total_loss += loss.item()
        total_kl += kl.item()
    if epoch % 5 == 0:
        vae.eval()
        with torch.no_grad():
            m, lv = vae.encode(test)
            out = torch.sigmoid(vae.dec(m))
            mse = F.mse_loss(out, test).item()
        n = len(train) / BATCH
        print(f'====> {epoch:3d} loss {total_loss / n:8.4f} kl {total_kl / n:.4f} | test mse {mse:.5f}')

# look at one picture
for row in out[0].view(8, 8):
    print(''.join(' .:-=+*#%@'[min(9, int(v * 10))] for v in row))
print(f'RESULT {mse:.5f} lower')
