"""Runs a program of the user's as one run of a proof."""

from __future__ import annotations

import contextlib
import ctypes
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from scram_plugin.proof_run import CUT, RunResult, Spec
from scram_plugin.redaction import in_short
from scram_plugin.training.importing import WhenImported
from scram_plugin.training.proof.budget import Budget, BudgetUsed
from scram_plugin.training.proof.guard import enforce
from scram_plugin.training.proof.network import cut_off
from scram_plugin.training.proof.seeds import Seeds

# the modules that have the class `Trainer`
LIGHTNING = ("lightning.pytorch", "pytorch_lightning")
TRANSFORMERS = "transformers.trainer"
PARENT_ENDS = 1  # of linux/prctl.h: the signal for that


def run(spec: Spec) -> RunResult:
    """Run the program until it or its budget ends; what happened is also in the file of the result."""
    told = RunResult()
    os.chdir(spec.directory)
    if not spec.network and cut_off():
        told.network = CUT
    enforce(spec.writable, lambda place: told.refused.append(place))
    seeds, budget = Seeds(spec.seed), Budget(spec, told, lambda: told.write(spec.result))
    loops: list[Any] = []  # of `torch_loop`, which imports PyTorch: only a program that does so itself needs it
    failed: BaseException | None = None

    def keras_is_there() -> None:
        from scram_plugin.training.proof import keras_fit

        seeds.keras()
        keras_fit.install(spec.log_dir, budget, told)

    def torch_is_there() -> None:
        from scram_plugin.training.proof.torch_loop import ProofLoop

        seeds.torch()
        loops.append(ProofLoop(spec.log_dir, budget, told))

    def lightning_is_there(module: str) -> None:
        from scram_plugin.training.proof import lightning_fit

        lightning_fit.install(sys.modules[module].Trainer, spec.log_dir, budget, loops[0])

    def transformers_is_there() -> None:
        from scram_plugin.training.proof import transformers_train

        transformers_train.install(sys.modules[TRANSFORMERS].Trainer, spec.log_dir, budget, loops[0])

    actions: dict[str, Callable[[], None]] = {
        "keras": keras_is_there,
        "tensorflow": seeds.tensorflow,
        "torch": torch_is_there,
        **{name: partial(lightning_is_there, name) for name in LIGHTNING},
        TRANSFORMERS: transformers_is_there,
    }
    signal.signal(signal.SIGTERM, _end)
    end_with_parent()
    sys.argv, sys.path[0] = [spec.script, *spec.arguments], os.path.dirname(os.path.abspath(spec.script))
    try:
        with WhenImported(actions):
            runpy.run_path(spec.script, run_name="__main__")
    except SystemExit as error:
        if not isinstance(error, BudgetUsed) and error.code not in (None, 0):
            told.error = f"it ended with exit status {error.code}"
    except Exception as error:
        traceback.print_exc()
        failed = error if not told.used else None
        if not told.used:  # afterwards the program may lack what it expected
            told.error = in_short(error)
    finally:
        for loop in loops:
            loop.close(failed)
        told.ended = True
        told.write(spec.result)
    return told


def end_with_parent() -> None:
    """Be asked to end if the process that started this one is gone, whichever way it ended. Only Linux knows that."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PARENT_ENDS, signal.SIGTERM)


def _end(*_: Any) -> None:
    raise BudgetUsed
