"""Losses of a generator and a discriminator at the edges of what counts as won: curves made by hand."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.heuristic import Inconclusive, NotChecked, TooEarly
from tests.training_runs import training_run

COUNT = 90
NOISE = np.exp(np.random.default_rng(5).normal(size=COUNT) / 5)
EVEN, GONE, HIGH = 0.69 * NOISE, np.geomspace(0.69, 1e-4, COUNT) * NOISE, np.linspace(0.7, 8, COUNT) * NOISE


def findings(curves):
    heuristic = catalogue()["adversarial-imbalance"]
    return list(heuristic.check(training_run(curves), heuristic.defaults))


@pytest.mark.parametrize(
    ("discriminator", "generator", "winner"),
    [
        (EVEN, EVEN, None),
        (GONE, HIGH, "discriminator"),
        (HIGH, GONE, "generator"),
        (GONE, EVEN, None),
        (EVEN, HIGH, None),
        (GONE / 100, HIGH, "discriminator"),
        (EVEN / 100, HIGH, None),
        (np.where(np.arange(COUNT) < 70, GONE, EVEN), HIGH, None),
        (GONE, np.where(np.arange(COUNT) < 70, HIGH, EVEN), None),
        (np.where(np.arange(COUNT) % 5, GONE, EVEN), HIGH, None),
    ],
    ids=[
        "both hover",
        "the discriminator wins",
        "the generator wins",
        "the generator holds",
        "the discriminator holds",
        "with a small weight",
        "small by its weight, but constant",
        "the discriminator recovers",
        "the generator recovers",
        "every fifth point is high",
    ],
)
def test_one_side_wins_for_good(discriminator, generator, winner):
    found = findings({"d_loss": discriminator, "g_loss": generator})
    assert [finding.evidence["winner"] for finding in found] == [winner] * (winner is not None)


def test_names_of_both_sides():
    parts = {"losses/l_d_real": GONE, "losses/l_d_fake": GONE, "losses/l_g_gan": HIGH, "losses/l_g_pix": EVEN}
    assert findings(parts)
    assert not findings({**parts, "losses/l_d_real": EVEN})
    assert not findings({**parts, "losses/l_g_gan": EVEN, "losses/l_g_pix": HIGH})
    assert findings({"Loss_D": GONE, "Loss_G": HIGH, "val/Loss_D": EVEN})


def test_what_cannot_be_judged():
    with pytest.raises(Inconclusive, match="Wasserstein"):
        findings({"d_loss": GONE - 0.1, "g_loss": HIGH})
    with pytest.raises(TooEarly, match="at least 30 points"):
        findings({"d_loss": GONE[:20], "g_loss": HIGH[:20]})
    with pytest.raises(NotChecked, match="of a generator or of a discriminator"):
        findings({"d_loss": GONE})
    with pytest.raises(NotChecked, match="no losses of a generator"):
        findings({"train/loss": GONE})
