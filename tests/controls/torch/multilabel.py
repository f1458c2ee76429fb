"""Multi-label tagging with rare labels, using BCEWithLogitsLoss(pos_weight=...)."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from torch.utils.data import DataLoader, TensorDataset

N_FEATURES, N_LABELS, N_LATENT = 60, 15, 12


def synthesise(n, seed):
    """Documents with latent topics; tags fire when a nonlinear score of the topics is high."""
    world = np.random.default_rng(0)
    W = world.normal(size=(N_LATENT, N_FEATURES)) / np.sqrt(N_LATENT)
    A = world.normal(size=(N_LATENT, N_LABELS)) / np.sqrt(3)
    A *= world.random((N_LATENT, N_LABELS)) < 0.35
    B = world.normal(size=(N_LATENT, N_LABELS)) / np.sqrt(3)
    B *= world.random((N_LATENT, N_LABELS)) < 0.15
    rates = np.geomspace(0.02, 0.15, N_LABELS)
    ref = world.normal(size=(20000, N_LATENT))
    ref_score = ref @ A + (ref ** 2 - 1) @ B
    thr = np.array([np.quantile(ref_score[:, j], 1 - r) for j, r in enumerate(rates)])

    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, N_LATENT))
    score = z @ A + (z ** 2 - 1) @ B + 0.1 * rng.normal(size=(n, N_LABELS))
    x = 5.0 + 2.0 * (z @ W) + 0.3 * rng.normal(size=(n, N_FEATURES))
    return x.astype(np.float32), (score > thr).astype(np.float32)


class Standardizer:
    def fit(self, x):
        self.mean, self.std = x.mean(0), x.std(0) + 1e-8
        return self

    def __call__(self, x):
        return (x - self.mean) / self.std


class Tagger(nn.Module):
    def __init__(self, hidden=256, p=0.2):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(N_FEATURES, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(p),
            nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(p),
            nn.Linear(hidden, N_LABELS),
        )

    def forward(self, x):
        return self.net(x)


class Trainer:
    def __init__(self, model, criterion, optimizer, scheduler):
        self.model, self.criterion = model, criterion
        self.optimizer, self.scheduler = optimizer, scheduler

    def train_epoch(self, loader):
        self.model.train()
        total, seen = 0.0, 0
        for xb, yb in loader:
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.criterion(self.model(xb), yb)
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            total += loss.item() * len(xb)
            seen += len(xb)
        return total / seen

    @torch.inference_mode()
    def validate(self, loader):
        self.model.eval()
        logits, ys = [], []
        for xb, yb in loader:
            logits.append(self.model(xb))
            ys.append(yb)
        logits, ys = torch.cat(logits), torch.cat(ys)
        return self.criterion(logits, ys).item(), logits.sigmoid().numpy(), ys.numpy()

    def fit(self, train_loader, val_loader, epochs):
        for epoch in range(1, epochs + 1):
            tr = self.train_epoch(train_loader)
            vl, p, y = self.validate(val_loader)
            if epoch % 5 == 0 or epoch == 1:
                print(f"epoch {epoch:3d}: train {tr:.4f} val {vl:.4f} "
                      f"mAP {average_precision_score(y, p, average='macro'):.4f}")


def main():
    torch.set_num_threads(1)
    torch.manual_seed(2024)
    x_tr, y_tr = synthesise(20000, seed=1)
    x_va, y_va = synthesise(4000, seed=2)
    scale = Standardizer().fit(x_tr)
    train_loader = DataLoader(TensorDataset(torch.from_numpy(scale(x_tr)), torch.from_numpy(y_tr)),
                              batch_size=128, shuffle=True)
    val_loader = DataLoader(TensorDataset(torch.from_numpy(scale(x_va)), torch.from_numpy(y_va)),
                            batch_size=1000)
    pos = y_tr.mean(0)
    print("label rates:", np.round(pos, 3))
    pos_weight = torch.from_numpy(np.sqrt((1 - pos) / pos))     # softened: full ratio overshoots recall

    epochs = 25
    model = Tagger()
    with torch.no_grad():       # start at the (reweighted) base rates
        w = pos_weight.numpy()
        model.net[-1].bias.copy_(torch.from_numpy(np.log(w * pos / (1 - pos))))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=epochs * len(train_loader))
    trainer = Trainer(model, nn.BCEWithLogitsLoss(pos_weight=pos_weight), optimizer, scheduler)
    trainer.fit(train_loader, val_loader, epochs)

    _, p, y = trainer.validate(val_loader)
    print(f"validation mAP {average_precision_score(y, p, average='macro'):.4f} (chance {y.mean():.4f}), "
          f"AUC {roc_auc_score(y, p, average='macro'):.4f}, macro F1@0.5 {f1_score(y, p > 0.5, average='macro'):.4f}")


if __name__ == "__main__":
    main()
