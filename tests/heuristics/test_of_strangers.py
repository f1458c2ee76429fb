"""What strangers' programs showed that the checks said wrongly, or not at all: just inside the limits, and outside."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.measured import Layer, heads
from scram_plugin.reviews.run import review
from tests.training_runs import training_run

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.normal(size=600)
MSE = {"class": "MSELoss", "name": "MSELoss", "mean": True}
DENSE = [{"path": "0", "name": "0", "class": "Linear", "kernel": [8, 16], "activation": "relu", "trainable": True}]


def findings(id_, curves=None, statistics=None, batches=None, validation=None, **facts):
    run = training_run(curves or {}, statistics or {}, {"framework": "torch", **facts}, batches, validation)
    return list(review(run, catalogue(select=[id_])).findings)


def measured(mean=0.0, std=1.0, inputs=1.0, update=0.005, dead=0.0, rows=8):
    """Statistics of some batches: of the targets, the inputs, the updates of one layer, and its dead units."""
    return {
        **{"y0/mean": [mean] * rows, "y0/std": [std] * rows, "x0/std": [inputs] * rows, "x0/mean": [0.0] * rows},
        **{"update/0/weight/norm": [update] * rows, "weight/0/weight/norm": [1.0] * rows, "layer/0/dead": [dead] * rows},
        "learning_rate": [0.001] * rows,
    }


FLAT = {"loss": 0.96 + 0.05 * NOISE[:400]}
LEARNS = {"loss": np.geomspace(1.0, 0.05, 400)}
FACTS = {"loss": MSE, "model": {"layers": DENSE}, "optimizer": {"class": "Adam", "learning_rate": 0.001}}


@pytest.mark.parametrize(
    ("statistics", "cause"),
    [
        (measured(), "shuffled-apart"),
        (measured(inputs=4_000.0), "inputs"),
        (measured(update=1e-7), "inputs"),
        (measured(dead=0.7), "inputs"),
    ],
)
def test_what_remains_where_nothing_was_learned(statistics, cause):
    (told,) = findings("no-learning", {"loss": FLAT["loss"][::20]}, statistics, FLAT, **FACTS)
    assert told.causes[0].id == cause


def test_dead_units_of_a_layer_that_is_frozen_explain_nothing():
    frozen = {**FACTS, "model": {"layers": [{**DENSE[0], "trainable": False}]}}
    (told,) = findings("no-learning", {"loss": FLAT["loss"][::20]}, measured(dead=0.7), FLAT, **frozen)
    assert told.causes[0].id == "shuffled-apart"
    assert findings("dead-relu", {}, measured(dead=0.9), FLAT, **frozen) == []
    assert [f.severity for f in findings("dead-relu", {}, measured(dead=0.9), FLAT, **FACTS)] == ["warning"]
    assert [f.severity for f in findings("dead-relu", {}, measured(dead=1.0), FLAT, **frozen)] == ["error"]


@pytest.mark.parametrize(
    ("lowest", "validation", "told"),
    [
        (0.95, {"y0/std": [1.0] * 4}, True),
        (0.8, {"y0/std": [1.0] * 4}, False),
        (0.95, {"y0/std": [1.5] * 4}, True),
        (0.95, {}, False),  # the variance of the validation is not known: it may be much larger
    ],
)
def test_a_regression_that_is_learned_by_heart(lowest, validation, told):
    """Always answering the mean has an error of 1 in the training."""
    curves = {"epoch_loss": np.linspace(1.0, 0.3, 20), "val_loss": lowest + 0.02 * np.abs(NOISE[:20])}
    found = findings("no-learning", curves, measured(), LEARNS, validation, **FACTS)
    assert bool(found) == told
    if told:
        assert "mean of the targets" in found[0].evidence["by_heart"]


@pytest.mark.parametrize(
    ("means", "told"),
    [
        (np.tile(np.linspace(-1.5, 1.5, 20), 5), True),  # sorted by the target, in each of five epochs
        (np.tile(RANDOM.normal(0, 1.2, 20), 5), False),  # a program that computes its targets
        (RANDOM.normal(0, 0.1, 100), False),
    ],
)
def test_sorted_targets_without_a_loader(means, told):
    statistics = {"y0/std": [0.3] * 8, "y0/mean": [0.0] * 8}
    batches = {"y0/mean": means, "x0/mean": NOISE[:100], "loss": np.linspace(1.0, 0.5, 100)}
    assert bool(findings("unshuffled-data", {}, statistics, batches, loss=MSE, fit={"batch_size": 32})) == told


@pytest.mark.parametrize(
    ("kinds", "told"), [(("float32", "int64"), False), (("float32", "float32"), True), (("int64", "int64"), True)]
)
def test_places_in_another_input_are_no_values(kinds, told):
    """The edges of a graph name its nodes, and the validation has a larger graph."""
    names = {"mean": (51.0, 1_120.0), "std": (30.0, 648.0), "min": (0.0, 0.0), "max": (124.0, 2_250.0)}
    training, validation = ({f"x1/{name}": [pair[i]] * 8 for name, pair in names.items()} for i in (0, 1))
    model = {"inputs": [{"name": str(i), "shape": [None, 4], "dtype": kind} for i, kind in enumerate(kinds)]}
    fit = {"batch_size": 35}
    found = findings("input-distribution-shift", {}, training, LEARNS, validation, model=model, fit=fit, loss=MSE)
    assert bool(found) == told


def test_the_last_layers_of_a_part_of_the_model():
    """A part names its layers without its own name."""
    known = [
        Layer(f"decoder/{name}", "Dense", None, {"kernel": [4, 4], "from": sources})
        for name, sources in (("one", ["input"]), ("two", ["one"]), ("three", ["two"]))
    ]
    assert heads(known) == {"decoder/three"}


@pytest.mark.parametrize(("samples", "told"), [(None, False), (40, True)])
def test_one_value_is_no_scale(samples, told):
    """An evaluation that takes one example at a time, of one number each, has no spread."""
    training = {"x0/mean": [0.13] * 8, "x0/std": [1.02] * 8, "x0/min": [-1.6] * 8, "x0/max": [1.6] * 8}
    validation = {"x0/mean": [-0.056], "x0/std": [0.0], "x0/min": [-0.056], "x0/max": [-0.056]}
    data = {"validation": {"samples": samples}} if samples else {}
    found = findings("input-distribution-shift", {}, training, LEARNS, validation, fit={"batch_size": 32}, loss=MSE, data=data)
    assert bool(found) == told


@pytest.mark.parametrize(("spread", "of_others", "told"), [(0.0, 1.0, False), (0.0, 0.0, True), (0.001, 1.0, True)])
def test_one_number_for_a_whole_batch(spread, of_others, told):
    """The time of a diffusion that is run backwards: training draws one for each example. Where no other input differs within a
    batch either, the batches have one example."""
    training = {"x1/mean": [0.49] * 8, "x1/std": [0.29] * 8, "x1/min": [0.0] * 8, "x1/max": [0.98] * 8}
    times = np.linspace(0.98, 0.84, 8)
    validation = {"x1/mean": times, "x1/std": [spread] * 8, "x1/min": times, "x1/max": times}
    validation |= {"x0/std": [of_others] * 8}
    found = findings("input-distribution-shift", {}, training, LEARNS, validation, fit={"batch_size": 192}, loss=MSE)
    assert bool(found) == told


@pytest.mark.parametrize(("means", "told"), [([0.25] * 40, True), (NOISE[:40], False)])
def test_one_array_for_all_examples(means, told):
    statistics = {f"x0/{which}": [value] * 8 for which, value in (("mean", 0.25), ("std", 0.5), ("min", 0.0), ("max", 1.0))}
    batches = {"x0/mean": means, "loss": np.linspace(1.0, 0.9, 40)}
    assert bool(findings("constant-inputs", {}, statistics, batches, loss=MSE, loop={"alike": 32})) == told


@pytest.mark.parametrize(
    ("tested", "late", "said"),
    [
        ({"own": {"first": 96_000.0, "last": 64_000.0, "steps": 240}}, 9_500.0, "After 240 steps on the same 16 examples"),
        ({"own": {"first": 96_000.0, "last": 900.0, "steps": 240}}, 9_500.0, None),
        ({"own": {"first": 96_000.0, "last": 64_000.0, "steps": 40}, "cut": True}, 9_500.0, None),
        ({"own": {"first": 96_000.0, "last": 900.0, "steps": 240}}, 95_000.0, "After 60 steps the error is 308;"),
        ({}, 95_000.0, "After 60 steps the error is 308;"),
        (None, 95_000.0, None),  # of a training that goes on
    ],
)
def test_targets_that_a_preflight_does_not_reach(tested, late, said):
    """Its training is short: what the same few examples show counts, or targets that are far away."""
    batches = {"loss": np.linspace(96_000.0, late, 60)}
    batches["loss"][-10:] = late
    preflight = {"preflight": {"one_batch": {"examples": 16, **tested}}} if tested is not None else {}
    found = findings("unnormalized-targets", {}, measured(mean=300.0, std=80.0), batches, loss=MSE, **preflight)
    assert [said in f.summary for f in found] == ([True] if said else [])


MAE = {"class": "MeanAbsoluteError", "name": "L1Loss", "mean": True}


@pytest.mark.parametrize(
    ("loss", "values", "said"),
    [
        (MSE, np.geomspace(90_000.0, 900.0, 300), []),  # half of the error is gone after a seventh
        (MSE, np.r_[np.full(60, 89_000.0), np.geomspace(89_000.0, 900.0, 240)], ["hardly better"]),
        (MAE, np.r_[np.full(60, 238.0), np.geomspace(238.0, 30.0, 240)], ["hardly better"]),
        (MAE, np.geomspace(239.0, 30.0, 300), []),
    ],
)
def test_centred_targets_that_are_reached_late(loss, values, said):
    """Their mean is near 0, as that of a new model's outputs is: being as good as the mean shows nothing."""
    found = findings("unnormalized-targets", {"loss": values}, measured(mean=2.0, std=300.0), {"loss": values}, loss=loss)
    assert [word in f.summary for f in found for word in said] == [True] * len(said)
    assert len(found) == len(said)
    assert all(f.evidence["guess"] == ("300" if loss is MSE else "239") for f in found)


