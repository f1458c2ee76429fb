"""Two networks that are trained in turn, of which one is watched: a generator, with and without what keeps it apart."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

import scram_plugin
from scram_plugin.training.torch.adversary import HOOKS_ARE_KNOWN

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
    assert bool(facts.get("beside")) == (detach or bool(mixed))
    (review,) = scram_plugin.review(str(tmp_path), cache=False)
    told = [f.causes[0].id for f in review.findings if f.severity != "info" and f.heuristic == "training-loop"]
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


def test_an_extractor_that_two_heads_train(tmp_path):
    """Each head has an optimizer of its own, and the extractor's gradients are those of both losses."""
    torch.manual_seed(0)
    extractor, heads = nn.Linear(4, 8), (nn.Linear(8, 1), nn.Linear(8, 4))
    ours, *theirs = (torch.optim.SGD(net.parameters(), 0.01) for net in (extractor, *heads))
    with scram_plugin.watch(extractor, ours, log_dir=tmp_path, print_findings=False) as watch:
        for _ in range(STEPS):
            x = torch.randn(16, 4)
            for optimizer in (ours, *theirs):
                optimizer.zero_grad()
            features = extractor(x)
            for head, optimizer, target in zip(heads, theirs, (x[:, :1], x), strict=True):
                F.mse_loss(head(features), target).backward(retain_graph=True)
                optimizer.step()
            ours.step()
    assert watch.facts["loop"].get("mixed", 0) == 0


def test_a_generator_that_accumulates(tmp_path):
    """The discriminator steps on each batch, and the generator on every second."""
    generator, discriminator = networks()
    ours, theirs = (torch.optim.Adam(net.parameters(), 1e-3) for net in (generator, discriminator))
    with scram_plugin.watch(generator, ours, log_dir=tmp_path, print_findings=False) as watch:
        for i in range(2 * STEPS):
            theirs.zero_grad()
            fake = generator(torch.randn(32, 4))
            F.binary_cross_entropy_with_logits(discriminator(fake.detach()), torch.zeros(32, 1)).backward()
            theirs.step()
            F.binary_cross_entropy_with_logits(discriminator(fake), torch.ones(32, 1)).backward()
            if i % 2:
                ours.step()
                ours.zero_grad()
    assert watch.facts["loop"].get("mixed", 0) == 0


of_known_hooks = pytest.mark.skipif(not HOOKS_ARE_KNOWN, reason="this PyTorch does not tell what hooks a tensor has")


