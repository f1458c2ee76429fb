# quick multi-label tagger: 60 keyword counts per "post" -> any of 8 tags
import torch
import numpy as np
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score, average_precision_score

torch.manual_seed(42)
X, Y = make_multilabel_classification(n_samples=6000, n_features=60, n_classes=8, n_labels=3, length=80,
                                      allow_unlabeled=True, random_state=42)
print("posts", X.shape, "tags per post %.2f" % Y.sum(1).mean(), "tag rates", Y.mean(0).round(2))

X = torch.tensor(np.log1p(X), dtype=torch.float32)
Y = torch.tensor(Y, dtype=torch.float32)
perm = torch.randperm(len(X))
tr, va, te = perm[:4200], perm[4200:5000], perm[5000:]
mean, std = X[tr].mean(0), X[tr].std(0) + 1e-6
X = (X - mean) / std

model = torch.nn.Sequential(
    torch.nn.Linear(60, 128),
    torch.nn.LayerNorm(128),
    torch.nn.ReLU(),
    torch.nn.Dropout(0.3),
    torch.nn.Linear(128, 64),
    torch.nn.ReLU(),
    torch.nn.Dropout(0.3),
    torch.nn.Linear(64, 8),
)
loss_fn = torch.nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)

batch = 64
best, best_state, patience = 0.0, None, 0
# WATCH(model, optimizer)
for epoch in range(30):
    model.train()
    order = tr[torch.randperm(len(tr))]
    total = 0.0
    for i in range(0, len(order), batch):
        idx = order[i:i + batch]
        optimizer.zero_grad()
        loss = loss_fn(model(X[idx]), Y[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)

    model.eval()
    with torch.no_grad():
        logits = model(X[va])
        va_loss = loss_fn(logits, Y[va]).item()
        f1 = f1_score(Y[va].numpy(), (torch.sigmoid(logits) > 0.5).numpy(), average="micro")
    print("epoch %2d  train loss %.4f  val loss %.4f  val micro-F1 %.4f" % (epoch, total / len(tr), va_loss, f1))
    if f1 > best:
        best, patience = f1, 0
        best_state = {k: v.clone() for k, v in model.state_dict().items()}
    else:
        patience += 1
        if patience == 6:
            print("no better for 6 epochs, stopping")
            break

model.load_state_dict(best_state)
model.eval()
with torch.no_grad():
    p = torch.sigmoid(model(X[te])).numpy()
print("test mAP %.4f" % average_precision_score(Y[te].numpy(), p, average="macro"))
print("RESULT %.4f higher" % f1_score(Y[te].numpy(), p > 0.5, average="micro"))
