"""Losses that a program writes itself, what its loop does, and settings: just inside the limits of the checks, and outside."""

import numpy as np
import pytest

from scram_plugin import schema
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.run import review
from tests.training_runs import training_run

NOISE = np.random.default_rng(0).normal(size=600)


def found(id_, curves=None, statistics=None, batches=None, **facts):
    run = training_run(curves or {}, statistics or {}, {"framework": "torch", **facts}, batches)
    return [(f.severity, f.causes[0].id) for f in review(run, catalogue(select=[id_])).findings]


FALLS = {"loss": np.geomspace(2.0, 0.1, 60)}
STAYS = {"loss": np.linspace(2.0, 1.5, 60)}


@pytest.mark.parametrize(
    ("settings", "batches", "cause"),
    [
        ({"momentum": 0.95}, STAYS, None),
        ({"momentum": 0.995}, STAYS, "momentum"),
        ({"momentum": 0.995}, FALLS, None),
        ({"beta_1": 0.999, "beta_2": 0.9999, "eps": 1e-8}, STAYS, "momentum"),
        ({"beta_1": 0.95, "beta_2": 0.999, "eps": 1e-8}, STAYS, None),
        ({"beta_1": 0.9, "beta_2": 0.999, "eps": 0.1}, STAYS, "epsilon"),
        ({"beta_1": 0.9, "beta_2": 0.999, "eps": 0.1}, FALLS, None),
    ],
)
def test_settings_that_slow_the_optimizer_down(settings, batches, cause):
    optimizer = {"class": "SGD" if "momentum" in settings else "Adam", "settings": settings}
    assert [c for _, c in found("optimizer-settings", batches=batches, optimizer=optimizer)] == ([cause] if cause else [])


MEAN = {"how": "mean", "shape": [16, 64], "factor": 1.0, "elementwise": True}
EACH = {"how": "mean", "shape": [16], "factor": -0.5, "elementwise": False, "each": [16, 4]}


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([MEAN, EACH], True),
        ([MEAN, {**EACH, "factor": -0.0005}], False),  # weighted
        ([{**MEAN, "shape": [16, 8]}, EACH], False),
        ([{**MEAN, "elementwise": False}, EACH], False),  # as a cross-entropy: its mean is over examples
    ],
)
def test_a_divergence_beside_a_mean(parts, told):
    assert bool(found("loss-parts", batches=STAYS, loop={"parts": parts})) == told


STANDS = {"loss": np.r_[[5.0, 3.0, 1.5], np.full(197, 0.93)]}
ERROR = {"how": "mean", "shape": [512], "factor": 1.0, "elementwise": True}


@pytest.mark.parametrize(
    ("factor", "shape", "batches", "told"),
    [
        (0.06, [512], STANDS, True),
        (0.06, [512], {"loss": np.geomspace(2.0, 0.1, 200)}, False),  # it learns
        (0.001, [512], STANDS, False),  # divided by about the number of examples
        (0.06, [300, 16], STANDS, False),  # a sum over other values: a weight of the whole
        (0.06, [512], {"loss": np.full(20, 0.93)}, False),
    ],
)
def test_a_penalty_that_is_summed_beside_errors_that_are_averaged(factor, shape, batches, told):
    parts = [ERROR, {**ERROR, "how": "sum", "shape": shape, "factor": factor}]
    assert bool(found("loss-parts", batches=batches, loop={"parts": parts})) == told


