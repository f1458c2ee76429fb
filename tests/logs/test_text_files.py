"""Logs in CSV, JSON lines and JSON: every number as the csv and json modules read it, found, followed and never a traceback."""

import csv
import io
import json
import math
import os
import random
import time

import numpy as np
import pytest

from scram_plugin.logs import text_file
from scram_plugin.logs.logdir import Logdir, read
from scram_plugin.logs.pairing import training_runs
from tests.event_files import curve
from tests.paths import DOMAIN_LOGS
from tests.sizes import size

KERAS = "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.5,1.25,0.4,1.5\n1,0.75,0.5,0.7,0.625\n"
STATE = {
    "global_step": 20,
    "log_history": [
        {"epoch": 0.5, "grad_norm": 1.5, "learning_rate": 5e-05, "loss": 2.25, "step": 10},
        {"epoch": 1.0, "grad_norm": float("nan"), "learning_rate": 0.0, "loss": 1.125, "step": 20},
        {"epoch": 1.0, "eval_loss": 1.5, "eval_accuracy": 0.5, "eval_runtime": 3.0, "step": 20},
        {"epoch": 1.0, "train_loss": 1.7, "train_runtime": 12.5, "total_flos": 10**18, "step": 20},
    ],
}


def old(path, text):
    """Writes a file that nobody writes any more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - 60,) * 2)
    return path


def points(logs, tag, run="."):
    series = logs[run][tag]
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def test_a_csv_of_keras(tmp_path):
    old(tmp_path / "training.log", KERAS)
    logs = read(tmp_path)
    assert points(logs, "val_loss") == [(0, 1.5), (1, 0.625)]
    (run,) = training_runs(logs)
    assert {"training loss", "validation loss", "training accuracy", "validation accuracy"} <= set(run.signals)
    assert run.signal("training loss").axis == "epoch"
    assert "Read from training.log." in run.notes()


def test_the_state_of_a_trainer_has_the_tags_that_it_has_in_tensorboard(tmp_path):
    old(tmp_path / "trainer_state.json", json.dumps(STATE, indent=2))
    logs = read(tmp_path)
    assert points(logs, "train/loss") == [(10, 2.25), (20, 1.125)]
    assert points(logs, "eval/accuracy") == [(20, 0.5)]
    assert math.isnan(logs["."]["train/grad_norm"].values[1])
    assert logs["."]["train/total_flos"].values[0] == 1e18


def test_the_last_of_a_trainers_checkpoints_counts_for_the_directory_above(tmp_path):
    for number in (10, 20, 5):
        cut = {**STATE, "log_history": [row for row in STATE["log_history"] if row["step"] <= number]}
        old(tmp_path / "exp" / f"checkpoint-{number}" / "trainer_state.json", json.dumps(cut))
    logs = read(tmp_path)
    assert list(logs) == ["exp"]
    assert points(logs, "train/loss", "exp") == [(10, 2.25), (20, 1.125)]
    old(tmp_path / "exp" / "trainer_state.json", json.dumps({**STATE, "log_history": STATE["log_history"][:1]}))
    assert points(read(tmp_path), "train/loss", "exp") == [(10, 2.25)]


def test_a_trainer_that_wrote_event_files_is_not_read_twice(tmp_path):
    old(tmp_path / "exp" / "checkpoint-20" / "trainer_state.json", json.dumps(STATE))
    curve(tmp_path / "exp" / "runs" / "Nov29_host", "train/loss", [3, 2, 1])
    assert [run.name for run in training_runs(read(tmp_path))] == ["exp/runs/Nov29_host"]


def test_event_files_come_before_text_files_that_repeat_them(tmp_path):
    curve(tmp_path / "version_0", "train_loss", [3, 2, 1])
    old(tmp_path / "version_0" / "metrics.csv", "epoch,step,train_loss,val_loss\n0,0,3.5,\n0,1,2.5,\n0,1,,2.75\n")
    logs = read(tmp_path)
    assert points(logs, "train_loss", "version_0") == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert points(logs, "val_loss", "version_0") == [(1, 2.75)]


def test_ultralytics_pads_its_columns_and_counts_from_one(tmp_path):
    head = "                  epoch,         train/box_loss,   metrics/mAP50(B),            val/box_loss"
    old(
        tmp_path / "results.csv", f"{head}\n                      1,                 1.5,     0.25,      1.75\n2,1.25,0.5,nan\n"
    )
    logs = read(tmp_path)
    assert points(logs, "train/box_loss") == [(0, 1.5), (1, 1.25)]
    assert math.isnan(logs["."]["val/box_loss"].values[1])
    assert training_runs(logs)[0].framework == "yolo"


def test_stable_baselines_counts_timesteps(tmp_path):
    head = "rollout/ep_rew_mean,time/total_timesteps,train/loss"
    old(tmp_path / "progress.csv", f"{head}\n20.5,2048,\n30.25,4096,5.5\n")
    assert points(read(tmp_path), "rollout/ep_rew_mean") == [(2048, 20.5), (4096, 30.25)]
    assert points(read(tmp_path), "train/loss") == [(4096, 5.5)]


def test_a_monitor_counts_the_steps_of_its_episodes(tmp_path):
    for number in (0, 1):
        old(
            tmp_path / f"{number}.monitor.csv",
            f'#{{"t_start": 1.5, "env_id": "X"}}\nr,l,t\n{10 + number}.5,100,0.5\n11.0,50,0.9\n',
        )
    logs = read(tmp_path)
    assert points(logs, "0.monitor/r") == [(100, 10.5), (150, 11.0)]
    assert points(logs, "1.monitor/r") == [(100, 11.5), (150, 11.0)]


def test_mmengine_counts_its_validations_by_epochs(tmp_path):
    rows = [{"lr": 0.1, "loss": 2.0, "epoch": 1, "iter": 50, "step": 50}, {"coco/bbox_mAP": 0.25, "time": 1.0, "step": 1}]
    old(tmp_path / "vis_data" / "scalars.json", "\n".join(map(json.dumps, rows)) + "\n")
    assert points(read(tmp_path), "coco/bbox_mAP", "vis_data") == [(50, 0.25)]


def test_json_lines_nest(tmp_path):
    rows = [{"step": 5, "train": {"loss": 2.0, "note": "x"}, "ok": True}, {"step": 6, "train": {"loss": "NaN"}}]
    old(tmp_path / "log.jsonl", "\n".join(map(json.dumps, rows)) + "\nno json\n")
    logs = read(tmp_path)
    assert list(logs["."]) == ["train/loss"]
    assert logs["."]["train/loss"].steps.tolist() == [5, 6]
    assert any("not an object of JSON" in problem.sentence for problem in logs.problems)


def test_rows_that_nothing_counts_are_counted(tmp_path):
    old(tmp_path / "loss.csv", "loss,lr\n2.5,0.1\n1.5,0.1\n")
    assert points(read(tmp_path), "loss", "loss") == [(0, 2.5), (1, 1.5)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.csv", "id,age,price\n1,20,3.5\n2,30,4.5\n"),
        ("data.csv", "1,2,3\n4,5,6\n"),
        ("labels.csv", "image,label\na.png,1\n"),
        ("empty.csv", ""),
        ("models.csv", "model,accuracy\nresnet,0.5\n"),
        ("chat.jsonl", '{"prompt": "a", "answer": "b"}\n'),
        ("server.log", "2026-01-01 12:00:00 INFO loss is 3\n"),
        ("trainer_state.json", "[1, 2]"),
        ("progress.json", '{"done": 5}'),
        ("package.json", '{"loss": 1, "step": 1}'),
    ],
)
def test_what_is_no_log_is_not_listed(name, text, tmp_path):
    old(tmp_path / name, text)
    curve(tmp_path / "exp", "loss", [3, 2, 1])
    assert list(read(tmp_path)) == ["exp"]


def test_it_is_followed_while_it_grows_and_a_half_written_line_waits(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n0,2.5\n1,1.")
    logs = Logdir(tmp_path)
    logs.refresh()
    assert points(logs, "loss") == [(0, 2.5)]
    with path.open("a") as file:
        file.write("75\n2,0.5\n")
    assert logs.refresh() == {"."}
    assert points(logs, "loss") == [(0, 2.5), (1, 1.75), (2, 0.5)]
    assert logs.refresh() == set()


def test_a_last_line_without_its_end_counts_once_nobody_writes(tmp_path):
    old(tmp_path / "log.csv", "epoch,loss\n0,2.5\n1,1.75")
    assert points(read(tmp_path), "loss") == [(0, 2.5), (1, 1.75)]


def test_a_line_that_was_taken_as_whole_and_grows_is_read_again(tmp_path):
    path = old(tmp_path / "log.csv", "epoch,loss\n0,2.5\n1,1.")
    logs = Logdir(tmp_path)
    logs.refresh()
    path.write_text("epoch,loss\n0,2.5\n1,1.75\n")
    logs.refresh()
    assert points(logs, "loss") == [(0, 2.5), (1, 1.75)]


def test_a_file_that_is_written_anew_with_another_column_is_read_again(tmp_path):
    path = old(tmp_path / "metrics.csv", "step,train_loss\n0,2.5\n")
    logs = Logdir(tmp_path)
    logs.refresh()
    old(path, "step,train_loss,val_loss\n0,2.5,\n1,1.5,1.75\n")
    logs.refresh()
    assert points(logs, "train_loss") == [(0, 2.5), (1, 1.5)]
    assert points(logs, "val_loss") == [(1, 1.75)]


def test_freed_points_are_read_again(tmp_path):
    old(tmp_path / "log.csv", KERAS)
    logs = read(tmp_path)
    logs["."].forget()
    assert points(logs, "loss") == [(0, 1.25), (1, 0.5)]


@pytest.mark.parametrize(("name", "text"), [("trainer_state.json", json.dumps(STATE)), ("log.csv", KERAS.rstrip())])
def test_freed_points_of_a_file_that_does_not_end_with_a_line_are_read_again(name, text, tmp_path):
    old(tmp_path / name, text)
    logs = read(tmp_path)
    before = {tag: points(logs, tag) for tag in logs["."] if "loss" in tag}
    logs["."].forget()
    assert {tag: points(logs, tag) for tag in before} == before
    assert before


def test_a_state_that_grows_is_read_again(tmp_path):
    short = {**STATE, "log_history": STATE["log_history"][:1]}
    old(tmp_path / "trainer_state.json", json.dumps(short))
    logs = Logdir(tmp_path)
    logs.refresh()
    assert points(logs, "train/loss") == [(10, 2.25)]
    old(tmp_path / "trainer_state.json", json.dumps(STATE))
    logs.refresh()
    assert points(logs, "train/loss") == [(10, 2.25), (20, 1.125)]


def test_several_trainings_in_one_csv_are_judged_apart(tmp_path):
    one = "".join(f"{i},{2.0 / (i + 1)}\n" for i in range(12))
    old(tmp_path / "log.csv", "epoch,loss\n" + one + "epoch,loss\n" + one)
    assert [run.name for run in training_runs(read(tmp_path))] == [".", ". (training 1)"]


def test_every_text_file_of_the_domain_logs_is_read_as_the_standard_library_reads_it():
    if not DOMAIN_LOGS.is_dir():
        return
    compared = 0
    logs = read(DOMAIN_LOGS)
    for run in logs.values():
        for path, file in run.files.items():
            if not isinstance(file, text_file.TextFile):
                continue
            for tag, expected in plainly(path).items():
                got = file.scalars[tag].arrays()[2]
                assert np.array_equal(got, np.array(expected), equal_nan=True), (path, tag)
                compared += len(expected)
    assert compared > 100_000


def plainly(path):
    """tag -> all values in their order, by csv and json alone."""
    name, found = os.path.basename(path), {}
    with open(path, newline="", encoding="utf-8-sig") as stream:
        if name.endswith(".json"):
            rows = json.load(stream)["log_history"]
        elif name.endswith(".jsonl"):
            rows = [json.loads(line) for line in stream]
        else:
            lines = [line for line in stream if not line.startswith("#")]
            rows = list(csv.DictReader(io.StringIO("".join(lines)), skipinitialspace=True))
    for row in rows:
        for key, value in row.items():
            tag = key.strip()
            if tag.lower() in text_file.PLACES and not (name.endswith(".json") and tag != "step"):
                continue
            if name.startswith("trainer_"):
                tag = text_file.of_trainer(tag)
            elif "monitor.csv" in name:
                tag = f"{name.removesuffix('.csv')}/{tag}"
            try:
                number = float(value)
            except (TypeError, ValueError):
                continue
            if not isinstance(value, bool) and not (isinstance(value, str) and name.endswith((".json", ".jsonl"))):
                found.setdefault(tag, []).append(number)
    return found


LOGS = ["log.csv", "trainer_state.json", "log.jsonl", "results.csv", "0.monitor.csv", "scalars.json"]


@pytest.mark.parametrize("name", [*LOGS, "args.yaml", "config.json"])
def test_no_mutated_file_brings_a_traceback_or_a_hang(name, tmp_path):
    rng = random.Random(0)
    whole = {
        "trainer_state.json": json.dumps(STATE),
        "log.jsonl": '{"step": 1, "train": {"loss": 2.0}}\n{"step": 2, "loss": 1e400}\n',
        "scalars.json": '{"loss": 2.0, "iter": 1, "step": 1}\n{"coco/bbox_mAP": 0.2, "step": 1}\n',
        "args.yaml": "lr0: 0.01\nbatch: &size 16\nwarmup: {steps: [1, 2.5e-3], batch: *size}\n",
        "config.json": '{"learning_rate": 5e-05, "fp16": true, "model": {"vocab_size": 32000}}',
        "0.monitor.csv": '#{"t_start": 1.5}\nr,l,t\n10.5,100,0.5\n',
    }.get(name, KERAS)
    if name not in LOGS:
        (tmp_path / "results.csv").write_text(KERAS)
    for _ in range(size(1_250, 120)):
        data = bytearray(whole.encode())
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(data) + 1)
            action = rng.randrange(4)
            if action == 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            elif action == 1:
                data[at:at] = rng.choice([b'"', b",", b"\n", b"{", b"[" * 3000, b"1e999", b"\0", b"\xff\xfe", b"9" * 400, b"-"])
            elif action == 2:
                del data[at : at + rng.randrange(1, 30)]
            else:
                data[at:at] = data[: rng.randrange(1, 80)]
            if not data:
                break
        path = tmp_path / name
        path.write_bytes(bytes(data))
        os.utime(path, (time.time() - 60,) * 2)
        logs = read(tmp_path) if data else None
        for run in training_runs(logs) if logs is not None and len(logs) else ():
            run.signals, run.settings  # noqa: B018


@pytest.mark.parametrize(
    ("name", "text", "framework"),
    [
        ("metrics.csv", "epoch,step,train_loss\n0,49,0.5\n0,99,0.4\n", "lightning"),
        ("training.log", "epoch,accuracy,loss,val_loss\n0,0.5,0.7,0.8\n1,0.6,0.6,0.7\n", "keras"),
        ("log.csv", "epoch,loss,accuracy,val_loss\n0,0.5,0.7,0.8\n1,0.6,0.6,0.7\n", None),
        ("log.csv", "epoch,accuracy,loss,val_loss\n1,0.5,0.7,0.8\n2,0.6,0.6,0.7\n", None),
        ("metrics.csv", "iteration,train_loss\n0,0.5\n1,0.4\n", None),
    ],
)
def test_which_framework_wrote_it(name, text, framework, tmp_path):
    old(tmp_path / name, text)
    (run,) = training_runs(read(tmp_path))
    assert run.framework == framework


@pytest.mark.parametrize(
    ("header", "signal", "tag"),
    [
        ("episode,reward,best", "return", "episode/reward"),
        ("episode,reward,score,steps,epsilon,loss", "return", "episode/reward"),
        ("Episode,Total Reward,steps", "return", "Total Reward"),
        (",Loss,ValLoss,Rate", "validation loss", "ValLoss"),
        ("time/total timesteps,rollout/ep_rew_mean", "return", "rollout/ep_rew_mean"),
    ],
)
def test_files_of_programs_of_ones_own(header, signal, tag, tmp_path):
    """As strangers write them: a reward of each episode, an index that pandas does not name, spaces for underscores."""
    columns = header.count(",")
    rows = [",".join(map(str, (10 * i, *(i + 0.5 + k for k in range(columns))))) for i in range(1, 9)]
    old(tmp_path / "training_log.csv", "\n".join([header, *rows, ""]))
    (run,) = training_runs(read(tmp_path))
    curve = run.signal(signal)
    assert curve.tag == tag
    assert len(curve) == 8
    assert run.kind == ("reinforcement" if signal == "return" else None)
    assert list(curve.steps) == ([*range(8)] if header.startswith(",") else [*range(10, 90, 10)])


def test_a_state_without_a_log_is_no_training_run_beside_others(tmp_path):
    """The Trainer saves one with each checkpoint; where it logged nothing, what SCRAM recorded below it is all there is."""
    state = {"log_history": [], "global_step": 16, "max_steps": 16, "best_metric": None}
    (tmp_path / "checkpoint-16").mkdir()
    (tmp_path / "checkpoint-16" / "trainer_state.json").write_text(json.dumps(state))
    assert [run.name for run in training_runs(read(tmp_path))] == ["."], "alone, it is said why nothing can be checked"
    curve(tmp_path / "scram" / "train", "epoch_loss", [1.0, 0.5])
    assert [run.name for run in training_runs(read(tmp_path))] == ["scram"]
