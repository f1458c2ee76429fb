# My first variational autoencoder!
# It learns the reflectance spectra of minerals from a little field spectrometer.
# I write down everything so that I remember it next month.

import numpy as np                      # for making the data
import torch                            # the deep learning library
from torch import nn                    # layers
from torch.distributions import Normal, kl_divergence
from torch.utils.data import DataLoader, TensorDataset

# ---------------------------------------------------------------
# Step 1: settings
# ---------------------------------------------------------------
torch.manual_seed(31)                   # same numbers every time
gen = np.random.default_rng(31)
CHANNELS = 64                           # wavelengths of a spectrum
LATENT = 5                              # size of the code z
MICRO_BATCH = 16                        # what fits into my small laptop
ACCUMULATE = 4                          # 4 x 16 = 64 spectra for one update
EPOCHS = 30
LR_PER_SAMPLE = 0.02 / 256              # the paper used 0.02 for 256 spectra
LR = LR_PER_SAMPLE * MICRO_BATCH * ACCUMULATE   # the rate for my 64 spectra

# ---------------------------------------------------------------
# Step 2: data. Every spectrum has absorption bands (dips) on a slope
# ---------------------------------------------------------------


def make_spectra(count):
    wave = np.linspace(0, 1, CHANNELS)
    spectra = np.zeros((count, CHANNELS))
    for k in range(count):
        iron, water, carbonate = gen.uniform(0, 1, 3)
        slope = gen.normal(0, 0.3)
        s = 1.0 + slope * wave
        s -= 0.8 * iron * np.exp(-((wave - 0.2) / 0.10) ** 2)
        s -= 0.7 * water * np.exp(-((wave - 0.55 - 0.05 * iron) / 0.05) ** 2)
        s -= 0.6 * carbonate * np.exp(-((wave - 0.85) / 0.04) ** 2)
        spectra[k] = s + gen.normal(0, 0.03, CHANNELS)
    return spectra


train_np, test_np = make_spectra(1600), make_spectra(400)
middle, spread = train_np.mean(0), train_np.std()      # scale with the TRAINING numbers only
train_x = torch.tensor((train_np - middle) / spread, dtype=torch.float32)
test_x = torch.tensor((test_np - middle) / spread, dtype=torch.float32)
# shuffle=True so that every epoch sees another order
loader = DataLoader(TensorDataset(train_x), batch_size=MICRO_BATCH, shuffle=True)

# ---------------------------------------------------------------
# Step 3: the model
# ---------------------------------------------------------------


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        # the encoder makes the mean and the log of the standard deviation
        self.encoder = nn.Sequential(nn.Linear(CHANNELS, 64), nn.ReLU(), nn.Linear(64, 2 * LATENT))
        # the decoder makes a spectrum out of a code
        self.decoder = nn.Sequential(nn.Linear(LATENT, 64), nn.ReLU(), nn.Linear(64, CHANNELS))

    def forward(self, x):
        mean, log_std = self.encoder(x).chunk(2, dim=1)
        q = Normal(mean, log_std.clamp(-6, 3).exp())     # q(z|x)
        z = q.rsample()                                  # one draw
        return self.decoder(z), q


NOISE = 0.15                            # noise of the spectrometer, in scaled units


def negative_elbo(model, x):
    rebuilt, q = model(x)
    # how badly it is rebuilt (Gaussian log likelihood without the constant)
    rec = ((rebuilt - x) ** 2).sum(1) / (2 * NOISE ** 2)
    # how far q is from the prior N(0, 1)
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(1)
    # mean over spectra; divided by the channels so that the number is small
    return (rec + kl).mean() / CHANNELS, q


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=LR)
updates = EPOCHS * (len(loader) // ACCUMULATE)          # 100 loader batches: no rest
# the rate goes down in a straight line, to 2 % at the last update
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda u: max(0.02, 1 - u / updates))
# WATCH(model, optimizer)

# ---------------------------------------------------------------
# Step 4: training
# ---------------------------------------------------------------
loss_curve = []                         # for a plot
code_means = []                         # to see whether the codes stay near zero
for epoch in range(EPOCHS):
    model.train()
    epoch_loss = 0.0
    for number, (x,) in enumerate(loader, start=1):
        loss, q = negative_elbo(model, x)
        (loss / ACCUMULATE).backward()  # gradients add up until zero_grad
        epoch_loss += loss.item()
        code_means.append(q.mean.mean().item())
        if number % ACCUMULATE == 0:    # the big batch is complete
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
    loss_curve.append(epoch_loss / len(loader))
    if epoch % 5 == 0:
        print("epoch", epoch, "loss", round(loss_curve[-1], 4))

# ---------------------------------------------------------------
# Step 5: test with spectra that the model has never seen
# ---------------------------------------------------------------
model.eval()
with torch.no_grad():
    # z is random, so take the mean of a few runs
    scores = [negative_elbo(model, test_x)[0].item() for _ in range(10)]
print("mean of the codes in the last 100 batches:", float(sum(code_means[-100:])) / 100)
print("RESULT", round(float(np.mean(scores)), 4), "lower")