@pytest.mark.parametrize(
    ("loop", "cause"),
    [({"pairs": {"output": [16, 1], "compared": [16, 16]}}, "broadcast"), ({"pairs": {}}, None)],
)
def test_predictions_and_targets_of_other_shapes(loop, cause):
    assert [c for _, c in found("label-range", batches=STAYS, loop=loop)] == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"activation": "sigmoid", "least": -3.0, "most": 3.0}, True),
        ({"activation": "sigmoid", "least": -0.01, "most": 1.01}, False),
        ({"activation": "relu", "least": 0.0, "most": 9.0}, False),
        ({"activation": "gelu", "least": -3.0, "most": 3.0}, True),
        ({"activation": "relu", "least": -6e-8, "most": 6e-8}, False),  # rounding
        ({"activation": "leaky_relu", "least": -3.0, "most": 3.0}, False),  # it has no bounds
    ],
)
def test_targets_beyond_an_activation_in_one_part_of_a_loss(part, told):
    model = {"kind": "functional", "layers": [{"name": "head", "path": "head", "class": "Linear"}], "outputs": [{}]}
    facts = {"model": model, "loss": {"class": None}, "loop": {"exceeded": [part]}}
    assert found("output-activation-mismatch", batches=STAYS, **facts) == ([("error", "range")] if told else [])


@pytest.mark.parametrize(
    ("lowest", "highest", "loss", "told"),
    [
        (-3.0, 4.0, {"class": "SparseCategoricalCrossentropy", "from_logits": False}, True),
        (0.0, 1.0, {"class": "SparseCategoricalCrossentropy", "from_logits": False}, False),
        (-3.0, 4.0, {"class": "SparseCategoricalCrossentropy", "from_logits": True}, False),
        (-3.0, 4.0, {"class": "MeanSquaredError"}, False),
    ],
)
def test_outputs_of_a_subclass_of_model_that_are_no_probabilities(lowest, highest, loss, told):
    layer = {"name": "head", "path": "head", "class": "Dense", "activation": "linear"}
    facts = {"framework": "keras", "model": {"kind": "subclass", "layers": [layer], "outputs": []}, "loss": loss}
    statistics = {"y_pred0/min": [lowest] * 4, "y_pred0/max": [highest] * 4}
    wanted = [("error", "missing-softmax")] if told else []
    assert found("output-activation-mismatch", {}, statistics, STAYS, **facts) == wanted


@pytest.mark.parametrize(("rate", "fits"), [(0.4, True), (0.0, False)])
def test_dropout_behind_an_output_stretches_it(rate, fits):
    named = (("last", "Activation", "sigmoid"), ("drop", "Dropout", None))
    layers = [{"name": n, "path": n, "class": kind, "activation": by, "settings": {"rate": rate}} for n, kind, by in named]
    model = {"kind": "functional", "layers": layers, "outputs": [{}], "output_units": 1}
    facts = {"framework": "keras", "model": model, "loss": {"class": "BinaryCrossentropy"}}
    statistics = {"y_pred0/min": [0.0] * 4, "y_pred0/max": [1.6] * 4}
    causes = found("output-activation-mismatch", {}, statistics, STAYS, **facts)
    assert causes == ([] if fits else [("error", "missing-sigmoid")])


@pytest.mark.parametrize(("highest", "told"), [([1.0, 0.4, 0.1, 0, 0, 0, 0, 0], True), ([1.0] * 8, False)])
def test_an_output_that_is_soon_always_zero(highest, told):
    layer = {"name": "head", "path": "head", "class": "Linear", "activation": "relu"}
    facts = {"model": {"kind": "functional", "layers": [layer], "outputs": [{}]}, "loss": {"class": None}, "loop": {}}
    statistics = {"y_pred0/max": highest, "y_pred0/min": [0.0] * 8}
    assert bool(found("output-activation-mismatch", {}, statistics, STAYS, **facts)) == told


@pytest.mark.parametrize(
    ("used", "fit", "ways", "told"),
    [
        (5, {"steps": 20, "shuffle": False}, 1, True),
        (5, {"steps": 20, "shuffle": True}, 1, False),
        (15, {"steps": 20, "shuffle": False}, 1, False),
        (5, {"steps": 20, "shuffle": False}, 4, False),  # accumulation
        (1, {"steps": 20, "shuffle": False}, 1, False),  # `constant-inputs` tells of that
    ],
)
def test_a_part_of_the_data(used, fit, ways, told):
    batches = {"loss": np.linspace(2, 1, 5 * used), "epoch": np.repeat(np.arange(5.0), used)}
    causes = found("training-loop", batches=batches, fit=fit, loop={"steps": 5 * used, "ways": ways})
    assert causes == ([("warning", "part")] if told else [])


