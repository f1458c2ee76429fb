# Chapter exercise: predict the next value of a noisy sine from the last tau values
import torch
from torch import nn
from torch.utils import data

torch.manual_seed(0)
torch.set_num_threads(1)

T = 1000
time = torch.arange(1, T + 1, dtype=torch.float32)
x = torch.sin(0.01 * time) + torch.normal(0, 0.2, (T,))

tau = 4
features = torch.zeros((T - tau, tau))
for i in range(tau):
    features[:, i] = x[i: T - tau + i]
labels = x[tau:].reshape((-1, 1))

batch_size, n_train = 16, 600


def load_array(data_arrays, batch_size, is_train=True):
    dataset = data.TensorDataset(*data_arrays)
    return data.DataLoader(dataset, batch_size, shuffle=is_train)


train_iter = load_array((features[:n_train], labels[:n_train]), batch_size)
test_iter = load_array((features[n_train:], labels[n_train:]), batch_size, is_train=False)


def init_weights(m):
    if type(m) == nn.Linear:
        nn.init.xavier_uniform_(m.weight)


def get_net():
    net = nn.Sequential(nn.Linear(tau, 10), nn.ReLU(), nn.Linear(10, 1))
    net.apply(init_weights)
    return net


loss = nn.MSELoss(reduction='none')


class Accumulator:
    def __init__(self, n):
        self.data = [0.0] * n

    def add(self, *args):
        self.data = [a + float(b) for a, b in zip(self.data, args)]

    def __getitem__(self, idx):
        return self.data[idx]


def evaluate_loss(net, data_iter, loss):
    metric = Accumulator(2)
    with torch.no_grad():
        for X, y in data_iter:
            l = loss(net(X), y)
            metric.add(l.sum(), l.numel())
    return metric[0] / metric[1]


def train(net, train_iter, loss, epochs, lr):
    trainer = torch.optim.Adam(net.parameters(), lr)
    # WATCH(net, trainer)
    for epoch in range(epochs):
        for X, y in train_iter:
            trainer.zero_grad()
            l = loss(net(X), y)
            l.sum().backward()
            trainer.step()
        print(f'epoch {epoch + 1}, '
              f'loss: {evaluate_loss(net, train_iter, loss):f}, '
              f'test: {evaluate_loss(net, test_iter, loss):f}')


net = get_net()
train(net, train_iter, loss, 10, 0.01)

with torch.no_grad():
    onestep_preds = net(features)
err = (onestep_preds - labels)[n_train:]
print('one-step test RMSE %.3f (noise 0.2, spread of the series %.3f, repeat-last RMSE %.3f)' % (
    err.pow(2).mean().sqrt(), x.std(), (features[n_train:, -1:] - labels[n_train:]).pow(2).mean().sqrt()))

# k-step-ahead predictions
max_steps = 16
multi = torch.zeros((T - tau - max_steps + 1, tau + max_steps))
for i in range(tau):
    multi[:, i] = x[i: i + T - tau - max_steps + 1]
with torch.no_grad():
    for i in range(tau, tau + max_steps):
        multi[:, i] = net(multi[:, i - tau: i]).reshape(-1)
for k in (1, 4, 16):
    true = x[tau + k - 1: tau + k - 1 + len(multi)]
    print(f'{k}-step RMSE {(multi[:, tau + k - 1] - true).pow(2).mean().sqrt():.3f}')
print('RESULT %.4f lower' % err.pow(2).mean().sqrt())
