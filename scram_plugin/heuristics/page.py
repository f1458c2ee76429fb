"""The page of a heuristic: Markdown with fixed headings, of which one is a template that each finding fills."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from string import Formatter
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

HEADINGS = (
    "What happened",
    "Why it matters",
    "Likely causes",
    "How to fix it",
    "How sure is SCRAM",
    "When it is not a problem",
    "Learn more",
)
SAMPLE = "  # sample"  # ends a line that makes data in place of the user's own
FRAMEWORKS = ("keras", "torch")
NUMBERED = ("Likely causes", "How sure is SCRAM")  # sections in which {option} stands for the number of an option
OPTION = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
ENTRY = re.compile(r"([a-z0-9-]+): (.+)")  # the heading of a cause, or of its fix


class PageError(ValueError):
    """What is wrong with a page. `line` counts from 1; `file` is its name, if it was read from a file."""

    def __init__(self, file: str, line: int, sentence: str) -> None:
        super().__init__(f"{file}{', ' if file else ''}line {line}: {sentence}")
        self.file, self.line, self.sentence = file, line, sentence


@dataclass(frozen=True)
class Snippet:
    """Fenced code of a fix: the framework it is for, and the code, which runs as it is. `line` is that of the first line."""

    framework: str
    code: str
    line: int = 0

    @property
    def shown(self) -> str:
        """The code as a user may copy it: without lines that end in ``# sample``, which stand for the user's own data, and
        without imports that only these need."""
        lines = [line for line in self.code.splitlines() if not line.endswith(SAMPLE)]
        if len(lines) == len(self.code.splitlines()):
            return self.code
        imports = [line for line in lines if line.startswith(("import ", "from "))]
        rest = "\n".join(line for line in lines if line not in imports)
        kept = [line for line in imports if any(re.search(rf"\b{name}\b", rest) for name in _bound(line))]
        return "\n".join([*kept, *[""] * bool(kept), rest.strip("\n"), ""])


def _bound(line: str) -> list[str]:
    """The names that an import binds."""
    (statement,) = ast.parse(line).body
    assert isinstance(statement, ast.Import | ast.ImportFrom)
    return [(alias.asname or alias.name).partition(".")[0] for alias in statement.names]


@dataclass(frozen=True)
class Section:
    """A heading, the text below it up to the next heading of its level or a higher one, and the line of the heading, from 0."""

    heading: str
    body: str
    line: int


@dataclass(frozen=True)
class Page:
    """One page, read from the file beside a heuristic's module. It is parsed when it is asked for what stands in it."""

    title: str
    text: str
    file: str = ""

    @staticmethod
    def beside(module_file: str) -> Page:
        """The page of a heuristic module (`__file__`). Raises OSError for a missing page, PageError for one without a title."""
        path = Path(module_file).with_suffix(".md")
        return Page.parse(path.read_text(encoding="utf-8"), path.name)

    @staticmethod
    def parse(text: str, file: str = "") -> Page:
        """Raises PageError for a page without a title; `problems` tells all that is wrong."""
        first = text.splitlines()[0] if text else ""
        if not first.startswith("# ") or not first[2:].strip():
            raise PageError(file, 1, "a page begins with '# ' and the title of the problem")
        return Page(first[2:].strip(), text, file)

    def with_numbers(self, options: Mapping[str, Any]) -> Page:
        """The page with these numbers in place of `{option}` or `{option:format}`. A percentage is written as 5 %.

        Raises PageError for a format that the number does not take.
        """
        lines, inside = self.text.splitlines(keepends=True), False
        for i, line in enumerate(lines):
            inside = line.removeprefix("## ").strip() in NUMBERED if line.startswith("## ") else inside
            if not inside or "{" not in line:
                continue
            try:
                lines[i] = OPTION.sub(lambda found: _number(options, found), line)
            except ValueError as error:
                raise self._wrong(i + 1, f"an option cannot be written as this line asks: {error}") from None
        return replace(self, text="".join(lines))

    @cached_property
    def _tokens(self) -> list[Token]:
        return MarkdownIt().parse(self.text)

    def _sections(self, tag: str, first: int = 0, last: int | None = None) -> list[Section]:
        """The sections of one level of headings within some lines (from 0, the last one exclusive)."""
        lines = self.text.splitlines()
        last = len(lines) if last is None else last
        heads = [
            (token.map[0], token.map[1], self._tokens[i + 1].content)
            for i, token in enumerate(self._tokens)
            if token.type == "heading_open" and token.tag == tag and token.map and first <= token.map[0] < last
        ]
        ends = [begin for begin, _, _ in heads[1:]] + [last]
        return [
            Section(heading.strip(), "\n".join(lines[below:end]).strip(), begin)
            for (begin, below, heading), end in zip(heads, ends, strict=True)
        ]

    @cached_property
    def _parts(self) -> list[Section]:
        return self._sections("h2")

    @cached_property
    def sections(self) -> dict[str, str]:
        return {section.heading: section.body for section in self._parts}

    def _within(self, heading: str) -> tuple[int, int]:
        """The lines of a section, its heading included."""
        starts = [section.line for section in self._parts] + [len(self.text.splitlines())]
        return next((a, b) for section, (a, b) in zip(self._parts, pairwise(starts), strict=True) if section.heading == heading)

    @property
    def for_any_run(self) -> str:
        """The page without what happened in a run: that is a template which each finding fills."""
        first, last = self._within("What happened")
        lines = self.text.splitlines(keepends=True)
        return "".join([*lines[:first], *lines[last:]])

    def _entries(self, heading: str) -> list[tuple[str, str, Section]]:
        """(id, title, section) of the entries `### id: title` of a section."""
        found = []
        for section in self._sections("h3", *self._within(heading)):
            if match := ENTRY.fullmatch(section.heading):
                found.append((match[1], match[2].strip(), section))
        return found

    @cached_property
    def causes(self) -> dict[str, tuple[str, str]]:
        """cause id -> (title, the evidence for it)"""
        return {id_: (title, section.body) for id_, title, section in self._entries("Likely causes")}

    @cached_property
    def fixes(self) -> dict[str, tuple[str, str, list[Snippet]]]:
        """cause id -> (title, text without the code, snippets)"""
        entries = self._entries("How to fix it")
        starts = [section.line for _, _, section in entries] + [self._within("How to fix it")[1]]
        lines, fixes = self.text.splitlines(), {}
        for (id_, title, section), (first, last) in zip(entries, pairwise(starts), strict=True):
            fences = [t for t in self._tokens if t.type == "fence" and t.map and first < t.map[0] < last]
            code = {line for fence in fences for line in range(*fence.map or ())}
            text = "\n".join(lines[i] for i in range(section.line + 1, last) if i not in code)
            snippets = [
                Snippet(fence.info.split()[1], fence.content, (fence.map or [0])[0] + 2)
                for fence in fences
                if fence.info.split()[:1] == ["python"] and len(fence.info.split()) == 2
            ]
            fixes[id_] = (title, re.sub(r"\n{3,}", "\n\n", text).strip(), snippets)
        return fixes

    def placeholders(self) -> dict[str, int]:
        """The names of evidence that the template asks for -> the line, from 1, in which each stands first."""
        first, last = self._within("What happened")
        names: dict[str, int] = {}
        for number, line in enumerate(self.text.splitlines()[first + 1 : last], first + 2):
            for name in _names(line):
                names.setdefault(name, number)
        return names

    def _wrong(self, line: int, sentence: str) -> PageError:
        return PageError(self.file, line, sentence)

    def problems(self) -> Iterator[PageError]:
        """All that is wrong with the page, from the gravest on."""
        if tuple(section.heading for section in self._parts) != HEADINGS:
            at = next((s.line for s, wanted in zip(self._parts, HEADINGS, strict=False) if s.heading != wanted), 0)
            got = ", ".join(section.heading for section in self._parts) or "none"
            yield self._wrong(at + 1, f"the headings of a page are {', '.join(HEADINGS)}, in this order; this one has {got}")
            return
        yield from self._problems_of_template()
        yield from self._problems_of_entries()

    def _problems_of_template(self) -> Iterator[PageError]:
        first, last = self._within("What happened")
        lines = list(enumerate(self.text.splitlines()[first + 1 : last], first + 2))
        for number, line in lines:
            try:
                _names(line)
            except ValueError as error:
                yield self._wrong(
                    number, f"this line of the template cannot be filled ({error}); a brace itself is written twice"
                )
        if not any(line.strip() for _, line in lines):
            yield self._wrong(first + 1, "What happened is empty: it is the sentence that each finding fills with its numbers")

    def _problems_of_entries(self) -> Iterator[PageError]:
        for heading in ("Likely causes", "How to fix it"):
            for section in self._sections("h3", *self._within(heading)):
                if not ENTRY.fullmatch(section.heading):
                    yield self._wrong(
                        section.line + 1, f"'### {section.heading}' has no id; write '### some-id: {section.heading}'"
                    )
        if not self.causes:
            yield self._wrong(self._within("Likely causes")[0] + 1, "there is no cause; write '### some-id: Its title'")
        fixes = {id_: section.line + 1 for id_, _, section in self._entries("How to fix it")}
        for id_, _, section in self._entries("Likely causes"):
            if id_ not in fixes:
                yield self._wrong(section.line + 1, f"the cause {id_} has no fix; write '### {id_}: ...' below 'How to fix it'")
        for id_, line in fixes.items():
            if id_ not in self.causes:
                near = ", ".join(self.causes) or "none"
                yield self._wrong(line, f"there is no cause {id_} that this fix could be for; the causes are {near}")
        first, last = self._within("How to fix it")
        for fence in self._tokens:
            words = fence.info.split() if fence.type == "fence" and fence.map and first < fence.map[0] < last else []
            if words[:1] == ["python"] and len(words) != 2:
                yield self._wrong(
                    (fence.map or [0])[0] + 1,
                    f"'```{fence.info.strip()}' does not name one framework, so the code is not shown; write "
                    + " or ".join(f"'```python {framework}'" for framework in FRAMEWORKS),
                )
        for _, _, snippets in self.fixes.values():
            for snippet in snippets:
                try:
                    compile(snippet.code, "snippet", "exec")
                except SyntaxError as error:
                    yield self._wrong(snippet.line + (error.lineno or 1) - 1, f"the code is no Python: {error.msg}")

    def what_happened(self, evidence: Mapping[str, Any]) -> str:
        """The template filled with a run's numbers. A line that asks for evidence which is None in this run is left out.

        Raises PageError for a name that the evidence does not have, or a number that cannot be written as the template asks.
        """
        first, last = self._within("What happened")
        lines = []
        for number, line in enumerate(self.text.splitlines()[first + 1 : last], first + 2):
            names = _names(line)
            if unknown := [name for name in names if name not in evidence]:
                has = ", ".join(evidence) or "nothing"
                raise self._wrong(number, f"the template asks for {', '.join(unknown)}, and the finding's evidence has {has}")
            if all(evidence[name] is not None for name in names):
                try:
                    lines.append(line.format_map(evidence).strip())
                except (ValueError, TypeError, AttributeError, LookupError) as error:
                    raise self._wrong(number, f"the evidence cannot be written as the template asks: {error}") from None
        return re.sub(r"(?<=\d)%", " %", " ".join(filter(None, lines)))  # as everywhere: 38 %


def _names(line: str) -> list[str]:
    """The names that a line of a template asks for. Raises ValueError for a brace without its other half."""
    return [re.split(r"[.\[]", name)[0] for _, name, _, _ in Formatter().parse(line) if name is not None]


def _number(options: Mapping[str, Any], found: re.Match[str]) -> str:
    """What stands for one `{option:format}`; anything else in braces stays as it is."""
    name, form = found[1], found[2] or ""
    return format(options[name], form).replace("%", " %") if name in options else found[0]
