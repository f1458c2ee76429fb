"""Curves at the edges of what checks take for a fault: made by hand, since no training lies just beside an edge."""

from types import SimpleNamespace

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.curves import learning_rate_schedule
from scram_plugin.heuristics.curves.shape import shape
from scram_plugin.heuristics.guessing import guessing
from scram_plugin.heuristics.layers import saturated_activations
from scram_plugin.heuristics.measured import Layer
from scram_plugin.heuristics.model import chains
from scram_plugin.heuristics.model.outputs import Output
from scram_plugin.heuristics.preflight.batch_size_memory import _size
from scram_plugin.reviews.about import about
from scram_plugin.reviews.run import review
from tests.event_files import curve
from tests.reviews import finding, found, review_of
from tests.training_runs import training_run

NOISE = np.random.default_rng(5).normal(size=200)


@pytest.mark.parametrize(("level", "diverges"), [(10.0, False), (0.5, True)])
def test_a_rise_that_is_small_beside_the_loss_itself_is_no_divergence(level, diverges, tmp_path):
    falls, rises = np.linspace(0.4, 0, 30), np.linspace(0, 0.35, 30)
    curve(tmp_path, "epoch_loss", level + np.concatenate([falls, rises]) + 0.002 * NOISE[:60])
    assert ("divergence" in found(review_of(tmp_path))) == diverges


@pytest.mark.parametrize(("last", "kept"), [(1e-3, True), (1e-5, False)])
def test_a_constant_rate_with_a_loss_that_is_flat_and_noisy(last, kept, tmp_path):
    falls = 2 * np.exp(-np.arange(120) / 8) + 0.5 + 0.06 * NOISE[:120]
    curve(tmp_path, "epoch_loss", falls)
    curve(tmp_path, "epoch_learning_rate", np.where(np.arange(120) < 60, 1e-3, last))
    review = review_of(tmp_path)
    assert ("learning-rate-schedule" in [f.heuristic for f in review.findings]) == kept
    if kept:
        one = finding(review, "learning-rate-schedule")
        assert "no-drop" in [cause.id for cause in one.causes] or "constant" in one.summary


WARM = np.minimum(np.arange(60) / 6, 1.0) * 0.01
COLD = np.full(60, 0.01)
BIASES = 0.1 - 9 * WARM


