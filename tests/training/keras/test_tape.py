"""Loops with `tf.GradientTape`: each step is recorded, however the loop is written, and nothing of the training changes."""

import gc
import pickle
import subprocess
import sys
import warnings
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import scram_plugin
from scram_plugin.logs.pairing import training_runs
from scram_plugin.training.keras import tape_patches
from scram_plugin.training.keras.tape_recorder import TapeRecorder
from tests.paths import environment
from tests.sizes import few

STEPS = 16
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def images(count=16):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 8, 8, 3)).astype("float32"), rng.integers(0, 4, count)


def words(count=16):
    rng = np.random.default_rng(0)
    return rng.integers(0, 50, (count, 6)), rng.integers(0, 4, count)


def convolutional():
    return keras.Sequential(
        [
            *(keras.Input((8, 8, 3)), layers.Conv2D(6, 3, activation="relu", name="first"), layers.BatchNormalization()),
            *(layers.Conv2D(8, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D()),
            *(
                layers.Flatten(),
                layers.Dropout(0.3),
                layers.Dense(16, activation="tanh", name="bounded"),
                layers.Dense(4, name="last"),
            ),
        ]
    )


def recurrent():
    return keras.Sequential([layers.Embedding(50, 8), layers.Bidirectional(layers.LSTM(8)), layers.Dense(4)])


class Own(keras.Model):
    """A model whose layers are known, but not their order, with a sum that TensorFlow fuses with others."""

    def __init__(self):
        super().__init__()
        self.flat, self.one, self.two = layers.Flatten(), layers.Dense(16), layers.Dense(16, activation="gelu")
        self.last = layers.Dense(4)

    def call(self, x, training=False):
        x = self.one(self.flat(x))
        return self.last(x + self.two(x))


def plainly(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = SPARSE(y, model(x, training=True))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True))
    return loss


def line_by_line(model, optimizer, x, y):
    return [float(plainly(model, optimizer, x, y)) for _ in range(STEPS)]


def traced(model, optimizer, x, y):
    step = tf.function(plainly)
    return [float(step(model, optimizer, x, y)) for _ in range(STEPS)]


def loop_within(model, optimizer, x, y):
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(len(x)).repeat(STEPS)

    @tf.function
    def train():
        losses = tf.TensorArray(tf.float32, STEPS)
        for i, (a, b) in data.enumerate():
            losses = losses.write(tf.cast(i, tf.int32), plainly(model, optimizer, a, b))
        return losses.stack()

    return train().numpy().tolist()


def sometimes(model, optimizer, x, y):
    """The optimizer stands in a branch, and clips by a norm that it computes itself."""

    @tf.function
    def step(update):
        with tf.GradientTape() as tape:
            loss = SPARSE(y, model(x, training=True))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, model.trainable_variables), 1.0)
        if update:
            optimizer.apply(gradients, model.trainable_variables)
        return loss

    step(tf.constant(False))
    return [float(step(tf.constant(True))) for _ in range(STEPS)]


def apart(model, optimizer, x, y):
    """Backward pass and step are functions of their own."""

    @tf.function
    def backward():
        with tf.GradientTape() as tape:
            loss = SPARSE(y, model(x, training=True))
        return loss, tape.gradient(loss, model.trainable_variables)

    losses = []
    for _ in range(STEPS):
        loss, gradients = backward()
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        losses.append(float(loss))
    return losses


def first_without(model, optimizer, x, y):
    """A function that TensorFlow traces again may make no variables."""

    @tf.function
    def step(update):
        with tf.GradientTape() as tape:
            loss = SPARSE(y, model(x, training=True))
        if update:
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    optimizer.build(model.trainable_variables)
    step(False)
    return [float(step(True)) for _ in range(STEPS)]


def scaled(model, optimizer, x, y):
    optimizer = keras.optimizers.LossScaleOptimizer(optimizer)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = SPARSE(y, model(x, training=True))
            larger = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(larger, model.trainable_variables), model.trainable_variables)
        return loss

    return [float(step()) for _ in range(STEPS)]


LOOPS = [line_by_line, traced, loop_within, sometimes, apart, first_without, scaled]
MODELS = {"convolutional": (convolutional, images), "recurrent": (recurrent, words), "own": (Own, images)}


