"""Large text files: they are read in pieces, so memory is that of their points, and what is broken costs a note."""

import io
import json
import os
import random
import tracemalloc

import numpy as np
import pytest

import scram_plugin
from scram_plugin.logs import text_file
from scram_plugin.logs.json_stream import members
from scram_plugin.logs.text_file import TextFile


def peak_of(name, text):
    """The most memory that reading takes, as a multiple of the text, and the file."""
    stream = io.BytesIO(text)
    tracemalloc.start()
    file = TextFile(name)
    file.read(stream, len(text))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / len(text), file


def state(rows):
    history = [
        {"loss": 1 / (i + 1), "grad_norm": 0.5, "learning_rate": 5e-05, "epoch": i / 100, "step": i} for i in range(rows)
    ]
    return json.dumps(
        {"best_metric": None, "log_history": history, "max_steps": rows, "train_batch_size": 8}, indent=2
    ).encode()


def test_a_large_state_takes_the_memory_of_its_points():
    text = state(60_000)
    peak, file = peak_of("trainer_state.json", text)
    assert peak < 2.5
    assert len(file.scalars["train/loss"]) == 60_000
    assert file.own.settings[0].settings["batch size"].value == 8


@pytest.mark.parametrize("name", ["metrics.csv", "metrics.jsonl"])
def test_large_lines_take_the_memory_of_their_points(name):
    rows = [(i, 1 / (i + 1), 0.123456789) for i in range(200_000)]
    if name.endswith("csv"):
        text = "step,train_loss,val_loss\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
    else:
        text = "".join(json.dumps({"step": a, "train_loss": b, "val_loss": c}) + "\n" for a, b, c in rows)
    peak, file = peak_of(name, text.encode())
    assert peak < 5
    assert len(file.scalars["train_loss"]) == 200_000
    assert file.scalars["val_loss"].arrays()[0].tolist() == [row[0] for row in rows]


def test_numbers_beyond_the_limit_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(text_file, "MOST_NUMBERS", 1_000)
    monkeypatch.setattr(text_file, "PIECE", 1_000)
    for name, text in (("trainer_state.json", state(3_000)), ("metrics.csv", b"step,loss\n" + b"1,2\n" * 3_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_bytes(text)
    logs = scram_plugin.read(tmp_path)
    assert [problem.sentence.partition("; ")[2] for problem in logs.problems] == [
        "it has more than 1,000 numbers; the others were left out"
    ] * 2
    assert all(sum(map(len, run.values())) < 2_000 for run in logs.values())


@pytest.mark.parametrize("where", range(2))
def test_a_state_that_diverged_keeps_its_loss(where, tmp_path):
    """JSON knows no NaN, but Python writes it."""
    history = [{"loss": value, "step": i} for i, value in enumerate((2.0, float("nan"), float("inf"), -float("inf")))]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history, "x": "NaN"}, indent=2 * where))
    values = scram_plugin.read(tmp_path)["."]["train/loss"].values
    np.testing.assert_array_equal(values, [2.0, np.nan, np.inf, -np.inf])


def test_values_come_as_the_json_module_reads_them(monkeypatch):
    """Whatever the borders of the pieces: here each few bytes."""
    rng = random.Random(5)
    words = ["a", "é\u2028", "\\", '"', "\U0001f600", "[{", "NaN"]
    plain = [0, -1, 1.5e-300, 12345678901234567890, 1e300, True, None, float("inf"), -float("inf"), *words]
    for _ in range(200):
        rows = [
            rng.choice([{rng.choice(words): rng.choice(plain)}, rng.choice(plain), [], {}]) for _ in range(rng.randrange(9))
        ]
        document = {"x": rng.choice(plain), "rows": rows, "y": {"z": plain}}
        text = json.dumps(document, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 1])).encode()
        monkeypatch.setattr("scram_plugin.logs.json_stream.PIECE", rng.randrange(1, 12))
        found = list(members(io.BytesIO(text).read, "rows"))
        assert [value for key, value in found if key == "rows"] == [None, *rows]
        assert {key: value for key, value in found if key != "rows"} == {key: document[key] for key in ("x", "y")}
        cut = text[: rng.randrange(len(text))]
        with pytest.raises((ValueError, TypeError)):
            list(members(io.BytesIO(cut).read, "rows"))
        with pytest.raises(ValueError, match="follows"):
            list(members(io.BytesIO(text + b" 1").read, "rows"))


@pytest.mark.parametrize(
    "text",
    [
        b'{"log_history": [' + b"[" * 100_000,
        b'{"log_history": [{"loss": 1' + b" " * 3_000_000 + b"}",
        b'{"log_history": 5}',
        b'{"global_step": 5}',
        b'{"log_history": [], "x": "' + b"y" * 3_000_000 + b'"}',
        b'{"log_history": [{"loss": 1},]}',
        b'{"log_history": [{"loss": 1}] "x": 1}',
        b'["log_history"]',
    ],
)
def test_what_is_no_state_costs_a_note(text, tmp_path):
    (tmp_path / "exp").mkdir()
    path = tmp_path / "exp" / "trainer_state.json"
    path.write_bytes(text)
    os.utime(path, (1e9, 1e9))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.csv").write_text("step,loss\n1,2\n")
    logs = scram_plugin.read(tmp_path)
    told = [problem.sentence for problem in logs.problems if problem.path == str(path)]
    assert len(logs["other"]["loss"]) == 1
    assert ["not the state of a Trainer" in sentence for sentence in told] == [True]