@pytest.mark.parametrize(("ended", "batches", "told"), [("finished", 60, True), ("", 60, False), ("finished", 30, False)])
def test_targets_that_a_short_training_has_not_reached(ended, batches, told):
    losses = {"loss": 90_000.0 + 50.0 * NOISE[:batches]}
    run = training_run(losses, measured(mean=2.0, std=300.0), {**FACTS, "loss": MSE}, losses, ended=ended)
    found = review(run, catalogue(select=["unnormalized-targets"])).findings
    assert [f.severity for f in found] == ["warning"] * told


def of_outputs(*sizes, rows=8):
    """Statistics of the targets of several outputs, from (mean, standard deviation)."""
    return {
        f"y{i}/{which}": [value] * rows for i, of in enumerate(sizes) for which, value in zip(("mean", "std"), of, strict=True)
    }


@pytest.mark.parametrize(
    ("sizes", "first", "told"),
    [
        ([(27.0, 36.0), (0.2, 0.4)], 2_000.0, True),
        ([(27.0, 36.0), (0.2, 0.4)], 5_000.0, False),
        ([(0.2, 0.4), (27.0, 36.0)], 2_000.0, True),
        ([(27.0, 36.0), (0.2, 0.4)], 1.2, False),  # the program scales them in its loss
        ([(27.0, 36.0)], 2_000.0, False),  # a single output: judged by its loss
        ([(1.0, 2.0), (0.2, 0.4)], 5.0, False),
    ],
)
def test_targets_of_one_of_several_outputs(sizes, first, told):
    losses = {"loss": np.geomspace(first, first / 20, 300)}
    found = findings("unnormalized-targets", losses, of_outputs(*sizes), losses, loss={"class": None})
    assert [(f.heuristic, f.causes[0].id) for f in found] == ([("unnormalized-targets", "scale")] if told else [])
    assert all("27 ± 36" in f.title for f in found)