def train(loop, kind, log_dir=None, **options):
    keras.utils.set_random_seed(7)
    make, data = MODELS[kind]
    (x, y), model, optimizer = map(tf.constant, data()), make(), keras.optimizers.Adam(1e-2)
    model(x[:1])
    given = [] if loop is scaled else [optimizer]  # the loop wraps it
    if log_dir is None:
        return loop(model, optimizer, x, y), model
    with scram_plugin.watch(model, *given, log_dir=log_dir, every=5, print_findings=False, **options):
        return loop(model, optimizer, x, y), model


def recorded(log_dir):
    return scram_plugin.read(log_dir)["scram"]


def review(log_dir):
    from scram_plugin.api import review as of

    return {finding.heuristic for each in of(log_dir) for finding in each.findings}


@pytest.fixture(autouse=True)
def nothing_stays():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", message=".*(build|Protobuf|asyncio).*")
        yield
    assert not tape_patches._originals
    gc.collect()


QUICK = (line_by_line, traced, scaled)  # forms of a loop that differ most


@pytest.mark.parametrize(
    ("loop", "kind"),
    [
        *((loop, "convolutional") for loop in QUICK),
        *(pytest.param(loop, "convolutional", marks=pytest.mark.slow) for loop in LOOPS if loop not in QUICK),
        (traced, "own"),
        pytest.param(line_by_line, "own", marks=pytest.mark.slow),
        *(pytest.param(loop, "recurrent", marks=pytest.mark.slow) for loop in (line_by_line, traced)),
    ],
)
def test_nothing_changes_and_each_step_is_recorded(loop, kind, tmp_path):
    losses, plain = train(loop, kind)
    again, watched = train(loop, kind, tmp_path)
    assert again == losses
    for one, other in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    found = recorded(tmp_path)["scram/batches/loss"]
    assert found.steps.tolist() == list(range(STEPS))
    np.testing.assert_allclose(found.values, losses, rtol=1e-6)


@pytest.mark.parametrize("loop", [line_by_line, traced])
def test_statistics_are_those_of_the_step(loop, tmp_path):
    _, model = train(loop, "convolutional", tmp_path)
    found, (x, y) = recorded(tmp_path), images()
    # a loop that is run line by line is measured less often where that would take more than 0.5 % of the time
    assert found["scram/statistics/x0/std"].steps.tolist()[:4] == ([1, 3, 6, 11] if loop is traced else [1, 3])
    np.testing.assert_allclose(found["scram/statistics/x0/std"].values, x.std(), rtol=1e-5)
    counts = [found[f"scram/statistics/y0/count/{label}"].values[0] for label in range(4)]
    assert counts == np.bincount(y, minlength=4).tolist()
    assert np.isfinite(found["scram/statistics/gradient/bounded/kernel/norm"].values).all()
    last = model.layers[-1]
    step = found["scram/statistics/update/last/kernel/norm"].values
    assert 0 < step[-1] < np.linalg.norm(last.kernel.numpy())
    assert {"scram/statistics/layer/bounded/saturated", "scram/statistics/layer/first/dead"} <= set(found)


def test_the_gradient_is_that_of_the_tape(tmp_path):
    model, optimizer = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="only")]), keras.optimizers.SGD(0.1)
    x, y = tf.constant(np.random.default_rng(0).normal(size=(8, 3)), tf.float32), tf.ones((8, 2))
    kept = []

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return gradients[0]

    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, every=1, print_findings=False):
        kept = [step().numpy() for _ in range(5)]
    norms = recorded(tmp_path)["scram/statistics/gradient/only/kernel/norm"]
    np.testing.assert_allclose(norms.values, [np.linalg.norm(kept[at]) for at in norms.steps], rtol=1e-5)
    updates = recorded(tmp_path)["scram/statistics/update/only/kernel/norm"]
    np.testing.assert_allclose(updates.values, 0.1 * norms.values, rtol=1e-4)


def of_nn(y, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))


def squared(y, outputs):
    return tf.reduce_mean((tf.cast(y, tf.float32)[:, None] - outputs) ** 2)


