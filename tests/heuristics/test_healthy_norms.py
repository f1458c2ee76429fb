"""What is usual in fine-tuning, reinforcement learning and detection, and looks like trouble to a rule made for other curves.

Each case was seen in healthy trainings of other people; the curves are made by hand, so that they are here in every clone.
"""

import csv

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.run import review
from tests.paths import DOMAIN_LOGS
from tests.training_runs import training_run

NOISE = np.random.default_rng(11).normal(size=(4, 400))
LOSS = 1.0 + 1.5 * np.exp(-np.arange(200) / 40) + 0.03 * NOISE[0, :200]
NORM = np.exp(0.3 * NOISE[1, :200])


def with_values(values, at, new):
    """A copy with other values at these places."""
    changed = values.copy()
    changed[list(at)] = new
    return changed


def rising(count, first, last, noise=0.0):
    return np.linspace(first, last, count) + noise * NOISE[2, :count]


def jump(flat, count, low, high, noise):
    """Flat for long, and then learned within a third of what is left."""
    late = low + (high - low) * (1 - np.exp(-np.arange(count - flat) / ((count - flat) / 3)))
    return np.concatenate([np.full(flat, low), late]) + noise * np.abs(NOISE[3, :count])


TUNED = {"train/loss": LOSS, "eval/loss": (np.arange(20, 200, 20), np.geomspace(2.0, 1.05, 9))}
PPO = {
    "rollout/ep_rew_mean": rising(100, 20, 480, 10),
    "train/entropy_loss": rising(100, -0.69, -0.02),
    "train/value_loss": rising(100, 5, 900, 30),
    "train/approx_kl": 0.01 + 0.002 * np.abs(NOISE[0, :100]),
    "train/loss": 10 * NOISE[1, :100],
}
GRPO = {
    "train/reward": jump(180, 400, 0.1, 0.9, 0.03),
    "train/reward_std": 0.3 + 0.02 * NOISE[0],
    "train/frac_reward_zero_std": 0.3 + 0.05 * NOISE[1],
    "train/completions/mean_length": 200 + 5 * NOISE[2],
    "train/completions/clipped_ratio": np.full(400, 0.02),
    "train/loss": np.abs(rising(400, 0.0, 0.02)),
    "train/kl": rising(400, 0.0, 0.5),
    "train/grad_norm": 0.4 * np.exp(0.3 * NOISE[3]),
}
EPOCHS = 100
YOLO = {
    **{f"train/{part}_loss": 1 + 3 * np.exp(-np.arange(EPOCHS) / 30) for part in ("box", "cls", "dfl")},
    **{f"val/{part}_loss": 1.2 + 3 * np.exp(-np.arange(EPOCHS) / 25) for part in ("box", "cls", "dfl")},
    "metrics/mAP50(B)": 0.8 * (1 - np.exp(-np.arange(EPOCHS) / 25)),
}
HEALTHY = {
    "single gradient norms 190 times the median": {**TUNED, "train/grad_norm": with_values(NORM, (60, 130), 190)},
    "a median gradient norm of 0.01": {**TUNED, "train/grad_norm": 0.01 * NORM},
    "a median gradient norm of 200,000": {**TUNED, "train/grad_norm": 2e5 * NORM},
    "first gradient norms 1,000 times the rest": {**TUNED, "train/grad_norm": with_values(NORM, range(4), 1000)},
    "one NaN of a skipped step": {**TUNED, "train/grad_norm": with_values(NORM, (80,), np.nan)},
    "token entropy that falls with the loss": {**TUNED, "train/entropy": 0.9 * LOSS},
    "an evaluation loss that rises while F1 rises": {
        "train/loss": LOSS,
        "eval/loss": (np.arange(10, 200, 15), np.array([1.0, *np.linspace(0.9, 1.2, 12)])),
        "eval/f1": (np.arange(10, 200, 15), np.linspace(0.4, 0.9, 13)),
    },
    "a reward that jumps after 180 flat steps": GRPO,
    "a value loss that rises with the return, and entropy near 0 at the best return": PPO,
    "an explained variance of -43, and NaN once returns stop varying": {
        **PPO,
        "rollout/ep_rew_mean": np.minimum(rising(100, 20, 900), 500),
        "train/explained_variance": np.concatenate([rising(60, -0.2, 0.9), np.full(20, -43.0), np.full(20, np.nan)]),
    },
    "clip fractions to 0.5": {**PPO, "train/clip_fraction": 0.42 + 0.05 * np.tanh(NOISE[2, :100])},
    "half of the run flat": {**PPO, "rollout/ep_rew_mean": jump(50, 100, 20, 480, 5)},
    "ten points in all": {"Environment/Cumulative Reward": rising(10, 0.0, 0.95), "Policy/Entropy": rising(10, 1.4, 0.9)},
    "a last row that is the test set": {
        "train_loss": LOSS,
        "val_loss": TUNED["eval/loss"],
        "test_loss": (np.array([200]), np.array([4.0])),
    },
    "a measure of which less is better": {"exploitability": np.geomspace(0.7, 0.007, 60)},
    "no object found in a warm-up of 20 epochs": {**YOLO, "metrics/mAP50(B)": jump(20, EPOCHS, 0.0, 0.8, 0.0)},
    "a step as the mosaic ends": {
        **YOLO,
        **{
            f"train/{part}_loss": with_values(YOLO[f"train/{part}_loss"], range(90, 100), 0.7) for part in ("box", "cls", "dfl")
        },
    },
    "a box loss that is flat while mAP rises": {**YOLO, "val/box_loss": np.full(EPOCHS, 1.5) + 0.01 * NOISE[0, :EPOCHS]},
    "65 flat epochs before a detector learns": {**YOLO, "metrics/mAP50(B)": jump(25, EPOCHS, 0.0, 0.6, 0.0)},
}


