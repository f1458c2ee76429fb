"""Runs a program of the user's as one run of a proof."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from scram_plugin.redaction import in_short
from scram_plugin.training.importing import WhenImported
from scram_plugin.training.proof.budget import Budget, Done
from scram_plugin.training.proof.guard import enforce
from scram_plugin.training.proof.seeds import Seeds
from scram_plugin.proof_run import Spec, Told


def run(spec: Spec) -> Told:
    """Run the program until it or its budget ends; what happened is also in the file of the result."""
    told = Told()
    os.chdir(spec.directory)
    enforce(spec.writable, lambda place: told.refused.append(place))
    seeds, budget = Seeds(spec.seed), Budget(spec, told, lambda: told.write(spec.result))
    closing: list[Callable[[], None]] = []

    def keras_is_there() -> None:
        from scram_plugin.training.proof import keras_fit

        seeds.keras()
        keras_fit.install(spec.log_dir, budget, told)

    actions = {"keras": keras_is_there, "tensorflow": seeds.tensorflow}
    signal.signal(signal.SIGTERM, _end)
    sys.argv, sys.path[0] = [spec.script, *spec.arguments], os.path.dirname(os.path.abspath(spec.script))
    try:
        with WhenImported(actions):
            runpy.run_path(spec.script, run_name="__main__")
    except SystemExit as error:
        if not isinstance(error, Done) and error.code not in (None, 0):
            told.error = f"it ended with exit status {error.code}"
    except Exception as error:
        traceback.print_exc()
        if not told.used:  # afterwards the program may lack what it expected
            told.error = in_short(error)
    finally:
        for close in closing:
            close()
        told.ended = True
        told.write(spec.result)
    return told


def _end(*_: Any) -> None:
    raise Done
