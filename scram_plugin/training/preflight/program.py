"""A program of the user's, run up to where its training begins, and tested there."""

from __future__ import annotations

import inspect
import os
import runpy
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from scram_plugin.training.importing import WhenImported
from scram_plugin.training.preflight.flight import STEPS, Done, Flight


class Unfit(Exception):
    """A training that cannot be tested; a sentence that says why."""


def rehearse(script: str, arguments: Sequence[str], flight: Flight) -> str:
    """Run a program until its training was tested; how it ended: "" or a sentence for the user."""
    loops: list[Any] = []  # of modules that import a framework: only a program that does so itself needs them

    def torch_is_there() -> None:
        from scram_plugin.training.preflight import torch_program

        loops.append(torch_program.Loop(flight))

    def keras_is_there() -> None:
        import keras

        _keras(flight)
        if keras.backend.backend() == "tensorflow":
            from scram_plugin.training.preflight import tape_program

            loops.append(tape_program.TapeLoop(flight))

    hooks = WhenImported({"keras": keras_is_there, "torch": torch_is_there})
    argv, path = sys.argv, list(sys.path)
    sys.argv, sys.path[0] = [script, *arguments], os.path.dirname(os.path.abspath(script))
    told = ""
    try:
        with hooks:
            runpy.run_path(script, run_name="__main__")
    except Done:
        pass
    except SystemExit as error:
        told = f"{script} ended ({error.code}) before it trained a model"
    except Unfit as error:
        told = f"{script}: {error}"
    except Exception as error:
        traceback.print_exc()
        told = f"{script} failed: {type(error).__name__}: {error}"
        for loop in loops:
            loop.failed(error)
    finally:
        sys.argv, sys.path[:] = argv, path
        for loop in loops:
            loop.close()
    for loop in loops:
        loop.land()
    if flight.landed:
        return ""
    known = "`fit` of Keras, or a loop of PyTorch or tf.GradientTape"
    return told or f"{script} came to its end and trained no model that is known: {known}"


def _keras(flight: Flight) -> None:
    """From now on the first `fit` is tested, and is the end."""
    import keras

    from scram_plugin.training.preflight.keras_data import KerasData, split
    from scram_plugin.training.preflight.keras_subject import KerasSubject

    original = keras.Model.fit

    def fit(model: Any, *args: Any, **kwargs: Any) -> Any:
        if flight.made:  # of a part of the test
            return original(model, *args, **kwargs)
        if type(model).call in (keras.Model.call, keras.layers.Layer.call):
            name = type(model).__name__
            raise Unfit(f"{name} has no `call`, so that nothing can be put through it alone; watch its training with SCRAM()")
        given = inspect.signature(original).bind(model, *args, **kwargs)
        given.apply_defaults()
        known: Mapping[str, Any] = given.arguments
        x, y, weights, validation = (known[name] for name in ("x", "y", "sample_weight", "validation_data"))
        if known["validation_split"] and y is not None and validation is None:
            (x, y, weights), validation = split(x, y, weights, known["validation_split"])
        if known["class_weight"] and weights is None and y is not None:
            from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

            weights = class_weight_to_sample_weights(y, known["class_weight"])
        training = KerasData(x, y, weights, known["batch_size"], bool(known["shuffle"]))
        subject = KerasSubject(model, training, KerasData(validation) if validation is not None else None)
        flight.fly(subject, lambda: subject.watched(flight.log_dir, STEPS, True))
        raise Done

    keras.Model.fit = fit
