"""What `tests.benchmarks.faults` found, as tables in Markdown, as a list of what was missed, and as a picture."""

from __future__ import annotations

import difflib
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

Entry = dict[str, Any]
# how far a fault was followed -> (colour, what it says); the colours can be told apart by people who see no red or no green
OUTCOMES = {
    "repaired": ("#0072b2", "found, rightly named, and repaired by its first fix"),
    "right": ("#56b4e9", "found and rightly named"),
    "detected": ("#e69f00", "found, but called something else first"),
    "missed": ("#d55e00", "not found"),
}
CELL, LEFT, TOP = 26, 240, 110
COLUMNS = ("detected", "right", "epoch", "edit", "runs", "repaired", "worse", "proven")
HEADS = ("detected", "right first", "epoch", "edit", "edit runs", "repaired", "worse", "proven better")
# the reasons for which a fault is not repaired, the first that holds; -> whether it holds
REASONS: dict[str, Callable[[Entry], bool]] = {
    "not detected": lambda e: not e["detected"],
    "the first fix is no edit": lambda e: not e["edit"],
    "the edit does not fit the files": lambda e: not e["applied"],
    "the edit breaks the program": lambda e: not e["runs"] and e["after"] is None,
    "the edit makes it worse": lambda e: e["worse"],
    "with the edit it is not as good as the control": lambda e: not e["as_good"],
    "with the edit it is as good, and an error or a warning is left": lambda e: not e["repaired"],
    "repaired, but not named first": lambda e: not e["right"],
}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What a fault changes: the lines of each file, without those around them."""
    said = []
    for name, text in after.items():
        lines = list(difflib.unified_diff(before[name].splitlines(), text.splitlines(), lineterm="", n=0))[2:]
        said += [name, *lines] if lines else []
    return "\n".join(said)


def as_text(edits: Sequence[Any]) -> str:
    """An edit, with all that belong to it, as it is read; "" for none."""
    said = []
    for edit in edits:
        said += [f"{edit.file}:{edit.line}", *(f"-{old}" for old in edit.before.splitlines())]
        said += [f"+{new}" for new in edit.after.splitlines()]
    return "\n".join(said)


def line(entry: Entry) -> str:
    """A result in one line."""
    name = entry.get("kind") or " + ".join(entry["kinds"])
    if "program" not in entry or not entry["suffers"]:
        return f"{entry.get('program', ''):18} {name:38} does no harm alone"
    head = f"{entry['program']:18} {entry['seed']} {name:38}"
    if "kinds" in entry:
        return f"{head} named {len(entry['named'])} of {len(entry['kinds'])}: {entry['all']}"
    return f"{head} {entry['first']}, {reason(entry) or 'repaired'}"


def reason(entry: Entry) -> str:
    return next((name for name, holds in REASONS.items() if holds(entry)), "")


def outcome(entry: Entry) -> str:
    if entry["right"]:
        return "repaired" if entry.get("repaired") else "right"
    return "detected" if entry["detected"] else "missed"


def _cell(entries: Sequence[Entry], column: str) -> str:
    """A share of all faults; of the edits for what is asked of edits."""
    if column == "epoch":
        epochs = [e["epoch"] for e in entries if e["epoch"]]
        return f"{statistics.median(epochs):g}" if epochs else "-"
    of = [e for e in entries if e["edit"]] if column in ("runs", "worse", "proven") else list(entries)
    good = [e.get(column) == "better" if column == "proven" else bool(e.get(column)) for e in of]
    return f"{sum(good) / len(good):.2f}" if good else "-"


def table(entries: Sequence[Entry], by: Callable[[Entry], str], head: str) -> str:
    """A row for each value, and one for all."""
    columns = [c for c in COLUMNS if c != "proven" or any(e.get("proven") for e in entries)]
    heads = [HEADS[COLUMNS.index(column)] for column in columns]
    lines = [f"| {head} | runs | {' | '.join(heads)} |", f"|---|--:|{'--:|' * len(columns)}"]
    for value in [*sorted({by(e) for e in entries}), None]:
        chosen = [e for e in entries if value in (None, by(e))]
        lines.append(f"| {value or '**all**'} | {len(chosen)} | {' | '.join(_cell(chosen, c) for c in columns)} |")
    return "\n".join(lines)


def table_of_several(entries: Sequence[Entry]) -> str:
    lines = ["| faults at once | runs | detected | all named | all named, or folded under another |", "|---|--:|--:|--:|--:|"]
    for value in [*sorted({" + ".join(e["kinds"]) for e in entries}), None]:
        chosen = [e for e in entries if value in (None, " + ".join(e["kinds"]))]
        shares = [
            sum(bool(e["detected"]) for e in chosen) / len(chosen),
            *(sum(len(e[key]) == len(e["kinds"]) for e in chosen) / len(chosen) for key in ("named", "shown")),
        ]
        lines.append(f"| {value or '**all**'} | {len(chosen)} | {' | '.join(f'{share:.2f}' for share in shares)} |")
    return "\n".join(lines)


def misses(faults: Sequence[Entry], several: Sequence[Entry]) -> str:
    """What was missed, by its reason, with the lines that the fault changes and those that the edit changes."""
    parts = []
    for why in REASONS:
        chosen = [e for e in faults if reason(e) == why]
        if chosen:
            parts.append(f"\n### {why}: {len(chosen)}\n")
        for e in sorted(chosen, key=lambda e: (e["kind"], e["program"])):
            parts.append(f"* **{e['kind']}** in `{e['framework']}/{e['program']}` (seed {e['seed']}, {e['form']})")
            named = "right" if e["right"] else f"wrong, right are {', '.join(e['right_ones'])}"
            results = f"control {_number(e['control'])}, with the fault {_number(e['value'])}"
            if e.get("applied"):
                results += f", with the edit {_number(e['after'])}; left: {', '.join(e['left']) or 'nothing'}"
            errors = [
                f"error {which}: {e[key]}"
                for which, key in (("with the fault", "last"), ("with the edit", "after_last"))
                if e.get(key)
            ]
            parts += [f"  first: {e['first']} ({named}); {results}", *(f"  {error}" for error in errors)]
            parts += ["  ```diff", *(f"  {one}" for one in e["change"].splitlines()), "  ```"]
            if e["edit"]:
                parts += ["  its edit:", "  ```diff", *(f"  {one}" for one in e["edit"].splitlines()), "  ```"]
    unnamed = [e for e in several if len(e["named"]) < len(e["kinds"])]
    if unnamed:
        parts.append(f"\n### of several faults, not all are named: {len(unnamed)}\n")
    for e in unnamed:
        missing = [kind for kind in e["kinds"] if kind not in e["named"]]
        folded = [kind for kind in missing if kind in e["shown"]]
        where = f"`{e['framework']}/{e['program']}` (seed {e['seed']})"
        parts.append(f"* {' + '.join(e['kinds'])} in {where}: not {', '.join(missing)}; found {', '.join(e['all'])}")
        parts += [f"  folded under another finding: {', '.join(folded)}"] if folded else []
    return "\n".join(parts)


def _number(value: float | None) -> str:
    return "no result" if value is None else f"{value:.3f}"


def report(
    framework: str,
    faults: Sequence[Entry],
    harmless: Sequence[Entry],
    several: Sequence[Entry],
    masked: int,
    controls: Sequence[Entry],
) -> str:
    parts = [f"\n## {framework}\n"]
    if faults:
        parts += [table(faults, lambda e: e["kind"], "kind of fault"), ""]
        parts += [table(faults, lambda e: f"`{e['program']}`: {e['form']}", "form of the program")]
    if several:
        parts += ["", table_of_several(several)]
    dropped = Counter(e["kind"] for e in harmless)
    parts.append(f"\nPlacements that did no harm, and were left out: {len(harmless)}; of several faults: {masked}.")
    parts += [f"* {kind}: {count}" for kind, count in dropped.most_common()]
    for when, key in (("at their end", "alarms"), ("at any time", "passing")):
        alarmed = [f"{c['program']} {c['seed']}: {c[key][0]}" for c in controls if c[key]]
        parts.append(f"\nControls with an error or a warning {when}: {len(alarmed)} of {len(controls)}.")
        parts += [f"* {alarm}" for alarm in alarmed]
    broken = [f"{c['program']} {c['seed']}: {c['last']}" for c in controls if c["control"] is None]
    parts += [f"\nControls without a result: {', '.join(broken)}"] if broken else []
    return "\n".join([*parts, misses(faults, several)])


def picture(entries: Sequence[Entry]) -> str:
    """A row for each kind, a column for each program, a cell for each training."""
    kinds = sorted({e["kind"] for e in entries})
    programs = sorted({e["program"] for e in entries})
    seeds = sorted({e["seed"] for e in entries})
    width = CELL * len(seeds) + 10
    right = LEFT + width * len(programs)
    parts = [text(LEFT + width * i + 2, TOP - 8, program, -30) for i, program in enumerate(programs)]
    for row, kind in enumerate(kinds):
        top = TOP + CELL * row
        parts.append(text(LEFT - 10, top + CELL * 0.65, kind, anchor="end"))
        for entry in (e for e in entries if e["kind"] == kind):
            x = LEFT + width * programs.index(entry["program"]) + CELL * seeds.index(entry["seed"])
            colour, said = OUTCOMES[outcome(entry)]
            title, size = (
                f"<title>{entry['program']}, {escape(kind)}: {said}</title>",
                f'width="{CELL - 3}" height="{CELL - 3}"',
            )
            parts.append(f'<rect x="{x}" y="{top}" {size} rx="3" fill="{colour}">{title}</rect>')
    bottom = TOP + CELL * len(kinds) + 14
    for i, (colour, said) in enumerate(OUTCOMES.values()):
        x, y = 20 + 330 * (i % 2), bottom + 22 * (i // 2)
        parts += [f'<rect x="{x}" y="{y}" width="14" height="14" rx="3" fill="{colour}"/>', text(x + 20, y + 12, said)]
    size = f'width="{right + 90}" height="{bottom + 56}" viewBox="0 0 {right + 90} {bottom + 56}"'
    font = 'font-family="sans-serif" font-size="13" fill="#808080"'  # the grey can be read on white and on black
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>{"".join(parts)}</svg>'


def text(x: float, y: float, said: str, turned: int = 0, anchor: str = "start") -> str:
    turn = f' transform="rotate({turned} {x} {y})"' if turned else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{turn}>{escape(said)}</text>'
