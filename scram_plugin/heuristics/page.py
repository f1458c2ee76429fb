"""The page of a heuristic: Markdown with fixed headings, of which one is a template that each finding fills."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import Any

HEADINGS = (
    "What happened",
    "Why it matters",
    "Likely causes",
    "How to fix it",
    "How sure is SCRAM",
    "When it is not a problem",
    "Learn more",
)
FRAMEWORKS = ("keras", "torch")


@dataclass(frozen=True)
class Snippet:
    """Fenced code of a fix: the framework it is for, and the code, which runs as it is."""

    framework: str
    code: str


@dataclass(frozen=True)
class Page:
    """One page, read from the file beside a heuristic's module."""

    title: str
    text: str

    @staticmethod
    def beside(module_file: str) -> Page:
        """The page of a heuristic module (`__file__`). Raises OSError or ValueError for a missing or misshapen page."""
        return Page.parse(Path(module_file).with_suffix(".md").read_text(encoding="utf-8"))

    @staticmethod
    def parse(text: str) -> Page:
        title = re.match(r"# (.+)\n", text)
        if title is None:
            raise ValueError("a page begins with '# ' and the title of the problem")
        page = Page(title[1].strip(), text)
        if tuple(page.sections) != HEADINGS:
            raise ValueError(f"the headings of a page are {', '.join(HEADINGS)}, in this order; got {', '.join(page.sections)}")
        return page

    @cached_property
    def sections(self) -> dict[str, str]:
        parts = re.split(r"^## (.+)$", self.text, flags=re.M)[1:]
        return {heading.strip(): body.strip() for heading, body in zip(parts[::2], parts[1::2], strict=True)}

    @property
    def for_any_run(self) -> str:
        """The page without what happened in a run: that is a template which each finding fills."""
        return re.sub(r"^## What happened$.*?(?=^## )", "", self.text, flags=re.M | re.S)

    def _entries(self, heading: str) -> dict[str, tuple[str, str]]:
        """`### id: title` entries of a section: id -> (title, body)."""
        parts = re.split(r"^### ([a-z0-9-]+): (.+)$", self.sections[heading], flags=re.M)[1:]
        return {i: (title.strip(), body.strip()) for i, title, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)}

    @cached_property
    def causes(self) -> dict[str, tuple[str, str]]:
        """cause id -> (title, what speaks for it)"""
        return self._entries("Likely causes")

    @cached_property
    def fixes(self) -> dict[str, tuple[str, str, list[Snippet]]]:
        """cause id -> (title, text without the code, snippets)"""
        fixes = {}
        for cause, (title, body) in self._entries("How to fix it").items():
            fences = re.findall(r"^```python (\w+)\n(.*?)^```$", body, flags=re.M | re.S)
            text = re.sub(r"^```.*?^```$", "", body, flags=re.M | re.S).strip()
            fixes[cause] = (title, text, [Snippet(framework, code) for framework, code in fences])
        return fixes

    def what_happened(self, evidence: Mapping[str, Any]) -> str:
        """The template filled with a run's numbers. A line that asks for evidence this run does not have is left out."""
        lines = []
        for line in self.sections["What happened"].splitlines():
            names = {re.split(r"[.\[]", name)[0] for _, name, _, _ in Formatter().parse(line) if name}
            if all(evidence.get(name) is not None for name in names):
                lines.append(line.format_map(evidence))
        return " ".join(line.strip() for line in lines if line.strip())