@pytest.mark.parametrize(
    ("rates", "high", "found"),
    [
        ({"lr/pg0": BIASES, "lr/pg1": WARM, "lr/pg2": WARM}, 3.0, False),
        ({"lr/pg0": BIASES, "lr/pg1": COLD, "lr/pg2": COLD}, 3.0, True),
        ({"lr/pg0": BIASES, "lr/pg1": COLD, "lr/pg2": COLD}, 1.5, False),
        ({"lr/pg0": BIASES}, 3.0, False),
        ({"x/lr0": BIASES, "x/lr1": WARM, "x/lr2": WARM}, 3.0, False),
    ],
    ids=["with a warm-up", "without", "without, and no harm", "the rate of biases alone", "YOLOv5"],
)
def test_a_warm_up_is_that_of_the_weights(rates, high, found, tmp_path):
    """Ultralytics logs the rate of each group; that of the biases falls in the warm-up, in which the others rise."""
    losses = 1.0 - 0.01 * np.arange(60) + 0.01 * NOISE[:60]
    losses[3] = high
    columns = {"train/box_loss": losses, **rates}
    rows = [["epoch", *columns], *([i + 1, *row] for i, row in enumerate(zip(*columns.values(), strict=True)))]
    (tmp_path / "results.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    kinds = [f.causes[0].id for f in review_of(tmp_path).findings if f.heuristic == "learning-rate-schedule"]
    assert kinds == ["no-warm-up"] * found


RISING, FALLING = np.linspace(1e-7, 2.5e-5, 60), 0.7 - 0.005 * np.arange(60)
STILL = 0.7 + 0.003 * NOISE[:60]


@pytest.mark.parametrize(
    ("rates", "losses", "planned", "found"),
    [
        (RISING, STILL, 60, ["long-warm-up"]),
        (RISING, STILL, 600, []),
        (RISING, FALLING + 0.003 * NOISE[:60], 60, []),
        (np.minimum(RISING, RISING[45]), STILL, 60, []),
        (np.geomspace(1e-7, 1.0, 60), STILL, 60, []),
        (np.linspace(1e-7, 1.0, 60), np.append(STILL[:50], np.linspace(0.7, 9, 10)), 60, []),
        (np.zeros(60), STILL, 60, []),
        (np.where(np.arange(60) < 30, 1e-4, 1e-3), STILL, 60, []),
        (np.minimum(np.arange(60) / 50, 1) * 1e-3, STILL, 60, []),
        (np.where(np.arange(60) < 20, 0.1, 5e-5), 2.5 * np.exp(-np.arange(60) / 15), 60, []),
        (0.1 * 0.3 ** np.arange(60), STILL, 60, ["early-drop"]),
        (np.where(np.arange(60) < 35, 0.1, 1e-9), STILL, 60, ["early-drop"]),
        (np.where(np.arange(60) < 35, 0.1, 1e-5), STILL, 60, []),
        (np.where(np.arange(60) < 40, 0.1, 1e-9), STILL, 60, []),
        (0.1 * 0.9 ** np.arange(60), STILL, 60, []),
    ],
    ids=[
        *("a warm-up to the end", "while it trains", "in which much is learned", "with an end", "a range test of rates"),
        *("a range test along a line", "no rate", "two rates", "the last fifth alike", "a small rate with which it learns"),
        *("a third each time", "nothing", "little", "nothing for a third", "nine tenths each time"),
    ],
)
def test_rates_with_which_nothing_is_learned(rates, losses, planned, found, tmp_path):
    curve(tmp_path, "train/loss", losses)
    curve(tmp_path, "train/learning_rate", rates)
    (tmp_path / "hparams.yaml").write_text(f"max_steps: {planned}\n")
    told = [f for f in review_of(tmp_path).findings if f.heuristic == "learning-rate-schedule"]
    assert [f.causes[0].id for f in told] == found
    assert all((f.severity, f.confidence) == ("warning", "likely") for f in told)


@pytest.mark.parametrize(("gone", "found"), [(40, ["early-drop"]), (900, [])])
def test_a_rate_that_is_gone_before_the_first_epoch_ends(gone, found):
    """The rates at the ends of epochs are all 0: those of the steps tell it."""
    steps = np.arange(1000)
    rates, loss = 3e-3 * np.maximum(1 - steps / gone, 0), 0.2 + 0.3 * np.exp(-np.minimum(steps, gone) / 10)
    epochs = {f"train/epoch_{name}": values[99::100] for name, values in (("loss", loss), ("learning_rate", rates))}
    statistics = {"learning_rate": (steps[::20], rates[::20])}
    run = training_run(epochs, statistics, {"framework": "keras"}, {"loss": loss})
    told = review(run, catalogue(select=["learning-rate-schedule"])).findings
    assert [f.causes[0].id for f in told] == found


@pytest.mark.parametrize(
    ("length", "end", "made_for", "found"),
    [
        (10, 0.02, True, ["unit"]),
        (10, 0.0, True, ["unit"]),
        (10, 0.3, True, []),  # a warm start
        (900, 0.02, True, []),
        (10, 0.02, False, []),  # the program sets the rate itself
    ],
)
def test_a_schedule_that_was_given_epochs(length, end, made_for, found):
    """Ten epochs of 100 steps, of which the loss falls in all."""
    steps = np.arange(1000)
    rates, loss = 3e-3 * np.maximum(1 - steps / length, end), 0.2 + 0.3 * np.exp(-steps / 300)
    facts = {"framework": "keras", "optimizer": {"class": "Adam", "schedule": made_for}, "fit": {"steps": 100, "epochs": 10}}
    run = training_run(
        {"train/epoch_loss": loss[99::100]}, {"learning_rate": (steps[::20], rates[::20])}, facts, {"loss": loss}
    )
    told = review(run, catalogue(select=["learning-rate-schedule"])).findings
    assert [f.causes[0].id for f in told] == found


def test_a_plateau_above_a_much_better_level_is_likely_one(tmp_path):
    values = np.concatenate([np.linspace(2.0, 0.5, 20), np.linspace(0.5, 0.7, 5), np.full(60, 0.7)]) + 0.01 * NOISE[:85]
    curve(tmp_path, "epoch_loss", values)
    assert finding(review_of(tmp_path), "plateau").confidence == "likely"


@pytest.mark.parametrize("steps", [15, 16])
def test_how_many_steps_there_are_is_told(steps, tmp_path):
    for tag, values in {"loss": 2.3 + 0.01 * NOISE[:steps], "train_runtime": np.ones(1), "epoch": np.zeros(steps)}.items():
        curve(tmp_path, f"train/{tag}", values)
    reasons = {entry.heuristic: entry.reason for entry in review_of(tmp_path).inconclusive}
    assert f"there are {steps}" in reasons["no-learning"]


@pytest.mark.parametrize(
    ("accuracy", "learned"),
    [([0.46, 0.48, 0.50], False), ([0.44, 0.47, 0.50], True), ([1.5, 1.5, 1.5], False), ([0.95, 0.95, 0.95], True)],
    ids=["a rise of 0.04", "a rise of 0.06", "in percent", "high from the start"],
)
def test_an_accuracy_says_that_it_learned(accuracy, learned, tmp_path):
    curve(tmp_path, "epoch_loss", np.full(30, 0.9) + 0.01 * NOISE[:30])
    curve(tmp_path, "epoch_accuracy", np.repeat(accuracy, 10))
    assert ("no-learning" in found(review_of(tmp_path))) != learned


@pytest.mark.parametrize(
    ("parts", "found"),
    [((0.7, 0.7, 0.7), False), ((0.5, 0.5, 0.5), True), ((0.7, 0.5, 0.7), False)],
    ids=["fell little", "fell far", "was lower in between"],
)
@pytest.mark.parametrize("outliers", [0, 3])
def test_a_flat_loss_at_a_constant_rate_fell_before(parts, found, outliers):
    flat = np.concatenate([np.full(count, part) for count, part in zip((20, 60, 20), parts, strict=True)])
    values = np.concatenate([np.full(20, 1.0), np.linspace(1.0, parts[0], 80), flat + 0.06 * NOISE[:100]])
    values[:outliers] = values[100 : 100 + outliers] = 0.4
    loss = training_run({"train/loss": values}).signal("training loss")
    assert [kind for kind, *_ in learning_rate_schedule._never(loss, np.full(200, 1e-3))] == ["no-drop"] * found


def test_points_of_a_long_curve_stand_in_the_middle_of_their_block():
    positions = shape(np.linspace(2.0, 1.0, 1203)).positions
    assert positions[[0, -1]].tolist() == [5, 1201], "three are left out at the start, and blocks have four"


@pytest.mark.parametrize(("scale", "named"), [(2.5, False), (3.5, True), (None, False)])
def test_weights_above_three_times_the_usual_size_are_named(scale, named):
    usual = np.sqrt(2 / 100)  # of He, which is the larger one here
    initializer = {"class": "RandomNormal", "stddev": scale * usual} if scale else {}
    layer = {"path": "dense", "name": "dense", "class": "Dense", "kernel": [100, 100], "initializer": initializer}
    run = training_run({}, facts={"framework": "keras", "model": {"layers": [layer]}})
    causes = saturated_activations._causes(run, ["dense"], 0.9, 0.9)
    assert ("weights far above the usual size" in causes[0].for_) == named


@pytest.mark.parametrize(
    ("before", "after", "narrow"),
    [([32, 8], [8, 32], True), ([8, 8], [8, 32], False), ([32, 8], [8, 8], False), (None, [8, 8], False)],
)
def test_a_narrow_layer_between_wide_ones_is_linear_on_purpose(before, after, narrow):
    layers = [SimpleNamespace(facts={"kernel": kernel}) for kernel in (before, after)]
    assert chains.is_bottleneck(*layers) == narrow


@pytest.mark.parametrize(("low", "high", "are"), [(0.1, 0.9, True), (0.1, 5.0, False), (-3.0, 0.9, False)])
def test_outputs_that_are_probabilities(low, high, are):
    run = training_run({}, {"y_pred0/min": [low] * 3, "y_pred0/max": [high] * 3})
    layer = Layer("last", "Activation", None, {})
    assert Output(run, layer, "CategoricalCrossentropy", False, 1, "CategoricalCrossentropy").gives_probabilities == are


def test_sizes_of_memory():
    assert [_size(mebibytes) for mebibytes in (12.34, 1023, 1024, 102_400)] == ["12.3 MiB", "1023 MiB", "1.0 GiB", "100.0 GiB"]


FACTS = {"framework": "torch", "model": {"output_units": 1, "layers": []}, "loss": {"class": "BCEWithLogitsLoss", "mean": True}}


@pytest.mark.parametrize(("level", "stuck"), [(0.42, False), (0.55, True)])
def test_noisy_labels_keep_a_loss_high(level, stuck):
    """Guessing by the frequencies of 0 and 1 costs 0.56 here: below that much was learned, and there may be no more."""
    loss = np.concatenate([np.linspace(0.75, level, 40), np.full(160, level)]) + 0.02 * NOISE
    batches = {"loss": loss, "y0/min": np.zeros(200), "y0/max": np.ones(200), "y0/mean": np.full(200, 0.25)}
    run = training_run({}, {"y0/std": np.full(4, np.sqrt(0.25 * 0.75))}, FACTS, batches)
    assert ("plateau" in [f.heuristic for f in review(run, catalogue(select=["plateau"])).findings]) == stuck


@pytest.mark.parametrize(("spread", "stuck"), [(1.0, False), (0.6, True)])
def test_half_of_the_variance_is_explained(spread, stuck):
    loss = np.concatenate([np.linspace(1.0, 0.3, 40), np.full(160, 0.3)]) + 0.01 * NOISE
    facts = {**FACTS, "loss": {"class": "MSELoss", "mean": True}}
    run = training_run({}, {"y0/std": np.full(4, spread)}, facts, {"loss": loss})
    assert ("plateau" in [f.heuristic for f in review(run, catalogue(select=["plateau"])).findings]) == stuck


@pytest.mark.parametrize(("mean", "told"), [(0.0, False), (3.0, True)])
def test_a_loss_around_zero_does_not_show_what_was_learned(mean, told):
    run = training_run({"train/loss": mean + NOISE})
    done = review(run, catalogue(select=["no-learning"]))
    assert bool(done.findings) == told
    assert told or "above and below zero" in done.inconclusive[0].reason


def collapse(batches, size, classes):
    """Outputs of one class alone, in measured batches of this size; labels of all classes."""
    counts = {f"y_pred0/count/{i}": np.full(batches, float(size * (i == 0))) for i in range(classes)}
    counts |= {f"y0/count/{i}": np.full(batches, size / classes) for i in range(classes)}
    steps = np.arange(batches) * 50
    statistics = {"y_pred0/std": np.ones(batches), "y0/std": np.ones(batches), **counts}
    facts = {"framework": "torch", "model": {"output_units": classes}, "loss": {"class": "CrossEntropyLoss"}}
    return training_run({}, {name: (steps, values) for name, values in statistics.items()}, facts)


@pytest.mark.parametrize(("batches", "size", "told"), [(60, 1, False), (120, 1, True), (20, 16, True)])
def test_the_same_answer_to_batches_of_one(batches, size, told):
    done = review(collapse(batches, size, 5), catalogue(select=["output-collapse"]))
    assert bool(done.findings) == told, done
    assert told or "it needs 30 predictions at the end" in done.inconclusive[0].reason


@pytest.mark.parametrize(("classes", "severity"), [(20, "warning"), (21, "info")])
def test_rare_words_of_a_vocabulary_are_hardly_ever_predicted(classes, severity):
    counts = [2000] * (classes - 1) + [100]
    facts = {
        "data": {"training": {"counts": counts}},
        "loss": {"class": "CrossEntropyLoss"},
        "model": {"output_units": classes},
    }
    predicted = {f"y_pred0/count/{i}": [100_000.0 * (i == 0)] for i in range(classes)}
    run = training_run({"loss": np.ones(20)}, predicted, {"framework": "torch", **facts})
    (finding,) = review(run, catalogue(select=["class-imbalance"])).findings
    assert finding.severity == severity


@pytest.mark.parametrize(
    ("shape", "size", "usual"), [([5, 5, 1, 64], 0.18, True), ([5, 5, 1, 64], 1.5, False), ([64, 10], 0.17, True)]
)
def test_usual_weights_lie_between_glorot_and_he(shape, size, usual):
    layer = Layer("conv", "Conv2D", None, {"kernel": shape, "initializer": {"class": "Measured", "stddev": size}})
    assert (layer.initial_scale == 1.0) == usual


@pytest.mark.parametrize(
    ("batches", "last", "told"),
    [(40, 2.2, True), (40, 1.8, False), (250, 1.8, True), (250, 1.0, False)],
    ids=["short, and hardly falls", "short, and falls", "long, and hardly falls", "long, and halved"],
)
def test_large_steps_do_no_harm_where_the_loss_falls(batches, last, told):
    """SGD at 0.1 is ten times its usual rate, and what softmax regression is taught with."""
    loss = np.linspace(2.3, last, batches)
    statistics = {"update/out/kernel/norm": np.full(10, 0.05), "weight/out/kernel/norm": np.ones(10)}
    facts = {"framework": "keras", "optimizer": {"class": "SGD", "learning_rate": 0.1}}
    run = training_run({}, statistics, facts, {"loss": loss})
    assert bool(review(run, catalogue(select=["unconventional-learning-rate"])).findings) == told


@pytest.mark.parametrize(
    ("optimizer", "cause"),
    [
        ({"class": "Adam", "settings": {"beta_1": 0.9, "beta_2": 0.999, "eps": 1e-8}}, None),
        ({"class": "Adam", "settings": {"beta_1": 0.0, "beta_2": 0.9, "eps": 1e-8}}, None),
        ({"class": "Adam", "settings": {"beta_1": 0.999, "beta_2": 0.9, "eps": 1e-8}}, "betas"),
        ({"class": "SGD", "settings": {"momentum": 0.99}}, None),
        ({"class": "SGD", "settings": {"momentum": 1.0}}, "momentum"),
        ({"class": "Adam", "settings": {"beta_1": 0.9, "beta_2": 0.999, "eps": 1e-8}, "half": True}, "epsilon"),
        ({"class": "Adam", "settings": {"beta_1": 0.9, "beta_2": 0.999, "eps": 1e-4}, "half": True}, None),
    ],
)
def test_settings_that_cannot_be_meant(optimizer, cause):
    facts = {
        "framework": "torch",
        "optimizer": optimizer,
        "dtype_policy": "float16" if optimizer.pop("half", False) else "float32",
    }
    run = training_run({"loss": np.ones(20)}, {}, facts)
    found = review(run, catalogue(select=["optimizer-settings"])).findings
    assert [f.causes[0].id for f in found] == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("loop", "cause"),
    [
        ({}, None),
        ({"eval_steps": 2, "modal": ["Dropout"]}, None),
        ({"eval_steps": 3, "modal": ["Dropout"]}, "left-in-eval"),
        ({"unswitched": 4, "evaluations": 4, "modal": ["Dropout"]}, None),
        ({"unswitched": 4, "evaluations": 3, "modal": ["Dropout"]}, "never-eval"),
        ({"unswitched": 2, "unswitched_row": 1, "modal": ["BatchNorm1d"]}, None),  # as a generator makes fakes
        ({"changed": 5, "looked": 20}, None),
        ({"changed": 15, "looked": 20}, "clip-after-step"),
        ({"cleared": 40}, "cleared"),
        ({"ways": 4, "forwards": 240, "factor": 0.25}, None),
        ({"ways": 4, "forwards": 240, "factor": 1.0}, "undivided"),
        ({"ways": 4, "forwards": 240, "factor": 0.0625}, "divided-twice"),
        ({"ways": 2, "forwards": 120, "passes": 120, "factor": 0.5}, None),
        ({"ways": 2, "forwards": 400, "passes": 400, "factor": 0.5}, "seldom"),
        ({"ways": 4, "forwards": 60, "factor": 1.0}, None),  # four losses of one forward pass
        ({"single": 60, "forwards": 60, "modal": ["BatchNorm2d"]}, "norm-of-one"),
        ({"single": 2, "forwards": 60, "modal": ["BatchNorm2d"]}, None),
        ({"stretched": [[32, 1], [32]]}, "broadcast-metric"),
        ({"detached": True}, "detached-state"),
        ({"kept_graphs": 9}, None),
        ({"kept_graphs": 10}, "kept"),
        ({"sizes": [20, 29]}, None),
        ({"sizes": [20, 60]}, "not-detached"),
        ({"frozen_norms": 1, "moved": 0.1}, None),
        ({"frozen_norms": 1, "frozen_names": ["norm"], "moved": 0.9}, "frozen-norm"),
        ({"schedule": {"class": "CosineAnnealingLR", "calls": 60, "length": 60}}, None),
        ({"schedule": {"class": "CosineAnnealingLR", "calls": 60, "length": 5}}, "per-batch"),
        ({"schedule": {"class": "CosineAnnealingWarmRestarts", "calls": 60}}, None),
    ],
)
def test_what_a_loop_does(loop, cause):
    facts = {"framework": "torch", "loss": {"class": "CrossEntropyLoss"}, "loop": {"steps": 60, **loop}}
    run = training_run({}, {}, facts, {"loss": np.linspace(2.0, 1.0, 60)})
    found = review(run, catalogue(select=["training-loop"])).findings
    assert [f.causes[0].id for f in found] == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("sequence", "cause"),
    [
        ({}, None),
        ({"shift": 1, "future": False}, None),
        ({"shift": 1}, None),
        ({"shift": 1, "future": True}, "sees-targets"),
        ({"shift": 0, "future": True}, None),  # an autoencoder
        ({"shift": 0, "future": False}, "not-shifted"),
        ({"shift": 2, "future": False}, "shifted-twice"),
    ],
)
def test_targets_of_sequences(sequence, cause):
    run = training_run({"loss": np.ones(20)}, {}, {"framework": "torch", "loop": {"sequence": sequence}})
    found = review(run, catalogue(select=["sequence-targets"])).findings
    assert [f.causes[0].id for f in found] == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("validation", "training", "cause"),
    [
        ([1.5, 1.7, 2.2, 2.9], [1.3, 0.8, 0.5, 0.3], "validation"),
        ([1.5, 1.6, 1.8, 2.0], [1.38, 1.36, 1.33, 1.2], "shuffled-apart"),
        ([1.5, 1.3, 1.2, 1.2], [1.3, 0.8, 0.5, 0.3], None),
        ([1.5, 1.5, 1.5, 1.5], [1.45, 1.44, 1.43, 1.37], None),  # the training has hardly begun, either
    ],
)
def test_nothing_that_generalises_in_few_epochs(validation, training, cause):
    facts = {
        **{"framework": "keras", "loss": {"class": "SparseCategoricalCrossentropy"}, "model": {"output_units": 4}},
        "optimizer": {"class": "Adam", "learning_rate": 1e-3},
    }
    curves = {"train/epoch_loss": training, "validation/epoch_loss": validation}
    run = training_run(curves, {}, facts, {"loss": np.repeat(training, 60)})
    found = review(run, catalogue(select=["no-learning"])).findings
    assert [f.causes[0].id for f in found] == ([cause] if cause else [])