def test_graphs_that_are_kept_for_nothing():
    assert found("training-loop", batches=STAYS, loop={"steps": 60, "retained": True}) == [("info", "retained")]


def test_an_optimizer_without_gradients():
    optimizer = {"class": "Adam", "untrained": {"parameters": 4}}
    loop = {"steps": 60, "idle": ["generator.weight"]}
    assert found("untrained-parameters", batches=STAYS, optimizer=optimizer, loop=loop) == [("error", "cut-off")]


CLASSES = {"loss": {"class": "CrossEntropyLoss", "from_logits": True, "mean": True}, "model": {"output_units": 3}}
LABELS = {f"y0/count/{i}": [40.0, 40.0, 40.0] for i in range(3)}


@pytest.mark.parametrize(("fallen", "cause"), [(2.0, True), (0.7, False)])
def test_guessing_by_the_labels_of_measured_batches(fallen, cause):
    """A loss that fell to the level of guessing, ln 3, or below it."""
    values = np.concatenate([np.linspace(6.0, 1.1, 100), np.full(400, 1.1 if cause else fallen)]) + 0.02 * NOISE[:500]
    assert bool(found("no-learning", {}, LABELS, {"loss": values}, **CLASSES)) == cause


@pytest.mark.parametrize(("level", "told"), [(4.0, True), (3.0, False)])
def test_always_answering_the_mean(level, told):
    """Targets with a variance of 4."""
    values = np.concatenate([np.linspace(20.0, level, 100), np.full(400, level)]) + 0.05 * NOISE[:500]
    statistics = {"y0/std": [2.0, 2.0, 2.0], "y0/mean": [1.0, 1.0, 1.0]}
    loss = {"class": "MSELoss", "mean": True}
    assert bool(found("no-learning", {}, statistics, {"loss": values}, loss=loss)) == told


def test_the_losses_of_two_optimizers_are_not_judged_by_their_level():
    values = np.full(500, 1.386) + 0.02 * NOISE[:500]
    run = training_run({}, {}, {"framework": "torch", "loop": {"optimizers": 2, "ways": 2}}, {"loss": values})
    judged = review(run, catalogue(select=["no-learning"]))
    assert [one.reason for one in judged.inconclusive] == [
        "several optimizers have a loss each, as in a GAN: the level of their sum does not show what was learned"
    ]


def test_a_spike_of_a_loss_above_and_below_zero_is_no_warning():
    values = 0.05 * NOISE[:400] - 0.1
    values[200:212] += 4.0
    assert [severity for severity, _ in found("loss-spike", {"loss": values})] == ["info"]
    assert [severity for severity, _ in found("loss-spike", {"loss": values + 1.0})] == ["warning"]


@pytest.mark.parametrize(("low", "high", "told"), [(0.0, 1.0, True), (-0.8, 1.8, False)])
def test_validation_data_that_were_scaled_otherwise(low, high, told):
    """The training data lie between -0.8 and 1.8, with the mean 0 and the spread 1."""
    width = (high - low) / 2.6
    run = training_run(
        {"loss": np.ones(20)}, {f"x0/{k}": [v] * 5 for k, v in {"min": -0.8, "max": 1.8, "mean": 0.0, "std": 1.0}.items()}
    )
    values = {"min": low, "max": high, "mean": low + 0.8 * width, "std": width}
    other = training_run({schema.column_tag(schema.VALIDATION, f"x0/{k}"): [v] * 2 for k, v in values.items()})
    run._logs["scram"].files["validation"] = other._logs["train"].files["in memory"]
    run._logs["scram"].index()
    assert bool(review(run, catalogue(select=["input-distribution-shift"])).findings) == told


@pytest.mark.parametrize(("source", "told"), [("first", True), ("first:add", False)])
def test_small_weights_at_the_end_of_a_branch(source, told):
    def layer(name, scale, sources, kind="Linear"):
        kernel = {"kernel": [64, 64], "initializer": {"class": "Measured", "stddev": scale}} if kind == "Linear" else {}
        return {"name": name, "path": name, "class": kind, "from": sources, **kernel}

    layers = [layer("first", 0.001, []), layer("first:add", 0.0, ["first"], "operations"), layer("last", 0.1, [source])]
    assert bool(found("poor-initialization", batches=STAYS, model={"kind": "functional", "layers": layers})) == told


