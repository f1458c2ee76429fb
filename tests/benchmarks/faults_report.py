"""What `tests.benchmarks.faults` found, as a table in Markdown and as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from html import escape
from typing import Any

from tests.faults.kinds import Kind
from tests.faults.programs import Program

# how far a fault was followed -> (colour, what it says); the colours can be told apart by people who see no red or no green
OUTCOMES = {
    "repaired": ("#0072b2", "found, rightly named, and repaired by its first fix"),
    "right": ("#56b4e9", "found and rightly named"),
    "detected": ("#e69f00", "found, but called something else first"),
    "missed": ("#d55e00", "not found"),
}
CELL, LEFT, TOP = 26, 220, 84


def outcome(entry: dict[str, Any]) -> str:
    if entry["right"]:
        return "repaired" if entry["repaired"] else "right"
    return "detected" if entry["detected"] else "missed"


def table(entries: list[dict[str, Any]], kinds: Sequence[Kind], controls: int, alarms: list[str], passing: list[str]) -> str:
    """A row for each kind, and one for all."""
    lines = ["| kind of fault | runs | detected | right first | epoch | repaired |", "|---|--:|--:|--:|--:|--:|"]
    for kind in [*(kind.name for kind in kinds), None]:
        chosen = [e for e in entries if kind in (None, e["kind"])]
        if chosen:
            epochs = [e["epoch"] for e in chosen if e["epoch"]]
            shares = [sum(bool(e[key]) for e in chosen) / len(chosen) for key in ("detected", "right", "repaired")]
            cells = [kind or "**all**", str(len(chosen)), f"{shares[0]:.2f}", f"{shares[1]:.2f}"]
            cells += [f"{statistics.median(epochs):g}" if epochs else "-", f"{shares[2]:.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
    for when, found in (("at their end", alarms), ("at any time", passing)):
        lines.append(
            f"\nControls with an error or a warning {when}: {len(found)} of {controls} ({len(found) / max(controls, 1):.1%})."
        )
        lines += [f"* {alarm}" for alarm in found]
    return "\n".join(lines)


def picture(entries: list[dict[str, Any]], kinds: Sequence[Kind], programs: Sequence[Program]) -> str:
    """A row for each kind, a column for each program, a cell for each training."""
    names = [kind.name for kind in kinds if any(e["kind"] == kind.name for e in entries)]
    seeds = sorted({e["seed"] for e in entries})
    width = CELL * len(seeds) + 10
    right = LEFT + width * len(programs)
    parts = [text(LEFT + width * i + 2, TOP - 8, program.name, -30) for i, program in enumerate(programs)]
    for row, kind in enumerate(names):
        top = TOP + CELL * row
        parts.append(text(LEFT - 10, top + CELL * 0.65, kind, anchor="end"))
        for entry in (e for e in entries if e["kind"] == kind):
            column = next(i for i, program in enumerate(programs) if program.name == entry["program"])
            x = LEFT + width * column + CELL * seeds.index(entry["seed"])
            colour, said = OUTCOMES[outcome(entry)]
            title, size = (
                f"<title>{entry['program']}, {escape(kind)}: {said}</title>",
                f'width="{CELL - 3}" height="{CELL - 3}"',
            )
            parts.append(f'<rect x="{x}" y="{top}" {size} rx="3" fill="{colour}">{title}</rect>')
    bottom = TOP + CELL * len(names) + 14
    for i, (colour, said) in enumerate(OUTCOMES.values()):
        x, y = 20 + 330 * (i % 2), bottom + 22 * (i // 2)
        parts += [f'<rect x="{x}" y="{y}" width="14" height="14" rx="3" fill="{colour}"/>', text(x + 20, y + 12, said)]
    size = f'width="{right + 40}" height="{bottom + 56}" viewBox="0 0 {right + 40} {bottom + 56}"'
    font = 'font-family="sans-serif" font-size="13" fill="#808080"'  # the grey can be read on white and on black
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>{"".join(parts)}</svg>'


def text(x: float, y: float, said: str, turned: int = 0, anchor: str = "start") -> str:
    turn = f' transform="rotate({turned} {x} {y})"' if turned else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{turn}>{escape(said)}</text>'