@pytest.mark.parametrize("case", HEALTHY)
def test_what_is_usual_raises_no_warning(case):
    found = review(training_run(HEALTHY[case]), catalogue()).findings
    assert [(f.heuristic, f.title) for f in found if f.severity != "info"] == []


def of_index(label):
    if not DOMAIN_LOGS.is_dir():
        return []
    with (DOMAIN_LOGS / "INDEX.tsv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return [row["local_path"] for row in rows if (row["label"], row["confidence"]) == (label, "sure")]


@pytest.mark.skipif(not DOMAIN_LOGS.is_dir(), reason="needs the real runs of ../shared")
def test_real_healthy_trainings_raise_no_warning():
    found = {
        name: [(f.heuristic, f.title) for f in review(run, catalogue()).findings if f.severity != "info"]
        for name in of_index("healthy")
        for run in training_runs(read(DOMAIN_LOGS / name))
    }
    assert len(found) > 30
    assert {name: told for name, told in found.items() if told} == {}


def test_few_evaluations_of_a_return_do_not_keep_the_rollouts_from_being_reviewed():
    evaluated = (np.arange(9, 100, 10), np.linspace(60, 470, 10))
    collapsed = np.concatenate([rising(60, 20, 480, 10), np.full(40, 30.0)])
    found = review(training_run({"rollout/ep_rew_mean": collapsed, "eval/mean_reward": evaluated}), catalogue()).findings
    assert "return-collapse" in [f.heuristic for f in found]


def test_a_flat_loss_beside_a_validation_loss_that_rises_is_overfitting_alone():
    noise = 0.02 * np.abs(NOISE[0, :60])
    curves = {"train/loss": 0.08 + noise, "eval/loss": (np.arange(9, 60, 5), np.linspace(0.68, 0.95, 11))}
    assert "no-learning" not in [f.heuristic for f in review(training_run(curves), catalogue()).findings]
