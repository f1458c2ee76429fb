"""The first picture of a training run: its charts depend on the kind of the training."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.kinds import KINDS
from scram_plugin.reviews.as_json import review_as_json
from scram_plugin.reviews.overview import MOST_IN_A_CHART, ROWS, overview
from scram_plugin.reviews.run import review
from tests.reviews import review_of_recorded
from tests.training_runs import training_run

UP = np.linspace(0, 3, 20)


def charts(*tags):
    seen = overview(training_run(dict.fromkeys(tags, UP)))
    return None if seen is None else [list(chart.labels) for chart in seen.charts]


def test_each_kind_has_rows():
    assert list(ROWS) == list(KINDS)


@pytest.mark.parametrize(
    ("tags", "rows"),
    [
        (["loss", "val_loss"], [["training loss", "validation loss"]]),
        (["loss", "acc", "val_acc"], [["training loss"], ["training accuracy", "validation accuracy"]]),
        (["accuracy/train"], [["training accuracy"]]),
        (["train/lr"], None),
        (["train/loss", "train/mean_token_accuracy"], [["training loss"], ["training token accuracy"]]),
        (
            ["train/loss", "train/rewards/margins", "train/logps/rejected", "train/logps/chosen"],
            [["reward margin"], ["chosen log-probability", "rejected log-probability"], ["training loss"]],
        ),
        (
            ["train/loss", "train/reward", "train/reward_std", "train/completion_length", "train/completions/clipped_ratio"],
            [["return"], ["reward spread"], ["completion length"], ["truncated completions"]],
        ),
        (
            ["rollout/ep_rew_mean", "train/loss", "train/policy_gradient_loss", "train/value_loss"],
            [["return"], ["value loss"], ["policy loss"]],
        ),
        (["monitor/r"], [["return"]]),
        (
            ["train/box_loss", "train/cls_loss", "val/box_loss", "val/cls_loss", "metrics/mAP50(B)", "metrics/recall(B)"],
            [["training loss", "validation loss"], ["validation map50 b"]],
        ),
        (["losses/l_g_pix", "losses/l_d_real"], [["losses/l_d_real", "losses/l_g_pix"]]),
    ],
)
def test_what_is_drawn_depends_on_the_kind(tags, rows):
    assert charts(*tags) == rows


def test_losses_of_many_opponents_fit_in_a_chart():
    (row,) = charts(*(f"losses/l_d_{part}" for part in "abcdefgh"))
    assert len(row) == MOST_IN_A_CHART


def test_charts_share_their_axis():
    """The return is evaluated later than the loss begins; an accuracy of epochs does not stand below a loss of steps."""
    returns, losses = (np.arange(100, 500, 20), UP), (np.arange(0, 200, 10), UP + 1)
    seen = overview(training_run({"rollout/ep_rew_mean": returns, "train/value_loss": losses}))
    assert (seen.axis, seen.steps) == ("step", (0, 480))
    assert seen.charts[0].description == "Curves over step: return goes from 0 to 3."
    seen = overview(training_run({"train/loss": losses, "epoch_accuracy": UP}))
    assert (seen.axis, [chart.labels for chart in seen.charts]) == ("step", [("training loss",)])


def test_the_picture_travels_to_the_tab():
    done = review_of_recorded("torch_policies", "no-other-actions", "healthy")
    written = review_as_json(done)["overview"]
    assert [chart["curves"][0]["label"] for chart in written["charts"]] == ["return", "value loss", "policy loss"]
    assert written["steps"][0] < written["steps"][1]
    named = review_as_json(done.within("logs"))["overview"]
    assert named["charts"][0]["curves"][0]["tensorboard_run"] == "logs"


def test_the_level_of_guessing_is_that_of_a_loss():
    facts = {
        "framework": "keras",
        "loss": {"class": "SparseCategoricalCrossentropy"},
        "data": {"training": {"counts": [50, 50]}},
    }
    done = review(training_run({"epoch_loss": UP, "epoch_accuracy": UP / 3}, facts=facts), catalogue())
    assert [chart.guess is None for chart in done.overview.charts] == [False, True]
