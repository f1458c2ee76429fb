"""Callbacks that take the worst value of a metric for the best, and those that do not; and the change of their lines."""

import pytest

from scram_plugin.heuristics import edits
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.run import review
from tests.heuristics.edited import changed, facts
from tests.training_runs import training_run


def found(name, monitor, mode):
    given = {"framework": "keras", "callbacks": [{"class": name, "monitor": monitor, "mode": mode}]}
    result = review(training_run({"train/loss": [3, 2, 1]}, {}, given), catalogue(select=["wrong-direction"]))
    return [(f.severity, f.confidence, f.title) for f in result.findings]


@pytest.mark.parametrize(
    ("name", "monitor", "mode"),
    [
        ("EarlyStopping", "val_loss", "max"),
        ("ModelCheckpoint", "val_accuracy", "min"),
        ("ModelCheckpoint", "val/f1", "min"),
        ("ReduceLROnPlateau", "val_mae", "max"),
        ("TrainingArguments", "wer", "max"),
        ("EarlyStopping", "val_sparse_categorical_accuracy", "min"),
        ("EarlyStopping", "val_loss_epoch", "max"),
        ("EarlyStopping", "val_error_rate", "max"),
        ("ModelCheckpoint", "val/top1_acc", "min"),
    ],
)
def test_the_worst_for_the_best(name, monitor, mode):
    words = {"min": "lowest", "max": "highest"}
    assert found(name, monitor, mode) == [("error", "certain", f"{name} takes the {words[mode]} {monitor} for the best")]


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("val_loss", "min"),
        ("val_accuracy", "max"),
        ("wer", "min"),
        ("val_neg_loss", "max"),
        ("loss_improvement", "max"),
        ("anomaly_score", "min"),
        ("my metric", "min"),
        ("val_loss", "auto"),
        ("epoch", "max"),
        ("", "max"),
        ("val/1-iou", "min"),
        ("-val_loss", "max"),
        ("1/val_rmse", "max"),
        ("val_error_f1", "max"),
        ("val_error_accuracy", "max"),
        ("val_objective", "max"),
    ],
)
def test_what_fits_or_is_not_known(monitor, mode):
    assert found("EarlyStopping", monitor, mode) == []


KERAS = """\
import keras
stop = keras.callbacks.EarlyStopping(monitor='val_loss', mode='max', patience=50)
keep = keras.callbacks.ModelCheckpoint("a.keras", monitor="val_loss", mode="min")
"""
LIGHTNING = """\
from lightning.pytorch.callbacks import ModelCheckpoint
trainer = Trainer(callbacks=[ModelCheckpoint(monitor="val_acc", save_top_k=1)])
"""
HUGGING_FACE = """\
args = TrainingArguments(
    output_dir="out",
    load_best_model_at_end=True,
    metric_for_best_model="wer",
)
"""


OF_KERAS = """stop = keras.callbacks.EarlyStopping(monitor='val_loss', mode="min", patience=50)"""
OF_LIGHTNING = 'trainer = Trainer(callbacks=[ModelCheckpoint(monitor="val_acc", save_top_k=1, mode="max")])'


@pytest.mark.parametrize(
    ("text", "given", "call", "line"),
    [
        (KERAS, {}, ("EarlyStopping", "val_loss", "min"), OF_KERAS),
        (LIGHTNING, {"trainer": "lightning"}, ("ModelCheckpoint", "val_acc", "max"), OF_LIGHTNING),
        (HUGGING_FACE, {"trainer": "hugging face"}, ("TrainingArguments", "wer", "min"), "    greater_is_better=False,"),
    ],
)
def test_the_direction_is_changed(text, given, call, line):
    known = facts(text, **{"framework": "keras", **given})
    assert f"+ {line}" in changed(known, edits.set_direction(known, *call))


@pytest.mark.parametrize(
    "text",
    [
        KERAS.replace("'val_loss'", "name"),
        KERAS + KERAS,
        KERAS.replace("monitor='val_loss', mode='max'", "'val_loss', 0.0, 50, 0, 'max'"),
    ],
    ids=["a name", "two", "by position"],
)
def test_nothing_is_changed_where_that_is_not_sure(text):
    assert edits.set_direction(facts(text, framework="keras"), "EarlyStopping", "val_loss", "min") is None
