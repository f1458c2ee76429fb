"""`scram preflight`: runs a program up to its training, and tests the model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scram_plugin.cli.arguments import Commands, add_choices, add_command, add_report, chosen
from scram_plugin.cli.check import check
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.words import one_line

DESCRIPTION = """\
Run your program up to the start of its training, then test its model: a short recorded training, overfitting one batch, a
learning-rate range test, which variables get gradients, what the outputs depend on, and memory.

This command runs your program: with Keras up to its first `fit`, with PyTorch for 64 steps of its loop (256 where it has
neither evaluated anything nor seen all its data). Then it tests the model and ends the program. Logs that the program itself
writes with SCRAM stay as they are.
Put SCRAM's options before SCRIPT.py and your program's arguments after it.
"""
EXAMPLES = """\
examples:
  scram preflight train.py                              with its usual arguments
  scram preflight --memory 8G train.py --batch-size 256 will it fit into 8 GiB?
  scram preflight --tests my_tests.py train.py          with your own tests
  scram preflight --fail-on warning train.py            for CI: exit status 1 on any warning
  scram preflight --fix train.py                        and a patch that is proven to help
"""


def add(commands: Commands) -> None:
    parser = add_command(
        commands, "preflight", "run a program up to the start of its training, then test the model", DESCRIPTION, EXAMPLES
    )
    parser.add_argument("script", metavar="SCRIPT.py", help="the training program, with Keras or PyTorch")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="arguments for the program")
    parser.add_argument(
        "--log-dir", default="logs/preflight", metavar="DIR", help="where the results are logged (default: logs/preflight)"
    )
    parser.add_argument(
        "--seconds", type=float, default=20.0, metavar="N", help="approximate time limit for the tests (default: 20)"
    )
    parser.add_argument("--memory", metavar="SIZE", help="memory the training may use, for example 8G (default: all there is)")
    parser.add_argument(
        "--tests", metavar="FILE", help="your own tests: functions test_... that take model, batch, optimizer, loss"
    )
    parser.add_argument(
        "--fix", action="store_true", help="then prove the fixes, as `scram fix --prove` does: the patch is printed at the end"
    )
    parser.add_argument("--yes", action="store_true", help="with --fix: run the changes without a question, for scripts")
    parser.add_argument("--network", action="store_true", help="with --fix: leave the runs their network, to fetch data")
    add_report(parser)
    add_choices(parser)
    parser.set_defaults(command=preflight, run=None, jobs=1, dask=None, cache=False)


def preflight(options: argparse.Namespace) -> int:
    if not 1.0 <= options.seconds <= 3600.0:
        raise BadOption("--seconds takes a number from 1 to 3600")
    chosen(options)  # so that mistakes in it are reported before the program runs
    arguments = options.arguments
    if arguments == ["--fix"]:  # behind the program it can be nothing else: no program knows it
        options.fix, arguments = True, []
    arguments = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not Path(options.script).is_file():
        raise BadOption(f"{options.script}: there is no such file")
    print(f"scram: running {one_line(options.script)} up to the start of its training", file=sys.stderr)
    trouble = _rehearse(options, arguments)
    if trouble:
        raise BadOption(trouble)
    options.logdir = [options.log_dir]
    status = check(options)
    return _prove(options, arguments) if options.fix else status


def _prove(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Prove the fixes of what the tests found, or of a short run if they found none; the exit status is that of `scram fix`."""
    from scram_plugin.cli.fix import told
    from scram_plugin.fixing.ask import Asked

    asked = Asked(
        target=options.log_dir,
        program=options.script,
        arguments=tuple(arguments),
        prove=True,
        network=options.network,
    )
    return told(asked, chosen(options, tell=False), "text", options.yes)


def _rehearse(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    """Run the program up to its training, and test that; a sentence if there was none. Raises BadOption for a bad argument."""
    from scram_plugin.training.preflight import own_tests
    from scram_plugin.training.preflight.budget import mebibytes
    from scram_plugin.training.preflight.flight import Flight
    from scram_plugin.training.preflight.program import rehearse

    flight = Flight(options.log_dir, options.seconds, mebibytes(options.memory), own_tests.given(options.tests))
    try:
        return rehearse(options.script, arguments, flight)
    except ValueError as error:
        raise BadOption(str(error)) from None