@pytest.mark.parametrize(("update", "cause"), [(1e-4, "learning-rate"), (0.005, "shuffled-apart")])
def test_a_rate_that_hardly_moves_the_weights(update, cause):
    (told,) = findings("no-learning", {"loss": FLAT["loss"][::20]}, measured(update=update), FLAT, **FACTS)
    assert told.causes[0].id == cause
    assert ("4 % of their norm" in told.causes[0].for_) == (cause == "learning-rate")


def test_units_that_a_high_rate_killed_did_move():
    """The first steps were large, and all others are 0."""
    statistics = {**measured(), "update/0/weight/norm": [2.0] + [0.0] * 7}
    (told,) = findings("no-learning", {"loss": FLAT["loss"][::20]}, statistics, FLAT, **FACTS)
    assert told.causes[0].id != "learning-rate"


@pytest.mark.parametrize(("rate", "told"), [(0.0, False), (1e-3, True)])
def test_no_plateau_where_the_schedule_has_ended(rate, told):
    """The recorded rates end long before the training."""
    values = np.concatenate([np.geomspace(3.0, 2.4, 100), np.full(400, 2.4)]) + 0.06 * NOISE[:500]
    loop = {"schedule": {"class": "LambdaLR", "calls": 500, "base": 1e-3, "rate": rate}}
    found = findings("plateau", {"loss": values}, {"learning_rate": [1e-3] * 6}, {"loss": values}, loop=loop)
    assert [f.heuristic for f in found] == (["plateau"] if told else [])


