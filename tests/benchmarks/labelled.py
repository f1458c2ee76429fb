"""How often SCRAM is right on logs of other people, by source: a half of the sources apart from the other one.

    python -m tests.benchmarks.labelled [--shared ../shared] [--wrong]

Three sets with a known truth. `algoperf`: trials of a competition, of which their own targets say what became of them; a source
is a submission. `real_runs` and `domain_logs` (fine-tuning, reinforcement learning, detection): trainings from public
repositories that people labelled on plots; a source is a repository. All runs of a source are in the same half. Prints for
each half the share of each class with an error or a warning, and for both, by check and by its word, how many findings are
right.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.logs.logdir import read
from scram_plugin.reviews.run import review_all
from tests.benchmarks.early import BAD, GOOD, OF_ANY, RIGHT
from tests.benchmarks.reliability import Reliability
from tests.paths import SHARED, state

NONFINITE = {"nonfinite-loss", "nonfinite-metric", "nonfinite-origin"}
SWINGS = {"oscillating-loss", "loss-spike", "noisy-validation"}
RETURNS = {
    "no-return-gain",
    "value-not-fitted",
    "clip-saturation",
    "return-collapse",
    "entropy-collapse",
    "truncated-completions",
    "kl-blow-up",
}
# label of a real run -> the checks that find it; labels that are not here (too short, ambiguous) say nothing
LABELS = {
    "healthy": set(),
    "overfitting": {"overfitting", "metric-loss-disagreement", "preference-memorised", "epoch-steps"},
    "nan-inf": {*NONFINITE, "divergence"},
    "diverging": {"divergence", *SWINGS, *NONFINITE},
    "no-learning": {"no-learning", "no-return-gain", "box-loss-without-map", "plateau"},
    "plateau": {"no-learning", "no-return-gain", "box-loss-without-map", "plateau"},
    "oscillating": SWINGS,
    "grad-norm-explosion": {"exploding-grad-norm", "divergence"},
    "collapse-after-peak": RETURNS,
    "entropy-collapse": RETURNS,
    "kl-blow-up": RETURNS,
}


class Judged(NamedTuple):
    collection: str
    source: str
    name: str
    label: str
    expected: set[str]  # checks; empty: sound
    found: list[Finding]  # errors and warnings that stand alone


def halves_of(judged: list[Judged]) -> dict[tuple[str, str], int]:
    """(set, source) -> half: the largest source first, each to the half of its set that has fewer runs."""
    sizes, halves = Counter((one.collection, one.source) for one in judged), {}
    filled: Counter[tuple[str, int]] = Counter()
    for collection, source in sorted(sizes, key=lambda key: (-sizes[key], key)):
        half = int(filled[collection, 1] < filled[collection, 0])
        filled[collection, half] += sizes[collection, source]
        halves[collection, source] = half
    return halves


def alarms(logs: Path) -> Iterator[tuple[str, list[str], list[Finding]]]:
    """Training run, its TensorBoard runs, and its errors and warnings."""
    for review in review_all(read(logs), catalogue()):
        found = [f for f in review.alone if f.severity != "info"]
        yield review.name, list(review.tensorboard_runs), found


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def algoperf(directory: Path) -> Iterator[Judged]:
    known = {row["trial"]: row for row in rows(directory / "INDEX.tsv")}
    for name, _, found in alarms(directory / "logs"):
        row = known.get(name)
        if row is not None and row["class"] in (*GOOD, *BAD):
            told = [f for f in found if f.heuristic != OF_ANY]
            yield Judged("algoperf", row["submission"], name, row["class"], RIGHT.get(row["class"], set()), told)


def real_runs(directory: Path) -> Iterator[Judged]:
    known = {row["dir"]: row for row in rows(directory / "INDEX.tsv")}
    borderline = {(row["repo"], row["group"]) for row in rows(directory / "borderline.tsv")}
    for name, parts, found in alarms(directory):
        row = next((known[part] for part in parts if part in known), None)
        if row is None or (row["repo"], row["group"]) in borderline:
            continue
        labels = row["label"].split("|")
        if set(labels) <= LABELS.keys():
            expected = {check for label in labels for check in LABELS[label]}
            yield Judged("real_runs", row["repo"], name, row["label"], expected, found)


def domain_logs(directory: Path) -> Iterator[Judged]:
    for row in rows(directory / "INDEX.tsv"):
        labels = row["label"].split("|")
        if row["confidence"] == "sure" and set(labels) <= LABELS.keys():
            expected = {check for label in labels for check in LABELS[label]}
            found = [finding for _, _, of_run in alarms(directory / row["local_path"]) for finding in of_run]
            yield Judged("domain_logs", row["repo"], row["id"], labels[0], expected, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="the directory that holds the sets")
    parser.add_argument("--wrong", action="store_true", help="name the runs that are judged wrongly")
    asked = parser.parse_args()
    if not (asked.shared / "algoperf").is_dir():
        raise SystemExit(f"{asked.shared}: the labelled logs are not there; say with --shared where they are")
    print(f"state {state()}")
    sets = {"algoperf": algoperf, "real_runs": real_runs, "domain_logs": domain_logs}
    judged = [one for name, judge in sets.items() for one in judge(asked.shared / name)]
    halves = halves_of(judged)
    counts: dict[tuple[str, str], list[Counter[str]]] = defaultdict(lambda: [Counter(), Counter()])
    reliability = Reliability()
    for one in judged:
        counter = counts[one.collection, one.label][halves[one.collection, one.source]]
        wrong = [f for f in one.found if f.heuristic not in one.expected]
        hit = any(f.heuristic in one.expected for f in one.found)
        counter.update(runs=1, alarmed=bool(one.found), right=hit)
        for f in one.found:
            reliability.add(f, f.heuristic in one.expected)
        if asked.wrong and (wrong or (one.expected and not hit)):
            print(f"  {one.name}: {one.label}, told {', '.join(f.heuristic for f in one.found) or 'nothing'}")
    first, second = (sum(half == which for half in halves.values()) for which in (0, 1))
    print(f"{'':32}{f'{first} sources':>28}{f'the other {second}':>28}")
    print(f"{'set':12}{'label':20}" + f"{'runs':>8}{'alarmed':>10}{'right':>10}" * 2)
    for (collection, label), both in sorted(counts.items()):
        cells = "".join(f"{c['runs']:8}{_share(c, 'alarmed'):>10}{_share(c, 'right'):>10}" for c in both)
        print(f"{collection:12}{label:20}{cells}")
    reliability.print()


def _share(counter: Counter[str], what: str) -> str:
    return f"{counter[what] / counter['runs']:.3f}" if counter["runs"] else ""


if __name__ == "__main__":
    main()
