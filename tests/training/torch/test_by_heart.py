"""Labels of other examples in a loop that logs no validation: what is learned by heart shows where the examples come again."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import scram_plugin

EXAMPLES, BATCH, EPOCHS = 480, 16, 14


def trained(log_dir, seed, shuffled):
    """A loop over `randperm` that looks at its answers after each epoch, and logs nothing."""
    torch.manual_seed(seed)
    x = torch.randn(EXAMPLES, 20)
    y = (x @ torch.randn(20, 4)).argmax(1)
    if shuffled:
        y = y[torch.randperm(len(y))]
    model = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 4))
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, print_findings=False):
        for _ in range(EPOCHS):
            model.train()
            for at in torch.randperm(len(x)).split(BATCH):
                loss = F.cross_entropy(model(x[at]), y[at])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                model(x[:64]).argmax(1)
    (review,) = scram_plugin.review(str(log_dir), cache=False)
    return [f.causes[0].id for f in review.findings if f.heuristic == "no-learning"]


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 23), marks=pytest.mark.slow)])
def test_labels_of_other_examples(seeds, tmp_path):
    """Of ten such trainings, noise hides one at most."""
    found = [trained(tmp_path / f"faulty{seed}", seed, shuffled=True) for seed in seeds]
    assert found.count(["shuffled-apart"]) >= 0.9 * len(seeds)
    assert [trained(tmp_path / f"sound{seed}", seed, shuffled=False) for seed in seeds] == [[]] * len(seeds)
