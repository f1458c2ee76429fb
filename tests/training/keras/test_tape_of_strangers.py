"""Loops with `tf.GradientTape` in forms that strangers give them: sound ones raise nothing, and lose nothing."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import scram_plugin
from scram_plugin.api import review
from tests.paths import environment
from tests.sizes import few

SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RANDOM = np.random.default_rng(3)
Y = RANDOM.integers(0, 4, 64)
X = (RANDOM.normal(size=(64, 8)) + 3 * np.eye(8)[Y]).astype("float32")


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((8,)), layers.Dense(16, activation="relu"), layers.Dense(4)])


@pytest.fixture
def optimizer():
    return keras.optimizers.SGD(0.1)


def step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = SPARSE(y, model(x, training=True))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True))
    return loss


def watch(model, optimizer, log_dir, **options):
    return scram_plugin.watch(model, optimizer, log_dir=log_dir, print_findings=False, **options)


def losses(log_dir):
    return scram_plugin.read(log_dir)["scram"]["scram/batches/loss"].values


def alarms(log_dir):
    return [f.heuristic for one in review(log_dir) for f in one.findings if f.severity != "info" and not f.explained_by]


def test_deterministic_operations(tmp_path):
    program = f"""
import keras, tensorflow as tf, scram_plugin
tf.config.experimental.enable_op_determinism(); keras.utils.set_random_seed(0)
model, optimizer = keras.Sequential([keras.layers.Dense(1)]), keras.optimizers.SGD(0.1)
@tf.function
def step(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x, training=True)))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
with scram_plugin.watch(model, optimizer, log_dir={str(tmp_path)!r}, print_findings=False):
    for _ in range(20):
        step(tf.ones((4, 2)))