@pytest.mark.parametrize(
    ("shapes", "told"),
    [([[None, 20], [None]], True), ([[None, 20], [None, 20]], False), ([[None, 20], [None, 20, 3]], False)],
)
def test_words_that_are_all_0_beside_their_lengths(shapes, told):
    inputs = [{"name": str(i), "shape": shape, "dtype": "int64"} for i, shape in enumerate(shapes)]
    zeros = {f"x0/{which}": [0.0] * 8 for which in ("mean", "std", "min", "max")}
    lengths = {
        f"x1/{which}": value
        for which, value in zip(("mean", "std", "min", "max"), ([14.0] * 8, [3.0] * 8, [8.0] * 8, [20.0] * 8), strict=True)
    }
    found = findings("constant-inputs", {}, {**zeros, **lengths}, FLAT, model={"inputs": inputs})
    assert [f.severity for f in found] == (["error"] if told else [])


@pytest.mark.parametrize(
    ("rates", "last", "told"), [([1e-4] * 6, 5e-4, True), ([1e-4] * 6, 5e-3, False), ([1e-4] * 6, 1e-4, False)]
)
def test_a_warm_up_that_goes_on_behind_the_recorded_rates(rates, last, told):
    known = {"class": "LambdaLR", "calls": 4, "base": 5e-3, "rate": last}
    loop = {"steps": 126, "schedule": known}
    losses = {"loss": np.geomspace(3.0, 2.0, 300)}
    run = training_run(losses, {"learning_rate": rates}, {"framework": "torch", "loop": loop}, losses, ended="finished")
    found = [f.causes[0].id for f in review(run, catalogue(select=["training-loop"])).findings]
    assert found == (["per-epoch"] if told else [])


@pytest.mark.parametrize(
    ("factor", "mean", "rises", "told"),
    [
        (1 / 12, 1.0, True, True),
        (1 / 12, 1.0, False, False),
        (0.01, 1.0, True, False),
        (1.0, 1.0, False, True),
        (1.0, 784.0, False, False),  # a sum, written as a multiple of the mean
        (1.0, 50.0, False, False),
    ],
)
def test_a_divergence_whose_weight_warms_up(factor, mean, rises, told):
    text = "beta = min(1.0, (epoch + 1) / 12)\n" if rises else "beta = 0.1\n"
    source = {"files": [{"file": "train.py", "text": text}]}
    parts = [
        {"how": "mean", "shape": [64, 784], "factor": mean, "elementwise": True},
        {"how": "mean", "shape": [64], "factor": factor, "elementwise": False, "each": [64, 6]},
    ]
    found = findings("loss-parts", {}, {}, FLAT, loop={"parts": parts}, fit={"batch_size": 64}, source=source)
    assert [f.heuristic for f in found] == (["loss-parts"] if told else [])


def test_targets_of_several_outputs_that_are_learned_or_are_classes():
    sizes, losses = of_outputs((38.0, 20.0), (0.2, 0.4)), {"loss": np.geomspace(1_800.0, 5.0, 300)}
    assert findings("unnormalized-targets", losses, sizes, losses, loss={"class": None}) == []
    slow = {"loss": np.geomspace(1_800.0, 900.0, 300)}
    assert len(findings("unnormalized-targets", slow, sizes, slow, loss={"class": None})) == 1
    classes = {"parts": [{"how": "sum", "shape": [64, 65], "factor": 1.0, "elementwise": False}]}
    assert findings("unnormalized-targets", slow, sizes, slow, loss={"class": None}, loop=classes) == []


def test_a_rate_that_ends_at_its_floor():
    """A warm-up and a decay, whose recorded rates end in the warm-up."""
    loop = {"steps": 126, "schedule": {"class": "LambdaLR", "calls": 20, "base": 1.0, "rate": 0.1}}
    losses = {"loss": np.geomspace(3.0, 2.0, 300)}
    rates = {"learning_rate": [0.01, 0.02, 0.03]}
    run = training_run(losses, rates, {"framework": "torch", "loop": loop}, losses, ended="finished")
    found = [f for f in review(run, catalogue(select=["training-loop"])).findings if "raises the rate" in str(f.evidence)]
    assert all("0.1 at the end" not in str(f.evidence) for f in found)


