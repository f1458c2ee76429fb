"""How soon SCRAM is right on real trials whose end is known: logs cut off at 10, 25, 50 and 100 % of their steps.

    python -m tests.benchmarks.early [--logs ../shared/algoperf/logs] [--index ../shared/algoperf/INDEX.tsv] [--wrong]

The index is a table with the columns `trial` (a directory below the logs), `class` and `submission`. A class is what became of
a trial: `reached`, `near-miss` (its target), `failed-other`, `diverged`, `never-learned`, `failed-nan`, `too-short`. Prints for
each length the share of the trials of each class with an error or a warning (but overfitting, which may be true of any), how
many of these are gone in the whole log, and for the whole logs how many findings of each confidence are right.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.progress import track

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.logs.logdir import read
from scram_plugin.logs.run import Run
from scram_plugin.reviews.run import review
from tests.benchmarks.reliability import Reliability
from tests.paths import SHARED, state
from tests.training_runs import training_run

PARTS = (0.1, 0.25, 0.5, 1.0)
GOOD = ("reached", "near-miss")
BAD = ("diverged", "never-learned", "failed-nan")
OF_ANY = "overfitting"  # may be true of a trial that reached its target before
RIGHT = {
    "diverged": {
        "divergence",
        "nonfinite-loss",
        "nonfinite-metric",
        "loss-spike",
        "oscillating-loss",
        "no-learning",
        "plateau",
    },
    "never-learned": {"no-learning", "plateau", "divergence", "nonfinite-loss", "nonfinite-metric"},
    "failed-nan": {"nonfinite-loss", "nonfinite-metric", "nonfinite-origin"},
}


def cut(run: Run, part: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each tag's points in the first part of the steps."""
    last = part * max((run[tag].steps[-1] for tag in run if len(run[tag])), default=0)
    kept = {tag: run[tag].steps <= last for tag in run}
    return {tag: (run[tag].steps[k], run[tag].values[k]) for tag, k in kept.items() if k.any()}


def alarms(run: Run, part: float) -> list[Finding]:
    found = review(training_run(cut(run, part)), catalogue()).findings
    return [f for f in found if f.severity != "info" and f.explained_by is None and f.heuristic != OF_ANY]


def trials(logs: Path, index: Path) -> Iterator[tuple[dict[str, str], Run]]:
    with index.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            runs = read(logs / row["trial"])
            if len(runs) == 1:
                yield row, next(iter(runs.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=Path, default=SHARED / "algoperf" / "logs")
    parser.add_argument("--index", type=Path, default=SHARED / "algoperf" / "INDEX.tsv")
    parser.add_argument("--wrong", action="store_true", help="name the trials that are judged wrongly")
    asked = parser.parse_args()
    if not asked.index.is_file():
        raise SystemExit(f"{asked.index} is not there: give logs and their index with --logs and --index")
    print(f"state {state()}")
    counts: dict[str, Counter[str]] = defaultdict(Counter)  # class -> trials, and alarms by part
    gone: Counter[float] = Counter()
    reliability = Reliability()
    for row, run in track(list(trials(asked.logs, asked.index)), "trials", transient=True):
        kind = row["class"]
        by_part = {part: alarms(run, part) for part in PARTS}
        counts[kind]["trials"] += 1
        counts[kind].update(str(part) for part, found in by_part.items() if found)
        gone.update(part for part, found in by_part.items() if found and not by_part[PARTS[-1]])
        for f in by_part[PARTS[-1]] if kind in (*GOOD, *BAD) else []:
            reliability.add(f, f.heuristic in RIGHT.get(kind, ()))
        if asked.wrong:
            for part, found in by_part.items():
                if (kind in GOOD and found) or (kind in BAD and not found):
                    print(f"  {part:.0%} {kind} {row['trial']}: {', '.join(f.heuristic for f in found) or 'nothing'}")
    print(f"{'class':16}{'trials':>8}" + "".join(f"{f'{part:.0%}':>8}" for part in PARTS))
    for kind, counter in sorted(
        counts.items(), key=lambda item: (*GOOD, *BAD).index(item[0]) if item[0] in (*GOOD, *BAD) else 9
    ):
        print(f"{kind:16}{counter['trials']:8}" + "".join(f"{counter[str(p)] / counter['trials']:8.3f}" for p in PARTS))
    print(f"{'gone at the end':24}" + "".join(f"{gone[part]:8}" for part in PARTS))
    reliability.print()


if __name__ == "__main__":
    main()
