import torch
from torch import nn


def species_table(k, d, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(k, d, generator=g) * 1.2, 0.25 + 0.2 * torch.rand(k, d, generator=g), torch.randn(k, d, d, generator=g) * 0.12


def grains(labels, tables, g):
    """measurements of pollen grains: long axis, short axis, wall, pores, ... (already standardised)"""
    centre, width, mix = tables
    e = torch.randn(len(labels), centre.size(1), generator=g) * width[labels]
    x = centre[labels] + e + torch.einsum('nij,nj->ni', mix[labels], e)
    return x


class Maker(nn.Module):
    def __init__(self, k, z, d, h=64):
        super().__init__()
        self.z = z
        self.name = nn.Embedding(k, 8)
        self.net = nn.Sequential(nn.Linear(z + 8, h), nn.BatchNorm1d(h), nn.ReLU(),
                                 nn.Linear(h, h), nn.BatchNorm1d(h), nn.ReLU(), nn.Linear(h, d))

    def forward(self, species):
        z = torch.randn(len(species), self.z)
        return self.net(torch.cat([z, self.name(species)], 1))


class Judge(nn.Module):
    def __init__(self, k, d, h=64):
        super().__init__()
        self.name = nn.Embedding(k, 8)
        self.net = nn.Sequential(nn.Linear(d + 8, h), nn.LeakyReLU(0.2), nn.Linear(h, h), nn.LeakyReLU(0.2), nn.Linear(h, 1))

    def forward(self, x, species):
        return self.net(torch.cat([x, self.name(species)], 1)).squeeze(1)


def train(maker, judge, opt_maker, opt_judge, x, labels, epochs, batch, every):
    softplus = nn.functional.softplus
    tick = 0
    for epoch in range(epochs):
        for idx in torch.randperm(len(x)).split(batch):
            real, species = x[idx], labels[idx]
            # the judge learns
            with torch.no_grad():
                fake = maker(species)
            j = softplus(-judge(real, species)).mean() + softplus(judge(fake, species)).mean()
            j.backward()
            opt_judge.step()
            opt_judge.zero_grad()
            # the maker learns, less often
            if tick % every == every - 1:
                m = softplus(-judge(maker(species), species)).mean()
                m.backward()
                opt_maker.step()
                opt_maker.zero_grad()
                opt_judge.zero_grad()     # the maker's loss left something there
            tick += 1
        if epoch % 10 == 0:
            print(f'{epoch:3d} judge {j.item():.3f}')


@torch.no_grad()
def distance(maker, tables, k, g, n=400):
    """mean over the species: energy distance of made and real grains"""
    maker.eval()
    total = 0.
    for s in range(k):
        species = torch.full((n,), s)
        a, b, c, d = maker(species), grains(species, tables, g), maker(species), grains(species, tables, g)
        total += (2 * torch.cdist(a, b).mean() - torch.cdist(a, c).mean() - torch.cdist(b, d).mean()).item()
    maker.train()
    return total / k


def main(seed=8, k=6, d=5, z=8):
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(seed)
    tables = species_table(k, d, seed)
    labels = torch.randint(k, (4000,), generator=g)
    x = grains(labels, tables, g)
    maker, judge = Maker(k, z, d), Judge(k, d)
    opt_maker = torch.optim.Adam(maker.parameters(), lr=1e-3, betas=(0.0, 0.99))
    opt_judge = torch.optim.Adam(judge.parameters(), lr=4e-3, betas=(0.0, 0.99))
    # WATCH(maker, opt_maker)
    train(maker, judge, opt_maker, opt_judge, x, labels, epochs=40, batch=100, every=2)
    print(f'RESULT {distance(maker, tables, k, g):.4f} lower')


if __name__ == '__main__':
    main()
