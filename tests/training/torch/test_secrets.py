"""What `watch` writes of a program holds no secret of it, and a fix is still a change of its own lines."""

from tests.training.secrets import assert_fixes_are_of_the_disk, logged

PROGRAM = """
import torch
import scram_plugin
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

experiment = f"trained by jane.doe with {TOKEN}"
def send_report(address):
    post(address)
rate = 1e10  # chosen by jane.doe
targets = features.sum(axis=1, keepdims=True)

class Net(nn.Module):
    "Made for jane.doe."
    def __init__(self, owner="jane.doe"):
        super().__init__()
        self.owner, self.token = owner, "hf_AbCdEfGhIjKlMnOpQrStUvWx"
        self.layers = nn.Sequential(nn.Linear(n_features, 16), nn.ReLU(), nn.Linear(16, 1))
    def forward(self, x):
        return self.layers(x)

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=1e10)  # postgres
loader = DataLoader(TensorDataset(torch.tensor(features), torch.tensor(targets)), batch_size=8, shuffle=True)
loss_function = nn.MSELoss()
with scram_plugin.watch(model, optimizer, log_dir="logs/jane.doe", print_findings=False) as scram:
    for epoch in range(3):
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_function(model(x), y)
            loss.backward()
            optimizer.step()
        scram.log(val_loss=1.0)
"""


def test_no_secret_is_in_the_log_and_the_fix_is_in_the_lines_on_the_disk(tmp_path):
    data = logged(PROGRAM, tmp_path)
    assert b"torch.optim.SGD(model.parameters(), lr=1e10)" in data
    assert b"DataLoader(TensorDataset(" in data
    assert b"send_report" not in data, "it has no part in the training"
    assert_fixes_are_of_the_disk(tmp_path)
