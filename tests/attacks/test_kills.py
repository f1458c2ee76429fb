"""Trainings killed at any time: all but the last block can be read."""

import subprocess
import sys

import numpy as np
import pytest

import scram_plugin
from scram_plugin.training.blocks import BLOCK
from tests.attacks import held
from tests.paths import environment
from tests.sizes import size
from tests.training.keras.test_callback import loss_of_batches
from tests.training.keras.test_failing_safely import ENDLESS


@pytest.mark.parametrize("seed", range(size(20, 2)))
def test_a_process_killed_at_any_time_loses_at_most_the_last_block(seed, tmp_path, record_property):
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS.format(before="", epochs=1000, path=str(tmp_path))],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    least = int(np.random.default_rng(seed).integers(1, 2000))
    seen = 0
    while seen < least:
        seen = int(process.stdout.readline())
    process.kill()
    seen = max([seen, *map(int, process.stdout.read().split())])
    logs = scram_plugin.read(tmp_path)
    problems = [problem.sentence for problem in logs.problems]
    written = len(loss_of_batches(tmp_path)) if "scram" in logs and "scram/batches/loss" in logs["scram"] else 0
    print(f"killed after batch {seen}, {written} are on the disk", problems)
    assert written >= seen - 2 * BLOCK, "one block waits to be full, and one to be written"
    assert all("record" in problem for problem in problems), "a last record that is cut off, at most"
    held(record_property, "trainings killed at a random batch", 1, [])