def opposed(log_dir, last=None, asked=1.0, units=1.0, generator_first=False, conditional=False, detach="theirs"):
    """What is told of a generator whose outputs come from `last`, whose loss compares with `asked`, and which makes data of
    some `units`. `detach`: what is detached, in the discriminator's loss ("theirs") or in the generator's own ("ours")."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 6), *([last] if last is not None else []))
    discriminator = nn.Sequential(nn.Linear(8 if conditional else 6, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    labels = nn.Embedding(3, 2)
    ours = torch.optim.Adam(generator.parameters(), 1e-3)
    theirs = torch.optim.Adam([*discriminator.parameters(), *labels.parameters()], 1e-3)
    real, one, zero = units * (2 * torch.rand(32, 6) - 1), torch.ones(32, 1), torch.zeros(32, 1)
    loss = F.binary_cross_entropy_with_logits

    def judged(data):
        return discriminator(torch.cat([data, labels(torch.arange(32) % 3)], 1) if conditional else data)

    def step(fake):
        if detach == "ours":
            fake = fake.detach()  # the gradients are those of the other loss
        else:
            ours.zero_grad()
        loss(judged(fake), torch.full((32, 1), asked)).backward()
        ours.step()

    with scram_plugin.watch(generator, ours, log_dir=log_dir, print_findings=False) as watch:
        for _ in range(STEPS):
            fake = generator(torch.randn(32, 4))
            if generator_first:
                step(fake)
            theirs.zero_grad()
            if detach == "ours":
                ours.zero_grad()
            (loss(judged(real), one) + loss(judged(fake.detach() if detach == "theirs" else fake), zero)).backward()
            theirs.step()
            if not generator_first:
                step(fake)
    (review,) = scram_plugin.review(str(log_dir), cache=False)
    told = [(f.heuristic, f.causes[0].id) for f in review.findings if f.severity != "info"]
    return watch.facts["loop"]["adversary"], [one for one in told if one[0] in ("training-loop", "output-activation-mismatch")]


@of_known_hooks
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("generator_first", [False, True])
@pytest.mark.parametrize(
    ("last", "asked", "units", "told"),
    [
        (nn.Tanh(), 1.0, 1.0, []),
        (None, 1.0, 40.0, []),
        (nn.Sigmoid(), 1.0, 1.0, [("output-activation-mismatch", "range")]),
        (nn.Tanh(), 1.0, 40.0, [("output-activation-mismatch", "range")]),
        (nn.Tanh(), 0.0, 1.0, [("training-loop", "same-goal")]),
    ],
)
def test_what_a_generator_is_trained_against(last, asked, units, told, generator_first, conditional, tmp_path):
    facts, found = opposed(tmp_path, last, asked, units, generator_first, conditional)
    assert (facts["made"], facts["real"], facts["own"], facts["attached"]) == (0.0, 1.0, asked, False)
    assert facts["range"]["least"] >= -units
    assert facts["range"]["most"] > 0.9 * units
    assert found == told


@of_known_hooks
def test_the_wrong_one_of_two_losses_is_detached(tmp_path):
    facts, found = opposed(tmp_path, nn.Tanh(), detach="ours")
    assert facts["attached"]
    assert "own" not in facts
    assert found == [("training-loop", "mixed-losses")]


def two_losses(kind, generator, other, real, one):
    """The losses of a sound program with two optimizers: of the other network, if it has one, and how that of the watched one
    is computed, after the other network has made its step."""
    fake, loss = generator(torch.randn(32, 4)), F.binary_cross_entropy_with_logits
    if kind == "one loss":
        return None, lambda: F.mse_loss(other(fake), other(real).detach())
    if kind == "relativistic":
        return loss(other(real) - other(fake.detach()), one), lambda: loss(other(fake) - other(real), one)
    apart = loss(other(real), one) + loss(other(fake.detach()), 0 * one)
    if kind == "features":
        return apart, lambda: F.mse_loss(other[0](fake).mean(0), other[0](real).mean(0).detach())
    return apart, lambda: loss(other(fake), 0 * one)


@pytest.mark.parametrize("kind", ["relativistic", "features", "maximized", "one loss"])
def test_sound_programs_with_two_optimizers(kind, tmp_path):
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 6), nn.Tanh())
    other = nn.Sequential(nn.Linear(6, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    ours = torch.optim.Adam(generator.parameters(), 1e-3, maximize=kind == "maximized")
    theirs = torch.optim.Adam(other.parameters(), 1e-3)
    real, one = 4 * torch.randn(32, 6), torch.ones(32, 1)
    with scram_plugin.watch(generator, ours, log_dir=tmp_path, print_findings=False):
        for _ in range(2 * STEPS):
            of_other, own = two_losses(kind, generator, other, real, one)
            theirs.zero_grad()
            if of_other is not None:
                of_other.backward()
                theirs.step()
            ours.zero_grad()
            own().backward()
            ours.step()
            if of_other is None:
                theirs.step()
    (review,) = scram_plugin.review(str(tmp_path), cache=False)
    assert [(f.heuristic, f.causes[0].id) for f in review.findings if f.heuristic == "training-loop"] == []


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.LeakyReLU(0.2), nn.Dropout(0.2))
        self.last = nn.Linear(16, 1)

    def forward(self, x):
        return self.last(checkpoint(self.first, x, use_reentrant=False))


def trained_beside_a_checkpoint(log_dir=None):
    """The state of a discriminator whose first layers are computed again in each backward pass."""
    torch.manual_seed(0)
    generator, other = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 6)), Checkpointed()
    ours, theirs = (torch.optim.Adam(of.parameters(), 1e-3) for of in (generator, other))
    one, loss = torch.ones(32, 1), F.binary_cross_entropy_with_logits
    if log_dir is not None:
        watching = scram_plugin.watch(generator, ours, log_dir=log_dir, print_findings=False)
    for _ in range(10):
        fake = generator(torch.randn(32, 4))
        theirs.zero_grad()
        (loss(other(torch.randn(32, 6)), one) + loss(other(fake.detach()), 0 * one)).backward()
        theirs.step()
        ours.zero_grad()
        loss(other(fake), one).backward()
        ours.step()
    if log_dir is not None:
        watching.close()
    return other.state_dict()


def test_nothing_is_computed_again_to_look_at_it(tmp_path):
    alone, watched = trained_beside_a_checkpoint(), trained_beside_a_checkpoint(tmp_path)
    assert all(torch.equal(alone[name], watched[name]) for name in alone)
