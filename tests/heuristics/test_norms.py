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


def scale(*exponents, every=10):
    """A loss scale at these powers of two, for so many points each."""
    return np.repeat(2.0 ** np.array(exponents), every)


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        (scale(*range(16, -3, -1), every=1), "warning"),
        (scale(*range(16, -20, -1)), "error"),
        (scale(*range(16, -1, -1)), "warning"),
        (scale(*range(18, 6, -1)), None),
        (scale(*range(16, 4, -1)), "warning"),
        (scale(*range(16, 4, -1), 4, 4, 4, 4, 4, 4), None),
        (scale(*range(32, 15, -1), every=1), None),
        (scale(16, 15, 14, 13, 14, 15, 16, 17), None),
        (scale(16, 16), None),
        (scale(0, 0), None),
        (scale(3, 2, 1, 0, 0), None),
        (scale(*range(16, -2, -1), 0), None),
    ],
    ids=[
        "to a quarter, with three points that are low",
        "far below 1",
        "to 1, which ten points have",
        "to 128, and falling",
        "to 32, and falling",
        "to 16, and no further",
        "from the first one of Megatron-LM to a usual one",
        "a few times at the start",
        "constant",
        "constant at 1",
        "from 8 to 1",
        "grew again",
    ],
)
def test_a_loss_scale_that_falls_and_falls(values, severity):
    found = findings("loss-scale-collapse", loss_scale=values)
    assert [finding.severity for finding in found] == [severity] * (severity is not None)


def test_a_loss_that_rose_with_the_loss_scale_names_the_learning_rate():
    falling = scale(*range(16, -4, -1), every=5)
    (one,) = findings("loss-scale-collapse", loss_scale=falling, loss=np.linspace(1, 4, 100), grad_norm=norm(1, 3))
    assert [cause.id for cause in one.causes] == ["learning-rate", "range", "nan-gradient"]
    assert "The loss rose from 1.29 to 3.71." in one.causes[0].for_


def lost(where):
    """A loss and a norm of 100 points, which are 0 and NaN at these."""
    return {"loss": np.where(where, 0.0, FLAT), "grad_norm": np.where(where, np.nan, norm(1, 1))}


POINTS = np.arange(100)


@pytest.mark.parametrize(
    ("where", "severity"),
    [
        (POINTS >= 40, "error"),
        (POINTS >= 0, "error"),
        (POINTS >= 97, "error"),
        (POINTS >= 98, None),
        ((POINTS >= 40) & (POINTS < 50), "warning"),
        (((POINTS >= 40) & (POINTS < 50)) | (POINTS >= 97), "error"),
        (POINTS % 10 == 0, None),
    ],
    ids=["for good", "always", "at the last three points", "at the last two", "for a while", "twice", "now and then"],
)
def test_a_loss_of_0_with_a_gradient_that_is_not_finite(where, severity):
    found = findings("fp16-overflow", **lost(where))
    assert [finding.severity for finding in found] == [severity] * (severity is not None)


def test_skipped_steps_of_mixed_precision_and_masked_steps_are_healthy():
    values = lost(POINTS >= 40)
    assert not findings("fp16-overflow", loss=FLAT, grad_norm=values["grad_norm"])
    assert not findings("fp16-overflow", loss=values["loss"], grad_norm=np.nan_to_num(values["grad_norm"]))


@pytest.mark.parametrize(
    ("before", "cause"),
    [(np.linspace(3, 1, 100), "float16"), (np.linspace(1, 3, 100), "learning-rate"), (0 * POINTS, "masked")],
)
def test_what_the_loss_did_before_tells_the_cause(before, cause):
    where = POINTS >= 40 if before.any() else POINTS >= 0
    (one,) = findings("fp16-overflow", **{**lost(where), "loss": np.where(where, 0.0, before)})
    assert one.causes[0].id == cause
    assert one.causes[0].for_