@pytest.mark.parametrize(("decay", "left", "told"), [(0.5, 0.1, True), (0.5, 0.9, False), (0.01, 0.1, False)])
def test_weight_decay_of_parameters_of_the_program_itself(decay, left, told):
    norms = {"weight/graph/weight/norm": np.linspace(1.0, left, 5)}
    optimizer = {"class": "Adam", "settings": {"weight_decay": decay}}
    assert bool(found("strong-regularization", {}, norms, STAYS, optimizer=optimizer)) == told


@pytest.mark.parametrize(("level", "first"), [(1.1, "shuffled-apart"), (1.19, "learning-rate")])
def test_what_a_loss_of_guessing_says_of_a_high_rate(level, first):
    """Too large steps make a loss worse than guessing."""
    values = np.concatenate([np.linspace(6.0, level, 100), np.full(400, level)]) + 0.02 * NOISE[:500]
    statistics = {**LABELS, "update/head/weight/norm": [0.05] * 3, "weight/head/weight/norm": [1.0] * 3}
    facts = {**CLASSES, "optimizer": {"class": "SGD", "learning_rate": 1.0}}
    assert [cause for _, cause in found("no-learning", {}, statistics, {"loss": values}, **facts)] == [first]


@pytest.mark.parametrize(("layers", "told"), [(1, False), (2, True)])
def test_a_linear_model_may_begin_at_zero(layers, told):
    """Whose updates are large beside its first weights, at a rate that suits it."""
    model = {"layers": [{"name": f"{i}", "path": f"{i}", "class": "Linear", "kernel": [4, 3]} for i in range(layers)]}
    statistics = {f"{what}/0/weight/norm": [size] * 5 for what, size in (("update", 0.05), ("weight", 1.0))}
    optimizer = {"class": "SGD", "learning_rate": 0.1}
    values = np.linspace(1.0, 0.9, 300)
    assert (
        bool(found("unconventional-learning-rate", {}, statistics, {"loss": values}, model=model, optimizer=optimizer)) == told
    )


@pytest.mark.parametrize(
    ("rates", "calls", "told"),
    [
        (np.linspace(1e-5, 1e-4, 6), 6, True),
        (np.linspace(1e-5, 1e-3, 6), 6, False),  # the warm-up is over
        (np.linspace(1e-5, 1e-4, 6), 60, False),  # called in each step
        (np.linspace(1e-4, 1e-5, 6), 6, False),  # a decay
    ],
)
def test_a_warm_up_that_never_ends(rates, calls, told):
    loop = {"steps": 60, "schedule": {"class": "LambdaLR", "calls": calls, "base": 1e-3}}
    run = training_run({}, {"learning_rate": rates}, {"framework": "torch", "loop": loop}, STAYS)
    run._logs["scram"].files["in memory"].own.ends.append((0.0, "finished"))
    causes = [f.causes[0].id for f in review(run, catalogue(select=["training-loop"])).findings]
    assert causes == (["per-epoch"] if told else [])


@pytest.mark.parametrize(("ways", "told"), [(1, True), (4, False)])
def test_a_loss_that_is_divided_and_not_accumulated(ways, told):
    causes = found("training-loop", batches=STAYS, loop={"steps": 60, "ways": ways, "divisor": 4})
    assert causes == ([("warning", "divided")] if told else [])


def test_several_losses_of_classes_that_stay_at_guessing():
    parts = [{"how": "mean", "shape": [32, k], "factor": 1.0, "elementwise": False} for k in (10, 4)]
    values = np.full(500, np.log(10) + np.log(4)) + 0.05 * NOISE[:500]
    values[:100] += np.linspace(2.0, 0.0, 100)
    assert found("no-learning", batches={"loss": values}, loop={"parts": parts})
    assert not found("no-learning", batches={"loss": values - np.linspace(0.0, 1.5, 500)}, loop={"parts": parts})