@pytest.mark.parametrize(("smallest", "first"), [(1e-9, "vanishing-gradients"), (0.5, "missing-activation")])
def test_one_place_without_an_activation_is_not_why_a_deep_net_stands_still(smallest, first):
    """The first layer has none, and those behind it a sigmoid."""
    names = ["stem", *"123456"]
    layer = {"class": "Linear", "kernel": [16, 16], "trainable": True}
    known = [{**layer, "path": n, "name": n, "activation": "sigmoid" if n in "12345" else "linear"} for n in names]
    flow = [{**entry, "from": ["x0" if i == 0 else names[i - 1]]} for i, entry in enumerate(known)]
    norms = {f"gradient/{n}/weight/norm": [s] * 20 for n, s in zip(names, np.geomspace(smallest, 1.0, len(names)), strict=True)}
    facts = {"framework": "torch", **FACTS, "model": {"kind": "functional", "layers": flow}}
    flat = {"loss": 0.96 + 0.01 * NOISE[:400]}
    run = training_run({"epoch_loss": flat["loss"][::20]}, {**measured(rows=20), **norms}, facts, flat)
    assert next(iter(review(run, catalogue()).findings)).heuristic == first


@pytest.mark.parametrize(
    ("spread", "told"), [([0.0, 0.0, 0.005, 0.0], True), ([0.0, 0.0, 0.2, 0.3], False), ([0.005] * 4, False)]
)
def test_pictures_that_are_nearly_all_of_one_value(spread, told):
    """A cast to whole numbers leaves single pixels."""
    high = [1.0 if s else 0.0 for s in spread]
    pictures = {"x0/std": spread, "x0/mean": [s * s for s in spread], "x0/min": [0.0] * 4, "x0/max": high}
    assert bool(findings("constant-inputs", {}, {**measured(rows=4), **pictures}, FLAT, **FACTS)) == told


@pytest.mark.parametrize("nodes", [0, 40])
def test_a_graph_without_links(nodes):
    files = {"source": {"file": "train.py", "line": 1, "statements": [], "files": [{"file": "train.py", "text": "x = 1"}]}}
    found = findings("unused-data", {}, measured(), FLAT, **FACTS, **files, loop={"unlinked": nodes} if nodes else {})
    assert [one.causes[0].id for one in found] == ["unlinked"] * (nodes > 0)


@pytest.mark.parametrize(("second", "told"), [(900.0, True), (90.0, False), (8.0, False)])
def test_targets_in_units_of_their_own(second, told):
    """Two columns, of which one has a spread of 1: its error is lost beside the other's."""
    columns = {"y0/std/0": [1.0] * 8, "y0/std/1": [second] * 8, "y0/mean/0": [0.0] * 8, "y0/mean/1": [200.0] * 8}
    first = (1.0 + second**2 + 200.0**2) / 2
    loss = {"loss": np.geomspace(first, first / 500, 400)}
    found = findings("unnormalized-targets", loss, {**measured(std=second), **columns}, loss, **FACTS)
    assert [one.evidence["beside"] is not None for one in found] == [True] * told
    weighed = {"loss": loss["loss"] / second**2}
    assert findings("unnormalized-targets", weighed, {**measured(std=second), **columns}, weighed, **FACTS) == []


@pytest.mark.parametrize(("nll", "told"), [(np.linspace(60.0, 7.1, 400), True), (np.geomspace(7.3, 4.0, 400), False)])
def test_raw_targets_of_a_model_that_gives_mean_and_spread(nll, told):
    """One normal distribution with the spread of the targets, 300, has the loss 7.12."""
    of_normal = {**FACTS, "loss": {"class": "GaussianNLLLoss", "name": "GaussianNLLLoss", "mean": True}}
    found = findings("unnormalized-targets", {"loss": nll}, measured(mean=1_000.0, std=300.0), {"loss": nll}, **of_normal)
    assert bool(found) == told


CHOICE = {"class": "CategoricalCrossentropy", "name": "categorical_crossentropy", "from_logits": True, "custom": False}


def shares(name, mean, most=0.4):
    return {f"{name}/mean": [mean] * 8, f"{name}/std": [0.05] * 8, f"{name}/min": [0.001] * 8, f"{name}/max": [most] * 8}


def of_choice(id_, statistics, units=12):
    model = {"kind": "subclass", "output_units": units, "layers": DENSE}
    return findings(
        id_, {}, {**measured(), **statistics}, FLAT, framework="keras", loss=CHOICE, model=model, fit={"batch_size": 64}
    )


@pytest.mark.parametrize(
    ("statistics", "units", "told"),
    [
        (shares("y0", 1 / 64), 12, True),
        (shares("y_pred0", 1 / 64), 12, True),
        (shares("y0", 1 / 12) | shares("y_pred0", 1 / 12), 12, False),
        (shares("y0", 1 / 64, most=1.0), 12, False),  # one-hot targets
        (shares("y0", 1 / 64), 64, False),
    ],
)
def test_shares_that_add_up_over_the_examples(statistics, units, told):
    causes = [one.causes[0].id for one in of_choice("mixed-axes", statistics, units)]
    assert causes == ["softmax-over-batch"] * told