"""
    subprocess.run([sys.executable, "-W", "error::UserWarning:scram_plugin", "-c", program], check=True, env=environment())
    assert len(losses(tmp_path)) == 20


def test_labels_that_a_weight_leaves_out(model, optimizer, tmp_path):
    """They are no classes: the loss of the training cannot be computed for them."""
    labels = Y.copy()
    labels[:5] = 255
    accuracy = keras.metrics.SparseCategoricalAccuracy()

    @tf.function
    def judge(x, y):
        accuracy.update_state(y, model(x, training=False), sample_weight=tf.cast(y != 255, tf.float32))

    train = tf.function(step)
    with watch(model, optimizer, tmp_path):
        for _ in range(3):
            train(model, optimizer, X, Y)
            judge(tf.constant(X), tf.constant(labels))
    assert len(losses(tmp_path)) == 3


def test_a_loss_with_a_state_is_not_called_once_more(model, optimizer, tmp_path):
    class Warm(keras.losses.Loss):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def call(self, y_true, y_pred):
            self.calls += 1
            return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)

    loss, accuracy = Warm(), keras.metrics.SparseCategoricalAccuracy()
    with watch(model, optimizer, tmp_path):
        for _ in range(3):
            with tf.GradientTape() as tape:
                value = loss(Y, model(X, training=True))
            optimizer.apply_gradients(
                zip(tape.gradient(value, model.trainable_variables), model.trainable_variables, strict=True)
            )
            accuracy.update_state(Y, model(X, training=False))
    assert loss.calls == 3


def test_functions_that_only_predict_are_exported(model, optimizer, tmp_path):
    predict = tf.function(lambda x: model(x, training=False))
    with watch(model, optimizer, tmp_path / "logs"):
        step(model, optimizer, X, Y)
        tf.saved_model.save(model, str(tmp_path / "model"))
        module = tf.Module()
        module.model, module.serve = model, predict
        predict(X)
        tf.saved_model.save(module, str(tmp_path / "module"))
        graph = predict.get_concrete_function(tf.TensorSpec((None, 8))).graph
    assert not [o.type for o in graph.get_operations() if o.type in ("PyFunc", "AssignAddVariableOp")]
    loaded = tf.saved_model.load(str(tmp_path / "module"))
    np.testing.assert_allclose(loaded.serve(X), model(X), rtol=1e-6)


def test_a_step_that_fails_has_no_row(model, optimizer, tmp_path):
    train, known = tf.function(step), []
    with watch(model, optimizer, tmp_path):
        for i in range(10):
            try:
                known.append(float(train(model, optimizer, X, Y + 99 if i % 3 == 2 else Y)))
            except tf.errors.InvalidArgumentError:
                continue
    np.testing.assert_allclose(losses(tmp_path), known, rtol=1e-6)


def test_steps_that_are_traced_and_others_keep_their_order(model, optimizer, tmp_path):
    train, known = tf.function(step), []
    with watch(model, optimizer, tmp_path):
        for i in range(30):
            known.append(float((train if i // 5 % 2 else step)(model, optimizer, X, Y)))
    np.testing.assert_allclose(losses(tmp_path), known, rtol=1e-6)


def test_an_optimizer_of_the_programs_own_has_one_step(model, tmp_path):
    class Halved(keras.optimizers.SGD):
        def apply(self, grads, trainable_variables=None):
            return super().apply([g * 0.5 for g in grads], trainable_variables)

    own = Halved(0.1)
    with watch(model, own, tmp_path):
        known = [float(step(model, own, X, Y)) for _ in range(6)]
    np.testing.assert_allclose(losses(tmp_path), known, rtol=1e-6)


def test_steps_of_two_kinds(model, optimizer, tmp_path):
    known = []
    with watch(model, optimizer, tmp_path):
        for i in range(20):
            if i % 2 == 0:
                known.append(float(step(model, optimizer, X, Y)))
                continue
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(X, training=True)))
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            known.append(float(loss))
    np.testing.assert_allclose(losses(tmp_path), known, rtol=1e-6)


def test_layers_that_differ_from_step_to_step(optimizer, tmp_path):
    class Heads(keras.Model):
        def __init__(self):
            super().__init__()
            self.base = layers.Dense(16, activation="relu")
            self.heads = [keras.Sequential([layers.Dense(n, activation="relu"), layers.Dense(4)]) for n in (8, 24)]

        def call(self, x, task=0):
            return self.heads[task](self.base(x))

    model = Heads()
    for task in (0, 1):
        model(X, task=task)
    optimizer.build(model.trainable_variables)

    def of_task(task):
        with tf.GradientTape() as tape:
            loss = SPARSE(Y, model(X, task=task))
        found = zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        optimizer.apply_gradients([pair for pair in found if pair[0] is not None])
        return loss

    train = tf.function(of_task)
    with watch(model, optimizer, tmp_path, every=2):
        known = [float(train(i % 2)) for i in range(20)] + [float(of_task(i % 2)) for i in range(6)]
    np.testing.assert_allclose(losses(tmp_path), known, rtol=1e-6)


def test_shapes_of_unknown_rank(model, optimizer, tmp_path):
    data = tf.data.Dataset.range(4).map(
        lambda i: tf.numpy_function(lambda i: (X[i * 16 : i * 16 + 16], Y[i * 16 : i * 16 + 16]), [i], [tf.float32, tf.int64])
    )

    @tf.function
    def train(x, y):
        x = tf.ensure_shape(x, (None, 8))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x, training=True)))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True))
        return loss

    with watch(model, optimizer, tmp_path):
        known = [float(train(x, y)) for x, y in data]
    np.testing.assert_allclose(losses(tmp_path), known, rtol=1e-6)


def test_gradients_that_are_added_up_in_a_loop(model, optimizer, tmp_path):
    x, y = tf.constant(X), tf.constant(Y)

    @tf.function
    def train():
        tf.nn.softmax(model(x, training=False))
        total = [tf.zeros_like(v) for v in model.trainable_variables]
        for i in tf.range(4):
            with tf.GradientTape() as tape:
                loss = SPARSE(y[i * 16 : (i + 1) * 16], model(x[i * 16 : (i + 1) * 16], training=True)) / 4.0
            found = tape.gradient(loss, model.trainable_variables)
            total = [a + b for a, b in zip(total, found, strict=True)]
        optimizer.apply_gradients(zip(total, model.trainable_variables, strict=True))

    with watch(model, optimizer, tmp_path):
        for _ in range(5):
            train()
    assert len(losses(tmp_path)) == 5
    assert np.isfinite(losses(tmp_path)).all()


def test_pseudo_labels_within_a_step_are_no_evaluation(model, optimizer, tmp_path):
    accuracy = keras.metrics.SparseCategoricalAccuracy()

    @tf.function
    def train(x, y):
        hard = tf.argmax(model(x + 0.1, training=False), -1)
        with tf.GradientTape() as tape:
            made = model(x, training=True)
            loss = SPARSE(y, made) + 0.01 * SPARSE(hard, made)
        accuracy.update_state(y, made)
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True))
        return loss

    with watch(model, optimizer, tmp_path):
        known = [float(train(X, Y)) for _ in range(30)]
    np.testing.assert_allclose(losses(tmp_path), known, rtol=1e-6)
    assert "validation" not in scram_plugin.read(tmp_path)


def contrast(model, x):
    one, two = (tf.math.l2_normalize(model(x + tf.random.normal(x.shape, stddev=0.1), training=True), 1) for _ in range(2))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(64), one @ tf.transpose(two)))


def with_another_loss_last(model, x):
    made = model(x, training=True)
    return SPARSE(Y, made) + 0.01 * keras.losses.MeanSquaredError()(tf.zeros_like(made), made)


def each_example(model, x):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(Y, model(x, training=True))


def adversarial(model, x):
    made = model(x, training=True)
    return SPARSE(Y, made) + tf.reduce_mean(tf.square(model(x + 0.01, training=False) - tf.stop_gradient(made)))


@pytest.mark.parametrize("traced", few([True, False], bool), ids=["traced", "line by line"])
@pytest.mark.parametrize("loss", [contrast, with_another_loss_last, each_example, adversarial])
def test_sound_losses_raise_nothing(loss, traced, model, tmp_path):
    model = keras.Sequential([*model.layers[:1], layers.Dropout(0.1), *model.layers[1:]])
    optimizer, known = keras.optimizers.Adam(3e-3), []

    def train(x):
        with tf.GradientTape() as tape:
            value = loss(model, x)
        optimizer.apply_gradients(zip(tape.gradient(value, model.trainable_variables), model.trainable_variables, strict=True))
        return tf.reduce_mean(value)

    run = tf.function(train) if traced else train
    with watch(model, optimizer, tmp_path):
        for _ in range(60):
            known.append(float(run(tf.constant(X[RANDOM.permutation(64)] if loss is contrast else X))))
    np.testing.assert_allclose(losses(tmp_path), known, rtol=1e-5)
    # a contrast of so few numbers is hardly learned: that the loss is stuck is right
    assert set(alarms(tmp_path)) <= ({"plateau", "no-learning"} if loss is contrast else set())


@pytest.mark.parametrize("order", [(0, 1), (1, 0), ()])
def test_a_gan_as_one_model_raises_nothing(order, tmp_path):
    class Gan(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator, self.critic = keras.Sequential([layers.Dense(8)]), keras.Sequential([layers.Dense(1)])

        def call(self, z):
            return self.critic(self.generator(z))

    keras.utils.set_random_seed(0)
    gan, binary = Gan(), keras.losses.BinaryCrossentropy(from_logits=True)
    gan(tf.zeros((1, 3)))
    optimizers = [keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3)]

    @tf.function
    def of_critic(real):
        with tf.GradientTape() as tape:
            fake = gan(tf.random.normal((64, 3)), training=True)
            of_real = gan.critic(real, training=True)
            loss = binary(tf.ones_like(of_real), of_real) + binary(tf.zeros_like(fake), fake)
        trained = gan.critic.trainable_variables
        optimizers[1].apply_gradients(zip(tape.gradient(loss, trained), trained, strict=True))

    @tf.function
    def of_generator():
        with tf.GradientTape() as tape:
            fake = gan(tf.random.normal((64, 3)), training=True)
            loss = binary(tf.ones_like(fake), fake)
        trained = gan.generator.trainable_variables
        optimizers[0].apply_gradients(zip(tape.gradient(loss, trained), trained, strict=True))

    with watch(gan, [optimizers[i] for i in order] or None, tmp_path):
        for _ in range(40):
            of_critic(tf.constant(X))
            of_generator()
    assert alarms(tmp_path) == []


def test_a_model_within_another_has_the_mode_of_that(optimizer, tmp_path):
    net = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dropout(0.2), layers.Dense(4)])

    class Around(keras.Model):
        def __init__(self):
            super().__init__()
            self.net = net

        def call(self, x):
            return self.net(x)

    around = Around()
    around(X)

    @tf.function
    def train(x, y):
        with tf.GradientTape() as tape:
            loss = SPARSE(y, around(x, training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables, strict=True))

    with watch(net, optimizer, tmp_path):
        for _ in range(10):
            train(X, Y)
    assert alarms(tmp_path) == []


def test_passes_without_steps_keep_nothing(model, optimizer, tmp_path):
    """As in maps of what a model looks at."""
    with watch(model, optimizer, tmp_path) as scram:
        step(model, optimizer, X, Y)
        for _ in range(50):
            with tf.GradientTape() as tape:
                x = tf.constant(X)
                tape.watch(x)
                top = tf.reduce_sum(model(x, training=False)[:, 0])
            tape.gradient(top, x)
        assert max(map(len, scram.recorder._eager.layers.values())) == 1


@pytest.mark.parametrize(
    ("outputs", "between", "logits", "causes"),
    [
        (None, False, True, []),
        (None, True, True, ["twice"]),
        (None, True, False, []),  # probabilities for a loss of probabilities
        ("softmax", False, False, []),
        ("softmax", False, True, ["twice"]),
    ],
)
def test_a_softmax_between_the_model_and_the_loss(outputs, between, logits, causes, optimizer, tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), layers.Dense(16, "relu"), layers.Dense(int(Y.max()) + 1, outputs)])
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)

    @tf.function
    def train(x, y):
        with tf.GradientTape() as tape:
            made = model(x, training=True)
            loss = loss_of(y, tf.nn.softmax(made) if between else made)
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True))

    with watch(model, optimizer, tmp_path, every=1):
        for i in range(12):
            at = slice(i % 4 * 16, i % 4 * 16 + 16)
            train(tf.constant(X[at]), tf.constant(Y[at]))
    (found,) = scram_plugin.review(str(tmp_path), cache=False)
    assert [f.causes[0].id for f in found.alone if f.heuristic == "output-activation-mismatch"] == causes
