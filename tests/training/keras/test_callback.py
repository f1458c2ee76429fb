"""The Keras callback on real trainings: what it records, in every way that Keras can be used, and what it never does."""

import copy
import gc
import os
import pickle
import subprocess
import sys
import time
import warnings
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import scram_plugin
from scram_plugin import SCRAM
from scram_plugin.logs.pairing import training_runs
from scram_plugin.training.summary_writer import SummaryWriter
from tests.paths import environment
from tests.sizes import few
from tests.training.keras.models import IMAGES, LABELS, dense, two_inputs


def watch(tmp_path, **options):
    return SCRAM(tmp_path, print_findings=False, **options)


def loss_of_batches(tmp_path):
    return scram_plugin.read(tmp_path)["scram"]["scram/batches/loss"]


def by_hand(model, x, y, batch_size):
    """The loss of every batch of one epoch in order, as `train_on_batch` gives it on a fresh model."""
    losses = []
    for at in range(0, len(y), batch_size):
        model.reset_metrics()
        losses.append(model.train_on_batch(x[at : at + batch_size], y[at : at + batch_size])[0])
    return np.array(losses)


def test_the_loss_is_that_of_each_batch_and_statistics_are_right(tmp_path):
    keras.utils.set_random_seed(3)
    model, (x, y) = dense()
    model.fit(x, y, batch_size=32, shuffle=False, verbose=0, callbacks=[watch(tmp_path, every=10)])
    keras.utils.set_random_seed(3)
    np.testing.assert_allclose(loss_of_batches(tmp_path).values, by_hand(dense()[0], x, y, 32), rtol=1e-5)
    run = scram_plugin.read(tmp_path)["scram"]
    for statistic, function in {"min": np.min, "max": np.max, "mean": np.mean, "std": np.std}.items():
        series = run[f"scram/statistics/x0/{statistic}"]
        assert series.steps.tolist() == [1, 3, 7, 11, 21, 31, 41, 51], "the first ones are measured more often"
        expected = [function(x[32 * step : 32 * step + 32]) for step in series.steps]
        np.testing.assert_allclose(series.values, expected, rtol=1e-5)
    batch = y[32:64]
    counts = [run[f"scram/statistics/y0/count/{label}"].values[0] for label in range(10)]
    assert counts == np.bincount(batch, minlength=10).tolist()


def data_as(form):
    """(arguments of fit) for one way of giving data."""
    x, y = IMAGES[:320], LABELS[:320]
    if form == "tf.data":
        return {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(32)}
    if form == "generator":
        return {"x": ((x[i : i + 32], y[i : i + 32]) for _ in range(9) for i in range(0, 320, 32)), "steps_per_epoch": 10}
    if form == "PyDataset":

        class Batches(keras.utils.PyDataset):
            def __len__(self):
                return 10

            def __getitem__(self, i):
                return x[32 * i : 32 * i + 32], y[32 * i : 32 * i + 32]

        return {"x": Batches()}
    if form == "sample weights":
        return {"x": x, "y": y, "sample_weight": np.linspace(0, 1, 320)}
    if form == "class weights":
        return {"x": x, "y": y, "class_weight": {i: 1.0 + i for i in range(10)}}
    if form == "bytes":
        return {"x": (x * 255).astype("uint8"), "y": y}
    return {"x": x, "y": y}


FORMS = ["NumPy", "tf.data", "generator", "PyDataset", "sample weights", "class weights", "bytes"]


@pytest.mark.parametrize("form", few(FORMS, lambda form: form in ("tf.data", "generator", "sample weights")))
def test_every_form_of_data(form, tmp_path):
    model, _ = dense()
    model.fit(**data_as(form), epochs=2, verbose=0, callbacks=[watch(tmp_path, every=3)])
    assert len(loss_of_batches(tmp_path)) == 20
    assert scram_plugin.read(tmp_path)["scram"].ended == "finished"


def test_lists_of_inputs(tmp_path):
    a, b = keras.Input((8, 8)), keras.Input((8,))
    model = keras.Model([a, b], layers.Dense(10, "softmax")(layers.Concatenate()([layers.Flatten()(a), b])))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit([IMAGES, IMAGES.mean(axis=1)], LABELS, verbose=0, callbacks=[watch(tmp_path)])
    assert "scram/statistics/x1/mean" in scram_plugin.read(tmp_path)["scram"]