def test_a_loss_that_is_nan_before_the_first_step():
    optimizer = {"class": "Adam", "learning_rate": 10.0}
    run = training_run({}, {}, {"framework": "torch", "optimizer": optimizer}, {"loss": [np.nan] * 20})
    (finding,) = review(run, catalogue(select=["nonfinite-loss"])).findings
    assert finding.causes[0].id != "learning-rate"
    (rate,) = [cause for cause in finding.causes if cause.id == "learning-rate"]
    assert "before the optimizer takes a step" in rate.against


@pytest.mark.parametrize(
    ("asked", "targets", "told"),
    [
        ({"unswitched": 100}, np.linspace(1, 2, 300), False),
        ({"unswitched": 10}, np.linspace(1, 2, 300), True),
        ({"unswitched": 100}, np.ones(300), True),
        ({"evaluations": 100}, np.linspace(1, 2, 300), False),  # it is not known where
        ({"evaluations": 100, "evaluated_at": [50, 100]}, np.linspace(1, 2, 300), True),  # two large evaluations
        ({"evaluations": 100, "evaluated_at": [*range(100)]}, np.linspace(1, 2, 300), False),
        ({"unswitched": 100, "evaluated_at": [50, 100]}, np.linspace(1, 2, 300), False),  # rollouts in training mode
    ],
)
def test_the_loss_of_a_program_that_asks_the_model_between_its_steps(asked, targets, told):
    loop = {"steps": 100, **asked}
    batches = {"loss": np.ones(300) + 0.01 * NOISE[:300], "y0/mean": targets}
    assert bool(found("no-learning", batches=batches, loop=loop)) == told


SHARES = {f"y0/mean/{i}": [share] * 4 for i, share in enumerate((0.1, 0.2, 0.4))}
OF_SHARES = float(np.mean([-(p * np.log(p) + (1 - p) * np.log(1 - p)) for p in (0.1, 0.2, 0.4)]))


@pytest.mark.parametrize(("level", "told"), [(OF_SHARES, True), (0.9 * OF_SHARES, False)])
def test_always_answering_the_frequency_of_each_label(level, told):
    """Examples with several labels: the loss of that is lower than of guessing by all labels together."""
    values = np.concatenate([np.linspace(0.9, level, 100), np.full(400, level)]) + 0.01 * NOISE[:500]
    loss = {"class": "BCEWithLogitsLoss", "mean": True}
    assert bool(found("no-learning", {}, SHARES, {"loss": values}, loss=loss, model={"output_units": 3})) == told


@pytest.mark.parametrize(("sums", "told"), [((0.5, 0.8, 0.7), True), ((0.3, 0.3, 0.4), False)])
def test_several_classes_at_once_with_pytorchs_one_cross_entropy(sums, told):
    statistics = {f"y0/mean/{i}": [share] * 4 for i, share in enumerate(sums)}
    facts = {"loss": {"class": "CrossEntropyLoss"}, "model": {"output_units": 3, "outputs": [{"shape": [None, 3]}]}}
    batches = {"y0/min": [0.0] * 60, "y0/max": [1.0] * 60, **STAYS}
    assert [c for _, c in found("label-range", {}, statistics, batches, **facts)] == (["several"] if told else [])


FALLING = {"loss": np.concatenate([np.linspace(1.4, 0.5, 20), np.linspace(0.5, 1.5, 280)]) + 0.02 * NOISE[:300]}


@pytest.mark.parametrize(("last", "told"), [(1.0, True), (20.0, False)])
def test_a_loss_that_rises_with_its_targets(last, told):
    """As a temporal difference does, where the values that are learned grow."""
    batches = {**FALLING, "y0/mean": np.linspace(1.0, last, 300) + 0.1 * NOISE[:300]}
    assert bool(found("divergence", batches=batches, loop={})) == told


