"""Two and three faults at once, none of which hides another: each of them should be named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

from tests.faults.forms import Files, Program
from tests.faults.kinds import Kind, placed

HIGH, LOW = "learning rate too high", "learning rate too low"
UNITS, LINEAR, SORTED = "inputs in their units", "no activations", "sorted and not shuffled"
DROPOUT, PENALTY, TARGETS = "dropout of nearly everything", "penalty far too strong", "targets in their unit"
BARE, SHIFTED, MINUS = "outputs as they are", "validation not scaled", "labels -1 and 1"
TOGETHER = {
    "keras": (
        (HIGH, UNITS),
        (HIGH, MINUS),
        (LOW, DROPOUT),
        (UNITS, BARE),
        (UNITS, LINEAR),
        (UNITS, "softmax or sigmoid twice"),
        (LINEAR, SORTED),
        (LINEAR, TARGETS),
        (DROPOUT, SORTED),
        (SHIFTED, PENALTY),
        ("constant weights", SHIFTED),
        ("all weights frozen", UNITS),
        (HIGH, UNITS, DROPOUT),
        (LINEAR, SORTED, PENALTY),
        (LOW, UNITS, BARE),
    ),
    "torch": (
        (HIGH, UNITS),
        (HIGH, MINUS),
        (LOW, DROPOUT),
        (UNITS, BARE),
        (UNITS, LINEAR),
        (UNITS, "softmax twice"),
        ("gradients kept", UNITS),
        (LINEAR, SORTED),
        (LINEAR, TARGETS),
        (DROPOUT, SORTED),
        (SHIFTED, PENALTY),
        ("large weights", SHIFTED),
        ("only the last layer in the optimizer", UNITS),
        (HIGH, UNITS, DROPOUT),
        ("gradients kept", LINEAR, UNITS),
        (LOW, UNITS, BARE),
    ),
}


def together(kinds: Sequence[Kind], program: Program, seed: int) -> Iterator[tuple[tuple[Kind, ...], Files]]:
    """The faults that a program has places for at once, and its files with them."""
    numbered = {kind.name: (number, kind) for number, kind in enumerate(kinds)}
    for names in TOGETHER[program.framework]:
        chosen = [numbered[name] for name in names]
        for order in permutations(chosen):  # one fault may need a line that another one takes away
            files: Files | None = program.files(seed)
            for number, kind in order:
                files = placed(kind, number, program, seed, files) if files is not None else None
            if files is not None:
                yield tuple(kind for _, kind in chosen), files
                break