def test_run_eagerly(tmp_path):
    model, (x, y) = dense(run_eagerly=True)
    model.fit(x[:160], y[:160], batch_size=32, verbose=0, callbacks=[watch(tmp_path, every=2)])
    assert len(loss_of_batches(tmp_path)) == 5


def test_a_second_fit_goes_on_where_the_first_ended(tmp_path):
    model, (x, y) = dense()
    callback = watch(tmp_path)
    for _ in range(2):
        model.fit(x[:320], y[:320], validation_split=0.2, batch_size=32, epochs=3, verbose=0, callbacks=[callback])
    logs = scram_plugin.read(tmp_path)
    assert loss_of_batches(tmp_path).steps.tolist() == list(range(2 * 3 * 8))
    assert logs["train"]["epoch_loss"].steps.tolist() == list(range(6))
    assert logs["validation"]["epoch_loss"].steps.tolist() == list(range(6))


def test_scalars_have_the_tags_and_places_of_keras_and_its_values(tmp_path):
    model, (x, y) = dense()
    history = model.fit(x, y, validation_split=0.2, epochs=3, verbose=0, callbacks=[watch(tmp_path / "scram")])
    keras_model, _ = dense()
    keras_model.fit(
        x, y, validation_split=0.2, epochs=3, verbose=0, callbacks=[keras.callbacks.TensorBoard(tmp_path / "keras")]
    )
    ours, theirs = scram_plugin.read(tmp_path / "scram"), scram_plugin.read(tmp_path / "keras")
    for run in ("train", "validation"):
        assert {t for t in theirs[run] if t.startswith("epoch_")} == set(ours[run])
        assert theirs[run]["epoch_loss"].steps.tolist() == ours[run]["epoch_loss"].steps.tolist()
    np.testing.assert_array_equal(ours["train"]["epoch_loss"].values, np.float32(history.history["loss"]))
    np.testing.assert_array_equal(ours["validation"]["epoch_accuracy"].values, np.float32(history.history["val_accuracy"]))


@pytest.mark.parametrize("ours_first", [True, False])
def test_no_second_copy_beside_the_tensorboard_callback(ours_first, tmp_path):
    model, (x, y) = dense()
    callbacks = [watch(tmp_path), keras.callbacks.TensorBoard(tmp_path)]
    model.fit(x, y, epochs=2, verbose=0, callbacks=callbacks if ours_first else callbacks[::-1])
    logs = scram_plugin.read(tmp_path)
    assert len(logs["train"]["epoch_loss"]) == 2
    assert not list((tmp_path / "train").glob("*.scram"))
    assert len(loss_of_batches(tmp_path)) == 2 * 57


@pytest.mark.parametrize("steps_per_execution", [1, 4])
@pytest.mark.parametrize("bad", [7, 38])
def test_the_first_nonfinite_batch_is_exact_whether_sampled_or_not(bad, steps_per_execution, tmp_path):
    x = IMAGES[:1600].copy()
    x[32 * bad + 5, 3, 3] = np.nan
    # a loss that lets NaN through: with ReLU and softmax the CPU may hide it
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=steps_per_execution)
    model.fit(x, LABELS[:1600], batch_size=32, shuffle=False, verbose=0, callbacks=[watch(tmp_path, every=20)])
    loss = loss_of_batches(tmp_path)
    assert int(loss.steps[np.argmax(~np.isfinite(loss.values))]) == bad
    means = scram_plugin.read(tmp_path)["scram"]["scram/batches/x0/mean"]
    assert means.steps[~np.isfinite(means.values)].tolist() == [bad]


class Broken(keras.callbacks.Callback):
    def __init__(self, at, error):
        super().__init__()
        self.at, self.error = at, error

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.at:
            raise self.error


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()])
def test_an_interrupted_fit_is_on_disk_and_the_next_one_works(error, tmp_path):
    model, (x, y) = dense()
    callback = watch(tmp_path)
    with pytest.raises(type(error)):
        model.fit(x, y, batch_size=32, verbose=0, callbacks=[callback, Broken(20, error)])
    callback._writer.flush()
    callback._flush()
    callback._writer.flush()
    assert len(loss_of_batches(tmp_path)) == 21
    before = [w.numpy().copy() for w in model.trainable_weights]
    model.fit(x, y, batch_size=32, verbose=0)  # without SCRAM: nothing of it is left
    assert not hasattr(model.train_function, "scram_plain")
    assert any((w.numpy() != b).any() for w, b in zip(model.trainable_weights, before, strict=True))
    model.fit(x, y, batch_size=32, verbose=0, callbacks=[watch(tmp_path / "next")])
    assert len(loss_of_batches(tmp_path / "next")) == 57