@pytest.mark.parametrize(("mean", "low", "told"), [(1 / 12, 0.001, True), (1 / 12, -0.5, False), (0.2, 0.001, False)])
def test_a_softmax_of_outputs_that_are_one_already(mean, low, told):
    seen = {**shares("y_pred0", mean), "y_pred0/min": [low] * 8}
    causes = [one.causes[0].id for one in of_choice("output-activation-mismatch", seen)]
    assert causes == ["twice"] * told


@pytest.mark.parametrize(
    ("after", "ended", "told"),
    [
        ({"loss": 2.6, "examples": 200, "right": 0.09}, "finished", True),
        ({"loss": 2.6, "examples": 200, "right": 0.4}, "finished", False),  # right answers, and far too confident
        ({"loss": 2.2, "examples": 200, "right": 0.09}, "finished", False),  # a little better than guessing
        ({"loss": 2.6, "examples": 200, "right": 0.09}, None, False),  # the training goes on
        ({"loss": 2.6, "examples": 200}, "finished", False),  # the answers are not known
        ({"loss": 2.6, "examples": 9, "right": 0.0}, "finished", False),
        (None, "finished", False),
    ],
)
def test_one_evaluation_after_the_training(after, ended, told):
    """Ten classes, learned by heart: guessing has the loss 2.3, and is right in a tenth."""
    choice = {"class": "CrossEntropyLoss", "name": "CrossEntropyLoss", "from_logits": True, "mean": True, "custom": False}
    facts = {"framework": "torch", **FACTS, "loss": choice, "data": {"training": {"samples": 1_000, "counts": [100] * 10}}}
    labels = {**measured(), "y0/min": [0.0] * 8, "y0/max": [9.0] * 8, "y0/mean": [4.5] * 8, "y0/std": [2.9] * 8}
    loss = {"loss": np.linspace(2.3, 0.1, 400)}
    run = training_run({}, labels, {**facts, "loop": {"after": after} if after else {}}, loss, {}, ended)
    assert bool(list(review(run, catalogue(select=["no-learning"])).findings)) == told


@pytest.mark.parametrize(
    ("after", "agreement", "told"),
    [
        ({"right": 0.21, "chance": 0.2}, 0.4, True),
        ({"right": 0.26, "chance": 0.2}, 0.4, False),
        ({"right": 0.21, "chance": 0.2}, 0.02, False),  # it has learned nothing of the training data, either
        ({"right": 0.9, "chance": 0.9}, 0.4, False),  # nearly all of one class
        ({"right": 0.21, "chance": 0.2, "examples": 9}, 0.4, False),
        ({}, 0.4, False),
    ],
)
def test_right_answers_by_chance_where_the_cost_of_guessing_is_not_known(after, agreement, told):
    """A focal loss, whose labels are learned by heart."""
    weighted = {"class": "CrossEntropyLoss", "name": "CrossEntropyLoss", "from_logits": True, "mean": False, "custom": False}
    facts = {"framework": "torch", **FACTS, "loss": weighted, "loop": {"after": {"loss": 1.9, "examples": 500, **after}}}
    related = np.concatenate([np.zeros(200), agreement + 0.02 * np.sin(np.arange(200))])
    batches = {"loss": np.linspace(1.2, 0.9, 400), "y0/agreement": related}
    run = training_run({}, measured(), facts, batches, {}, "finished")
    found = review(run, catalogue(select=["no-learning"])).findings
    assert bool(found) == told
    assert all("by chance 20.0% would be" in one.evidence["by_heart"] for one in found)


@pytest.mark.parametrize(
    ("first", "late", "ended", "told"),
    [
        (2_500.0, 300, "finished", True),
        (2_500.0, 100, "finished", False),
        (2_500.0, 300, "", False),  # each training is so at its beginning
        (80.0, 300, "finished", False),  # amounts with a few large ones: the error begins at their spread
    ],
)
def test_targets_of_tens_that_are_reached_late(first, late, ended, told):
    """Targets of 50 ± 8: the loss falls below their variance after `late` of 400 batches."""
    loss = {"loss": np.r_[np.geomspace(first, 70.0, late), np.linspace(60.0, 20.0, 400 - late)]}
    run = training_run({}, measured(mean=50.0, std=8.0), {"framework": "torch", **FACTS}, loss, {}, ended)
    found = review(run, catalogue(select=["unnormalized-targets"])).findings
    assert ["% of the training always predicting" in f.summary for f in found] == [True] * told


