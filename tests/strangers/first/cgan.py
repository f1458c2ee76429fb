import argparse
import math

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--n_epochs", type=int, default=13, help="number of epochs of training")
parser.add_argument("--batch_size", type=int, default=64, help="size of the batches")
parser.add_argument("--lr", type=float, default=0.001, help="adam: learning rate")
parser.add_argument("--b1", type=float, default=0.5, help="adam: decay of first order momentum of gradient")
parser.add_argument("--b2", type=float, default=0.999, help="adam: decay of second order momentum of gradient")
parser.add_argument("--latent_dim", type=int, default=24, help="dimensionality of the latent space")
parser.add_argument("--n_classes", type=int, default=4, help="number of classes for dataset")
parser.add_argument("--img_size", type=int, default=16, help="size of each image dimension")
parser.add_argument("--seed", type=int, default=7)
opt = parser.parse_args()

torch.manual_seed(opt.seed)
np.random.seed(opt.seed)
torch.set_num_threads(1)


def draw_shapes(n, rng):
    """uint8 images of a disc, a box, a cross or a ring at a random place and size."""
    s = opt.img_size
    yy, xx = np.mgrid[0:s, 0:s]
    labels = rng.integers(0, opt.n_classes, n)
    images = np.zeros((n, 1, s, s), dtype=np.uint8)
    for i, k in enumerate(labels):
        cy, cx = rng.uniform(6, 9, 2)
        r = rng.uniform(3.5, 5.5)
        d = np.sqrt((yy - cy) ** 2 + (xx - cx) ** 2)
        box = np.maximum(abs(yy - cy), abs(xx - cx))
        if k == 0:
            m = d < r
        elif k == 1:
            m = (box < r) & (box > r - 2)
        elif k == 2:
            m = (np.minimum(abs(yy - cy), abs(xx - cx)) < 1.2) & (box < r)
        else:
            m = (np.minimum(abs(yy - cy - xx + cx), abs(yy - cy + xx - cx)) < 1.6) & (box < r)
        images[i, 0] = np.where(m, rng.integers(180, 255), rng.integers(0, 40))
    return images, labels


def to_tensor(images):
    return torch.from_numpy(images).float() / 127.5 - 1.0


def weights_init_normal(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm2d") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0.0)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.label_emb = nn.Embedding(opt.n_classes, opt.latent_dim)
        self.init_size = opt.img_size // 4
        self.l1 = nn.Sequential(nn.Linear(2 * opt.latent_dim, 64 * self.init_size ** 2))
        self.conv_blocks = nn.Sequential(
            nn.BatchNorm2d(64),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(64, 32, 3, stride=1, padding=1),
            nn.BatchNorm2d(32),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(32, 24, 3, stride=1, padding=1),
            nn.BatchNorm2d(24),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(24, 1, 3, stride=1, padding=1),
            nn.Tanh(),
        )

    def forward(self, noise, labels):
        gen_input = torch.cat((self.label_emb(labels), noise), -1)
        out = self.l1(gen_input)
        out = out.view(out.shape[0], 64, self.init_size, self.init_size)
        return self.conv_blocks(out)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.label_embedding = nn.Embedding(opt.n_classes, opt.img_size ** 2)
        self.model = nn.Sequential(
            nn.Conv2d(2, 24, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(24, 48, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True), nn.Dropout2d(0.2),
            nn.Conv2d(48, 64, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True),
        )
        self.adv_layer = nn.Linear(64 * 2 * 2, 1)

    def forward(self, img, labels):
        plane = self.label_embedding(labels).view(-1, 1, opt.img_size, opt.img_size)
        out = self.model(torch.cat((img, plane), 1))
        return self.adv_layer(out.flatten(1))


rng = np.random.default_rng(opt.seed)
train_x, train_y = draw_shapes(2000, rng)
test_x, test_y = draw_shapes(1000, rng)
dataloader = DataLoader(
    TensorDataset(to_tensor(train_x), torch.from_numpy(train_y)),
    batch_size=opt.batch_size, shuffle=True, drop_last=True,
)

adversarial_loss = nn.BCEWithLogitsLoss()
generator = Generator()
discriminator = Discriminator()
generator.apply(weights_init_normal)
discriminator.apply(weights_init_normal)

optimizer_G = torch.optim.Adam(generator.parameters(), lr=opt.lr, betas=(opt.b1, opt.b2))
optimizer_D = torch.optim.Adam(discriminator.parameters(), lr=opt.lr, betas=(opt.b1, opt.b2))

# ----------
#  Training
# ----------
# WATCH(generator, optimizer_G)
for epoch in range(opt.n_epochs):
    for i, (real_imgs, labels) in enumerate(dataloader):
        batch_size = real_imgs.shape[0]
        valid = torch.full((batch_size, 1), 0.9)
        fake = torch.zeros(batch_size, 1)

        optimizer_G.zero_grad()
        optimizer_D.zero_grad()

        # Sample noise and labels as generator input
        z = torch.randn(batch_size, opt.latent_dim)
        gen_labels = torch.randint(0, opt.n_classes, (batch_size,))
        gen_imgs = generator(z, gen_labels)

        # ---------------------
        #  Train Discriminator
        # ---------------------
        d_real_loss = adversarial_loss(discriminator(real_imgs, labels), valid)
        d_fake_loss = adversarial_loss(discriminator(gen_imgs.detach(), gen_labels), fake)
        d_loss = (d_real_loss + d_fake_loss) / 2
        d_loss.backward()
        optimizer_D.step()

        # -----------------
        #  Train Generator
        # -----------------
        g_loss = adversarial_loss(discriminator(gen_imgs, gen_labels), torch.ones(batch_size, 1))
        g_loss.backward()
        optimizer_G.step()

    print("[Epoch %d/%d] [D loss: %f] [G loss: %f]" % (epoch, opt.n_epochs, d_loss.item(), g_loss.item()))


# ------------------------------------------------------------
#  Score: Frechet distance per class in features of a classifier
# ------------------------------------------------------------
torch.manual_seed(99)
features = nn.Sequential(
    nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
    nn.Flatten(), nn.Linear(32 * 16, 24), nn.Tanh(),
)
classifier = nn.Sequential(features, nn.Linear(24, opt.n_classes))
opt_c = torch.optim.Adam(classifier.parameters(), lr=2e-3)
cls_x, cls_y = to_tensor(train_x), torch.from_numpy(train_y)
for _ in range(4):
    for idx in torch.randperm(len(cls_x)).split(128):
        opt_c.zero_grad()
        nn.functional.cross_entropy(classifier(cls_x[idx] + 0.2 * torch.randn_like(cls_x[idx])), cls_y[idx]).backward()
        opt_c.step()


def frechet(a, b):
    mu_a, mu_b = a.mean(0), b.mean(0)
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    eig = np.linalg.eigvals(ca @ cb).real.clip(min=0)
    return ((mu_a - mu_b) ** 2).sum() + np.trace(ca) + np.trace(cb) - 2 * np.sqrt(eig).sum()


generator.eval()
with torch.no_grad():
    scores = []
    for k in range(opt.n_classes):
        sel = torch.from_numpy(test_x[test_y == k])
        f_real = features(sel.float() / 127.5 - 1.0).numpy()
        lab = torch.full((len(sel),), k)
        f_gen = features(generator(torch.randn(len(sel), opt.latent_dim), lab)).numpy()
        scores.append(frechet(f_real, f_gen) if np.isfinite(f_gen).all() else math.nan)
print("per class:", np.round(scores, 3))
print("RESULT %.4f lower" % np.mean(scores))
