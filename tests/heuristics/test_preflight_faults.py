"""Preflights of real models that have a fault, and of their healthy twins, with Keras and with PyTorch."""

import pytest

from tests.reviews import fault_is_found, review_of_recorded, twin_is_sound

# name -> (module of tests/recorded/programs, heuristic, first cause)
FAULTS = {
    "cut off": ("keras_preflight", "no-gradient", "cut"),
    "not called": ("torch_preflight", "no-gradient", "unused"),
    "an input unused": ("keras_preflight", "ignored-input", "unused"),
    "time first": ("torch_preflight", "mixed-samples", "batch-first"),
    "softmax over the batch": ("keras_preflight", "mixed-samples", "reshape"),
    "large within": ("keras_preflight", "half-precision", "inside"),
    "too large a batch": ("torch_preflight", "batch-size-memory", "batch"),
    "validation leaked": ("keras_preflight", "validation-overlap", "doubles"),
    "rate too low": ("torch_preflight", "learning-rate-range", "low"),
    "rate too high": ("keras_preflight", "learning-rate-range", "high"),
    "a floor": ("keras_preflight", "one-batch", "loss"),
    "own": ("keras_preflight", "own-tests", "model"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name):
    module, heuristic, cause = FAULTS[name]
    fault_is_found(heuristic, cause, module, name)


@pytest.mark.parametrize("name", FAULTS)
def test_its_healthy_twin_is_not(name):
    module, heuristic, _ = FAULTS[name]
    twin_is_sound(heuristic, module, name)


def test_a_bias_that_cancels_is_no_variable_that_is_cut_off():
    assert "no-gradient" in review_of_recorded("keras_preflight", "a_bias_that_cancels").passed


def test_what_is_not_used_is_told_whatever_else_is_wrong():
    review = review_of_recorded("torch_preflight", "unused_beside_another_fault")
    found = {f.heuristic: f for f in review.alone}
    assert found["output-activation-mismatch"].causes[0].id == "twice"
    assert "`0.second`" in found["no-gradient"].summary


def test_a_model_that_learns_slowly_has_a_range_too():
    assert "learning-rate-range" in review_of_recorded("torch_preflight", "a_model_that_learns_slowly").passed
