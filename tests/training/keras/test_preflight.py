"""What a preflight of a model of Keras refuses, with a sentence."""

import keras
import pytest

import scram_plugin


def test_a_model_that_is_not_compiled(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="not compiled"):
        scram_plugin.preflight(model, ([[1.0] * 4], [1.0]), log_dir=tmp_path)
