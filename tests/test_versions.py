"""The oldest TensorBoard, Keras and PyTorch that are admitted, each in an environment of its own.

Slow, since the packages are installed: `make test-all`. The newest versions are those that all other tests use.
"""

import os
import subprocess
import sys
import venv

import pytest

from tests.paths import ROOT

READING = ("reading", "tests/logs", "tests/test_plugin.py", "tests/test_cli.py")
# one test trains: no TensorFlow of today goes with this TensorBoard. The tests wait more than they compute: two at once
TAB = ("browser", "tests/browser", "-k", "not live_training", "-n", "2", "--dist", "loadfile")
TORCH = ("torch", "tests/training/torch", "-m", "not slow and not alone", "-n", "2", "--dist", "loadfile")
KERAS = ("keras", "tests/training/keras", "tests/heuristics/test_unnormalized_inputs.py")


def environment(path, *packages):
    """The Python of a new environment with SCRAM and these packages."""
    venv.create(path, with_pip=True)
    python = path / "bin" / "python"
    tests = ["pytest", "pytest-xdist", "hypothesis", "fsspec", "playwright", "scikit-learn"]
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-compile", "-e", str(ROOT), *tests, *packages], check=True, timeout=900
    )
    return python


def run_tests(python, group, *arguments):
    # not all frameworks are in these environments: what needs them is skipped, in CI too
    variables = {name: value for name, value in os.environ.items() if name not in ("CI", "SCRAM_FULL")}
    variables |= {"SCRAM_TESTS": group}
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *arguments],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="TensorBoard 2.14 needs Python 3.11 or older")
def test_the_oldest_tensorboard(tmp_path):
    # the others are what it needs and does not ask for, or asks for without an upper bound
    python = environment(tmp_path, "tensorboard==2.14.0", "numpy<2", "protobuf<5", "setuptools<80", "six")
    run_tests(python, *READING)
    run_tests(python, *TAB)


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="TensorFlow 2.16 needs Python 3.12 or older")
@pytest.mark.parametrize(("tensorflow", "keras"), [("2.16.1", "3.0.5"), ("2.18.0", "3.6.0")])
def test_older_keras(tensorflow, keras, tmp_path):
    """The first Keras 3, and the last before train functions were made as they are today (3.7)."""
    python = environment(tmp_path, f"tensorflow=={tensorflow}", f"keras=={keras}")
    run_tests(python, *KERAS)


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="PyTorch 2.1 needs Python 3.11 or older")
def test_the_oldest_torch(tmp_path):
    """With the versions of its time of what trains with it, and of what saves its models."""
    trainers = ("transformers==4.44.2", "lightning==2.2.5", "accelerate<1", "peft<0.13")
    python = environment(tmp_path, "torch==2.1.2", "numpy<2", "onnx<1.17", "ml_dtypes<0.5", *trainers)
    run_tests(python, *TORCH)
