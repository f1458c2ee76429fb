"""What Keras's recorder writes of a program holds no secret of it, and a fix is still a change of its own lines."""

import os
import subprocess
import sys

import pytest

import scram_plugin
from tests.paths import ROOT
from tests.sizes import FULL
from tests.training.secrets import assert_fixes_are_of_the_disk, logged

PROGRAM = """
import keras
from keras import layers
from scram_plugin import SCRAM

def my_loss(y_true, y_pred):
    "by jane.doe"
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)  # hunter2

model = keras.Sequential([
    keras.Input((n_features,), name="measurements"),  # from patients.csv
    layers.Dense(16, activation="relu", name="hidden_1"),
    layers.Dense(1, name="out"),
], name="regressor")
model.compile(optimizer=keras.optimizers.SGD(learning_rate=1e10), loss=LOSS)
model.fit(features, features.sum(axis=1) * 3, epochs=3, batch_size=8, verbose=0,
          callbacks=[SCRAM("logs/jane.doe", print_findings=False)])
"""


@pytest.mark.parametrize("loss", ["'mse'", "my_loss"] if FULL else ["my_loss"])
def test_no_secret_is_in_the_log_and_the_fix_is_in_the_lines_on_the_disk(loss, tmp_path):
    data = logged(PROGRAM.replace("LOSS", loss), tmp_path)
    assert rb"activation=\"relu\", name=\"hidden_1\"" in data, "options and names of layers are recorded"
    assert b"learning_rate=1e10" in data
    assert_fixes_are_of_the_disk(tmp_path)


def test_a_variable_of_the_environment_turns_it_off(tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "SCRAM_SOURCE", "0")
    (tmp_path / "train.py").write_text(
        "n_features = 8\nimport numpy as np\nfeatures = np.ones((64, 8))\n" + PROGRAM.replace("LOSS", "my_loss")
    )
    given = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, env=given, check=True, capture_output=True)
    logs = scram_plugin.read(tmp_path / "logs")
    (facts,) = [run.facts for run in logs.values() if run.facts]
    assert facts["source"] is None
    assert facts["loss"].get("source") is None