def absolute(y, outputs):
    return tf.reduce_mean(tf.abs(outputs - tf.cast(y, tf.float32)[:, None]))


@pytest.mark.parametrize(
    ("loss", "units", "known"),
    [
        (SPARSE, 4, ("SparseCategoricalCrossentropy", True)),
        (keras.losses.SparseCategoricalCrossentropy(), 4, ("SparseCategoricalCrossentropy", False)),
        (of_nn, 4, ("SparseCategoricalCrossentropy", True)),
        (squared, 1, ("MeanSquaredError", None)),
        (absolute, 1, ("MeanAbsoluteError", None)),
        (lambda y, outputs: tf.reduce_mean(tf.exp(-outputs)), 1, (None, None)),
    ],
)
def test_the_loss_is_known_by_what_it_compares(loss, units, known, tmp_path):
    x, y = map(tf.constant, images())
    model, optimizer = keras.Sequential([layers.Flatten(), layers.Dense(units)]), keras.optimizers.Adam()

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        optimizer.apply_gradients(zip(tape.gradient(value, model.trainable_variables), model.trainable_variables, strict=True))

    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as scram:
        for _ in range(3):
            step(x, y)
        facts = scram.facts["loss"]
    assert (facts["class"], facts["from_logits"]) == known
    assert ("scram/batches/y0/mean" in recorded(tmp_path)) is (known[0] is not None)


def test_the_loss_of_an_evaluation_is_that_of_the_training(tmp_path):
    x, y = map(tf.constant, images(64))
    model, optimizer = convolutional(), keras.optimizers.Adam(1e-3)
    accuracy, step, expected = keras.metrics.SparseCategoricalAccuracy(), tf.function(plainly), []

    @tf.function
    def judge(a, b):
        accuracy.update_state(b, model(a, training=False))

    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for _ in range(4):
            for at in range(0, 32, 16):
                step(model, optimizer, x[at : at + 16], y[at : at + 16])
            for at in range(32, 64, 8):
                judge(x[at : at + 8], y[at : at + 8])
            expected.append(float(SPARSE(y[32:], model(x[32:], training=False))))
    logs = scram_plugin.read(tmp_path)
    np.testing.assert_allclose(logs["validation"]["epoch_loss"].values, expected, rtol=1e-5)
    assert len(logs["train"]["epoch_loss"]) == 4


def test_what_the_program_logs_counts(tmp_path):
    x, y = map(tf.constant, images())
    model, optimizer = convolutional(), keras.optimizers.Adam(1e-3)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as scram:
        for epoch in range(3):
            loss = plainly(model, optimizer, x, y)
            SPARSE(y, model(x, training=False))
            scram.log(val_loss=float(epoch))
    logs = scram_plugin.read(tmp_path)
    assert logs["validation"]["epoch_loss"].values.tolist() == [0, 1, 2]
    assert logs["train"]["epoch_loss"].values[-1] == pytest.approx(float(loss))


def test_the_mode_of_the_steps_and_of_the_evaluations(tmp_path):
    x, y = map(tf.constant, images())
    model, optimizer = convolutional(), keras.optimizers.Adam(1e-3)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = SPARSE(y, model(x))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True))

    judge = tf.function(lambda: model(x, training=True))
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for _ in range(5):
            step()
            judge()
    (run,) = training_runs(scram_plugin.read(tmp_path))
    assert {key: run.loop[key] for key in ("steps", "eval_steps", "unswitched", "evaluations")} == {
        "steps": 5,
        "eval_steps": 5,
        "unswitched": 4,  # what comes after the last step may be a sampling
        "evaluations": 0,
    }
    assert run.loop["modal"] == ["BatchNormalization", "Dropout"]
    assert "training-loop" in review(tmp_path)


def test_weights_that_no_optimizer_trains_are_named(tmp_path):
    x, y = map(tf.constant, images())
    model, optimizer = convolutional(), keras.optimizers.Adam(1e-3)
    left = model.layers[-1].trainable_variables

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = SPARSE(y, model(x, training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, left), left, strict=True))

    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for _ in range(5):
            step()
    (run,) = training_runs(scram_plugin.read(tmp_path))
    assert run.facts["optimizer"]["untrained"]["forgotten"] == len(model.trainable_variables) - 2
    assert "untrained-parameters" in review(tmp_path)


