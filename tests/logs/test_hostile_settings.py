"""Settings of logs that come from anybody: nothing is executed, nothing hangs, and a broken one costs a note."""

import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from scram_plugin.logs.configs import Garbled, of_text
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.settings import settings_of
from tests.logs.test_settings import put, values, with_a_log

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


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} {{" + f"b: *a{n - 1}, c: *a{n - 1}" + "}\n" for n in range(1, 60))
LISTS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)) + "precision: *a59\n"
HOSTILE = {
    "code": 'lr: 0.5\nx: !!python/object/apply:os.system ["touch {}"]\ny: !!python/object/new:os.system ["touch {}"]\n',
    "a bomb of aliases": BOMB,
    "a bomb of lists": LISTS,
    "merges": "a: &a {"
    + ", ".join(f"k{n}: 1" for n in range(3000))
    + "}\n"
    + "".join(f"m{n}: {{<<: *a}}\n" for n in range(3000)),
    "an alias to itself": "lr: 0.5\na: &a {b: *a, c: [*a]}\n",
    "deep": "x: " + "[" * 5000,
    "deep mappings": "{a: " * 5000,
    "many": "".join(f"k{n}: 1\n" for n in range(30_000)),
    "large": "x: " + "y" * (1 << 20) + "\n",
    "bytes": "lr: \x00\x07\n",
    "half": "lr: 0.5\nx: {a: [1, 2",
    "no mapping": "- 1\n- 2\n",
    "nothing but a comment": "# lr: 1\n",
    "tabs": "lr:\t0.5\n\tx: 1\n",
    "keys that are lists": "? [a, b]\n: 1\nlr: 0.5\n",
    "an unknown anchor": "lr: *nobody\n",
    "two documents": "lr: 0.5\n---\nlr: 0.7\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_yaml_costs_a_note_at_most(kind, tmp_path):
    log, made = with_a_log(tmp_path / "log"), tmp_path / "made"
    put(log / "args.yaml", HOSTILE[kind].replace("{}", str(made)) if kind == "code" else HOSTILE[kind])
    began = time.process_time()
    logs = read(log)
    (run,) = training_runs(logs)
    assert set(values(run).items()) <= {("learning rate", 0.5)}
    assert run.signal("training loss") is not None
    assert time.process_time() - began < 5
    assert not made.exists()
    assert len(logs.problems) <= 1
    print(values(run), [problem.sentence for problem in logs.problems])
    assert bool(values(run)) == (kind in ("code", "an alias to itself", "keys that are lists", "two documents"))


@pytest.mark.parametrize(
    "text",
    ["{" * 100_000, "x = " + "-" * 100_000 + "1", "f(" * 5000, "[" * 200, "x = " + "(" * 150, "\\", "{'a': b}", "{1: {2: 3}}"],
)
def test_hostile_texts(text):
    for tag in ("config/text_summary", "args/text_summary", "sys.argv/text_summary"):
        try:
            assert settings_of(of_text(tag, text), "") == {}
        except Garbled:
            continue


def test_parsing_in_threads_leaves_the_warnings_of_the_program_alone():
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: dict(of_text("config/text_summary", f"x = '{n}'\nlr = 0.1\n" * 50)), range(400)))
    assert warnings.filters == before
