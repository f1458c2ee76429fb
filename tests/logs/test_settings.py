"""Settings of a training as frameworks write them into logs and beside them: read, typed, and never a way in."""

import json
import os
import time
from pathlib import Path

import pytest

from scram_plugin.logs.configs import HPARAMS, of_text, of_yaml
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.settings import Setting, Told, common, settings_of
from scram_plugin.logs.storage import listing
from scram_plugin.reviews.cache import key_of
from tests.event_files import curve
from tests.paths import DOMAIN_LOGS

MMENGINE = """
optim_wrapper = dict(
    clip_grad=dict(max_norm=35, norm_type=2), type='AmpOptimWrapper',
    optimizer=dict(lr=0.02, momentum=0.9, type='SGD', weight_decay=0.0001))
param_scheduler = [dict(begin=0, by_epoch=False, end=500, start_factor=0.001, type='LinearLR')]
train_cfg = dict(max_epochs=12, type='EpochBasedTrainLoop', val_interval=1)
train_dataloader = dict(batch_size=2, num_workers=2)
val_dataloader = dict(batch_size=1)
model = dict(type='FasterRCNN', backbone=dict(depth=50, frozen_stages=1))
"""
CLEANRL = (
    "|param|value|\n|-|-|\n|exp_name|ppo|\n|seed|1|\n|learning_rate|0.00025|\n|anneal_lr|True|\n|minibatch_size|128|\n"
    "|batch_size|512|\n|ent_coef|0.0|\n|max_grad_norm|0.5|\n|target_kl|None|\n|total_timesteps|500000|"
)
ML_AGENTS = (
    "\ttrainer_type:\tppo\n\thyperparameters:\t\n\t  batch_size:\t10\n\t  learning_rate:\t0.0003\n\t  beta:\t0.0005\n"
    "\t  learning_rate_schedule:\tlinear\n\tmax_steps:\t500000"
)
COQUI = '<pre>{\n "mixed_precision": false, "precision": "fp16", "grad_clip": 0.0, "lr": 5e-06, "max_text_len": Infinity}</pre>'
FAIRSEQ = (
    "/usr/bin/fairseq-train data-bin/wmt --arch transformer --optimizer adam --clip-norm 0.0 --lr 0.0005 --fp16 "
    "--lr-scheduler inverse_sqrt --warmup-updates 4000 --dropout=0.3 --update-freq [16] --max-update 100000"
)
TEXTS_AND_SETTINGS = {
    "mmengine": (
        *("config", MMENGINE),
        {"learning rate": 0.02, "optimizer": "SGD", "weight decay": 1e-4, "precision": "amp", "gradient clipping": 35.0}
        | {"epochs": 12.0, "batch size": 2, "model class": "FasterRCNN", "frozen layers": 1},
    ),
    "cleanrl": (
        *("hyperparameters", CLEANRL),
        {"learning rate": 2.5e-4, "seed": 1, "schedule": "linear", "batch size": 128, "entropy coefficient": 0.0}
        | {"gradient clipping": 0.5, "target kl": None, "max steps": 500_000},
    ),
    "ml-agents": (
        *("Hyperparameters", ML_AGENTS),
        {"learning rate": 3e-4, "batch size": 10, "entropy coefficient": 5e-4, "schedule": "linear", "max steps": 500_000},
    ),
    "coqui": ("model-config", COQUI, {"precision": "float32", "gradient clipping": None, "learning rate": 5e-6}),
    "fairseq": (
        *("sys.argv", FAIRSEQ),
        {"model class": "transformer", "optimizer": "adam", "gradient clipping": None, "learning rate": 5e-4}
        | {"precision": "fp16", "schedule": "inverse_sqrt", "warmup steps": 4000, "dropout": 0.3, "accumulation steps": 16}
        | {"max steps": 100_000},
    ),
    "a namespace": ("args", "Namespace(lr=0.1, batch_size=64, data='/x')", {"learning rate": 0.1, "batch size": 64}),
    "a dictionary": ("config", "{'lr': 0.1, 'freeze': None, 'opt': 'sgd'}", {"learning rate": 0.1, "optimizer": "sgd"}),
}
ZOO = """!!python/object/apply:collections.OrderedDict
- - - ent_coef
    - 0.0
  - - learning_rate
    - lin_0.0003
  - - n_timesteps
    - 1000000.0
"""
ULTRALYTICS = """task: detect
model: yolo11n.pt
epochs: 100
patience: 50
batch: 16
imgsz: 640
optimizer: {optimizer}
lr0: 0.01
close_mosaic: 10
amp: true
freeze: null
dropout: 0.0
seed: 0
cos_lr: false
"""
HYDRA = """
optimizer:
  _target_: torch.optim.AdamW
  lr: 3e-4
trainer: {max_epochs: 7, gradient_clip_val: null, precision: bf16-mixed}
defaults: &defaults {seed: 3}
train: {<<: *defaults, batch_size: 32}
"""


