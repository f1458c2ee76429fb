"""What the adapters of all tuners have in common."""

import numpy as np
import pytest

from scram_plugin.errors import BadOption
from scram_plugin.tuners.trials import Judge, Trial, is_higher, reported
from tests.tuners.curves import HOPELESS, STEPS, TRIALS, accuracy

GOOD = [Trial(str(i), {step: accuracy(step, 1 + i / 10) for step in range(1, STEPS + 1)}, running=False) for i in range(4)]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("goal", [None, 0.8])
def test_hopeless_trials_are_stopped_early_and_others_are_not(sign, goal):
    judge = Judge(sign > 0, None if goal is None else sign * goal)
    done: list[Trial] = []
    stopped = {}
    for number, (pace, level) in enumerate(TRIALS):
        trial = Trial(str(number))
        for step in range(1, STEPS + 1):
            trial.values[step] = sign * accuracy(step, pace, level)
            if judge.stop(trial, done) is not None:
                stopped[number] = step
                break
        trial.running = False
        done.append(trial)
    assert set(stopped) == HOPELESS
    assert max(stopped.values()) <= 0.7 * STEPS


def test_trials_without_values_and_with_nan():
    judge = Judge(True, 0.8)
    assert judge.stop(Trial("new"), GOOD) is None
    assert judge.stop(Trial("nan", {1: float("nan")}), GOOD) is None, "one may pass"
    assert judge.stop(Trial("nan", {1: float("nan"), 2: float("inf")}), []) is not None, "also where nothing else is known"
    assert judge.stop(Trial("nan", {1: 0.5, 2: float("nan"), 3: float("nan")}), []) is not None
    assert judge.stop(Trial("nan", {1: 0.1, 2: float("nan"), 3: float("nan")}), GOOD) is not None
    assert judge.stop(Trial("slow", {40: 0.1}), [Trial("empty", {}, False), *GOOD]) is not None
    assert judge.stop(Trial("slow", {40: 0.1}), []) is None


def test_what_tuners_keep():
    assert reported({1: 0.5, 2: np.float32(0.25), 3: None, 4: "much"}) == {1: 0.5, 2: 0.25}


@pytest.mark.parametrize("given", [{"goal": float("nan")}, {"risk": 0.5}])
def test_clear_sentences_for_bad_input(given):
    with pytest.raises(BadOption, match=next(iter(given))):
        Judge(True, **given)
    with pytest.raises(BadOption, match="give 'max' or 'min'"):
        is_higher("maximum")


def test_a_paused_trial_that_goes_on_is_judged_by_all_that_it_reported():
    """What was known of a trial when it ended may not stand for what it reports later."""
    judge = Judge(True, 0.8)
    first = Trial("first", {step: accuracy(step, 1.0) for step in range(1, 5)}, running=False)
    slow = Trial("slow", {40: 0.1})
    assert judge.stop(slow, [first, GOOD[0]]) is None, "one has reached the goal"
    first.values |= GOOD[1].values
    assert judge.stop(slow, [first, GOOD[0]]) is not None
