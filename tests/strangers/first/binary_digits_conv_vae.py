# %% [markdown]
"""# A convolutional VAE for the binarised 8x8 digits
Trains a small variational auto-encoder on scikit-learn's digits and reports the negative
evidence lower bound (nats an image, Bernoulli likelihood) on held-out digits.
"""
# %% imports
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(42)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% data: everything lives on the device, batches are cut out by index
images = (load_digits().images > 7).astype("float32")   # binarised, as for a Bernoulli decoder
perm = np.random.default_rng(42).permutation(len(images))
images = torch.tensor(images[perm]).unsqueeze(1).to(device)
X_train, X_val = images[:1400], images[1400:]
print("train", tuple(X_train.shape), "val", tuple(X_val.shape), "mean", X_train.mean().item())

# %% the model
Z = 8


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(32 * 16, 96), nn.ReLU(),
        )
        self.mu = nn.Linear(96, Z)
        self.logvar = nn.Linear(96, Z)

    def forward(self, x):
        h = self.features(x)
        return self.mu(h), self.logvar(h)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(Z, 32 * 16)
        self.up = nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1)
        self.out = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, z):
        h = F.relu(self.fc(z)).view(-1, 32, 4, 4)
        h = F.relu(self.up(h))
        return torch.sigmoid(self.out(h))


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, x):
        mu, logvar = self.encoder(x)
        std = torch.exp(0.5 * logvar)
        z = mu + std * torch.randn_like(std)
        return self.decoder(z), mu, logvar


# %% the loss, per image
def elbo_terms(recon, x, mu, logvar):
    rec = F.binary_cross_entropy(recon, x, reduction="sum") / len(x)
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()) / len(x)
    return rec, kl


@torch.no_grad()
def validate(model, x, samples=4):
    model.eval()
    total = 0.0
    for _ in range(samples):
        recon, mu, logvar = model(x)
        per_pixel = F.binary_cross_entropy(recon, x, reduction="none")
        kl = 0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)
        total += (per_pixel.flatten(1).sum(1) + kl.sum(1)).mean().item()
    model.train()
    return total / samples


# %% training
vae = VAE().to(device)
opt = torch.optim.Adam(vae.parameters(), lr=4e-3)
sched = torch.optim.lr_scheduler.StepLR(opt, step_size=10, gamma=0.4)
# WATCH(vae, opt)

mean_image = X_train.mean(0, keepdim=True).clamp(1e-4, 1 - 1e-4)
baseline = F.binary_cross_entropy(mean_image.expand_as(X_val), X_val, reduction="sum") / len(X_val)
print(f"mean-image baseline {baseline.item():.2f} nats")

history = []
for epoch in range(24):
    order = torch.randperm(len(X_train), device=device)
    seen = []
    for i in range(0, len(order), 50):
        x = X_train[order[i:i + 50]]
        recon, mu, logvar = vae(x)
        rec, kl = elbo_terms(recon, x, mu, logvar)
        loss = rec + kl
        opt.zero_grad()
        loss.backward()
        opt.step()
        seen.append((rec.item(), kl.item()))
    sched.step()
    history.append((*np.mean(seen, axis=0), validate(vae, X_val)))
    if epoch % 6 == 5:
        print("epoch {:2d}  rec {:.2f}  kl {:.2f}  val {:.2f}".format(epoch + 1, *history[-1]))

# %% the end
print(f"RESULT {validate(vae, X_val, samples=8):.3f} lower")
