"""Prints new findings of a running training, in the stream where Keras prints its progress."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

from rich.console import Console

from scram_plugin.heuristics.configuration import configured
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.reports.text import print_finding
from scram_plugin.reviews.as_json import finding_as_json
from scram_plugin.reviews.monitor import NewFindings


class Reporter:
    """Reviews what one recorder has written, prints new findings and passes them to `on_finding`.

    Any error here (a mistake in a configuration file, an exception in `on_finding`, a terminal that cannot show a character)
    causes one warning and ends the output of findings. The recording continues.
    """

    def __init__(self, log_dir: str, printing: bool, on_finding: Callable[[Any], None] | None) -> None:
        self._log_dir, self._printing, self._on_finding = log_dir, printing, on_finding
        self._findings: NewFindings | None = None
        self._unprinted: list[Finding] = []
        self._silent = False

    def look(self) -> list[Finding]:
        """The findings that are new since the last call. Each is passed to `on_finding`; `show` prints errors and warnings."""
        if self._silent:
            return []
        try:
            if self._findings is None:
                self._findings = NewFindings(self._log_dir, configured(logdirs=[self._log_dir]))
            new = self._findings.look()
            self._unprinted += [finding for finding in new if finding.severity != "info"]
            for finding in new:
                if self._on_finding is not None:
                    self._on_finding(finding_as_json(finding))
            return new
        except Exception as error:
            self._silence(error)
            return []

    def show(self, within_progress: bool = False) -> None:
        """Print the waiting findings; `within_progress`: on a new line, to leave a half-drawn progress bar as it is."""
        findings, self._unprinted = self._unprinted, []
        if not findings or not self._printing or self._silent:
            return
        try:
            # as text also in a notebook, in the stream in which Keras prints its progress
            width = None if sys.stdout.isatty() else 100
            console = Console(file=sys.stdout, highlight=False, width=width, force_jupyter=False)
            if within_progress:
                console.print()
            for finding in findings:
                console.print("SCRAM", style="bold", end=" ")
                print_finding(console, finding, code=False)
        except Exception as error:
            self._silence(error)

    def _silence(self, error: Exception) -> None:
        self._silent = True
        warnings.warn(f"SCRAM still records, but prints no more findings: {type(error).__name__}: {error}", stacklevel=2)
