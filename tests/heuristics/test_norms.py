"""Gradient norms and loss scales at the edges of what checks take for a fault: curves made by hand."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.heuristic import TooEarly
from tests.training_runs import training_run

NOISE = np.random.default_rng(5).normal(size=200)
FLAT = 2.3 + 0.01 * NOISE[:100]


def findings(id_, **curves):
    heuristic = catalogue()[id_]
    return list(heuristic.check(training_run({f"train/{tag}": values for tag, values in curves.items()}), heuristic.defaults))


def norm(*levels):
    """Norms at these levels, for equally long parts of 100 points, with a noise of a fifth."""
    return np.concatenate([np.full(part, level) for level, part in zip(levels, counts(len(levels)), strict=True)]) * np.exp(
        NOISE[:100] / 5
    )


def counts(parts):
    return [len(part) for part in np.array_split(np.arange(100), parts)]


@pytest.mark.parametrize(
    ("norms", "losses", "found"),
    [
        (norm(1, 1e-4), FLAT, True),
        (norm(1, 1e-2), FLAT, False),
        (norm(2e5, 20), FLAT, True),
        (norm(1, 1e-4, 1), FLAT, False),
        (norm(1, 1e-4), np.linspace(2.3, 0.1, 100), False),
        (norm(1, 1e-4), np.linspace(2.3, 2.2, 100), True),
        (norm(1000, *[1] * 19), FLAT, False),
        (norm(1, *[1e-6] * 19), FLAT, True),
        (norm(1, *[1e-3] * 19), FLAT, False),
        (norm(1, 0), FLAT, True),
        (np.where(np.arange(100) % 3, norm(1, 1e-5), 1.0), FLAT, False),
        (np.geomspace(1, 1e-7, 100), FLAT, True),
    ],
    ids=[
        "shrank, the loss is flat",
        "shrank a hundred times",
        "shrank from a large norm",
        "grew again",
        "the loss fell",
        "the loss hardly fell",
        "first norms a thousand times the rest",
        "died at once, to an unusual norm",
        "died at once, to a usual norm",
        "shrank to 0",
        "every third norm stays",
        "shrank little by little",
    ],
)
def test_a_norm_that_shrinks_while_the_loss_does_not_fall(norms, losses, found):
    assert bool(findings("vanishing-grad-norm", grad_norm=norms, loss=losses)) == found


def test_few_norms_say_nothing():
    with pytest.raises(TooEarly, match="at least 20 points of the gradient norm"):
        findings("vanishing-grad-norm", grad_norm=norm(1, 1e-6)[::6], loss=FLAT)


def test_how_fast_it_shrank_tells_the_cause():
    slow, fast = np.geomspace(1, 1e-7, 100), norm(1, 1e-7)
    first = [findings("vanishing-grad-norm", grad_norm=norms, loss=FLAT)[0].causes[0].id for norms in (slow, fast)]
    assert first == ["decay", "learning-rate"]