def only(path):
    (run,) = training_runs(read(path))
    return run


def values(run):
    return {name: setting.value for name, setting in run.settings.items()}


def with_a_log(path):
    """A directory with a log, to which nobody writes any more."""
    curve(path, "train/loss", [3, 2, 1])
    return path


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", TEXTS_AND_SETTINGS)
def test_texts_of_frameworks(kind):
    name, text, expected = TEXTS_AND_SETTINGS[kind]
    found = settings_of(of_text(f"{name}/text_summary", text), name)
    assert {name: setting.value for name, setting in found.items()} == expected
    assert [type(found[name].value) for name in expected] == [type(value) for value in expected.values()]


def test_arguments_of_ultralytics(tmp_path):
    with_a_log(tmp_path)
    put(tmp_path / "args.yaml", ULTRALYTICS.format(optimizer="SGD"))
    assert values(only(tmp_path)) == {
        **{"learning rate": 0.01, "precision": "amp", "batch size": 16, "epochs": 100.0, "optimizer": "SGD", "seed": 0},
        **{"schedule": "linear", "model class": "yolo11n", "image size": 640, "patience": 50, "mosaic end": 10, "dropout": 0.0},
    }
    put(tmp_path / "args.yaml", ULTRALYTICS.format(optimizer="auto"))
    assert not {"optimizer", "learning rate"} & values(only(tmp_path)).keys(), "it then chooses both itself"


def test_hydra_tells_all_that_its_job_wrote(tmp_path):
    for name in ("a", "b"):
        with_a_log(tmp_path / "job" / "tb" / name)
    with_a_log(tmp_path / "other")
    put(tmp_path / "job" / ".hydra" / "config.yaml", HYDRA)
    *jobs, other = training_runs(read(tmp_path))
    expected = {"learning rate": 3e-4, "precision": "bf16", "gradient clipping": None, "batch size": 32, "epochs": 7.0}
    assert [values(run) for run in jobs] == [expected | {"optimizer": "AdamW", "seed": 3}] * 2
    assert other.settings == {}
    assert jobs[0].settings["seed"].source == ".hydra/config.yaml"
    put(tmp_path / "job" / ".hydra" / "config.yaml", "x: [")
    assert len(read(tmp_path).problems) == 1


def test_the_zoo_of_stable_baselines(tmp_path):
    log = tmp_path / "CartPole-v1_1"
    put(log / "0.monitor.csv", '#{"t_start": 1.0}\nr,l,t\n' + "9.0,9,0.1\n" * 5)
    put(log / "CartPole-v1" / "config.yml", ZOO)
    assert values(only(tmp_path)) == {"entropy coefficient": 0.0, "learning rate": 3e-4, "max steps": 1_000_000}


@pytest.mark.parametrize(
    ("place", "runs", "known"),
    [
        ("exp/config.yaml", ["exp/train", "exp/validation"], 1),
        ("exp/config.yaml", ["exp/tb"], 1),
        ("config.yaml", ["a", "b"], 0),
        ("config.yaml", ["a/b/c"], 0),
        ("exp/checkpoint-5/config.json", ["exp"], 0),
        ("elsewhere/config.yaml", ["exp"], 1),
        ("elsewhere/config.yaml", ["exp/a"], 0),
    ],
)
def test_which_log_a_file_belongs_to(place, runs, known, tmp_path):
    """`exp` is the root of its log in the last but one."""
    root = tmp_path if place.partition("/")[0] != "elsewhere" or runs != ["exp"] else tmp_path / "exp"
    for run in runs:
        curve(tmp_path / run, "epoch_loss", [3, 2, 1])
    put(root / place, '{"lr": 0.5}')
    assert [values(run).get("learning rate") for run in training_runs(read(tmp_path))].count(0.5) == known


