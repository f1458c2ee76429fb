"""Small language models as Hugging Face makes them: masks that are all 1, and labels of -100 that the loss leaves out."""

import pytest

from tests.reviews import found, review_of_recorded

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