@pytest.mark.parametrize(
    ("still", "shape", "told"),
    [
        (20, [None, 30, 4], [("error", "constant")]),
        (19, [None, 30, 4], [("warning", "constant")]),
        (12, [None, 30, 4], []),
        (20, [None, 30], []),  # a mask of positions
    ],
)
def test_an_input_beside_others_that_is_nearly_always_zero(still, shape, told):
    high = [0.0] * still + [1.0] * (20 - still)
    of = {"min": [0.0] * 20, "max": high, "mean": [value / 1000 for value in high], "std": [value / 30 for value in high]}
    other = {"min": [-1.0] * 20, "max": [1.0] * 20, "mean": [0.0] * 20, "std": [0.5] * 20}
    statistics = {f"{x}/{name}": values for x, given in (("x0", of), ("x1", other)) for name, values in given.items()}
    model = {"inputs": [{"name": "0", "shape": shape}, {"name": "1", "shape": [None, 5]}]}
    assert found("constant-inputs", {}, statistics, STAYS, model=model) == told


@pytest.mark.parametrize(("words", "told"), [([4, 500], [("warning", "words")]), ([], [])])
def test_words_that_the_vocabulary_does_not_know(words, told):
    statistics = {f"x0/{name}": [value] * 20 for name, value in (("min", 0.0), ("max", 3.0), ("mean", 1.0), ("std", 0.5))}
    assert found("constant-inputs", {}, statistics, STAYS, loop={"words": words}) == told


@pytest.mark.parametrize(
    ("kind", "decay", "told"), [("Adam", 0.1, True), ("Adam", 0.005, False), ("SGD", 0.1, False), ("AdamW", 0.1, False)]
)
def test_a_weight_decay_that_adam_makes_stronger(kind, decay, told):
    """Two of four embeddings shrink; the other ones are biases."""
    names = ("items", "users", "of_items", "of_users")
    norms = {f"weight/{name}/weight/norm": [4.0, 2.0, 0.1 if i < 2 else 4.0] for i, name in enumerate(names)}
    layers = [{"name": name, "path": name, "class": "Embedding"} for name in names]
    optimizer = {"class": kind, "settings": {"weight_decay": decay, "decoupled_weight_decay": kind == "AdamW"}}
    facts = {"optimizer": optimizer, "model": {"layers": layers}}
    assert bool(found("strong-regularization", {}, norms, STAYS, **facts)) == told


@pytest.mark.parametrize(("calls", "often"), [(60, "once"), (480, "8 times")])
def test_a_scheduler_that_is_called_with_each_part_of_a_step(calls, often):
    rate = (np.array([1, 3, 7, 15, 31, 51]), np.array([0.006, 0.005, 0.004, 0.001, 0.0, 0.0]))
    run = training_run(
        {},
        {"learning_rate": rate},
        {"framework": "torch", "loop": {"steps": 60, "schedule": {"class": "LambdaLR", "calls": calls, "base": 0.006}}},
        STAYS,
    )
    (one,) = review(run, catalogue(select=["training-loop"])).findings
    assert one.causes[0].id == "per-batch"
    assert f"{often} in each step" in one.causes[0].for_


@pytest.mark.parametrize(("low", "epochs", "told"), [(5, 12, True), (20, 24, False), (5, 3, False)])
def test_milestones_of_epochs_in_a_scheduler_that_is_called_in_each_step(low, epochs, told):
    """The rate is a twenty-fifth before a tenth of the steps is over, and stays that; no milestone of epochs is after them."""
    rate = (np.array([0, 2, low, 40, 59]), np.array([0.003, 0.003, 0.00012, 0.00012, 0.00012]))
    loop = {"steps": 60, "schedule": {"class": "MultiStepLR", "calls": 60, "base": 0.003}}
    facts = {"framework": "torch", "loop": loop, "fit": {"epochs": epochs}}
    run = training_run({}, {"learning_rate": rate}, facts, STAYS)
    assert [f.causes[0].id for f in review(run, catalogue(select=["training-loop"])).findings] == ["per-batch"] * told