def test_frozen_layers_are_meant(tmp_path):
    x, y = map(tf.constant, images())
    model, optimizer = convolutional(), keras.optimizers.Adam(1e-3)
    model.layers[0].trainable = False
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        traced(model, optimizer, x, y)
    (run,) = training_runs(scram_plugin.read(tmp_path))
    assert run.facts["optimizer"]["untrained"]["forgotten"] == 0


@pytest.mark.parametrize("within", [True, False], ids=["traced", "line by line"])
def test_a_model_that_is_frozen_as_a_whole(within, tmp_path):
    x, y = map(tf.constant, images())
    model, optimizer = convolutional(), keras.optimizers.Adam(1e-3)
    model.trainable = False
    optimizer.build([])

    def step():
        with tf.GradientTape() as tape:
            loss = SPARSE(y, model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    step = tf.function(step) if within else step
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        losses = [float(step()) for _ in range(5)]
    np.testing.assert_allclose(recorded(tmp_path)["scram/batches/loss"].values, losses, rtol=1e-6)
    assert "frozen-weights" in review(tmp_path)


def test_targets_that_meet_outputs_in_pairs_are_found(tmp_path):
    x, y = tf.random.normal((16, 5)), tf.random.normal((16,))
    model, optimizer = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(1)]), keras.optimizers.Adam()

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - model(x, training=True)))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True))

    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for _ in range(5):
            step(x, y)
    assert "label-range" in review(tmp_path)


@pytest.mark.parametrize("within", [True, False], ids=["traced", "line by line"])
def test_the_origin_of_a_nan_is_known(within, tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="relu", name="first"), layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)  # it keeps the gradient

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(ops.sqrt(model(x, training=True) * 0 + x[:, :1]))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True))

    step = tf.function(step) if within else step
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for at in range(6):
            step(tf.ones((4, 4)) * (0.0 if at == 3 else 1.0))
    found = recorded(tmp_path)
    assert found["scram/origin/gradient/first/kernel/nan"].steps.tolist() == [3]
    assert found["scram/origin/loss/nan"].values.tolist() == [0]
    assert "nonfinite-origin" in review(tmp_path) or "nonfinite-loss" in review(tmp_path)


def test_several_models_with_their_optimizers_have_one_step(tmp_path):
    keras.utils.set_random_seed(0)
    generator, critic = keras.Sequential([layers.Dense(3)]), keras.Sequential([layers.Dropout(0.1), layers.Dense(1)])
    optimizers = keras.optimizers.Adam(), keras.optimizers.Adam()

    @tf.function
    def step(real):
        with tf.GradientTape() as one, tf.GradientTape() as two:
            fake = generator(tf.random.normal((8, 2)), training=True)
            scores = critic(real, training=True), critic(fake, training=True)
            of_generator = tf.reduce_mean(-scores[1])
            of_critic = tf.reduce_mean(scores[1] - scores[0])
        for optimizer, tape, loss, model in zip(
            optimizers, (one, two), (of_generator, of_critic), (generator, critic), strict=True
        ):
            optimizer.apply_gradients(
                zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
            )
        return of_critic

    real = tf.random.normal((8, 3))
    generator(tf.zeros((1, 2))), critic(real)
    with scram_plugin.watch([generator, critic], optimizers, log_dir=tmp_path, print_findings=False):
        losses = [float(step(real)) for _ in range(10)]
    found = recorded(tmp_path)
    np.testing.assert_allclose(found["scram/batches/loss"].values, losses, rtol=1e-5)
    (run,) = training_runs(scram_plugin.read(tmp_path))
    assert run.loop["optimizers"] == 2
    assert run.facts["optimizer"]["untrained"]["forgotten"] == 0
    assert {f"scram/statistics/gradient/{m.name}/{m.layers[-1].name}/kernel/norm" for m in (generator, critic)} <= set(found)