def test_an_exception_inside_becomes_one_warning_and_the_training_goes_on(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("a bug of SCRAM's")

    monkeypatch.setattr("scram_plugin.training.keras.statistics.bounds", fail)
    model, (x, y) = dense()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(x, y, epochs=2, verbose=0, callbacks=[watch(tmp_path)])
    ours = [str(w.message) for w in caught if "SCRAM" in str(w.message)]
    assert len(ours) == 1
    assert "a bug of SCRAM's" in ours[0]
    assert len(history.history["loss"]) == 2


def test_a_directory_that_cannot_be_written_costs_one_warning(tmp_path):
    (tmp_path / "file").write_text("in the way")
    model, (x, y) = dense()
    with pytest.warns(UserWarning, match="SCRAM stopped recording"):
        history = model.fit(x, y, epochs=2, verbose=0, callbacks=[watch(tmp_path / "file" / "logs")])
    assert len(history.history["loss"]) == 2


def exploding():
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(16, "relu"), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate=1e10), "mse")
    return model


def test_findings_are_printed_at_once_and_given_and_stop_the_training(tmp_path, capsys):
    given = []
    model = exploding()
    history = model.fit(
        IMAGES, LABELS, epochs=5, verbose=1, callbacks=[SCRAM(tmp_path, stop_on="error", on_finding=given.append)]
    )
    assert len(history.history["loss"]) == 1
    assert [f["heuristic"] for f in given] == ["nonfinite-loss"]
    said = capsys.readouterr().out
    assert "Loss became" in said
    assert "SGD(learning_rate=0.01)" in said, "the fix stands in the user's own line"
    assert scram_plugin.read(tmp_path)["scram"].ended == "stopped"


def test_what_is_only_worth_knowing_is_given_but_not_printed(tmp_path, capsys):
    given = []
    model, data = dense()
    model.fit(*data, epochs=6, verbose=0, callbacks=[SCRAM(tmp_path, on_finding=given.append)])
    assert [(f["heuristic"], f["severity"]) for f in given] == [("missing-validation", "info")]
    assert "SCRAM" not in capsys.readouterr().out


def test_printing_can_be_switched_off(tmp_path, capsys):
    exploding().fit(IMAGES, LABELS, epochs=1, verbose=0, callbacks=[watch(tmp_path)])
    assert "SCRAM" not in capsys.readouterr().out


@pytest.mark.parametrize("options", [{"every": 0}, {"every": 1.5}, {"every": True}, {"stop_on": "warning"}])
def test_arguments_that_make_no_sense_are_refused_with_a_sentence(options, tmp_path):
    with pytest.raises(ValueError, match="give"):
        SCRAM(tmp_path, **options)


@pytest.mark.parametrize("log_dir", [None, b"logs", 3])
def test_what_is_no_log_directory_is_refused_with_a_sentence(log_dir):
    with pytest.raises(TypeError, match="give the path of a directory"):
        SCRAM(log_dir)


class Named(SCRAM):
    def __init__(self, log_dir, name):
        super().__init__(log_dir, every=7, print_findings=False)
        self.name = name


def pickled(callback):
    return pickle.loads(pickle.dumps(callback))


def test_a_copy_has_the_arguments_and_records_the_next_fit(tmp_path):
    callback = Named(tmp_path / "first", "mine")
    model, data = dense()
    for copied in (pickled, copy.copy, copy.deepcopy):
        assert copied(callback).log_dir == str(tmp_path / "first")
    model.fit(*data, epochs=1, verbose=0, callbacks=[callback])
    for copied in (copy.copy, copy.deepcopy, pickled):
        again = copied(callback)
        assert (again.log_dir, again.every, again.print_findings, again.name) == (callback.log_dir, 7, False, "mine")
        assert again.facts == callback.facts
    again.log_dir = str(tmp_path / "second")
    model.fit(*data, epochs=1, verbose=0, callbacks=[again])
    assert len(scram_plugin.read(tmp_path / "second")["scram"]["scram/batches/loss"])


