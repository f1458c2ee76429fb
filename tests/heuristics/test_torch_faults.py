"""Real trainings with PyTorch that have a fault, and their healthy twins."""

import pytest

from tests.reviews import fault_is_found, review_of_recorded, twin_is_sound

# training of tests/recorded/programs/torch_faults.py -> (heuristic, first cause)
FAULTS = {
    "gradients kept": ("kept-gradients", "forgotten"),
    "targets stretched": ("label-range", "broadcast"),
    "probabilities without logarithms": ("output-activation-mismatch", "no-logarithm"),
    "outputs as they are into NLLLoss": ("output-activation-mismatch", "missing-softmax"),
    "a program that fails in its loss": ("output-activation-mismatch", "missing-sigmoid"),
    "a rate with which it falls to guessing": ("unconventional-learning-rate", "too-high"),
    "softmax twice": ("output-activation-mismatch", "twice"),
    "layers in a plain list": ("untrained-parameters", "plain-list"),
    "a head replaced after the optimizer": ("untrained-parameters", "replaced"),
    "relu on the logits": ("output-activation-mismatch", "cut-logits"),
    "large weights": ("poor-initialization", "large"),
    "no activations": ("missing-activation", "forgotten"),
    "the last layer frozen": ("frozen-weights", "trainable"),
    "a strong weight decay": ("strong-regularization", "factor"),
    "sorted data": ("unshuffled-data", "off"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_found(name):
    one = fault_is_found(*FAULTS[name], "torch_faults", name)
    assert one.causes[0].for_
    assert one.fixes[0].framework == "torch"


@pytest.mark.parametrize("name", FAULTS)
def test_its_healthy_twin_is_not(name):
    twin_is_sound(FAULTS[name][0], "torch_faults", name)


def test_the_first_steps_of_rmsprop_are_long():
    assert [f.heuristic for f in review_of_recorded("torch_faults", "first_steps_of_rmsprop").findings] == []


def test_a_low_rate_is_right_for_what_has_been_trained_before():
    review = review_of_recorded("torch_faults", "low_rate_for_what_has_been_trained")
    assert review.alone == []
    assert "fine-tuning" in {e.heuristic: e.reason for e in review.inconclusive}["unconventional-learning-rate"]