@pytest.mark.parametrize(
    "rate",
    [
        (np.array([1, 3, 7, 15, 30, 59]), np.array([0.0001, 0.0005, 0.001, 0.001, 0.0005, 1e-6])),  # a warm-up, and a decay
        (np.arange(0, 600, 40), 0.001 / (1 + np.arange(0, 600, 40))),
        (np.arange(0, 600, 40), 0.001 * np.maximum(0.005, 0.97 ** np.arange(0, 600, 40))),
    ],
)
def test_usual_schedules_for_steps(rate):
    steps = int(rate[0][-1]) + 1
    loop = {"steps": steps, "schedule": {"class": "LambdaLR", "calls": steps, "base": 0.001}}
    run = training_run({}, {"learning_rate": rate}, {"framework": "torch", "loop": loop}, STAYS)
    assert not review(run, catalogue(select=["training-loop"])).findings


INNER = {"how": "sum", "shape": [100, 1], "factor": 1.0, "elementwise": True, "each": []}
BORDER = {"how": "mean", "shape": [2, 1], "factor": 1.0, "elementwise": True, "each": []}


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([INNER, BORDER], True),
        ([{**INNER, "how": "mean"}, {**BORDER, "factor": 100.0}], False),
        ([{**INNER, "factor": 0.01}, BORDER], False),  # divided
        ([{**INNER, "shape": [100, 3]}, BORDER], False),  # other things
        ([{**INNER, "shape": [100]}, {**BORDER, "shape": [2]}], False),  # of what, is not known
    ],
)
def test_points_inside_and_those_of_the_border(parts, told):
    assert bool(found("loss-parts", batches=STAYS, loop={"parts": parts})) == told


@pytest.mark.parametrize("facts", [{"loop": {"leak": [3, 6]}}, {"data": {"training": {"leak": [3, 6]}}, "framework": "keras"}])
def test_the_target_among_the_inputs(facts):
    assert found("target-in-inputs", batches=STAYS, **facts) == [("warning", "column")]


def test_whether_the_target_is_among_the_inputs_is_not_known_of_other_logs():
    judged = review(training_run(STAYS), catalogue(select=["target-in-inputs"]))
    assert [one.heuristic for one in judged.not_checked] == ["target-in-inputs"]


@pytest.mark.parametrize(("lowest", "causes"), [(0.0, [("error", "range")]), (-0.9, [])])
def test_a_softmax_whose_result_is_not_the_output(lowest, causes):
    """Weights of coordinates, as in a soft argmax: the measured outputs show that more is computed."""
    layers = [{"path": "features", "class": "Linear", "activation": "softmax", "kernel": [12, 2], "from": []}]
    model = {"layers": layers, "output_units": 2, "outputs": [{"shape": [None, 2]}]}
    statistics = {"y_pred0/min": [lowest] * 4, "y_pred0/max": [0.9] * 4, "y0/mean/0": [0.0] * 4}
    batches = {**STAYS, "y0/min": np.full(60, -1.0), "y0/max": np.ones(60)}
    loss = {"class": "MSELoss", "from_logits": None, "mean": True}
    assert found("output-activation-mismatch", None, statistics, batches, model=model, loss=loss) == causes


@pytest.mark.parametrize(("rows", "causes"), [(8, []), (400, [("warning", "preprocessing")])])
def test_a_few_evaluated_examples_may_be_alike_by_chance(rows, causes):
    """As the states that an agent asks for: a position that none of eight has is no other distribution."""
    training = {f"x0/{which}": np.full(20, value) for which, value in (("mean", 0.2), ("std", 0.4), ("min", 0.0), ("max", 1.0))}
    channel = {
        f"x0/{which}/0": np.full(20, value) for which, value in (("mean", 0.5), ("std", 0.5), ("min", 0.0), ("max", 1.0))
    }
    validation = {name: np.full(rows, float(values[0])) for name, values in training.items()}
    validation |= {f"x0/{which}/0": np.full(rows, 0.0 if which != "max" else 1e-3) for which in ("mean", "std", "min", "max")}
    run = training_run({}, {**training, **channel}, {"framework": "torch", "fit": {"batch_size": 64}}, STAYS, validation)
    told = review(run, catalogue(select=["input-distribution-shift"])).findings
    assert [(f.severity, f.causes[0].id) for f in told] == causes