def test_after_an_error_no_file_stays_open(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space left on device")

    writer = SummaryWriter(str(tmp_path), lambda: None, lambda error: None)
    writer.text("scram/end", "one")
    writer.flush()
    assert open_files(tmp_path)
    monkeypatch.setattr("scram_plugin.event_writer.EventWriter.add", fail)
    writer.text("scram/end", "two")
    writer.flush()
    assert not open_files(tmp_path)
    writer.close()


def open_files(folder):
    links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    return [link for link in links if os.path.exists(link) and os.readlink(link).startswith(str(folder))]


def test_labels_that_tensorflow_refuses_in_the_first_batch(tmp_path):
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, np.arange(64) % 10 + 1)).batch(32)
    model = keras.Sequential([keras.Input((8,)), layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.fit(data, verbose=0, callbacks=[watch(tmp_path)])
    run = scram_plugin.read(tmp_path)["scram"]
    assert [run[f"scram/batches/y0/{which}"].values.tolist() for which in ("min", "max")] == [[1.0], [10.0]]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = layers.Dense(16, activation="relu"), layers.Dense(10)

    def call(self, x):
        return self.out(self.hidden(x))


@pytest.mark.parametrize("make", [Subclassed, lambda: keras.Sequential([layers.Dense(16), layers.Dense(10)])])
def test_a_model_that_gets_its_weights_with_the_first_batch(make, tmp_path):
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    model = make()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, np.arange(64) % 10, verbose=0, callbacks=[watch(tmp_path)])
    facts = scram_plugin.read(tmp_path)["scram"].facts
    assert [layer["kernel"] for layer in facts["model"]["layers"] if layer["class"] == "Dense"] == [[8, 16], [16, 10]]
    assert facts["model"]["parameters"] == 8 * 16 + 16 + 16 * 10 + 10
    (run,) = training_runs(scram_plugin.read(tmp_path))
    assert run.ended == "finished"


def test_facts(tmp_path):
    model, data = two_inputs()
    model.fit(*data, batch_size=64, epochs=2, verbose=0, callbacks=[watch(tmp_path)])
    facts = scram_plugin.read(tmp_path)["scram"].facts
    assert facts["optimizer"]["class"] == "Adam"
    assert facts["optimizer"]["learning_rate"] == 0.001
    assert facts["loss"]["class"] == "SparseCategoricalCrossentropy"
    assert facts["fit"]["batch_size"] == 64
    assert facts["fit"]["samples"] == len(LABELS)
    assert facts["model"]["output_units"] == 10
    assert [i["shape"] for i in facts["model"]["inputs"]] == [[None, 8, 8], [None, 8]]
    fit = next(s for s in facts["source"]["statements"] if s["role"] == "fit")
    assert "watch(tmp_path)" in fit["text"]


def test_without_source_no_text_of_the_program_is_kept(tmp_path):
    model, data = dense()
    model.fit(*data, verbose=0, callbacks=[watch(tmp_path, source=False)])
    assert scram_plugin.read(tmp_path)["scram"].facts["source"] is None
    assert b"model.fit" not in b"".join(p.read_bytes() for p in tmp_path.rglob("*tfevents*"))


class TrainsBetween(keras.callbacks.Callback):
    """As a callback that trains on a batch of its own now and then."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 5:
            self.model.train_on_batch(IMAGES[:8], LABELS[:8])


class Unfreezes(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.make_train_function(force=True)


@pytest.mark.parametrize("other", [TrainsBetween, Unfreezes])
def test_other_callbacks_do_not_end_the_recording(other, tmp_path):
    model, (x, y) = dense()
    model.fit(x[:320], y[:320], batch_size=32, epochs=3, verbose=0, callbacks=[other(), watch(tmp_path)])
    assert loss_of_batches(tmp_path).steps.tolist() == list(range(30))


@pytest.mark.parametrize("steps_per_execution", few([1, 10], lambda steps: steps > 1))
def test_slow_batches_are_flushed_in_between_and_none_is_lost_or_misnumbered(steps_per_execution, tmp_path, monkeypatch):
    monkeypatch.setattr("scram_plugin.training.keras.callback.SECONDS", 0.05)
    monkeypatch.setattr("scram_plugin.training.summary_writer.IDLE_SECONDS", 0.02)

    def slowly():
        for i in range(0, 640, 32):
            time.sleep(0.04)
            yield IMAGES[i : i + 32], LABELS[i : i + 32]

    data = tf.data.Dataset.from_generator(
        slowly, output_signature=(tf.TensorSpec((None, 8, 8)), tf.TensorSpec((None,), tf.int32))
    )
    model, _ = dense(steps_per_execution=steps_per_execution)
    model.fit(data, epochs=2, verbose=0, callbacks=[watch(tmp_path)])
    loss = loss_of_batches(tmp_path)
    assert loss.steps.tolist() == list(range(40))
    y_means = scram_plugin.read(tmp_path)["scram"]["scram/batches/y0/mean"].values
    np.testing.assert_allclose(y_means, [LABELS[i : i + 32].mean() for i in range(0, 640, 32)] * 2, rtol=1e-5)


def test_what_an_exception_left_is_written_at_exit(tmp_path):
    program = f"""
from scram_plugin import SCRAM
from scram_plugin.logs.pairing import training_runs
from tests.training.keras.models import dense
from tests.training.keras.test_callback import Broken
model, (x, y) = dense()
model.fit(x, y, batch_size=32, verbose=0, callbacks=[SCRAM({str(tmp_path)!r}), Broken(30, RuntimeError("mine"))])
"""
    subprocess.run([sys.executable, "-c", program], env=environment(), stderr=subprocess.DEVNULL)
    assert len(loss_of_batches(tmp_path)) == 31
    (run,) = training_runs(scram_plugin.read(tmp_path))
    assert "The last training did not run to its end" in run.notes()[0]


def test_a_new_callback_for_the_same_model_and_directory_goes_on(tmp_path):
    model, (x, y) = dense()
    for _ in range(3):
        model.fit(x[:320], y[:320], batch_size=32, verbose=0, callbacks=[watch(tmp_path)])
    assert loss_of_batches(tmp_path).steps.tolist() == list(range(30))
    assert scram_plugin.read(tmp_path)["train"]["epoch_loss"].steps.tolist() == [0, 1, 2]


def test_a_rerun_is_judged_without_what_the_earlier_run_left(tmp_path):
    for validation in (0.2, 0.0):
        model, (x, y) = dense()
        model.fit(x[:320], y[:320], validation_split=validation, epochs=9, verbose=0, callbacks=[watch(tmp_path)])
    (run,) = training_runs(scram_plugin.read(tmp_path))
    assert len(run.signal("training loss")) == 9
    assert run.signal("validation loss") is None
    assert len(scram_plugin.read(tmp_path)["validation"]["epoch_loss"]) == 9, "the raw points stay"


def test_a_training_resumed_from_an_epoch_is_one_with_its_beginning(tmp_path):
    for initial in (0, 4):
        model, (x, y) = dense()
        model.fit(x[:320], y[:320], initial_epoch=initial, epochs=initial + 4, verbose=0, callbacks=[watch(tmp_path)])
    (run,) = training_runs(scram_plugin.read(tmp_path))
    assert run.signal("training loss").steps.tolist() == list(range(8))


def test_of_two_callbacks_in_one_fit_the_first_records(tmp_path):
    model, (x, y) = dense()
    with pytest.warns(UserWarning, match="Two SCRAM callbacks"):
        model.fit(x[:320], y[:320], batch_size=32, verbose=0, callbacks=[watch(tmp_path / "a"), watch(tmp_path / "b")])
    assert len(loss_of_batches(tmp_path / "a")) == 10
    assert not (tmp_path / "b").exists()


def test_a_model_that_was_watched_can_be_forgotten(tmp_path):
    model, (x, y) = dense()
    model.fit(x[:64], y[:64], verbose=0, callbacks=[watch(tmp_path)])
    gone = weakref.ref(model)
    del model
    keras.backend.clear_session()
    gc.collect()
    assert gone() is None


def test_trouble_with_printing_costs_the_printing_and_not_the_recording(tmp_path):
    def fail(_):
        raise RuntimeError("the user's own")

    with pytest.warns(UserWarning, match="prints no more findings: RuntimeError: the user's own"):
        exploding().fit(IMAGES, LABELS, epochs=2, verbose=0, callbacks=[SCRAM(tmp_path, print_findings=False, on_finding=fail)])
    assert len(loss_of_batches(tmp_path)) == 2 * 57


def test_a_loss_of_ones_own_in_a_step_of_ones_own(tmp_path):
    """Without `compute_loss` the loss is what the step says; GAN-like steps call it several times."""

    class Own(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(self(x, training=True) - tf.cast(y, tf.float32)[:, None]))
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss}

    model = Own([keras.Input((8, 8)), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd")
    model.fit(IMAGES[:320], LABELS[:320], batch_size=32, verbose=0, callbacks=[watch(tmp_path)])
    assert len(loss_of_batches(tmp_path)) == 10


@pytest.mark.parametrize("pretrained", [False, True])
def test_frozen_layers_that_were_never_trained(pretrained, tmp_path):
    convolution, dense = layers.Conv2D(8, 3, activation="relu", name="conv"), layers.Dense(16, activation="relu", name="dense")
    base = keras.Sequential([convolution, layers.Flatten(), dense], name="base")
    model = keras.Sequential([keras.Input((8, 8, 1)), base, layers.Dense(10, activation="softmax")])
    if pretrained:
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(IMAGES[:320], LABELS[:320], verbose=0)
    base.trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(IMAGES[:320], LABELS[:320], verbose=0, callbacks=[watch(tmp_path)])
    (result,) = scram_plugin.review(tmp_path)
    found = [f.title for f in result.findings if f.heuristic == "frozen-weights"]
    assert found == ([] if pretrained else ["Layers that should learn are frozen: `base/conv` and `base/dense`"]), found


@pytest.mark.parametrize(("how", "told"), [("layer", True), ("activation", True), ("positions", False)])
def test_a_softmax_of_one_number(how, told, tmp_path):
    given = keras.Input((8, 8))
    scores = layers.Dense(1, activation="softmax" if how == "activation" else None)(given)
    weights = scores if how == "activation" else layers.Softmax(axis=1 if how == "positions" else -1)(scores)
    pooled = layers.Flatten()(layers.Dot(axes=1)([weights, given]))
    model = keras.Model(given, layers.Dense(10, activation="softmax")(pooled))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(IMAGES[:320].reshape(-1, 8, 8), LABELS[:320], verbose=0, callbacks=[watch(tmp_path)])
    (result,) = scram_plugin.review(tmp_path)
    assert [f.causes[0].id for f in result.findings if f.heuristic == "mixed-axes"] == ["softmax-of-one"] * told


@pytest.mark.parametrize("trained", ["head", "all"])
def test_a_step_of_ones_own_that_trains_a_part(trained, tmp_path):
    class Parts(keras.Model):
        def __init__(self):
            super().__init__()
            self.body, self.head = layers.Dense(8, activation="relu"), layers.Dense(1)
            self.error = keras.losses.MeanSquaredError()

        def call(self, x):
            return self.head(self.body(layers.Flatten()(x)))

        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.error(tf.cast(y, tf.float32)[:, None], self(x, training=True))
            weights = self.head.trainable_weights if trained == "head" else self.trainable_weights
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return {"loss": loss}

    model, scram = Parts(), watch(tmp_path)
    model.compile("sgd")
    model.fit(IMAGES[:320], LABELS[:320], batch_size=32, verbose=0, callbacks=[scram])
    assert (scram.facts["loss"]["class"], scram.facts["loss"]["mean"]) == ("MeanSquaredError", False)
    (result,) = scram_plugin.review(tmp_path)
    found = [(f.heuristic, f.causes[0].id, f.severity) for f in result.findings if f.heuristic == "untrained-parameters"]
    assert found == [("untrained-parameters", "left-out", "warning")] * (trained == "head")


@pytest.mark.parametrize("data", ["arrays", "tf.data"])
def test_inputs_that_are_given_by_name(data, tmp_path):
    """Keras sorts the names of a dictionary, and the model has its own order: the facts have that of the data."""
    number, category = keras.Input((4,), name="number"), keras.Input((1,), name="category", dtype="int32")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(9, 3)(category))
    model = keras.Model([number, category], keras.layers.Dense(1)(keras.layers.Concatenate()([number, embedded])))
    model.compile("adam", "mse")
    x = {"number": np.random.rand(64, 4).astype("float32"), "category": np.random.randint(0, 9, (64, 1))}
    y = np.random.rand(64).astype("float32")
    scram = SCRAM(log_dir=tmp_path, print_findings=False)
    if data == "arrays":
        model.fit(x, y, verbose=0, callbacks=[scram])
    else:
        model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(16), verbose=0, callbacks=[scram])
    assert [entry["name"] for entry in scram.facts["model"]["inputs"]] == ["category", "number"]
    assert scram.facts["model"]["paths"][0][0].startswith("embedding")
