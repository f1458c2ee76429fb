"""DCGAN on the 8x8 scikit-learn digits."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(0)

NZ = 32
BATCH = 64
EPOCHS = 100
LR = 2e-4
BETAS = (0.5, 0.999)


class Generator(nn.Module):
    def __init__(self, nz=NZ, nf=32):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, nf * 2, 2, 1, 0, bias=False),   # 2x2
            nn.BatchNorm2d(nf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(nf * 2, nf, 4, 2, 1, bias=False),   # 4x4
            nn.BatchNorm2d(nf),
            nn.ReLU(True),
            nn.ConvTranspose2d(nf, 1, 4, 2, 1),                    # 8x8
            nn.Tanh(),
        )

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self, nf=32):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, nf, 3, 1, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(nf, nf, 4, 2, 1, bias=False),                # 4x4
            nn.BatchNorm2d(nf),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(nf, nf * 2, 4, 2, 1, bias=False),            # 2x2
            nn.BatchNorm2d(nf * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout2d(0.3),
            nn.Conv2d(nf * 2, 1, 2, 1, 0),                         # 1x1 logit
        )

    def forward(self, x):
        return self.main(x).view(-1)


def weights_init(m):
    name = m.__class__.__name__
    if "Conv" in name:
        nn.init.normal_(m.weight, 0.0, 0.02)
    elif "BatchNorm" in name:
        nn.init.normal_(m.weight, 1.0, 0.02)
        nn.init.zeros_(m.bias)


def frechet(a, b):
    """Frechet distance between Gaussians fitted to two sets of flat images."""
    mu1, mu2 = a.mean(0), b.mean(0)
    c1, c2 = np.cov(a.T), np.cov(b.T)
    # tr sqrt(c1 c2) from the eigenvalues of the product
    eig = np.linalg.eigvals(c1 @ c2)
    tr = np.sqrt(np.maximum(eig.real, 0)).sum()
    return float(((mu1 - mu2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * tr)


digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 8.0 - 1.0   # [-1, 1]
loader = DataLoader(TensorDataset(images), batch_size=BATCH, shuffle=True, drop_last=True)

netG, netD = Generator(), Discriminator()
netG.apply(weights_init)
netD.apply(weights_init)
criterion = nn.BCEWithLogitsLoss()
optD = torch.optim.Adam(netD.parameters(), lr=LR, betas=BETAS)
optG = torch.optim.Adam(netG.parameters(), lr=LR, betas=BETAS)

fixed = torch.randn(1000, NZ, 1, 1)
real_flat = images.view(-1, 64).numpy()


@torch.no_grad()
def sample():
    netG.eval()
    out = netG(fixed).view(-1, 64).numpy()
    netG.train()
    return out


for epoch in range(EPOCHS):
    d_sum = g_sum = dx_sum = dgz_sum = 0.0
    for (real,) in loader:
        n = real.size(0)

        # --- D: maximise log D(x) + log(1 - D(G(z))), one-sided label smoothing
        netD.zero_grad()
        out_real = netD(real)
        err_real = criterion(out_real, torch.full((n,), 0.9))
        fake = netG(torch.randn(n, NZ, 1, 1))
        out_fake = netD(fake.detach())
        err_fake = criterion(out_fake, torch.zeros(n))
        errD = err_real + err_fake
        errD.backward()
        optD.step()

        # --- G: maximise log D(G(z))
        netG.zero_grad()
        errG = criterion(netD(fake), torch.ones(n))
        errG.backward()
        optG.step()

        d_sum += errD.item()
        g_sum += errG.item()
        dx_sum += torch.sigmoid(out_real).mean().item()
        dgz_sum += torch.sigmoid(out_fake).mean().item()
    if epoch % 10 == 0 or epoch == EPOCHS - 1:
        k = len(loader)
        print(f"[{epoch:3d}/{EPOCHS}] Loss_D {d_sum / k:.3f} Loss_G {g_sum / k:.3f} "
              f"D(x) {dx_sum / k:.3f} D(G(z)) {dgz_sum / k:.3f} "
              f"FD {frechet(real_flat, sample()):.2f}")

clf = LogisticRegression(max_iter=2000).fit(real_flat, digits.target)
prob = clf.predict_proba(sample())
counts = np.bincount(prob.argmax(1), minlength=10)
print(f"final FD {frechet(real_flat, sample()):.2f}  classifier confidence {prob.max(1).mean():.3f}  "
      f"samples per digit {counts.tolist()}")