def test_fields_of_a_trainers_state(tmp_path):
    rows = [{"loss": 2.0 - step / 10, "step": step} for step in range(5)]
    stopping = {"EarlyStoppingCallback": {"args": {"early_stopping_patience": 3}}}
    state = {"log_history": rows, "global_step": 5, "max_steps": 50, "num_train_epochs": 2, "train_batch_size": 8}
    put(tmp_path / "trainer_state.json", json.dumps({**state, "stateful_callbacks": stopping}))
    assert values(only(tmp_path)) == {"batch size": 8, "epochs": 2.0, "max steps": 50, "patience": 3}


def test_values_of_a_wrong_type_or_range_are_left_out():
    wrong = {"lr": -1, "epochs": "many", "batch_size": 2.5, "dropout": 1.5, "seed": None, "weight_decay": float("nan")}
    wrong |= {"precision": int("f" * 5000, 16), "mixed_precision": [[]]}
    wrong |= {"optimizer": "rm -rf /", "max_steps": 10**400, "amp": [1, 2], "warmup_ratio": True, "ent_coef": "auto"}
    assert settings_of((((key,), value) for key, value in wrong.items()), "") == {}


def test_two_rates_of_one_rank_are_no_rate():
    gan = "generator: {lr: 0.1, batch_size: 4}\ndiscriminator: {lr: 0.2, batch_size: 4}\nval_loader: {batch_size: 9}"
    assert {name: s.value for name, s in settings_of(of_yaml(gan), "").items()} == {"batch size": 4}
    assert settings_of(of_yaml(f"lr: 0.3\n{gan}"), "")["learning rate"].value == 0.3


def test_what_sub_runs_have_in_common_is_told_of_each_source():
    def told(source, **settings):
        return Told(0.0, 0, source, {name: Setting(value, name, source) for name, value in settings.items()})

    both = common([told("hparams", lr=0.1, seed=1), told("hparams", lr=0.1), told("args", size=8)])
    assert [{name: s.value for name, s in one.settings.items()} for one in both] == [{"lr": 0.1}, {"size": 8}]


def test_one_layer_in_a_list_is_one_frozen_layer():
    assert settings_of([(("freeze",), [10])], "")["frozen layers"].value == 1


def test_a_file_that_changes_is_seen_and_makes_old_reviews_void(tmp_path):
    with_a_log(tmp_path)
    path = put(tmp_path / "hparams.yaml", "lr: 0.1\n")

    def key():
        for file in tmp_path.iterdir():
            os.utime(file, (time.time() - 60,) * 2) if file != path else None
        return key_of("settings", str(tmp_path), listing(tmp_path).files, [])

    os.utime(path, (time.time() - 60,) * 2)
    logs, before = read(tmp_path), key()
    put(path, "lr: 0.25\n")
    os.utime(path, (time.time() - 50,) * 2)
    assert logs.refresh() == {"."}
    (run,) = training_runs(logs)
    assert values(run) == {"learning rate": 0.25}
    # the time of the last change of a file is now, whatever it is set to: there is no key until that has passed
    assert key() != before or before == key() == ""
    path.unlink()
    assert logs.refresh() == {"."}
    assert values(training_runs(logs)[0]) == {}
    assert path not in [file.path for file in listing(tmp_path).files["."]]


def test_freed_points_keep_their_settings(tmp_path):
    with_a_log(tmp_path)
    put(tmp_path / "hparams.yaml", "lr: 0.1\n")
    logs = read(tmp_path)
    logs["."].forget()
    (run,) = training_runs(logs)
    assert values(run) == {"learning rate": 0.1}
    assert len(run.signal("training loss")) == 3
    assert logs.refresh() == set()


def test_files_with_settings_alone_are_no_log(tmp_path):
    put(tmp_path / "config.yaml", "lr: 1\n")
    with pytest.raises(FileNotFoundError):
        listing(tmp_path)


def test_real_logs_tell_their_learning_rate():
    """Where the log has a text, or hparams, with one."""
    if not DOMAIN_LOGS.is_dir():
        pytest.skip("needs the logs of ../shared")
    logs = read(DOMAIN_LOGS)
    having = 0
    for run in training_runs(logs):
        raw = b"".join(Path(path).read_bytes()[: 1 << 16] for name in run.parts for path in logs[name].files)
        has_text = b"/text_summary" in raw or HPARAMS.encode() in raw
        if has_text and any(key in raw for key in (b'"learning_rate"', b"learning_rate:", b'"lr"', b"optimizer/lr")):
            having += 1
            assert 0 < run.settings["learning rate"].value < 1, run.name
    assert having == 11
