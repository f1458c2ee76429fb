"""A training whose every name would like to be markup: its file's, its layers', its strings."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.paths import ROOT, environment
from tests.recorded.programs import Programs

IMG = "<img src=x onerror=alert(1)>"
# TensorFlow takes no markup for a layer's name: who reads the log replaces this one by one that is as long
PLACE = "a_layer_with_as_many_letters"
PROGRAM = """
import sys
import keras
from keras import layers
from scram_plugin import SCRAM
from sklearn.datasets import load_digits
x, y = load_digits(return_X_y=True)
TITLE = "<script>alert(3)</script><img src=x onerror=alert(4)>"
model = keras.Sequential([keras.Input((64,), name="in"),
    layers.Dense(16, "relu", name="PLACE", bias_initializer=keras.initializers.Constant(-50.0)),
    layers.Dense(10, "softmax", name="w" * 300)])
model.compile(keras.optimizers.SGD(learning_rate=1e10), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=2, verbose=0, validation_split=0.2, callbacks=[SCRAM(sys.argv[1], every=3)])
"""
PROGRAMS = Programs()


@PROGRAMS
def markup(log_dir):
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, f"{IMG}.py")
        program.write_text(PROGRAM.replace("PLACE", PLACE))
        given = {**environment(), "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, program.name, str(log_dir)], cwd=folder, env=given, check=True)
