# GCN without torch_geometric (could not install it). Nodes = people, classes = friend groups
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(21)
N, C, D = 1000, 5, 32

labels = torch.randint(0, C, (N,))
same = labels[:, None] == labels[None, :]
prob = torch.where(same, torch.tensor(0.022), torch.tensor(0.004))
A = torch.triu((torch.rand(N, N) < prob).float(), diagonal=1)
A = A + A.t()
centers = torch.randn(C, D)
feats = centers[labels] * 0.3 + torch.randn(N, D)

A_hat = A + torch.eye(N)
dinv = A_hat.sum(1).pow(-0.5)
A_hat = dinv[:, None] * A_hat * dinv[None, :]

perm = torch.randperm(N)
train_idx, val_idx, test_idx = perm[:300], perm[300:500], perm[500:]


class GCN(nn.Module):
    def __init__(self, n_in, n_hid, n_out):
        super().__init__()
        self.w1 = nn.Linear(n_in, n_hid)
        self.w2 = nn.Linear(n_hid, n_out)

    def forward(self, x, adj):
        x = F.dropout(x, p=0.5, training=self.training)
        x = F.relu(adj @ self.w1(x))
        x = F.dropout(x, p=0.5, training=self.training)
        x = adj @ self.w2(x)
        return F.log_softmax(x, dim=1)


def accuracy(out, idx):
    return (out[idx].argmax(1) == labels[idx]).float().mean().item()


model = GCN(D, 64, C)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)

# WATCH(model, optimizer)
for epoch in range(100):
    model.train()
    optimizer.zero_grad()
    out = model(feats, A_hat)
    loss = F.nll_loss(out[train_idx], labels[train_idx])
    loss.backward()
    optimizer.step()

    model.eval()
    with torch.no_grad():
        out = model(feats, A_hat)
        val_loss = F.nll_loss(out[val_idx], labels[val_idx])
    if epoch % 10 == 9:
        print(f"Epoch: {epoch + 1:03d}, Loss: {loss.item():.4f}, Val loss: {val_loss.item():.4f}, "
              f"Train: {accuracy(out, train_idx):.4f}, Val: {accuracy(out, val_idx):.4f}")

with torch.no_grad():
    out = model(feats, A_hat)
test_acc = accuracy(out, test_idx)
print("Test acc", test_acc)
print("RESULT", round(test_acc, 4), "higher")
