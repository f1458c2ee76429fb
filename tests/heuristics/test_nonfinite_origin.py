"""Programs in which something becomes NaN: the step, and the layer or variable where it began, are named."""

import pytest

from tests.reviews import finding, found, review_of_recorded

ID = "nonfinite-origin"
BAD = 37  # the batch, from 0, whose data bring the trouble out; it is no sampled one
# program -> (the batch, what the title names)
PROGRAMS = {
    "nan_in_one_row": (BAD, "inputs"),
    "nan_target": (BAD, "targets"),
    "division_in_a_layer": (BAD, "ratio"),
    "logarithm_in_a_layer": (BAD, "logarithm"),
    "division_behind_a_hidden_layer": (BAD, "ratio"),
    "root_on_the_way_back": (BAD, "length"),
    "log_of_zero_in_the_loss": (BAD, "the loss"),
    "slope_of_the_loss": (0, "the loss"),
    "float16_overflow": (BAD, "narrow"),
    "exploding_recurrence": (0, "recurrent"),
    "step_that_overflows": (0, "first"),
    "exponential_that_overflows": (BAD, "grown"),
}


def reviewed(*name):
    return review_of_recorded("keras_nonfinite_origin", *name)


@pytest.mark.parametrize("how", ["graph", "xla"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_step_and_the_place(program, how):
    batch, where = PROGRAMS[program]
    one = finding(reviewed(program, how), ID)
    print(one.title, "|", one.summary)
    assert (one.severity, one.confidence) == ("error", "certain")
    assert one.bad_step == batch
    assert where in one.title


@pytest.mark.parametrize("twin", ["dense", "length"])
def test_healthy_twins(twin):
    assert ID in reviewed("healthy", twin).passed


def test_nan_that_a_relu_hides_leaves_dead_weights():
    """On the CPU without XLA the ReLU makes 0 of NaN, and the loss stays finite."""
    result = reviewed("nan_in_one_row", "graph")
    assert "nonfinite-loss" in result.passed
    assert found(result) == ["nonfinite-inputs"]
    assert "The loss does not show it" in finding(result, ID).summary


def test_a_large_output_whose_nan_is_hidden():
    result = reviewed("a_large_output_whose_nan_is_hidden")
    one = finding(result, ID)
    assert "nonfinite-loss" in result.passed
    assert (one.bad_step, "ratio" in one.title) == (BAD, True)


def test_a_large_output_of_a_layer_of_keras():
    one = finding(reviewed("a_large_output_of_a_layer_of_keras"), ID)
    assert (one.bad_step, "wide" in one.title) == (BAD, True)
