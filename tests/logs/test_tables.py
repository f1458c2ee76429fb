"""SCRAM's own tables: kept whole, every column as if it had been read by itself."""

import numpy as np
import pytest

from scram_plugin.logs.logdir import Logdir
from scram_plugin.training.summary_writer import SummaryWriter


def write(writer, columns, steps, offset=0.0):
    steps = np.asarray(steps)
    values = np.stack([steps + offset + 1000 * i for i in range(len(columns))], axis=1).astype("float32")
    writer.rows("statistics", columns, steps, 1e9 + steps.astype(float), values)


@pytest.mark.parametrize("memory", [1 << 30, 1])
def test_columns_of_layouts_that_take_turns_are_in_order(memory, tmp_path):
    def fail(error):
        raise error

    logs = Logdir(tmp_path, memory)
    writer = SummaryWriter(str(tmp_path), lambda: None, fail)
    expected = {"a": [], "b": [], "c": []}
    for turn, columns in enumerate([("a", "b"), ("a", "b"), ("b", "c"), ("a", "b"), ("b",), ("a", "b")]):
        steps = range(3 * turn, 3 * turn + 3)
        write(writer, columns, steps)
        for i, name in enumerate(columns):
            expected[name] += [(step, step + 1000.0 * i) for step in steps]
        writer.flush()
        logs.refresh()
        run = logs["scram"]
        for name, points in expected.items():
            if points:
                series = run[f"scram/statistics/{name}"]
                assert list(zip(series.steps.tolist(), series.values.tolist(), strict=True)) == points
                assert series.values.dtype == np.float64
        assert run.points == sum(map(len, expected.values()))
    writer.close()
