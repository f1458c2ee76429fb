"""Trainings of Keras on raw and on prepared inputs: bytes, features, token ids, photographs into well-known nets."""

import keras
import numpy as np
from keras import layers

from tests.recorded.digits import BYTES, IMAGES, LABELS, WINE
from tests.recorded.programs import Programs
from tests.recorded.programs.keras_models import classifier, watched

PROGRAMS = Programs()


def sparse(model):
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def small(inputs, x):
    return sparse(keras.Model(inputs, layers.Dense(10, "softmax")(layers.Flatten()(x))))


PROGRAMS["raw bytes"] = lambda p: watched(p, classifier(), BYTES, LABELS)
PROGRAMS["from 0 to 1"] = lambda p: watched(p, classifier(), IMAGES, LABELS)
PROGRAMS["rescaling"] = lambda p: watched(p, classifier(layers.Rescaling(1 / 255)), BYTES, LABELS, epochs=1)
PROGRAMS["batch normalisation"] = lambda p: watched(p, classifier(layers.BatchNormalization()), BYTES, LABELS, epochs=1)
PROGRAMS["normalisation"] = lambda p: watched(
    p, classifier(layers.Normalization(axis=None, mean=127.0, variance=80.0**2)), BYTES, LABELS, epochs=1
)
PROGRAMS["augmentation before rescaling"] = lambda p: watched(
    p, classifier(layers.RandomFlip(), layers.Rescaling(1 / 255), shape=(8, 8, 1)), BYTES[..., None], LABELS, epochs=1
)


@PROGRAMS
def a_division_inside_a_functional_model(log_dir):
    inputs = keras.Input((8, 8))
    watched(log_dir, small(inputs, inputs / 255.0), BYTES, LABELS, epochs=1)


PROGRAMS["wine"] = lambda p: watched(p, classifier(shape=(13,), units=3), WINE.data, WINE.target, epochs=5)
STANDARDISED = (WINE.data - WINE.data.mean(axis=0)) / WINE.data.std(axis=0)
PROGRAMS["wine standardised"] = lambda p: watched(p, classifier(shape=(13,), units=3), STANDARDISED, WINE.target, epochs=5)


@PROGRAMS
def token_ids(log_dir):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((30,)), layers.Embedding(5000, 8), layers.GlobalAveragePooling1D(), layers.Dense(10, "softmax")]
    )
    x = np.random.default_rng(0).integers(0, 5000, (len(LABELS), 30))
    watched(log_dir, sparse(model), x, LABELS, epochs=1)


@PROGRAMS
def small_token_ids(log_dir):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((64,), dtype="int32"), layers.Embedding(256, 8), layers.Flatten(), layers.Dense(10, "softmax")]
    )
    watched(log_dir, sparse(model), BYTES.reshape(-1, 64).astype("int32"), LABELS, epochs=1)


PROGRAMS["large values"] = lambda p: watched(p, classifier(), IMAGES * 4000 - 1000, LABELS)
PHOTOS = np.random.default_rng(1).integers(0, 256, (32, 64, 64, 3)).astype("float32")


def transfer(log_dir, base, x):
    keras.utils.set_random_seed(0)
    base.trainable = False
    model = keras.Sequential([keras.Input((64, 64, 3)), base, layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax")])
    watched(log_dir, sparse(model), x, np.arange(32) % 2, epochs=1, batch_size=8)


def base(name):
    return getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(64, 64, 3))


PROGRAMS["mobilenet/raw"] = lambda p: transfer(p, base("MobileNetV2"), PHOTOS)
PROGRAMS["mobilenet/preprocessed"] = lambda p: transfer(
    p, base("MobileNetV2"), keras.applications.mobilenet_v2.preprocess_input(PHOTOS.copy())
)
PROGRAMS["efficientnet"] = lambda p: transfer(p, base("EfficientNetB0"), PHOTOS)
PROGRAMS["resnet preprocessed"] = lambda p: transfer(
    p, base("ResNet50"), keras.applications.resnet.preprocess_input(PHOTOS.copy())
)
PROGRAMS["just above 1"] = lambda p: watched(p, classifier(), IMAGES * 1.01, LABELS, epochs=1)


@PROGRAMS
def preprocess_input_inside_the_model(log_dir):
    inputs = keras.Input((64, 64, 3))
    model = small(inputs, keras.applications.resnet50.preprocess_input(inputs))
    watched(log_dir, model, PHOTOS, np.arange(32) % 10, epochs=1, batch_size=8)


@PROGRAMS
def a_cast_and_a_division_inside_the_model(log_dir):
    inputs = keras.Input((8, 8), dtype="uint8")
    model = small(inputs, keras.ops.cast(inputs, "float32") / 255.0)
    watched(log_dir, model, BYTES.astype("uint8"), LABELS, epochs=1)


PROGRAMS["a lambda"] = lambda p: watched(p, classifier(layers.Lambda(lambda t: t / 255.0)), BYTES, LABELS, epochs=1)


class Divides(keras.Model):
    def __init__(self):
        super().__init__()
        self.out = layers.Dense(10, "softmax")

    def call(self, x):
        return self.out(layers.Flatten()(x / 255.0))


PROGRAMS["a subclass that divides"] = lambda p: watched(p, sparse(Divides()), BYTES, LABELS, epochs=1)


@PROGRAMS
def two_inputs(log_dir):
    image, table = keras.Input((8, 8), name="image"), keras.Input((13,), name="table")
    hidden = layers.Concatenate()([layers.Flatten()(layers.Rescaling(1 / 255)(image)), layers.Dense(4)(table)])
    model = sparse(keras.Model([image, table], layers.Dense(10, "softmax")(hidden)))
    watched(log_dir, model, [BYTES, np.resize(WINE.data, (len(LABELS), 13))], LABELS, epochs=1)


@PROGRAMS
def a_table(log_dir):
    """Ages, blood pressures and the like, which end at about 200, too."""
    rng = np.random.default_rng(0)
    x = rng.normal([50, 120, 80, 90, 70, 170, 25], [15, 15, 10, 20, 12, 10, 4], (400, 7)).clip(0)
    watched(log_dir, classifier(shape=(7,)), x, rng.integers(0, 10, 400), epochs=2)


@PROGRAMS
def nan_that_a_relu_hides(log_dir):
    """The loss stays finite here: on the CPU ReLU turns NaN into 0."""
    x = IMAGES.copy()
    x[300, 1, 1] = np.nan
    watched(log_dir, classifier(), x, LABELS, epochs=1, shuffle=False)


@PROGRAMS
def a_sequential_that_is_built_by_fit(log_dir):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Embedding(5000, 8), layers.GlobalAveragePooling1D(), layers.Dense(10, "softmax")])
    x = np.random.default_rng(0).integers(0, 5000, (len(LABELS), 30))
    watched(log_dir, sparse(model), x, LABELS, epochs=1)


class Rescales(keras.Model):
    def __init__(self):
        super().__init__()
        self.scale, self.flat, self.out = layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(10, "softmax")

    def call(self, x):
        return self.out(self.flat(self.scale(x)))


PROGRAMS["a subclass that rescales"] = lambda p: watched(p, sparse(Rescales()), BYTES, LABELS, epochs=1)
