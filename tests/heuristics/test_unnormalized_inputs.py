"""Raw bytes and features of different units are found; whatever is fine as it is raises nothing."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.heuristics.trainings import BYTES, IMAGES, LABELS, WINE, classifier, finding, found, reviewed

ID = "unnormalized-inputs"


def test_raw_bytes(tmp_path):
    result = reviewed(tmp_path, classifier(), BYTES, LABELS)
    one = finding(result, ID)
    assert (one["severity"], one["confidence"]) == ("warning", "likely")
    assert one["causes"][0]["id"] == "raw-pixels"
    assert "0 to 255" in one["title"]


def test_healthy_twin_from_0_to_1(tmp_path):
    assert ID in reviewed(tmp_path, classifier(), IMAGES, LABELS).passed


@pytest.mark.parametrize(
    "first",
    [layers.Rescaling(1 / 255), layers.BatchNormalization(), layers.Normalization(axis=None, mean=127.0, variance=80.0**2)],
)
def test_a_model_that_normalises_itself(first, tmp_path):
    assert ID in reviewed(tmp_path, classifier(first), BYTES, LABELS, epochs=1).passed


def test_augmentation_before_rescaling(tmp_path):
    model = classifier(layers.RandomFlip(), layers.Rescaling(1 / 255), shape=(8, 8, 1))
    assert ID in reviewed(tmp_path, model, BYTES[..., None], LABELS, epochs=1).passed


def test_a_division_inside_a_functional_model(tmp_path):
    inputs = keras.Input((8, 8))
    model = keras.Model(inputs, layers.Dense(10, "softmax")(layers.Flatten()(inputs / 255.0)))
    model.compile("adam", "sparse_categorical_crossentropy")
    assert ID in reviewed(tmp_path, model, BYTES, LABELS, epochs=1).passed


def test_features_in_different_units(tmp_path):
    model = classifier(shape=(13,), units=3)
    one = finding(reviewed(tmp_path, model, WINE.data, WINE.target, epochs=5), ID)
    assert one["causes"][0]["id"] == "features"
    assert "Feature 12" in one["summary"], "proline, in the hundreds"


def test_healthy_twin_standardised(tmp_path):
    x = (WINE.data - WINE.data.mean(axis=0)) / WINE.data.std(axis=0)
    assert ID in reviewed(tmp_path, classifier(shape=(13,), units=3), x, WINE.target, epochs=5).passed


def test_token_ids_into_an_embedding(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((30,)), layers.Embedding(5000, 8), layers.GlobalAveragePooling1D(), layers.Dense(10, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).integers(0, 5000, (len(LABELS), 30))
    assert ID in reviewed(tmp_path, model, x, LABELS, epochs=1).passed


def test_small_token_ids_look_like_bytes_but_are_not(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((64,), dtype="int32"), layers.Embedding(256, 8), layers.Flatten(), layers.Dense(10, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    assert ID in reviewed(tmp_path, model, BYTES.reshape(-1, 64).astype("int32"), LABELS, epochs=1).passed


def test_large_values(tmp_path):
    one = finding(reviewed(tmp_path, classifier(), IMAGES * 4000 - 1000, LABELS), ID)
    assert one["confidence"] == "possible"


PHOTOS = np.random.default_rng(1).integers(0, 256, (32, 64, 64, 3)).astype("float32")


def transfer(base, tmp_path, x):
    keras.utils.set_random_seed(0)
    base.trainable = False
    model = keras.Sequential([keras.Input((64, 64, 3)), base, layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return reviewed(tmp_path, model, x, np.arange(32) % 2, epochs=1, batch_size=8)


def mobilenet():
    return keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(64, 64, 3))


def test_raw_pixels_into_mobilenet(tmp_path):
    one = finding(transfer(mobilenet(), tmp_path, PHOTOS), ID)
    assert "between -1 and 1" in one["summary"]


def test_mobilenet_with_its_preprocessing(tmp_path):
    assert ID in transfer(mobilenet(), tmp_path, keras.applications.mobilenet_v2.preprocess_input(PHOTOS.copy())).passed


def test_efficientnet_rescales_by_itself(tmp_path):
    base = keras.applications.EfficientNetB0(weights=None, include_top=False, input_shape=(64, 64, 3))
    assert ID in transfer(base, tmp_path, PHOTOS).passed


def test_resnet_with_its_preprocessing_reaches_151(tmp_path):
    base = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))
    assert ID in transfer(base, tmp_path, keras.applications.resnet.preprocess_input(PHOTOS.copy())).passed


@pytest.mark.parametrize(("x", "fires"), [(IMAGES * 1.01, True), (IMAGES, False)], ids=["just above 1", "up to 1"])
def test_strict_is_any_value_outside_minus_one_to_one(x, fires, tmp_path):
    result = reviewed(tmp_path, classifier(), x, LABELS, epochs=1, options={ID: {"strict": True}})
    assert (ID in found(result)) is fires


def small(inputs, x, tmp_path, y=LABELS):
    model = keras.Model(inputs, layers.Dense(10, "softmax")(layers.Flatten()(x)))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_preprocess_input_inside_the_model(tmp_path):
    inputs = keras.Input((64, 64, 3))
    model = small(inputs, keras.applications.resnet50.preprocess_input(inputs), tmp_path)
    assert ID in reviewed(tmp_path, model, PHOTOS, np.arange(32) % 10, epochs=1, batch_size=8).passed


def test_a_cast_and_a_division_inside_the_model(tmp_path):
    inputs = keras.Input((8, 8), dtype="uint8")
    model = small(inputs, keras.ops.cast(inputs, "float32") / 255.0, tmp_path)
    assert ID in reviewed(tmp_path, model, BYTES.astype("uint8"), LABELS, epochs=1).passed


def test_a_lambda_or_a_subclass_cannot_be_seen_through(tmp_path):
    result = reviewed(tmp_path / "a", classifier(layers.Lambda(lambda t: t / 255.0)), BYTES, LABELS, epochs=1)
    assert [entry["heuristic"] for entry in result.inconclusive if "of your own" in entry["reason"]] == [ID]

    class Divides(keras.Model):
        def __init__(self):
            super().__init__()
            self.out = layers.Dense(10, "softmax")

        def call(self, x):
            return self.out(layers.Flatten()(x / 255.0))

    model = Divides()
    model.compile("adam", "sparse_categorical_crossentropy")
    result = reviewed(tmp_path / "b", model, BYTES, LABELS, epochs=1)
    assert found(result) == []


def test_each_of_two_inputs_is_judged_by_its_own_first_layer(tmp_path):
    image, table = keras.Input((8, 8), name="image"), keras.Input((13,), name="table")
    hidden = layers.Concatenate()([layers.Flatten()(layers.Rescaling(1 / 255)(image)), layers.Dense(4)(table)])
    model = keras.Model([image, table], layers.Dense(10, "softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.resize(WINE.data, (len(LABELS), 13))
    result = reviewed(tmp_path, model, [BYTES, x], LABELS, epochs=1)
    assert found(result) == [ID]
    assert "(table)" in finding(result, ID)["title"]


def test_a_table_is_not_called_an_image(tmp_path):
    """Ages, blood pressures and the like end at about 200, too."""
    rng = np.random.default_rng(0)
    x = rng.normal([50, 120, 80, 90, 70, 170, 25], [15, 15, 10, 20, 12, 10, 4], (400, 7)).clip(0)
    result = reviewed(tmp_path, classifier(shape=(7,)), x, rng.integers(0, 10, 400), epochs=2)
    one = finding(result, ID)
    assert one["confidence"] == "possible"
    assert one["causes"][0]["id"] == "scale"
    assert "bytes" not in one["summary"]


def test_nan_that_a_relu_hides_is_no_clean_bill(tmp_path):
    """The loss stays finite here: on the CPU ReLU turns NaN into 0."""
    x = IMAGES.copy()
    x[300, 1, 1] = np.nan
    result = reviewed(tmp_path, classifier(), x, LABELS, epochs=1, shuffle=False)
    reasons = {entry["heuristic"]: entry["reason"] for entry in result.inconclusive}
    assert reasons[ID].startswith("batch 10 held NaN")


def test_a_sequential_that_is_built_by_fit(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Embedding(5000, 8), layers.GlobalAveragePooling1D(), layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).integers(0, 5000, (len(LABELS), 30))
    assert ID in reviewed(tmp_path, model, x, LABELS, epochs=1).passed


def test_a_subclass_that_holds_a_rescaling(tmp_path):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.scale, self.flat, self.out = layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(10, "softmax")

        def call(self, x):
            return self.out(self.flat(self.scale(x)))

    model = Own()
    model.compile("adam", "sparse_categorical_crossentropy")
    assert ID in reviewed(tmp_path, model, BYTES, LABELS, epochs=1).passed
