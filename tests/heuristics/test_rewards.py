"""Rewarded language models at the edges of what the checks take for a fault: curves made by hand."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.run import review
from tests.training_runs import training_run

NOISE = np.random.default_rng(9).normal(size=400)
STEPS = np.arange(80)
PART = 1 - np.exp(-STEPS / 25)


def alarms(curves):
    return {f.heuristic for f in review(training_run(curves), catalogue()).findings if f.severity != "info"}


def moving(begin, end, noise=0.02, seed=0):
    """A curve that goes from one level to another, with noise as a share of the larger one."""
    return begin + (end - begin) * PART / PART[-1] + noise * max(abs(begin), abs(end)) * NOISE[seed : seed + 80]


def evaluated(begin, end, noise=0.0):
    """The same, of ten evaluations."""
    return STEPS[7::8], moving(begin, end, noise, seed=100)[7::8]


@pytest.mark.parametrize(
    ("length", "reward", "more", "drifts"),
    [
        ((200, 400), (0.5, 0.5), {}, True),
        ((200, 400), (0.5, 0.3), {}, True),
        ((200, 400), (0.5, 0.8), {}, False),
        ((200, 400), (0.5, 0.56), {}, False),
        ((200, 250), (0.5, 0.5), {}, False),
        ((400, 200), (0.5, 0.5), {}, False),
        ((200, 400), (0.5, 0.5), {"eval/accuracy": evaluated(0.4, 0.7)}, False),
        ((200, 400), (0.5, 0.5), {"eval/accuracy": evaluated(0.4, 0.4)}, True),
    ],
    ids=["flat", "falls", "rises", "rises a little", "grows a little", "shrinks", "pays elsewhere", "pays nowhere"],
)
def test_length_drifts_only_where_nothing_pays_for_it(length, reward, more, drifts):
    curves = {"train/completions/mean_length": moving(*length), "train/reward": moving(*reward, seed=200), **more}
    assert ("length-drift" in alarms(curves)) == drifts


def test_a_length_that_swings_does_not_drift():
    swings = 200 * np.exp(0.8 * NOISE[:80])
    assert "length-drift" not in alarms({"train/completion_length": swings, "train/reward": moving(0.5, 0.5, seed=200)})


@pytest.mark.parametrize(
    ("reward", "more", "hacked"),
    [
        ((0.2, 0.9), {"eval/reward": evaluated(0.6, 0.3)}, True),
        ((0.2, 0.9), {"eval/accuracy": evaluated(0.6, 0.3)}, True),
        ((0.2, 0.9), {"rollout/success_rate": moving(0.6, 0.3, seed=100)}, True),
        ((0.2, 0.9), {"val-core/gsm8k/acc/mean@8": evaluated(0.6, 0.3)}, True),
        ((0.2, 0.9), {"eval/reward": evaluated(0.3, 0.6)}, False),
        ((0.2, 0.9), {"eval/reward": evaluated(0.6, 0.57)}, False),
        ((0.2, 0.9), {"eval/reward": evaluated(0.6, 0.5, noise=0.2)}, False),
        ((0.9, 0.2), {"eval/reward": evaluated(0.6, 0.3)}, False),
        ((0.2, 0.9), {"eval/reward": evaluated(0.6, 0.3), "eval/accuracy": evaluated(0.3, 0.6)}, False),
        ((0.2, 0.9), {"eval/loss": evaluated(0.3, 0.6)}, False),
    ],
    ids=[
        "another reward",
        "an accuracy",
        "a rate of success",
        "of verl",
        "both rise",
        "a small fall",
        "a fall within the noise",
        "both fall",
        "a trade of two measures",
        "a loss says nothing",
    ],
)
def test_a_reward_is_hacked_only_where_what_is_not_trained_for_falls(reward, more, hacked):
    assert ("reward-hacking" in alarms({"train/reward": moving(*reward), **more})) == hacked


def test_without_a_second_measure_it_is_not_checked_whether_a_reward_is_hacked():
    reasons = {e.heuristic: e.reason for e in review(training_run({"train/reward": moving(0.2, 0.9)}), catalogue()).not_checked}
    assert "only measure" in reasons["reward-hacking"]


def test_where_only_evaluations_have_a_return_they_are_the_return():
    run = training_run({"eval/reward": moving(0.2, 0.9), "loss": moving(2.0, 1.0)})
    assert run.kind == "reinforcement"
    assert run.signal("return").tag == "eval/reward"
    assert run.signal("validation return").tag == "eval/reward"


def test_a_policy_that_wanders_gained_nothing_and_lost_nothing():
    """Means over the last hundred episodes go up and down slowly, by a fifth here."""
    returns = 21 + np.convolve(np.random.default_rng(1).normal(size=260), np.ones(10) / 3, "valid")[:240]
    assert alarms({"rollout/ep_rew_mean": returns}) == {"no-return-gain"}


def test_a_return_against_itself_is_not_judged():
    curves = {"Environment/Cumulative Reward": np.linspace(0, -1, 60), "Self-play/ELO": np.linspace(1200, 1300, 60)}
    judged = review(training_run(curves), catalogue())
    assert "plays against itself" in {one.heuristic: one.reason for one in judged.inconclusive}["return-collapse"]
    assert judged.alone == []


@pytest.mark.parametrize(("norms", "told"), [([1.3, 600.0, 280.0], True), ([1.3, 1.5, 2.0], False)])
def test_a_loss_that_is_lowest_at_its_first_point(norms, told):
    """As of a fine-tuning at far too high a rate. A running mean begins low, too, but the gradient norm does not leap."""
    norms = [*norms, *30 * np.ones(57)] if told else [*norms, *np.full(57, 1.5)]
    curves = {
        "train/loss": np.append(0.4, np.linspace(4.0, 1.5, 59) + 0.3 * NOISE[:59]),
        "train/grad_norm": norms,
        "eval/loss": (STEPS[10:60:10], np.linspace(4.0, 1.6, 5)),
    }
    assert ("divergence" in alarms(curves)) == told


@pytest.mark.parametrize(("ends", "lost"), [(50, True), (400, False)])
def test_a_policy_that_was_good_from_the_start_may_lose_it(ends, lost):
    returns = np.interp(STEPS, [0, 30, 79], [450, 440, ends]) + 5 * NOISE[:80]
    found = alarms({"rollout/ep_rew_mean": returns})
    assert ("return-collapse" in found) == lost


def test_an_evaluation_that_rises_is_a_gain():
    flat = {"train/reward": np.full(300, 0.4) + 0.02 * NOISE[:300]}
    assert alarms(flat) == {"no-return-gain"}
    assert alarms({**flat, "eval/reward": np.linspace(0.2, 0.9, 60)}) == set()


def test_no_return_is_logged_where_the_variance_is_judged():
    variance = (np.arange(1000, 41000, 1000), np.full(40, -0.5))
    curves = {"rollout/ep_rew_mean": 20 + NOISE[:60], "train/explained_variance": variance}
    assert "no return was logged late" in {
        one.heuristic: one.reason for one in review(training_run(curves), catalogue()).inconclusive
    }.get("value-not-fitted", "")