FEW_WEIGHTS = {"model": {"output_units": 4, "trainable_parameters": 21}, "fit": {"samples": 4_800}}
IN_EPOCHS = np.repeat(np.arange(6.0), 20)
WAVES = 0.01 * np.random.default_rng(4).normal(size=120)


@pytest.mark.parametrize(
    ("loss", "more", "told"),
    [
        (1.38 - 0.06 * IN_EPOCHS, {}, True),
        (1.38 - 0.06 * IN_EPOCHS + 0.04 * (np.arange(120) % 20) / 20, {}, True),  # it rises within epochs
        (1.38 - 0.06 * np.arange(120) / 20, {}, False),  # new examples are learned, too
        (0.9 - 0.06 * IN_EPOCHS, {}, False),  # the first epoch was better than guessing
        (1.38 - 0.005 * IN_EPOCHS, {}, False),  # nothing is remembered, either
        (1.38 - 0.06 * IN_EPOCHS, {"fit": {"shuffle": False}}, False),  # the order of the examples may do that
        (1.38 - 0.06 * IN_EPOCHS, {"epochs": None}, False),
        (1.38 - 0.06 * IN_EPOCHS, {"epochs": None, "loop": {"evaluated_at": [20, 40, 60, 80, 100]}}, True),
        (1.38 - 0.06 * IN_EPOCHS, {"epochs": None, "loop": {"evaluated_at": [20, 23, 60, 61, 100]}}, False),
        (1.38 - 0.06 * IN_EPOCHS, {"epochs": None, "loop": {"trained_at": [20, 40, 60, 80, 100]}}, True),
        (1.38 - 0.06 * IN_EPOCHS, {"classes": 0}, True),  # what guessing costs is not known, but the first epoch was flat
        (1.38 - 0.06 * IN_EPOCHS - 0.3 * np.minimum(np.arange(120) / 20, 1), {"classes": 0}, False),
        (1.38 - 0.06 * IN_EPOCHS + 0.5 * np.exp(-np.arange(120) / 3), {"classes": 0}, False),  # it had learned at once
        (1.38 - 0.06 * IN_EPOCHS, FEW_WEIGHTS, False),
    ],
)
def test_a_loss_that_falls_only_where_examples_come_again(loss, more, told):
    more = dict(more)
    counts = {"counts": [50, 50, 50, 50]} if more.pop("classes", 4) else {}
    epochs = {"epoch": IN_EPOCHS} if more.pop("epochs", True) else {}
    of_loss, data = {"class": "CrossEntropyLoss", "mean": True}, {"training": {"samples": 320, **counts}}
    facts = {"framework": "torch", "loss": of_loss, "data": data, "model": {"output_units": 4}, **more}
    run = training_run({}, {}, facts, {"loss": loss + WAVES, **epochs})
    found = review(run, catalogue(select=["no-learning"])).findings
    assert [f.title for f in found] == ["Nothing was learned that holds for new examples"] * told


