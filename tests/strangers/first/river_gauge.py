# ---------------------------------------------------------
# My project for the evening course: how high will the river be?
# We look at the last 24 hours (level and rain) and guess how much
# the level changes in the next 6 hours.
# ---------------------------------------------------------

# the libraries we need
import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset, DataLoader

# the same random numbers each time
np.random.seed(8)
torch.manual_seed(8)
torch.set_num_threads(1)

# some settings
WINDOW = 24        # hours that we look back
AHEAD = 6          # hours that we look ahead
HOURS = 4500       # length of the record
BATCH = 32
EPOCHS = 8

# ----- step 1: the data -----
# rain comes in showers that last for some hours
rain = np.zeros(HOURS)
t = 0
while t < HOURS:
    t = t + np.random.randint(10, 50)                    # dry hours
    n = np.random.randint(3, 12)                         # length of the shower
    rain[t:t + n] = np.random.gamma(2.0, 1.5)            # mm per hour
    t = t + n

# the soil fills with rain and gives it to the river slowly
level = np.zeros(HOURS)
soil = 0.0
height = 1.0
for t in range(HOURS):
    soil = soil + rain[t] - 0.08 * soil
    height = height + 0.012 * soil - 0.06 * (height - 0.5)
    level[t] = height
level = level + 0.02 * np.random.randn(HOURS)

# the sensor fails now and then: a hole in the record
for k in range(25):
    hole = np.random.randint(50, HOURS - 100)
    level[hole:hole + np.random.randint(1, 5)] = np.nan

# scale both columns (only the first part, the training part, is used for the numbers)
cut_hour = int(0.75 * HOURS)
level_scaled = (level - np.nanmean(level[:cut_hour])) / np.nanstd(level[:cut_hour])
rain_scaled = (rain - rain[:cut_hour].mean()) / rain[:cut_hour].std()

# ----- step 2: cut it into windows -----
windows = []
targets = []
window = np.zeros((WINDOW, 2))
for t in range(WINDOW, HOURS - AHEAD):
    window[:, 0] = level_scaled[t - WINDOW:t]
    window[:, 1] = rain_scaled[t - WINDOW:t]
    windows.append(window.copy())
    targets.append(level_scaled[t - 1 + AHEAD] - level_scaled[t - 1])
windows = np.array(windows)
targets = np.array(targets)

# throw away everything with a hole in it
good = ~np.isnan(windows).any(axis=(1, 2)) & ~np.isnan(targets)
windows = windows[good]
targets = targets[good]
print("we have", len(windows), "windows")

# the first 75 % are for training, the end of the record is for the test
# (the gap of 30 windows keeps them apart)
cut = int(0.75 * len(windows))
train_x, train_y = windows[:cut], targets[:cut]
test_x, test_y = windows[cut + 30:], targets[cut + 30:]
scale = train_y.std()


# ----- step 3: the dataset -----
class RiverDataset(Dataset):
    def __init__(self, x, y):
        self.x = torch.tensor(x, dtype=torch.float32)
        self.y = torch.tensor(y / scale, dtype=torch.float32)

    # how long is it
    def __len__(self):
        return len(self.x)

    # give me number i
    def __getitem__(self, i):
        return self.x[i], self.y[i]


train_loader = DataLoader(RiverDataset(train_x, train_y), batch_size=BATCH, shuffle=True)
test_x = torch.tensor(test_x, dtype=torch.float32)
test_y = torch.tensor(test_y / scale, dtype=torch.float32)


# ----- step 4: the network -----
class RiverNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(input_size=2, hidden_size=24, batch_first=True)
        self.linear = nn.Linear(24, 1)

    def forward(self, x):
        out, hidden = self.gru(x)
        # hidden is the state after the last hour
        return self.linear(hidden[-1]).squeeze(1)


river_net = RiverNet()
loss_function = nn.MSELoss()
my_optimizer = torch.optim.Adam(river_net.parameters(), lr=0.004)
# WATCH(river_net, my_optimizer)

# ----- step 5: the training -----
for epoch in range(EPOCHS):
    river_net.train()
    sum_of_losses = 0
    number_of_batches = 0
    for x, y in train_loader:
        my_optimizer.zero_grad()             # forget the old gradients
        guess = river_net(x)                 # forward
        loss = loss_function(guess, y)       # how bad is it?
        loss.backward()                      # backward
        my_optimizer.step()                  # a little step
        sum_of_losses += loss.item()
        number_of_batches += 1

    # look at the test data
    river_net.eval()
    with torch.no_grad():
        test_loss = loss_function(river_net(test_x), test_y).item()
    print("epoch", epoch + 1, "training loss", round(sum_of_losses / number_of_batches, 4), "test loss", round(test_loss, 4))

# ----- step 6: how good is it? -----
# 1 would be perfect, 0 is as bad as always guessing the mean
r2 = 1 - test_loss / test_y.var(unbiased=False).item()
print("R2 on the test data is", round(r2, 3))
print("RESULT", round(r2, 4), "higher")
