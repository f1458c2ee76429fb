# Lecture 1 - logistic regression
#
#   z = w.x + b          (a score)
#   p = 1 / (1 + e^-z)   (a probability)
#   minimise the negative log likelihood by gradient descent
#
# Is a tumour malignant? 30 measurements per sample.
import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer

torch.manual_seed(10)

# --- load
raw = load_breast_cancer()
X = torch.tensor(raw.data, dtype=torch.float32)
y = torch.tensor(1 - raw.target, dtype=torch.float32)      # 1 = malignant

# --- mix the rows, then cut
perm = torch.randperm(len(X))
X, y = X[perm], y[perm]
n_train = 400
X_train, y_train = X[:n_train], y[:n_train]
X_test, y_test = X[n_train:], y[n_train:]

# --- standardise with the numbers of the training part
mu, sigma = X_train.mean(0), X_train.std(0)
X_train = (X_train - mu) / sigma
X_test = (X_test - mu) / sigma

# --- the model is one linear layer; the problem is convex, so starting from zero is fine
model = torch.nn.Linear(30, 1)
torch.nn.init.zeros_(model.weight)
torch.nn.init.zeros_(model.bias)
gd = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-2)


def nll(z, y):
    return F.binary_cross_entropy_with_logits(z, y)


def accuracy(z, y):
    return ((z > 0).float() == y).float().mean().item()


# --- plain gradient descent on all 400 samples at once
# WATCH(model, gd)
for step in range(1, 801):
    z = model(X_train).squeeze(1)
    loss = nll(z, y_train)
    gd.zero_grad()
    loss.backward()
    gd.step()
    if step == 1 or step % 100 == 0:
        with torch.no_grad():
            z_test = model(X_test).squeeze(1)
            print(f"step {step:4d}   train nll {loss.item():.4f}   test nll {nll(z_test, y_test).item():.4f}   "
                  f"test accuracy {accuracy(z_test, y_test):.3f}")

with torch.no_grad():
    z_test = model(X_test).squeeze(1)
majority = max(y_test.mean().item(), 1 - y_test.mean().item())
print(f"always the more frequent answer: {majority:.3f}")
print("largest weights:")
w = model.weight.detach().squeeze(0)
for j in w.abs().argsort(descending=True)[:5].tolist():
    print(f"   {raw.feature_names[j]:24s} {w[j].item():+.3f}")
print(f"RESULT {accuracy(z_test, y_test):.4f} higher")
