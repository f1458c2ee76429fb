"""One fault in a real training, and its healthy twin: the fault is found and named, the twin raises nothing."""

import pytest

from tests.reviews import fault_is_found, finding, review_of_recorded, twin_is_sound

# training of tests/recorded/programs/keras_faults.py -> (heuristic, first cause)
FAULTS = {
    "labels -1 and 1": ("label-range", "minus-one"),
    "one label": ("label-range", "one-value"),
    "softmax over one unit": ("output-activation-mismatch", "one-unit-softmax"),
    "no softmax": ("output-activation-mismatch", "missing-softmax"),
    "no sigmoid": ("output-activation-mismatch", "missing-sigmoid"),
    "softmax twice": ("output-activation-mismatch", "twice"),
    "sigmoid for classes": ("output-activation-mismatch", "sigmoid-for-classes"),
    "categorical loss of one output": ("output-activation-mismatch", "one-class"),
    "targets out of reach": ("output-activation-mismatch", "range"),
    "no activation": ("missing-activation", "forgotten"),
    "softmax in a hidden layer": ("hidden-activation", "softmax"),
    "constant weights": ("poor-initialization", "same"),
    "large weights": ("poor-initialization", "large"),
    "all frozen": ("frozen-weights", "trainable"),
    "frozen in the middle": ("frozen-weights", "trainable"),
    "rate too high": ("unconventional-learning-rate", "too-high"),
    "rate too low": ("unconventional-learning-rate", "too-low"),
    "dropout of 0.9": ("high-dropout", "rate"),
    "eighty thousand weights to an example": ("too-many-parameters", "size"),
    "prices in dollars": ("unnormalized-targets", "scale"),
    "the end of sorted data": ("unshuffled-data", "split"),
    "dropout behind the output": ("high-dropout", "output"),
    "labels of others": ("no-learning", "shuffled-apart"),
    "a penalty of 1": ("strong-regularization", "factor"),
    "a rare class that is never said": ("class-imbalance", "rare"),
    "a recurrent net that explodes": ("nonfinite-loss", "recurrent"),
    "softmax in two layers": ("output-activation-mismatch", "twice-layers"),
    "a squared error of probabilities": ("output-activation-mismatch", "squared-error"),
    "several classes at once": ("label-range", "several"),
    "a sorted stream": ("unshuffled-data", "stream"),
    "a momentum of 0.999": ("normalization-lag", "momentum"),
    "a text of padding": ("no-learning", "padding"),
    "a ReLU instead of softmax": ("output-activation-mismatch", "missing-softmax"),
    "zeros in front of a ReLU": ("poor-initialization", "same"),
    "biases of -10": ("dead-relu", "start"),
    "eight layers of sigmoid": ("vanishing-gradients", "activation"),
    "saturated tanh": ("saturated-activations", "inputs"),
    "sorted": ("unshuffled-data", "off"),
    "stopped at the highest loss": ("wrong-direction", "mode"),
    "a constant image": ("constant-inputs", "constant"),
    "constant features": ("constant-inputs", "features"),
    "validation not divided": ("input-distribution-shift", "preprocessing"),
    "a rare class": ("class-imbalance", "rare"),
    "a rate that kills": ("output-collapse", "learning-rate"),
    "a slow generator": ("slow-input", "pipeline"),
    "missing values in a feature": ("nonfinite-inputs", "missing-values"),
    "a linear model that runs away": ("exploding-gradients", "learning-rate"),
    "steps that write the weights anew": ("update-ratio", "learning-rate"),
    "raw bytes and large weights": ("initial-loss", "inputs"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_found(name):
    one = fault_is_found(*FAULTS[name], "keras_faults", name)
    cause = one.causes[0].id
    assert one.causes[0].for_ or cause in ("pipeline", "constant", "features", "learning-rate"), (
        "something of this run speaks for it"
    )


@pytest.mark.parametrize("name", FAULTS)
def test_its_healthy_twin_is_not(name):
    twin_is_sound(FAULTS[name][0], "keras_faults", name)


@pytest.mark.parametrize(("activation", "expected"), [("softmax", ["one-unit-softmax"]), ("sigmoid", [])])
def test_of_a_subclass_outputs_that_are_always_1_are_told(activation, expected):
    result = review_of_recorded("keras_faults", f"subclass_{activation}")
    causes = [f.causes[0].id for f in result.findings if f.heuristic == "output-activation-mismatch"]
    assert causes == expected


def test_a_warning_that_explains_an_error_is_an_error():
    result = review_of_recorded("keras_faults", "zeros in front of a ReLU", "fault")
    dead, poor = finding(result, "dead-relu"), finding(result, "poor-initialization")
    assert (dead.severity, dead.explained_by) == ("error", "poor-initialization")
    assert (poor.severity, poor.explained_by) == ("error", None)
    assert result.findings[0] is poor
