"""Runs of a proof are forked after the imports with which the program begins."""

import os
import subprocess
import sys
import textwrap
import time

import pytest

from scram_plugin.fixing.leading import leading
from scram_plugin.fixing.processes import Forked, Server


def written(folder, text):
    script = folder / "train.py"
    script.write_text(textwrap.dedent(text), encoding="utf-8")
    return script


def test_the_imports_with_which_a_program_begins(tmp_path):
    script = written(
        tmp_path,
        '''
        """A training."""
        from __future__ import annotations
        import os, sys
        import numpy as np
        import torch.nn as nn
        from tensorflow import keras, data
        LAYERS = 3
        import pandas
        ''',
    )
    assert leading(script) == [("numpy", ()), ("torch.nn", ()), ("tensorflow", ("keras", "data"))]


@pytest.mark.parametrize(
    "before",
    [
        'import os\nos.environ["KERAS_BACKEND"] = "torch"',
        "from settings import choose",  # which may do anything
        "import unknown_package",
        "from . import models",
        "if True:\n    import numpy",
        "try:\n    import torch\nexcept ImportError:\n    torch = None",
    ],
)
def test_nothing_is_imported_early_behind_what_may_matter(tmp_path, before):
    assert leading(written(tmp_path, f"{before}\nimport torch\n")) == []


def test_a_module_of_the_program_with_the_name_of_a_package(tmp_path):
    (tmp_path / "sklearn.py").write_text("")
    assert leading(written(tmp_path, "import sklearn\nimport torch\n")) == []


def test_packages_that_take_no_time_are_not_worth_it(tmp_path):
    assert leading(written(tmp_path, "import numpy\nimport matplotlib.pyplot as plt\n")) == []


@pytest.mark.parametrize("text", ["import torch\ndef (", "import torch\n\0"])
def test_a_program_that_cannot_be_read(tmp_path, text):
    assert leading(written(tmp_path, text)) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="runs are forked on Linux only")
def test_a_server_that_is_gone_starts_nothing_and_its_runs_have_ended(tmp_path):
    server = Server([], tmp_path, {**os.environ})
    forked = server.start(tmp_path / "no such file", tmp_path / "output", {**os.environ, "PYTHONPATH": "."})
    forked.wait()
    assert forked.returncode == 1
    assert "no such file" in (tmp_path / "output").read_text()
    server._process.kill()
    server._process.wait()
    assert server.start(tmp_path / "spec.json", tmp_path / "output", {}) is None
    server.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="runs are forked on Linux only")
def test_nothing_is_left_when_the_process_that_asked_is_killed(tmp_path):
    program = """\
        import os, sys
        from pathlib import Path
        from scram_plugin.fixing.processes import Forked, Server
        server = Server([], Path(sys.argv[1]), {**os.environ})
        print(server._process.pid, flush=True)
        sys.stdin.read()
    """
    asking = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(asking.stdout.readline())
    asking.kill()
    asking.communicate()
    until = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < until:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="runs are forked on Linux only")
def test_a_server_that_answers_too_late_begins_nothing_later(tmp_path, monkeypatch):
    monkeypatch.setattr("scram_plugin.fixing.processes.TO_IMPORT", 0.01)
    server = Server([], tmp_path, {**os.environ})
    earlier = Forked(server, 1 << 30)
    assert server.start(tmp_path / "one", tmp_path / "output", {**os.environ}) is None
    assert earlier.poll() is not None, "its server is gone"
    earlier.wait()
    assert server.start(tmp_path / "two", tmp_path / "output", {**os.environ}) is None
    server.close()
