"""The loop of a program that trains with `tf.GradientTape`: watched for some steps.

Its model is not tested by itself: a step is a function of the program, which may take no other batch or rate.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
import weakref
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.eager import record  # whether a tape is open is known nowhere else

from scram_plugin.training.keras import tape, tape_patches
from scram_plugin.training.preflight.flight import STEPS, UNTIL_EVALUATED, Done, Flight, Mute, write
from scram_plugin.training.preflight.probes import Results

TESTS = ("memory", "gradients", "precision", "one_batch", "inputs", "samples", "rates")
NOT_TESTED = "a step with tf.GradientTape is a function of the program, so that the model cannot be tested by itself"


class TapeLoop:
    """A watcher of `tape_patches`: finds the model that is trained, and ends the program when it was watched for long enough.

    Nothing of the program is known before: the model is what is called first while a tape is open, and has something to train.
    If the first step trains another one, that is given up. What is watched is kept apart until it is sure that it counts.
    """

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self._begin = time.monotonic()
        self._watch: tape.TapeWatch | None = None
        self._folder = ""  # where it writes
        self._others: weakref.WeakSet[keras.Model] = weakref.WeakSet()  # models that are not trained
        self._make = tape.TapeWatch

        def call(model: Any, *args: Any, **kwargs: Any) -> Any:
            if self._watch is None and not flight.made and record.could_possibly_record() and self._may_be_trained(model):
                self._take_off(model)
            return keras.layers.Layer.__call__(model, *args, **kwargs)  # which a watch may have replaced by now

        keras.Model.__call__ = call
        flight.before = self._give_up  # of `fit`
        tape.TapeWatch = Mute  # type: ignore[assignment, misc]

    def close(self) -> None:
        del keras.Model.__call__  # that of `Layer` is there again
        tape.TapeWatch = self._make  # type: ignore[misc]
        tape_patches.remove(self)
        if self._watch is not None:
            self._close(self._watch)

    def failed(self, error: Exception) -> None:
        """The program has ended with an exception."""
        if self._watch is not None:
            self._watch.__exit__(type(error), error, error.__traceback__)

    def land(self) -> None:
        """The program has ended: write what was seen."""
        if self._watch is None:
            return
        if self._watch.facts and not self._flight.made:
            self._write(self._watch)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, watch: tape.TapeWatch) -> None:
        shutil.copytree(self._folder, self._flight.log_dir, dirs_exist_ok=True)
        results = Results()
        results.tests = {name: {"reason": NOT_TESTED, "seconds": 0.0} for name in TESTS}
        write(self._flight.log_dir, {"framework": "keras", **watch.facts}, results)
        self._flight.made = self._flight.landed = True

    def _close(self, watch: tape.TapeWatch) -> None:
        with warnings.catch_warnings():
            if not watch.facts:
                warnings.simplefilter("ignore")  # it has seen no step, and the program did not ask for it
            watch.close()

    def _give_up(self) -> None:
        """What was watched is no training, or not the one that is tested."""
        watch, self._watch = self._watch, None
        tape_patches.remove(self)
        if watch is not None:
            self._close(watch)
            shutil.rmtree(self._folder, ignore_errors=True)

    def _may_be_trained(self, model: keras.Model) -> bool:
        return model not in self._others and (not model.built or bool(model.trainable_variables))

    def _take_off(self, model: keras.Model) -> None:
        self._begin, self._folder = time.monotonic(), tempfile.mkdtemp(prefix="scram-")
        with tf.init_scope():  # a function that makes a step may be traced here
            self._watch = self._make(model, None, self._folder, every=8, print_findings=False)
        tape_patches.add(self, [])

    def _end_if_enough(self) -> None:
        if self._watch is None or self._flight.made:
            return
        recorder = self._watch.recorder
        late = time.monotonic() - self._begin > self._flight.seconds / 2
        if late or recorder.steps >= (STEPS if any(recorder.evaluations.modes) else UNTIL_EVALUATED):
            raise Done

    # ---- as a watcher, which tells by an exception that the program has to end

    def called(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, within: bool) -> None:
        if tf.executing_eagerly() and record.could_possibly_record() and not within and isinstance(layer, keras.Model):
            self._end_if_enough()

    def ran(self, function: Any) -> None:
        if tf.executing_eagerly():
            self._end_if_enough()

    def differentiated(self, target: Any, sources: Any) -> None: ...

    def compared(self, by: Any, targets: Any, outputs: Any, value: Any) -> None: ...

    def scaled(self, loss: Any, larger: Any) -> None: ...

    def applies(self, optimizer: Any, gradients: list[Any], variables: Any) -> Any:
        """Of several models that are trained, the first one is watched; one that no optimizer trains is given up."""
        recorder = self._watch.recorder if self._watch is not None else None
        if recorder is None or not tf.executing_eagerly() or recorder.steps:
            return bool
        if not recorder.trained & {id(v) for v in recorder.trainable()}:
            self._others.add(recorder.models[0])
            self._give_up()
        return bool