def test_a_function_that_xla_compiles_is_left_alone(tmp_path):
    x, y = map(tf.constant, images())
    model, optimizer = keras.Sequential([layers.Flatten(), layers.Dense(4)]), keras.optimizers.SGD(0.1)
    model(x)
    optimizer.build(model.trainable_variables)
    step = tf.function(lambda: plainly(model, optimizer, x, y), jit_compile=True)
    scram = scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False)
    for _ in range(3):
        step()
    with pytest.warns(UserWarning, match="SCRAM has seen no training step"):
        scram.close()


def test_replicas_are_left_alone(tmp_path):
    x, y = map(tf.constant, images())
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        model, optimizer = keras.Sequential([layers.Flatten(), layers.Dense(4)]), keras.optimizers.SGD(0.1)
    scram = scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False)
    strategy.run(tf.function(lambda: plainly(model, optimizer, x, y)))
    with pytest.warns(UserWarning, match="SCRAM has seen no training step"):
        scram.close()


@pytest.mark.parametrize("loop", few([line_by_line, traced], lambda loop: loop is traced))
@pytest.mark.parametrize("broken", ["_called", "_differentiated", "_applies", "_ended", "_detail"])
def test_a_failure_costs_one_warning_and_nothing_of_the_training(loop, broken, tmp_path, monkeypatch):
    losses, _ = train(loop, "own")

    def fail(*given):
        raise RuntimeError("a mistake of SCRAM's")

    monkeypatch.setattr(TapeRecorder, broken, fail)
    with pytest.warns(UserWarning, match="SCRAM stopped recording: RuntimeError: a mistake"):
        assert train(loop, "own", tmp_path)[0] == losses


def test_what_is_saved_copied_or_exported_is_as_without(tmp_path):
    x, y = map(tf.constant, images())
    model, optimizer = convolutional(), keras.optimizers.Adam(1e-3)
    scram = scram_plugin.watch(model, optimizer, log_dir=tmp_path / "logs", print_findings=False)
    traced(model, optimizer, x, y)
    outputs = model(x).numpy()
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    model.export(tmp_path / "exported", verbose=False)
    tf.train.Checkpoint(model=model, optimizer=optimizer).write(str(tmp_path / "checkpoint"))
    copies = [keras.models.clone_model(model), pickle.loads(pickle.dumps(model))]
    np.testing.assert_array_equal(copies[1](x), outputs)
    keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    scram.close()
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), outputs)
    names = [name for name, _ in tf.train.list_variables(str(tmp_path / "checkpoint"))]
    assert not [name for name in names if "scram" in name]
    program = (
        f"import tensorflow as tf; m = tf.saved_model.load({str(tmp_path / 'exported')!r}); m.serve(tf.zeros((1, 8, 8, 3)))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=environment(), capture_output=True)


def test_a_traced_step_goes_on_after_the_end_and_frees_the_model(tmp_path):
    x, y = map(tf.constant, images())
    model, optimizer = convolutional(), keras.optimizers.Adam(1e-3)
    step, accuracy = tf.function(lambda: plainly(model, optimizer, x, y)), keras.metrics.SparseCategoricalAccuracy()
    judge = tf.function(lambda: accuracy.update_state(y, model(x, training=False)))
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for _ in range(5):
            step()
            judge()
    for _ in range(100):
        step()
    assert len(recorded(tmp_path)["scram/batches/loss"]) == 5
    gone = weakref.ref(model)
    model = step = judge = optimizer = None
    gc.collect()
    assert gone() is None


def test_a_second_training_of_the_model_goes_on_where_the_first_ended(tmp_path):
    x, y = map(tf.constant, images())
    model, optimizer = convolutional(), keras.optimizers.Adam(1e-3)
    for _ in range(2):
        with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
            for _ in range(3):
                plainly(model, optimizer, x, y)
    assert recorded(tmp_path)["scram/batches/loss"].steps.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda model: (model, "adam"), "optimizer is a str: give a keras.optimizers.Optimizer"),
        (lambda model: ([model, 3], keras.optimizers.Adam()), "model is a int: give the keras.Model that is trained"),
    ],
)
def test_invalid_arguments_are_told(given, said, tmp_path):
    with pytest.raises(TypeError, match=said):
        scram_plugin.watch(*given(keras.Sequential([layers.Dense(1)])), log_dir=tmp_path)