@pytest.mark.parametrize(("first", "told"), [(1_900.0, True), (1_900.0**2, True), (2.0, False)])
def test_a_loss_of_the_programs_own_that_begins_with_the_size_of_the_targets(first, told):
    """Its first value is the mean magnitude of the targets, or their mean square; or neither: the program scales them."""
    loss = {"loss": first * np.r_[np.linspace(1.0, 0.6, 100), np.full(300, 0.5)]}
    found = findings("unnormalized-targets", {}, measured(mean=1_900.0, std=670.0), loss, **FACTS | {"loss": {"class": None}})
    assert bool(found) == told


@pytest.mark.parametrize(
    ("last", "ended", "layer", "told"),
    [
        (1.3, "finished", {}, True),
        (0.8, "finished", {}, False),
        (1.3, None, {}, False),  # it goes on, and falls
        (1.3, "finished", {"regularized": True}, False),  # the loss has a penalty, too
    ],
)
def test_a_loss_that_ends_above_that_of_guessing(last, ended, layer, told):
    """Always giving the mean of the targets has the loss 1."""
    loss = {"loss": np.linspace(3.0, last, 150) + 0.01 * NOISE[:150]}
    facts = {**FACTS, "model": {"layers": [{**DENSE[0], **layer}]}, "framework": "torch"}
    run = training_run({}, measured(), facts, loss, {}, ended)
    assert bool(list(review(run, catalogue(select=["no-learning"])).findings)) == told


@pytest.mark.parametrize(("logits", "told"), [(False, False), (True, True)])
def test_probabilities_of_many_classes_that_are_sure(logits, told):
    """225 probabilities, all but one 0, spread by 0.066, and the numbers of the classes by 65."""
    made = {"y_pred0/std": [0.066] * 400, "y0/std": [65.0] * 400}
    loss = {"class": "SparseCategoricalCrossentropy", "name": "loss", "from_logits": logits, "custom": False}
    assert bool(findings("output-collapse", {}, made, {"loss": np.linspace(5.4, 0.01, 500)}, loss=loss)) == told


OF_ITS_OWN = {**FACTS, "loss": {"class": None, "name": None}}


@pytest.mark.parametrize(
    ("first", "last", "facts", "told"),
    [
        (0.69, 0.45, OF_ITS_OWN, False),  # which of two is the better one
        (0.69, 0.6, OF_ITS_OWN, True),
        (0.9, 0.6, OF_ITS_OWN, True),
        (2.0, 0.8, OF_ITS_OWN, False),  # soft targets, or a part of it, may keep it there
        (2.0, 0.8, {"framework": None}, True),
    ],
)
def test_a_loss_of_which_nothing_tells_how_low_it_can_be(first, last, facts, told):
    steps = np.arange(400)
    values = last + (first - last) * np.exp(-steps / 20) + 0.03 * last * NOISE[:400]
    values[0] = first
    assert bool(findings("plateau", {"loss": values}, {}, {"loss": values}, **facts)) == told


@pytest.mark.parametrize(
    ("decay", "left", "learns", "told"),
    [(0.01, 1e-6, False, True), (0.01, 0.2, False, False), (0.001, 1e-6, False, False), (0.01, 1e-6, True, False)],
)
def test_a_usual_weight_decay_that_leaves_nothing_of_the_weights(decay, left, learns, told):
    optimizer = {"class": "Adam", "learning_rate": 0.001, "settings": {"weight_decay": decay}}
    norms = {"weight/0/weight/norm": list(np.geomspace(1.0, left, 8))}
    loss = LEARNS if learns else FLAT
    found = findings("strong-regularization", loss, {**measured(), **norms}, loss, **{**FACTS, "optimizer": optimizer})
    assert bool(found) == told
    assert all("0.01" in one.title for one in found)


@pytest.mark.parametrize(
    ("program", "loss", "told"),
    [
        ("advantage = reward - mean\nlogp = F.cross_entropy(a, b, reduction='none')\n", "CrossEntropyLoss", False),
        ("adv = r - mean\nlogp = policy.log_prob(action)\n", None, False),
        ("nll = -flow.log_prob(x)\n", None, True),
        ("loss = f(x)\n", "CrossEntropyLoss", True),
    ],
)
def test_the_loss_of_a_policy_that_rises_to_0(program, loss, told):
    """Once it knows what to do, nothing is better than the mean: the loss goes from below 0 to 0."""
    steps = np.arange(400)
    values = -np.exp(-(((steps - 60) / 40.0) ** 2)) + 0.01 * NOISE[:400]
    source = {"file": "train.py", "line": 1, "statements": [], "files": [{"file": "train.py", "text": program}]}
    facts = {**FACTS, "loss": {"class": loss, "name": loss}, "source": source}
    assert bool(findings("divergence", {"loss": values}, {}, {"loss": values}, **facts)) == told