ADAM = {"class": "Adam", "learning_rate": 0.02, "settings": {}}
UPDATES = {"update/0/weight/norm": [0.08] * 8, "weight/0/weight/norm": [1.0] * 8, "learning_rate": [0.02] * 8}


@pytest.mark.parametrize(("loss", "told"), [(1.0 + 0.1 * NOISE[:60], True), (0.1 * NOISE[:60], False)])
def test_a_loss_below_zero_shows_no_harm_of_a_high_rate(loss, told):
    """The level of a policy's loss means nothing."""
    causes = [c for _, c in found("unconventional-learning-rate", statistics=UPDATES, batches={"loss": loss}, optimizer=ADAM)]
    assert causes == (["too-high"] if told else [])


@pytest.mark.parametrize(
    ("factor", "cause"),
    [(1.0, "undivided"), (0.25, None), (0.0625, "divided-twice"), (1 / 32, None), (1 / 256, None)],
)
def test_by_what_an_accumulated_loss_is_divided(factor, cause):
    """Other divisors than the square of the number of batches make a mean of a sum."""
    loop = {"steps": 40, "ways": 4, "forwards": 160, "passes": 160, "factor": factor}
    assert [c for _, c in found("training-loop", batches=STAYS, loop=loop)] == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([{**MEAN, "shape": [3]}, {"how": "sum", "shape": [16, 32, 32], "factor": 0.3, "elementwise": True}], True),
        ([{**MEAN, "shape": [304]}, {"how": "sum", "shape": [16, 19, 80], "factor": 0.5, "elementwise": True}], True),
        # divided by the number of examples
        ([{**MEAN, "shape": [304]}, {"how": "sum", "shape": [16, 64, 80], "factor": 1 / 16, "elementwise": True}], False),
        ([{**MEAN, "shape": [304]}, {"how": "sum", "shape": [16, 19, 80], "factor": 1e-5, "elementwise": True}], False),
        ([{**MEAN, "shape": [304]}, {"how": "sum", "shape": [90, 80], "factor": 1.0, "elementwise": True}], False),  # no batch
    ],
)
def test_a_sum_over_the_batch_beside_a_mean_of_another_shape(parts, told):
    fit = {"batch_size": 16}
    assert bool(found("loss-parts", batches=STAYS, loop={"parts": parts}, fit=fit)) == told


def epochs(each, count):
    """The numbers of the epochs of all steps."""
    return np.repeat(np.arange(count, dtype=float), each)


@pytest.mark.parametrize(
    ("fit", "each", "cause"),
    [
        ({"steps": 50, "samples": 800, "shuffle": True}, 1, None),  # it is not known whether the training has ended
        ({"steps": 50, "samples": 800, "shuffle": True}, 20, None),  # other batches in each
        ({"steps": 50, "samples": 800, "shuffle": False}, 20, "part"),
        ({"steps": 5, "samples": 80, "shuffle": True}, 5, None),
        ({"steps": 1, "samples": 2, "shuffle": True}, 1, "few"),
    ],
)
def test_how_much_of_the_data_a_training_uses(fit, each, cause):
    numbers = epochs(each, 10)
    batches = {"epoch": numbers, "loss": np.linspace(2.0, 1.5, len(numbers))}
    told = found("training-loop", batches=batches, loop={"steps": 9}, fit=fit, data={"validation": {"samples": 200}})
    assert [c for _, c in told] == ([cause] if cause else [])


@pytest.mark.parametrize(("every", "told"), [(256, True), (4, False), (None, False)])
def test_accumulation_over_more_batches_than_an_epoch_has(every, told):
    settings = {"gradient_accumulation_steps": every, "beta_1": 0.9}
    causes = found("optimizer-settings", batches=STAYS, optimizer={"class": "Adam", "settings": settings}, fit={"steps": 100})
    assert [c for _, c in causes] == (["accumulation"] if told else [])
