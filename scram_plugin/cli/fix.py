"""`scram fix`: prints the fixes of a training run as a patch, applies it, and proves that it helps."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scram_plugin.cli.arguments import Commands, add_choices, add_command, chosen
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.words import clean, one_line

if TYPE_CHECKING:
    from scram_plugin.fixing.ask import Asked
    from scram_plugin.heuristics.catalogue import Catalogue

DESCRIPTION = """\
Print the fixes of a training run as a patch of your program, apply it, or prove that it helps.

TARGET is a log directory, or a program. The patch is checked against the program as it is on the disk now; nothing is written
without --apply. With --prove the program is run as it is and with the fix, for a few seconds each, under the same seeds, in a
copy of its directory and without a network; the runs are in the log directory, so that they can be compared in TensorBoard.
Before a change runs or is written, it is shown, and you are asked; --yes says so at once.
Arguments for your program come after ``--``.
"""
EXAMPLES = """\
examples:
  scram fix logs/exp1                      the patch for that training run
  scram fix logs/exp1 --apply              write it; the answer says how to take it back
  scram fix train.py --prove               run the program with and without the fix, and compare
  scram fix train.py --prove --epochs 3 -- --lr 0.1
  scram fix logs/exp1 --prove              the fixes of a longer training, tried with the program that it names
  scram fix --revert                       take back the last patch that was written here

exit status: 0 there is a patch (with --prove: it helps), 1 there is none (it does not), 2 nothing could be done
"""
NAME = "fix"
LOG_DIR = "logs/fix"
HELP = "print, apply and prove the fixes of a training run"


def add(commands: Commands) -> None:
    parser = add_command(commands, NAME, HELP, DESCRIPTION, EXAMPLES)
    parser.set_defaults(command=fix, given=[])  # `main` fills in what is given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scram fix",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="scram fix [OPTION ...] TARGET [OPTION ...] [-- ARGUMENT ...]",
        allow_abbrev=False,
    )
    parser.add_argument("target", metavar="TARGET", nargs="?", help="a log directory, or the training program")
    parser.add_argument("--run", metavar="REGEX", help="the training run, where the log directory has several")
    parser.add_argument("--apply", action="store_true", help="write the patch to your files (with --prove: if it helps)")
    parser.add_argument("--revert", action="store_true", help="take back the last patch that was written in this directory")
    parser.add_argument("--yes", action="store_true", help="run and write changes without a question, for scripts")
    parser.add_argument("--network", action="store_true", help="with --prove: leave the runs their network, to fetch data")
    parser.add_argument("--prove", action="store_true", help="run the program with and without the fix, and compare")
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="with --prove: seconds of training of each run (default: 12)"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="with --prove: epochs of each run")
    parser.add_argument(
        "--log-dir", default=LOG_DIR, metavar="DIR", help=f"with --prove: where the runs are logged (default: {LOG_DIR})"
    )
    parser.add_argument(
        "--directory", default=".", metavar="DIR", help="the directory in which the program ran (default: this one)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="format of the answer (default: text)")
    add_choices(parser)
    return parser


def fix(options: argparse.Namespace) -> int:
    from scram_plugin.fixing.ask import Asked

    given = list(options.given)
    at = given.index("--") if "--" in given else len(given)
    options, arguments = _parser().parse_args(given[:at]), tuple(given[at + 1 :])
    if options.revert:
        from scram_plugin.fixing.revert import revert

        print(f"Taken back: {', '.join(revert(Path(options.directory)))}")
        return 0
    if options.target is None:
        raise BadOption("give a log directory, or a training program with --prove; or --revert alone")
    catalogue = chosen(options)
    asked = Asked(
        target=options.target,
        arguments=arguments,
        directory=Path(options.directory),
        log_dir=Path(options.log_dir),
        run=options.run or "",
        prove=options.prove,
        apply=options.apply,
        seconds=options.seconds,
        epochs=options.epochs,
        network=options.network,
    )
    return told(asked, catalogue, options.format, options.yes)


def told(asked: Asked, catalogue: Catalogue, form: str, yes: bool) -> int:
    """Print the answer as "text" or "json"; returns the exit status. `yes`: nothing is asked."""
    from scram_plugin.fixing.ask import answer
    from scram_plugin.fixing.report import as_json, in_text

    found = answer(asked, catalogue, _say, (lambda shown, question: True) if yes else confirmed)
    if form == "json":
        print(json.dumps(as_json(found), indent=2, allow_nan=False))
    else:
        sys.stdout.write(in_text(found))
    return 0 if found.good else 1


def confirmed(shown: str, question: str) -> bool:
    """Show what is to be run or written, and ask. Raises BadOption where there is no terminal to answer on."""
    print(clean(shown), file=sys.stderr)
    if sys.stdin is None or not sys.stdin.isatty():
        raise BadOption(f"{question} There is no terminal to say yes on, so nothing was run or written: add --yes")
    print(f"{one_line(clean(question))} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say(sentence: str) -> None:
    print(f"scram: {one_line(clean(sentence))}", file=sys.stderr, flush=True)
