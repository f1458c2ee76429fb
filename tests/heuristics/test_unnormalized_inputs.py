"""Raw bytes and features of different units are found; whatever is fine as it is raises nothing."""

import pytest

from tests.reviews import finding, found, review_of_recorded

ID = "unnormalized-inputs"


def reviewed(name, options=None):
    return review_of_recorded("keras_inputs", name, options=options)


def test_raw_bytes():
    one = finding(reviewed("raw bytes"), ID)
    assert (one.severity, one.confidence) == ("warning", "likely")
    assert one.causes[0].id == "raw-pixels"
    assert "0 to 255" in one.title


def test_features_in_different_units():
    one = finding(reviewed("wine"), ID)
    assert one.causes[0].id == "features"
    assert "Feature 12" in one.summary, "proline, in the hundreds"


@pytest.mark.parametrize(
    "name",
    [
        "from 0 to 1",
        "rescaling",
        "batch normalisation",
        "normalisation",
        "augmentation before rescaling",
        "a_division_inside_a_functional_model",
        "wine standardised",
        "token_ids",
        "small_token_ids",  # they look like bytes, but are not
        "mobilenet/preprocessed",
        "efficientnet",  # it rescales by itself
        "resnet preprocessed",  # it reaches 151
        "preprocess_input_inside_the_model",
        "a_cast_and_a_division_inside_the_model",
        "a_sequential_that_is_built_by_fit",
        "a subclass that rescales",
    ],
)
def test_inputs_that_are_fine(name):
    assert ID in reviewed(name).passed


def test_large_values():
    assert finding(reviewed("large values"), ID).confidence == "possible"


def test_raw_pixels_into_mobilenet():
    assert "between -1 and 1" in finding(reviewed("mobilenet/raw"), ID).summary


@pytest.mark.parametrize(("name", "fires"), [("just above 1", True), ("from 0 to 1", False)])
def test_strict_is_any_value_outside_minus_one_to_one(name, fires):
    assert (ID in found(reviewed(name, {ID: {"strict": True}}))) is fires


def test_a_lambda_or_a_subclass_cannot_be_seen_through():
    result = reviewed("a lambda")
    assert [entry.heuristic for entry in result.inconclusive if "of your own" in entry.reason] == [ID]
    assert found(reviewed("a subclass that divides")) == []


def test_each_of_two_inputs_is_judged_by_its_own_first_layer():
    result = reviewed("two_inputs")
    assert found(result) == [ID]
    assert "(table)" in finding(result, ID).title


def test_a_table_is_not_called_an_image():
    one = finding(reviewed("a_table"), ID)
    assert one.confidence == "possible"
    assert one.causes[0].id == "scale"
    assert "bytes" not in one.summary


def test_nan_that_a_relu_hides_is_no_clean_bill():
    reasons = {entry.heuristic: entry.reason for entry in reviewed("nan_that_a_relu_hides").inconclusive}
    assert reasons[ID].startswith("batch 10 held NaN")