@pytest.mark.parametrize(
    ("program", "last", "told"),
    [
        ("labels = torch.zeros(logits.shape[0], dtype=torch.long)\n", 0.4, False),
        ("labels = torch.zeros(logits.shape[0], dtype=torch.long)\n", 1e-4, True),  # nothing else is ever right
        ("labels = data[:, -1]\n", 0.4, True),
    ],
)
def test_labels_of_zeros_of_a_contrast(program, last, told):
    """The first logit is that of the positive example."""
    source = {"file": "train.py", "line": 1, "statements": [], "files": [{"file": "train.py", "text": program}]}
    loss = {"class": "CrossEntropyLoss", "name": "CrossEntropyLoss", "mean": True}
    values = {"loss": np.geomspace(4.8, last, 400)}
    zeros = {f"y0/{which}": [0.0] * 400 for which in ("min", "max", "mean")}
    batches = {**values, **zeros, "x0/mean": NOISE[:400]}
    found = findings("label-range", values, measured(), batches, **{**FACTS, "loss": loss, "source": source})
    assert bool(found) == told


@pytest.mark.parametrize(("different", "twice", "told"), [(1, 300, True), (1, 0, False), (2, 300, False)])
def test_all_examples_have_the_same_inputs(different, twice, told):
    """As clips that are one buffer, which is filled again and again. A batch may hold one example alone."""
    of_inputs = {f"x0/{which}": [value] * 8 for which, value in (("mean", 0.1), ("std", 0.5), ("min", -1.0), ("max", 1.0))}
    loop = {"steps": 60, "examples": {"different": different, "evaluated": 1, "twice": twice, "size": 96}}
    batches = {"loss": np.linspace(1.0, 0.9, 60), "x0/mean": 0.1 + 1e-3 * NOISE[:60]}
    assert bool(findings("constant-inputs", {}, of_inputs, batches, loss=MSE, loop=loop)) == told


@pytest.mark.parametrize(("constant", "told"), [(True, ["constant-inputs"]), (False, ["unused-data"])])
def test_inputs_that_are_one_number_are_no_few_examples(constant, told):
    of_inputs = {f"x0/{which}": [-1.0 if which != "std" else 0.0] * 8 for which in ("mean", "std", "min", "max")}
    if not constant:
        of_inputs |= {"x0/max": [1.0] * 8, "x0/std": [0.5] * 8}
    loop = {"steps": 60, "examples": {"different": 1, "evaluated": 600, "twice": 0, "size": 96}}
    facts = {"framework": "torch", "loss": MSE, "loop": loop, "fit": {"batch_size": 64, "samples": 3_000}}
    run = training_run({}, of_inputs, facts, {"loss": np.linspace(1.0, 0.9, 60), "x0/mean": [-1.0] * 60})
    found = review(run, catalogue(select=["constant-inputs", "unused-data"])).findings
    assert [f.heuristic for f in found if f.explained_by is None] == told


@pytest.mark.parametrize(("fresh", "severity"), [(3, "warning"), (2, "warning"), (1, "info"), (0, "info")])
def test_parameters_without_an_optimizer_that_are_mostly_random(fresh, severity):
    """An embedding may look trained by the way it was drawn; a pretrained body has few random ones."""
    named = {"names": ["head.weight", "pos.weight", "tok.weight"], "forgotten": 3, "stale": 0, "unregistered": 0, "shapes": []}
    untrained = {**named, "parameters": 30, "fresh": fresh, "asleep": 3, "frozen": 0, "cut": 0, "cut_names": []}
    optimizer = {"class": "AdamW", "untrained": untrained}
    (found,) = findings("untrained-parameters", {}, {}, LEARNS, optimizer=optimizer, framework="torch")
    assert (found.severity, found.causes[0].id) == (severity, "left-out")


@pytest.mark.parametrize(
    ("rate", "last", "ended", "told"),
    [(2e-6, 0.88, "finished", True), (2e-6, 0.88, "", False), (2e-6, 0.5, "finished", False), (1e-3, 0.88, "finished", False)],
)
def test_a_low_rate_whose_loss_falls_a_little(rate, last, ended, told):
    """The targets have the variance 1: at the end, an eighth of it is explained."""
    losses = {"loss": np.geomspace(1.0, last, 400)}
    facts_ = {**FACTS, "framework": "torch", "optimizer": {"class": "AdamW", "learning_rate": rate}}
    run = training_run(losses, {**measured(update=1e-5), "learning_rate": [rate] * 8}, facts_, losses, ended=ended)
    found = review(run, catalogue(select=["unconventional-learning-rate"])).findings
    assert [f.causes[0].id for f in found] == ["too-low"] * told
