"""Real loops with PyTorch that have a fault in their calls, axes, targets or parts of the loss, and their healthy twins."""

import pytest

from tests.reviews import fault_is_found, review_of_recorded

# training of tests/recorded/programs/torch_loops.py -> (heuristic, first cause)
FAULTS = {
    "left in evaluation mode": ("training-loop", "left-in-eval"),
    "evaluated in training mode": ("training-loop", "never-eval"),
    "clipped after the step": ("training-loop", "clip-after-step"),
    "no step": ("training-loop", "no-step"),
    "losses kept with their graphs": ("training-loop", "kept"),
    "softmax over the batch": ("mixed-axes", "softmax-over-batch"),
    "a view of heads": ("mixed-axes", "view"),
    "an encoder cut off": ("untrained-parameters", "cut-off"),
    "a head alone": ("untrained-parameters", "left-out"),
    "a sum and a mean": ("loss-parts", "reductions"),
    "a language model that reads both ways": ("sequence-targets", "sees-targets"),
    "targets that are the inputs": ("sequence-targets", "not-shifted"),
    "betas swapped": ("optimizer-settings", "betas"),
    "the target in the table": ("target-in-inputs", "column"),
    "an order for the inputs alone": ("unpaired-targets", "orders"),
    "a range of batches": ("unused-data", "range"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_found(name):
    one = fault_is_found(*FAULTS[name], "torch_loops", name)
    assert one.causes[0].for_ or one.evidence
    assert one.fixes[0].framework == "torch"


@pytest.mark.parametrize("name", FAULTS)
def test_its_healthy_twin_is_sound(name):
    assert [f for f in review_of_recorded("torch_loops", f"{name}/healthy").alone if f.severity != "info"] == []