@pytest.mark.parametrize(("ended", "told"), [("finished", True), (None, False)])
def test_a_short_training_that_only_guesses(ended, told):
    facts = {"framework": "torch", "loss": {"class": "CrossEntropyLoss", "mean": True}}
    facts["data"] = {"training": {"counts": [50, 50, 50, 50]}}
    run = training_run({}, {}, facts, {"loss": np.log(4) + WAVES}, ended=ended)
    assert bool(review(run, catalogue(select=["no-learning"])).findings) == told


@pytest.mark.parametrize(("reaches", "told"), [(2, False), (20, True)])
def test_targets_whose_mean_takes_long_to_reach(reaches, told):
    """The loss falls below the variance of the targets, 100 squared, after so many of 100 batches."""
    loss = np.where(np.arange(200) < 2 * reaches, 1e6, 2e3)
    statistics = {"y0/mean": np.full(5, 1000.0), "y0/std": np.full(5, 100.0)}
    facts = {"framework": "torch", "loss": {"class": "MSELoss"}}
    run = training_run({}, statistics, facts, {"loss": loss})
    assert bool(review(run, catalogue(select=["unnormalized-targets"])).findings) == told


@pytest.mark.parametrize(
    ("spread", "first", "end", "told"),
    [
        (4e-4, 0.04, 2e-7, True),
        (4e-4, 0.04, 4e-8, False),  # the model fits them
        (4e-4, 1e-3, 2e-7, False),  # its first outputs are as small
        (0.1, 2.0, 0.02, False),  # they are not tiny
    ],
)
def test_targets_so_small_that_the_outputs_drown_them(spread, first, end, told):
    statistics = {"y0/mean": np.zeros(5), "y0/std": np.full(5, spread), "y_pred0/std": np.full(5, first)}
    facts = {"framework": "torch", "loss": {"class": "MSELoss"}}
    run = training_run({}, statistics, facts, {"loss": np.geomspace(first**2, end, 200)[np.arange(200) * 2 // 3 + 66]})
    found = review(run, catalogue(select=["unnormalized-targets"])).findings
    assert [f.evidence["slow"].startswith("The first outputs spread by") for f in found] == [True] * told


@pytest.mark.parametrize(
    ("optimizer", "rate", "tau", "told"),
    [("SGD", 1e-4, 200, True), ("SGD", 1e-4, 30, False), ("Adam", 1e-5, 200, False), ("SGD", 1e-2, 200, False)],
)
def test_a_low_rate_that_leaves_much_unlearned(optimizer, rate, tau, told):
    """The loss falls for as long as the training lasts; of one that adapts its steps, low rates are usual in fine-tuning."""
    loss = 0.9 * np.exp(-np.arange(300) / tau) + 0.01
    norms = {"weight/a/weight/norm": np.ones(8), "update/a/weight/norm": np.full(8, 1e-4)}
    model = {"kind": "sequential", "layers": [{"name": "a", "path": "a", "class": "Linear", "kernel": [8, 8]}]}
    facts = {"framework": "torch", "model": model, "loss": {"class": "MSELoss"}}
    facts["optimizer"] = {"class": optimizer, "learning_rate": rate}
    run = training_run({}, norms, facts, {"loss": loss}, ended="finished")
    found = review(run, catalogue(select=["unconventional-learning-rate"])).findings
    assert [f.causes[0].id for f in found] == ["too-low"] * told


@pytest.mark.parametrize(
    ("weight", "gradient", "batches", "told"),
    [(0.0, 0.0, 6, True), (0.0, 0.0, 3, False), (0.0, 0.1, 6, False), (0.2, 0.0, 6, False)],
)
def test_weights_that_stay_zero(weight, gradient, batches, told):
    """Of a layer of the program's own, whose initialiser is not known."""
    layers = [{"name": n, "path": n, "class": "Own", "custom": True, "from": []} for n in ("a", "b")]
    both = [("a/weight", 0.0, 0.0), ("a/bias", 0.0, 0.0), ("b/weight", 1.0, 0.5)]
    values = {name: (w, g) for name, w, g in both} | {"a/weight": (weight, gradient)}
    statistics = {f"weight/{name}/norm": np.full(batches, w) for name, (w, _) in values.items()}
    statistics |= {f"gradient/{name}/norm": np.full(batches, g) for name, (_, g) in values.items()}
    facts = {"framework": "torch", "model": {"kind": "functional", "layers": layers}}
    run = training_run({}, statistics, facts, {"loss": np.full(50, 1.4)})
    found = review(run, catalogue(select=["poor-initialization"])).findings
    assert [(f.causes[0].id, f.where) for f in found] == [("same", ("a",))] * told


@pytest.mark.parametrize("moves", [True, False])
def test_one_example_in_every_step(moves):
    """A program without a loader: full batches are the same in each step, too, but have several labels."""
    rows = np.zeros(40)
    statistics = {f"x0/{name}": rows[:9] + value for name, value in (("min", 0), ("max", 1), ("mean", 0.2), ("std", 0.4))}
    statistics |= {f"y0/{name}": rows[:9] + 4 for name in ("min", "max", "mean")}
    batches = {"loss": np.geomspace(1.8, 1e-3, 40), "x0/mean": np.linspace(0.1, 0.3, 40) if moves else rows + 0.2}
    batches |= {f"y0/{name}": rows + 4 for name in ("min", "max", "mean")}
    facts = {"framework": "torch", "loss": {"class": "NLLLoss"}, "model": {"output_units": 5, "calls": 7}}
    run = training_run({}, statistics, facts, batches)
    found = review(run, catalogue(select=["constant-inputs", "label-range"])).findings
    wanted = ("label-range", "one-value") if moves else ("constant-inputs", "repeated")
    assert [(f.heuristic, f.causes[0].id) for f in found] == [wanted]


@pytest.mark.parametrize(("ones", "told"), [(1.0, False), (3.0, False), (2.5, True)])
def test_examples_that_have_the_same_number_of_ones(ones, told):
    """One-hot states have the same mean in every batch; a batch that is repeated has any mean."""
    rows, mean = np.zeros(40), ones / 16
    statistics = {f"x0/{name}": rows[:9] + value for name, value in (("min", 0), ("max", 1), ("mean", mean), ("std", 0.24))}
    facts = {
        "framework": "torch",
        "model": {"calls": 1, "inputs": [{"shape": [None, 16]}]},
        "fit": {"batch_size": 8, "steps": 8},
    }
    facts["data"] = {"training": {"samples": 64}}
    run = training_run({}, statistics, facts, {"loss": np.geomspace(1.8, 1e-3, 40), "x0/mean": rows + mean})
    assert bool(review(run, catalogue(select=["constant-inputs"])).findings) == told


@pytest.mark.parametrize(("lowest", "told"), [(0.1, False), (-0.1, True)])
def test_the_logarithm_of_a_probability_is_not_positive(lowest, told):
    facts = {"framework": "torch", "loss": {"class": "NLLLoss", "mean": True}, "model": {"kind": "subclass", "layers": []}}
    run = training_run({}, {}, facts, {"loss": np.linspace(1.6, lowest, 50)})
    found = review(run, catalogue(select=["output-activation-mismatch"])).findings
    assert [f.causes[0].id for f in found] == (["missing-softmax"] if told else [])


@pytest.mark.parametrize(
    ("adapters", "kernels", "found"),
    [
        (False, [True, False, True], True),
        (True, [True, False, True], False),  # LoRA in the first layer, and the weights behind it are frozen
        (True, [False, False, False], True),  # its adapters are frozen, too
    ],
)
def test_adapters_leave_the_other_weights_frozen(adapters, kernels, found):
    layers = [
        {"name": f"layer {i}", "path": str(i), "class": "Linear", "kernel": [4, 4], "trainable": trained}
        for i, trained in enumerate(kernels)
    ]
    model = {"layers": layers, "adapters": adapters, "parameters": 48, "trainable_parameters": 16 * sum(kernels)}
    run = training_run({"loss": np.ones(20)}, {}, {"framework": "torch", "model": model})
    assert bool(review(run, catalogue(select=["frozen-weights"])).findings) is found


@pytest.mark.parametrize(("schedule", "said"), [(True, "Adam, learning rate up to 0.01"), (False, "Adam, learning rate 0")])
def test_the_rate_of_a_schedule_is_its_highest(schedule, said):
    """The first rate of a warm-up is often 0."""
    optimizer = {"class": "Adam", "learning_rate": 0.0, "schedule": schedule}
    run = training_run({"train/loss": [3, 2, 1], "train/learning_rate": [0.0, 0.01, 0.005]}, {}, {"optimizer": optimizer})
    assert dict(about(run))["optimizer"] == said


@pytest.mark.parametrize(
    ("optimizer", "rate", "layers", "update", "end", "told"),
    [
        ("Adam", 0.1, 4, 0.1, 0.2, True),
        ("Adam", 0.1, 4, 0.1, 0.01, False),  # the loss fell far
        ("Adam", 0.1, 4, 0.01, 0.2, False),  # its steps are small
        ("Adam", 0.1, 2, 0.1, 0.2, False),  # of few layers a high rate may be meant
        ("Adam", 0.02, 4, 0.1, 0.2, False),
        ("SGD", 5.0, 4, 0.1, 0.2, False),
        ("Adagrad", 0.05, 4, 0.1, 0.2, False),  # its steps become smaller by themselves
    ],
)
def test_a_rate_that_no_deep_model_needs(optimizer, rate, layers, update, end, told):
    """The loss falls well, and would fall better with a lower one."""
    names = [f"l{i}" for i in range(layers)]
    norms = {f"weight/{n}/weight/norm": np.ones(8) for n in names}
    norms |= {f"update/{n}/weight/norm": np.full(8, update) for n in names}
    model = [{"name": n, "path": n, "class": "Linear", "kernel": [8, 8]} for n in names]
    facts = {"framework": "torch", "model": {"kind": "sequential", "layers": model}, "loss": {"class": "MSELoss"}}
    facts["optimizer"] = {"class": optimizer, "learning_rate": rate}
    run = training_run({}, norms, facts, {"loss": np.geomspace(1.0, end, 300)}, ended="finished")
    found = review(run, catalogue(select=["unconventional-learning-rate"])).findings
    assert [f.causes[0].id for f in found] == ["too-high"] * told


@pytest.mark.parametrize(
    ("counts", "mean", "rows", "known"),
    [
        ([300, 100], True, 32, True),
        ([300, 100], True, 2, False),  # the first two pictures may have other labels than most
        ([12, 4], True, 32, False),  # too few to know the frequencies
        ([2] * 200, True, 32, False),
        ([300, 100], False, 32, False),
        ([400], True, 32, False),
    ],
)
def test_guessing_the_words_of_a_text(counts, mean, rows, known):
    loss = {"class": "CrossEntropyLoss", "mean": mean, "counts": counts}
    facts = {"framework": "torch", "loss": loss, "model": {"output_units": len(counts)}, "fit": {"batch_size": rows}}
    guess = guessing(training_run({}, {}, facts, {"loss": np.ones(50)}))
    assert (guess is not None) == known
    if guess is not None:
        assert guess.loss == pytest.approx(np.log(4) - 0.75 * np.log(3))


@pytest.mark.parametrize(
    ("shape", "low", "mean", "end", "told"),
    [
        ([None, 32, 32, 1], -0.02, -0.015, 1.79, True),  # brought back to whole numbers, and then standardised
        ([None, 32, 32, 1], 0.0, 1e-4, 1.79, True),
        ([None, 32, 32, 1], -0.02, -0.015, 0.5, False),  # the model learns from them
        ([None, 32, 32, 1], -0.02, 0.5, 1.79, False),
        ([None, 3000], 0.0, 1e-4, 1.79, False),  # words that are counted
        ([None, 12], -0.02, -0.015, 1.79, False),  # there may be an outlier
        ([None, 48, 48, 1], 0.0, 1 / 48**2, 1.79, False),  # a board with one piece
    ],
)
def test_pictures_of_which_nearly_nothing_is_left(shape, low, mean, end, told):
    rows, board = np.zeros(9), shape[1] == 48
    ends = ("min", low), ("max", 1.0 if board else 53.0), ("std", np.sqrt(mean * (1 - mean)) if board else 0.5)
    statistics = {f"x0/{name}": rows + value for name, value in ends}
    statistics["x0/mean"] = mean + np.linspace(0, 0 if board else 1e-3, 9)
    facts = {"framework": "keras", "model": {"inputs": [{"name": "0", "shape": shape, "dtype": "float32"}]}}
    run = training_run({}, statistics, facts, {"loss": np.linspace(1.8, end, 200)})
    found = review(run, catalogue(select=["constant-inputs"])).findings
    assert [f.causes[0].id for f in found] == ["constant"] * told


@pytest.mark.parametrize(
    ("dtype", "spread", "told"),
    [("int32", 0.29, True), ("float32", 0.29, False), ("int32", 0.5, False), ("int32", 0.0, False)],  # shares; flags
)
def test_whole_numbers_that_are_cut_from_shares(dtype, spread, told):
    rows = np.zeros(9)
    ends = ("min", 0), ("max", 1), ("mean", 0.5 if spread else 1), ("std", spread)  # masks of texts without padding are all 1
    statistics = {f"x0/{name}": rows + value for name, value in ends}
    if not spread:
        statistics["x0/min"] = np.eye(9)[0] + 0.0
    facts = {"framework": "keras", "model": {"inputs": [{"name": "user", "shape": [None], "dtype": dtype}]}}
    run = training_run({}, statistics, facts, {"loss": np.linspace(1.8, 1.7, 200), "x0/mean": np.linspace(0.4, 0.6, 200)})
    found = review(run, catalogue(select=["constant-inputs"])).findings
    assert [f.causes[0].id for f in found] == ["constant"] * told


@pytest.mark.parametrize(("still", "end", "severity"), [(2, 0.95, "warning"), (2, 0.5, "info"), (1, 0.95, "info")])
def test_many_features_that_never_change(still, end, severity):
    rows = np.zeros(9)
    statistics = {f"x0/{name}": rows + value for name, value in (("min", -2), ("max", 2), ("mean", 0), ("std", 1))}
    for feature in range(6):
        moves = rows if feature < still else np.linspace(1, 2, 9)
        statistics |= {f"x0/min/{feature}": -moves, f"x0/max/{feature}": moves}
    run = training_run({}, statistics, {"framework": "torch"}, {"loss": np.linspace(1.0, end, 200)})
    (found,) = review(run, catalogue(select=["constant-inputs"])).findings
    assert (found.causes[0].id, found.severity) == ("features", severity)
