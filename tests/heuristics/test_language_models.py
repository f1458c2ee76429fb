"""Small language models as Hugging Face makes them: masks that are all 1, and labels of -100 that the loss leaves out."""

import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.run import review
from tests.reviews import fault_is_found, found, review_of_recorded, twin_is_sound
from tests.training_runs import training_run

MODULE = "torch_language_models"


@pytest.mark.parametrize("kind", ["classifier", "generator"])
def test_a_sound_one_raises_nothing_before_and_in_its_training(kind):
    review = review_of_recorded(MODULE, kind, "before")
    assert [f.title for f in review.alone if f.severity != "info"] == []
    assert {"constant-inputs", "label-range", "mixed-samples", "no-gradient", "one-batch"} <= set(review.passed)
    result = review_of_recorded(MODULE, kind, "during")
    assert [h for h in found(result) if h in ("constant-inputs", "label-range")] == []
    assert "label-range" in result.passed


def test_a_word_without_an_output_is_found_beside_labels_that_are_left_out():
    """-100 is no excuse for 100."""
    result = review_of_recorded(MODULE, "a_word_without_an_output")
    assert found(result) == ["label-range"]
    assert "-100" not in result.findings[0].title


def test_an_input_that_is_always_the_same_is_found_where_it_is_no_mask():
    """Beside others too, if it is neither 0 nor 1."""
    assert "constant-inputs" in found(review_of_recorded(MODULE, "a_constant_input_beside_another"))


def test_a_language_model_that_begins_worse_than_guessing():
    one = fault_is_found("initial-loss", "weights", MODULE, "worse than guessing")
    assert "Guessing among 100 tokens" in one.summary
    twin_is_sound("initial-loss", MODULE, "worse than guessing")


@pytest.mark.parametrize(
    ("first", "rows", "found"), [(5.0, 100, False), (5.8, 100, True), (5.8, 99, False)], ids=["nearly", "above", "no embedding"]
)
def test_the_first_logged_loss_of_a_language_model_is_enough(first, rows, found):
    """Where the batches were not recorded."""
    layers = [{"path": "embedding", "class": "Embedding", "settings": {"input_dim": rows}}]
    facts = {"model": {"output_units": 100, "layers": layers}, "loss": {"class": "CrossEntropyLoss", "mean": True}}
    result = review(training_run({"train/loss": [first, 4.0, 3.0, 2.5]}, facts={"framework": "torch", **facts}), catalogue())
    assert ("initial-loss" in [f.heuristic for f in result.findings]) == found
    assert ("initial-loss" in [entry.heuristic for entry in result.not_checked]) == (rows != 100)
