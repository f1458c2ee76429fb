"""New findings of the training that is running, printed where Keras prints its progress."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console

from scram_plugin.configuration import configured
from scram_plugin.reports.text import finding_lines
from scram_plugin.reviewer import NewFindings


def new_findings(log_dir: str) -> NewFindings:
    """What tells the new findings of a log directory, with the options of the user's configuration file."""
    return NewFindings(log_dir, configured())


def print_findings(findings: list[dict[str, Any]]) -> None:
    """A few lines for each finding, on standard output."""
    if not findings:
        return
    # in a notebook too as text, in the stream in which Keras prints its progress
    width = None if sys.stdout.isatty() else 100
    console = Console(file=sys.stdout, highlight=False, width=width, force_jupyter=False)
    for finding in findings:
        console.print("SCRAM", style="bold", end=" ")
        console.print(finding_lines(finding, code=False))
