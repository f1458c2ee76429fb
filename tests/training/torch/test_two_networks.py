"""Two networks that are trained in turn, of which one is watched: a generator, with and without what keeps it apart."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import scram_plugin

STEPS = 30


def networks():
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 6))
    discriminator = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
    return generator, discriminator


def trained(log_dir, detach, clear):
    """`clear`: where the generator's gradients are cleared: "first", at the start of a step, or "before", its own loss."""
    generator, discriminator = networks()
    ours, theirs = (torch.optim.Adam(net.parameters(), 1e-3) for net in (generator, discriminator))
    real, one, zero = torch.randn(32, 6), torch.ones(32, 1), torch.zeros(32, 1)
    with scram_plugin.watch(generator, ours, log_dir=log_dir, every=10, print_findings=False) as watch:
        for _ in range(STEPS):
            theirs.zero_grad()
            if clear == "first":
                ours.zero_grad()
            fake = generator(torch.randn(32, 4))
            judged = discriminator(fake.detach() if detach else fake)
            loss = F.binary_cross_entropy_with_logits(discriminator(real), one)
            (loss + F.binary_cross_entropy_with_logits(judged, zero)).backward(retain_graph=True)
            theirs.step()
            if clear == "before":
                ours.zero_grad()
            F.binary_cross_entropy_with_logits(discriminator(fake), one).backward()
            ours.step()
    return watch.facts


@pytest.mark.parametrize(
    ("detach", "clear", "mixed"), [(True, "first", 0), (True, "before", 0), (False, "before", 0), (False, "first", STEPS)]
)
def test_whose_gradients_a_step_uses(detach, clear, mixed, tmp_path):
    facts = trained(tmp_path, detach, clear)
    assert facts["loop"].get("mixed", 0) == mixed
    assert facts.get("beside") is True
    (review,) = scram_plugin.review(str(tmp_path), cache=False)
    told = [f.causes[0].id for f in review.findings if f.severity != "info"]
    assert told == (["mixed-losses"] if mixed else [])


def test_two_optimizers_of_one_network_are_no_two_networks(tmp_path):
    """One watches the head alone, and both follow one loss."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    body, head = torch.optim.SGD(model[0].parameters(), 0.01), torch.optim.SGD(model[2].parameters(), 0.01)
    with scram_plugin.watch(model, head, log_dir=tmp_path, print_findings=False) as watch:
        for _ in range(STEPS):
            x = torch.randn(16, 4)
            body.zero_grad()
            head.zero_grad()
            F.mse_loss(model(x), x.sum(1, keepdim=True)).backward()
            body.step()
            head.step()
    assert watch.facts["loop"].get("mixed", 0) == 0
    assert not watch.facts.get("beside")
