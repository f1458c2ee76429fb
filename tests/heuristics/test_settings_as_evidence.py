"""Settings that a log carries, as evidence for or against the causes that ask for them."""

import json

import numpy as np
import pytest

from tests.event_files import curve
from tests.reviews import finding, review_of

NOISE = np.random.default_rng(7).normal(size=200)


def cause(path, heuristic, name, settings):
    """(place among the causes, evidence for, evidence against) with these settings beside the log."""
    (path / "config.json").write_text(json.dumps(settings))
    causes = finding(review_of(path), heuristic).causes
    place = [c.id for c in causes].index(name)
    return place, causes[place].for_, causes[place].against


def exploding(path):
    norms = 1.0 + 0.1 * np.abs(NOISE[:60])
    norms[30] = 500.0
    curve(path, "train/grad_norm", norms)
    curve(path, "train/loss", np.where(np.arange(60) < 30, 1.0, 2.5) + 0.01 * NOISE[:60])
    return path, "exploding-grad-norm"


def diverging(path):
    falls, rises = np.linspace(3, 1, 40), np.linspace(1, 4, 40)
    curve(path, "train/loss", np.concatenate([falls, rises]) + 0.01 * NOISE[:80])
    return path, "divergence"


def spiking(path):
    losses = 1.0 + 0.01 * NOISE[:100]
    losses[60:64] = 30.0
    curve(path, "train/loss", losses)
    return path, "loss-spike"


def broken(path):
    curve(path, "train/loss", np.concatenate([np.linspace(3, 2, 30), np.full(30, np.nan)]))
    return path, "nonfinite-loss"


def collapsing(path):
    curve(path, "rollout/ep_rew_mean", np.concatenate([np.linspace(0, 100, 60), np.full(60, 20.0)]) + NOISE[:120])
    curve(path, "train/entropy_loss", np.concatenate([np.linspace(-1.3, -0.6, 60), np.full(60, -1e-4)]))
    return path, "entropy-collapse"


def blowing_up(path):
    kl = np.full(120, 0.01)
    kl[60:] = 3.0
    curve(path, "rollout/ep_rew_mean", np.concatenate([np.linspace(0, 100, 60), np.full(60, 20.0)]) + NOISE[:120])
    curve(path, "train/approx_kl", kl)
    return path, "kl-blow-up"


@pytest.mark.parametrize("made", [exploding, diverging, spiking])
def test_clipping(made, tmp_path):
    place = *made(tmp_path), "no-clipping"
    assert cause(*place, {})[1:] == ("", "")
    first, for_, against = cause(*place, {"max_grad_norm": 0.0})
    assert (first, for_, against) == (0, "Nothing is clipped: max_grad_norm is 0 or not set (config.json).", "")
    last, for_, against = cause(*place, {"gradient_clip_val": 1})
    assert (last, for_, against) == (2, "", "Gradients are clipped at 1 (gradient_clip_val, config.json).")


def test_a_limit_that_no_norm_reaches_is_none(tmp_path):
    _, for_, against = cause(*exploding(tmp_path), "no-clipping", {"clip_grad": 1000})
    assert for_ == "Gradients are clipped at 1,000 (clip_grad, config.json), which is no bound: the largest norm was 500."
    assert against == ""


@pytest.mark.parametrize("made", [exploding, diverging, spiking])
def test_a_rate_that_is_only_set(made, tmp_path):
    place = *made(tmp_path), "learning-rate"
    assert cause(*place, {"lr": 3.0})[1] == "The highest learning rate was 3 (lr, config.json)."
    assert cause(*place, {"lr": 1e-3})[2] == "The highest learning rate was 0.001 (lr, config.json), which is usual."
    curve(tmp_path, "train/learning_rate", np.full(100, 0.5))
    assert cause(*place, {"lr": 1e-3})[1] == "The highest learning rate was 0.5.", "what was logged counts"


def test_the_precision(tmp_path):
    place = *broken(tmp_path), "float16"
    first, for_, _ = cause(*place, {"fp16": True})
    assert (first, for_) == (0, "float16 is used (fp16, config.json); its largest number is 65,504.")
    assert cause(*place, {"bf16": True})[1:] == ("", "The precision is bf16 (bf16, config.json).")
    assert "if its type is float16" in cause(*place, {"amp": True})[1]
    assert cause(*place, {"fp16": False, "bf16": False})[1:] == ("", "")
    assert "The learning rate is 3;" in cause(*place[:2], "learning-rate", {"lr": 3.0})[1]


def test_the_entropy_coefficient(tmp_path):
    place = *collapsing(tmp_path), "no-bonus"
    assert cause(*place, {"ent_coef": 0.0}) == (0, "ent_coef is 0 (config.json): entropy is not rewarded.", "")
    last, for_, against = cause(*place, {"ent_coef": 0.01})
    assert (last, for_, against) == (1, "", "Entropy is rewarded, times 0.01 (ent_coef, config.json).")


def test_the_target_of_the_divergence(tmp_path):
    place = *blowing_up(tmp_path), "no-target"
    assert cause(*place, {"target_kl": None}) == (0, "target_kl is not set (config.json): no update ends early.", "")
    last, for_, against = cause(*place, {"target_kl": 0.02})
    assert (last, for_) == (2, "")
    assert against == "Updates are bounded: the KL divergence is to stay near 0.02 (target_kl, config.json)."


def test_the_limit_of_completions(tmp_path):
    curve(tmp_path, "train/completions/clipped_ratio", np.full(40, 0.9))
    _, for_, _ = cause(tmp_path, "truncated-completions", "limit", {"max_completion_length": 256})
    assert for_.endswith("The limit is 256 tokens (max_completion_length, config.json).")


def test_the_warm_up(tmp_path):
    losses = np.concatenate([[2.0, 9.0, 9.0, 6.0], np.linspace(3, 1, 76)]) + 0.001 * NOISE[:80]
    curve(tmp_path, "train/loss", losses)
    curve(tmp_path, "train/learning_rate", np.linspace(1e-3, 1e-4, 80))
    place = tmp_path, "learning-rate-schedule", "no-warm-up"
    assert cause(*place, {"warmup_steps": 0})[1].endswith("warmup_steps is 0 (config.json).")
    assert cause(*place, {"warmup_steps": 0, "warmup_ratio": 0.1})[2] == "A warm-up is set: warmup_ratio is 0.1 (config.json)."
    assert cause(*place, {})[1:] == ("The curves of the loss and the learning rate show this.", "")


@pytest.mark.parametrize(("model", "found"), [("LlamaForCausalLM", True), ("RobertaForSequenceClassification", False)])
def test_a_first_loss_above_that_of_guessing_among_the_tokens(tmp_path, model, found):
    curve(tmp_path, "train/loss", np.linspace(15, 3, 60) + 0.01 * NOISE[:60])
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [model], "vocab_size": 1000}))
    heuristics = [f.heuristic for f in review_of(tmp_path).findings]
    assert ("initial-loss" in heuristics) == found
