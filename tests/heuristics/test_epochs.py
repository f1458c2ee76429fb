"""Losses that fall where epochs begin: curves made by hand, at the edges of what counts as memorising."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.run import review
from tests.event_files import curve
from tests.reviews import review_of
from tests.training_runs import training_run

NOISE = np.random.default_rng(6).normal(size=120)
STEPS = np.arange(1, 121)
AT = STEPS[29::30]  # the ends of four epochs
STAIRS = np.repeat([1.0, 0.6, 0.35, 0.2], 30) * (1 + 0.03 * NOISE)
SMOOTH = np.exp(-STEPS / 70) * (1 + 0.03 * NOISE)


def severity(loss=STAIRS, epochs=STEPS / 30, steps=STEPS, **more):
    """Of the finding, if there is one, whatever explains it."""
    curves = {"train/loss": (steps, loss[: len(steps)]), "train/epoch": (steps, epochs[: len(steps)])}
    found = review(
        training_run(curves | {tag.replace("_", "/", 1): values for tag, values in more.items()}), catalogue()
    ).findings
    return next((f.severity for f in found if f.heuristic == "epoch-steps"), None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "info"),
        ({"epochs": (STEPS - 1) // 30}, "info"),
        ({"eval_loss": (AT, np.array([1.0, 1.0, 1.01, 1.0]))}, "warning"),
        ({"eval_loss": (AT, np.array([1.0, 1.2, 1.4, 1.7]))}, "warning"),
        ({"eval_loss": (AT, np.array([1.0, 0.9, 0.9, 0.95]))}, None),
        ({"eval_loss": (AT, np.array([1.0, 1.1, 1.2, 1.3])), "eval_accuracy": (AT, np.array([0.5, 0.6, 0.6, 0.6]))}, None),
        ({"loss": SMOOTH}, None),
        ({"loss": np.repeat([1.0, 0.96, 0.93, 0.9], 30)}, None),
        ({"loss": np.repeat([1.0, 0.6, 0.6, 0.6], 30)}, None),
        ({"train_learning_rate": (STEPS, np.repeat([1.0, 0.3, 0.1, 0.03], 30))}, None),
        ({"train_learning_rate": (STEPS, np.linspace(1.0, 0.0, 120))}, "info"),
        ({"steps": STEPS[:60]}, None),
        ({"epochs": STEPS / 5}, None),
    ],
    ids=[
        "stairs",
        "epochs are counted",
        "the validation loss stays",
        "the validation loss rises",
        "the validation loss falls on",
        "the accuracy rises",
        "it falls smoothly",
        "small steps",
        "a single step",
        "the rate drops with it",
        "the rate falls evenly",
        "two epochs",
        "few points in an epoch",
    ],
)
def test_steps_at_the_borders_of_epochs(given, said):
    assert severity(**given) == said


def test_losses_of_whole_epochs_have_no_steps(tmp_path):
    curve(tmp_path, "epoch_loss", STAIRS)
    assert "epoch-steps" in [entry.heuristic for entry in review_of(tmp_path).not_checked]


def test_epochs_of_llama_factory_are_kept(tmp_path):
    rows = "\n".join(
        f'{{"current_steps": {step}, "total_steps": 120, "loss": {loss:.4f}, "epoch": {step / 30:.3f}, "percentage": 1.0}}'
        for step, loss in zip(STEPS, STAIRS, strict=True)
    )
    (tmp_path / "trainer_log.jsonl").write_text(rows + "\n")
    assert "epoch-steps" in [f.heuristic for f in review_of(tmp_path).findings]


def test_a_loss_that_rises_within_epochs_says_nothing_of_memorising():
    """As where the examples always come in the same order, the easy ones first."""
    steps = np.arange(120)
    loss = 2 - 0.05 * (steps // 30) + 0.8 * (steps % 30) / 30
    judged = review(training_run({"train/loss": loss, "train/epoch": (steps + 1) / 30}), catalogue())
    assert "epoch-steps" not in [f.heuristic for f in judged.findings]


def test_a_rate_that_is_lowered_at_a_border_and_logged_once_an_epoch():
    steps = np.arange(120)
    loss, borders = 2.0 * 0.6 ** (steps // 30) + 0.001 * np.sin(steps), np.arange(0, 120, 30)
    curves = {"train/loss": loss, "train/epoch": (steps + 1) / 30}
    assert "epoch-steps" in [f.heuristic for f in review(training_run(curves), catalogue()).findings]
    curves["train/learning_rate"] = (borders, 0.1 * 0.1 ** np.arange(4))
    assert "epoch-steps" not in [f.heuristic for f in review(training_run(curves), catalogue()).findings]
