"""Runs that can no longer become good: how many of their steps are saved, and how many good runs would be stopped by mistake?

    python -m tests.benchmarks.stopping [--logs ../shared/algoperf/logs] [--index ../shared/algoperf/INDEX.tsv] [--wrong]

Real trials whose end is known are cut off after each of their evaluations, from the first on, and judged beside the other
trials of the same workload and the same rules (which give them the same length). The index has the columns `trial` (a directory
below the logs), `ruleset`, `submission`, `workload`, `metric`, `target` and `class`.

Two goals: the target of the workload, as a user gives it who knows it, and what the best quarter of the other trials reached.
Printed for each, and for each risk:

* wrong: trials that reached the goal after they would have been stopped;
* saved: the steps of the trials that did not reach it which lie after the stop, of all their steps, and by class. Trials that
  nearly reached the target (`near-miss`) are in no figure for the target but their own;
* beside: saved, of the trials only that have two others beside them which reached the goal;
* slower: how many times slower than the slowest good run the trials that reached the goal were, the slowest first: what the
  limits in `scram_plugin/sweeps/stopping.py` are read from;
* by others: with the limit read from the trials of all other submissions (the largest of theirs): wrong, and saved;
* median rule: the same for stopping whatever is below the median of the others at the same step, as tuners do, after the first
  tenth of the usual length.

`--findings`: stop also where a finding says that the training is over, from reviews of 5, 10, ... 100 % of the steps (minutes).
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.conventions import higher_is_better
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.logdir import read
from scram_plugin.logs.run import Run
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.run import review
from scram_plugin.reviews.score import score_of
from scram_plugin.sweeps import stopping
from tests.benchmarks.early import cut
from tests.paths import SHARED, state
from tests.training_runs import training_run

SIGNALS = {"mean_average_precision": "validation map"}  # others are called as in the index
TOO_SHORT = "too-short"
NEAR = "near-miss"
ALL, BESIDE = "all", "beside"
PARTS = [part / 20 for part in range(1, 21)]  # of the steps, at which findings are looked for
WARM_UP = 0.1  # of the usual length, in which the median rule says nothing; as Optuna's documentation has it
RISK = stopping.RISKS[0]


@dataclass(eq=False)
class Trial:
    """A trial, by its review at each of its evaluations, and its truth."""

    row: dict[str, str]
    run: Run
    curve: Curve
    reviews: list[Review]
    last: int
    over: float = math.inf  # the step from which on a finding says that the training is over

    @property
    def best(self) -> float:
        return self.reviews[-1].scores[0].best


Rule = Callable[[Trial, int, Sequence[Trial], float], float]  # how surely at an evaluation: larger ones are surer


def trials(logs: Path, index: Path) -> Iterator[Trial]:
    rows = list(csv.DictReader(index.open(encoding="utf-8"), delimiter="\t"))
    for row in track(rows, "reading trials"):
        signal = SIGNALS.get(row["metric"], f"validation {row['metric']}")
        runs = read(logs / row["trial"])
        if row["class"] == TOO_SHORT or len(runs) != 1:
            continue
        run = next(iter(runs.values()))
        curve = training_run(cut(run, 1.0)).signal(signal)
        if curve is None or not len(curve.finite):
            continue
        higher = bool(higher_is_better(signal.partition(" ")[2]))
        told = {"name": row["trial"], "tensorboard_runs": (), "framework": None, "notes": ()}
        # at each point, but not before the first finite one
        seen = [curve.upto(step) for step in curve.steps]
        reviews = [Review(**told, scores=(score_of(signal, part, higher),)) for part in seen if len(part.finite)]
        yield Trial(row, run, curve, reviews, int(max(run[tag].steps[-1] for tag in run if len(run[tag]))))


def over(trial: Trial) -> float:
    """The step from which on a finding says that the training is over."""
    for part in PARTS:
        if stopping.stop(review(training_run(cut(trial.run, part)), catalogue()), None) is not None:
            return part * trial.last
    return math.inf


def slower(trial: Trial, at: int, others: Sequence[Trial], goal: float) -> float:
    """How many times slower it is than the slowest good one; 0 before anything can be said."""
    score = trial.reviews[at].scores[0]
    target = stopping.goal_of([one.reviews[-1] for one in others], value=goal)
    pace = target.pace(trial.reviews[at], score.axis) if target is not None else None
    return float(pace.slower(score)[0][-1]) if pace is not None else 0.0


def below_median(trial: Trial, at: int, others: Sequence[Trial], goal: float) -> float:
    """Whether it is worse than the median of the others' best values at the same step."""
    score = trial.reviews[at].scores[0]
    sign, step = score.sign, score.steps[-1]
    if step < WARM_UP * np.median([one.last for one in others]):
        return 0.0
    known = [one.curve.finite.upto(step).values for one in others]
    bests = [float((sign * values).max()) for values in known if len(values)]
    return float(len(bests) > 0 and sign * score.best < np.median(bests))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=Path, default=SHARED / "algoperf" / "logs")
    parser.add_argument("--index", type=Path, default=SHARED / "algoperf" / "INDEX.tsv")
    parser.add_argument("--wrong", action="store_true", help="name the trials that would be stopped by mistake")
    parser.add_argument("--findings", action="store_true", help="stop also where a finding says that it is over (minutes)")
    asked = parser.parse_args()
    if not asked.index.is_file():
        raise SystemExit(f"{asked.index} is not there: give logs and their index with --logs and --index")
    print(f"state {state()}")
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials(asked.logs, asked.index):
        groups[trial.row["workload"], trial.row["ruleset"]].append(trial)
    if asked.findings:
        for trial in track([trial for group in groups.values() for trial in group], "reviewing"):
            trial.over = over(trial)
    for given, limits in ((True, stopping.SLOWER), (False, stopping.SLOWER_THAN_BEST)):
        told = {rule: list(judged(groups, rule, given)) for rule in (slower, below_median)}
        print(f"\nthe goal is {'the target' if given else 'what the best quarter reached'}")
        found = told[slower]
        for risk, limit in limits.items():
            show(f"risk {risk:.2f}, {limit:g} times slower", found, limit, given)
        by_others(found, given)
        alone = [replace(one, trial=replace(one.trial, over=math.inf)) for one in told[below_median]]  # it knows no findings
        show("median rule", alone, 0.5, given)
        most = sorted((one.most for one in found if one.good), reverse=True)
        print("  slower: " + " ".join(f"{x:.2f}" for x in most[:12]) + f" of {len(most)}")
        for one in found if asked.wrong else ():
            if one.wrongly(limits[RISK]):
                print(f"    {one.most:.2f} {one.trial.row['trial']}")


@dataclass(frozen=True)
class Judged:
    """A trial: whether it reached the goal, whether two others did, and the values of a rule at each evaluation before."""

    trial: Trial
    good: bool
    beside: bool
    values: list[float]

    @property
    def most(self) -> float:
        return max(self.values, default=0.0)

    def stopped(self, limit: float) -> float:
        """The step at which it is stopped, infinite for none."""
        slow = next((self._step(at) for at, value in enumerate(self.values) if value > limit), math.inf)
        return slow if slow < self.trial.over else self.trial.over

    def wrongly(self, limit: float) -> bool:
        return self.good and self.stopped(limit) < self._step(len(self.values))

    def _step(self, at: int) -> float:
        """The step of an evaluation, infinite after the last."""
        return self.trial.reviews[at].scores[0].steps[-1] if at < len(self.trial.reviews) else math.inf


def judged(groups: dict[tuple[str, str], list[Trial]], rule: Rule, given: bool) -> Iterator[Judged]:
    """The trials with the values of a rule at each evaluation before they reach the goal."""
    for group in track(list(groups.values()), "judging", transient=True):
        for trial in group:
            others = [one for one in group if one is not trial]
            sign, goal = trial.reviews[-1].scores[0].sign, float(trial.row["target"])
            if not given:
                found = stopping.of_the_best([one.best for one in others], sign > 0)
                if found is None:
                    continue
                goal = found
            before = [at for at, run in enumerate(trial.reviews) if sign * run.scores[0].best < sign * goal]
            beside = sum(sign * one.best >= sign * goal for one in others) >= stopping.FEWEST_GOOD
            values = [rule(trial, at, others, goal) for at in before]
            yield Judged(trial, sign * trial.best >= sign * goal, beside, values)


def show(name: str, found: Sequence[Judged], limit: float, given: bool) -> None:
    good, wrong = (sum(of) for of in zip(*((one.good, one.wrongly(limit)) for one in found), strict=True))
    steps: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in found:
        kind, last = one.trial.row["class"], one.trial.last
        if one.good:
            continue
        for key in (kind,) if given and kind == NEAR else (kind, ALL, *((BESIDE,) if one.beside else ())):
            steps[key][0] += int(last - min(one.stopped(limit), last))
            steps[key][1] += last
    saved = {key: f"{part / whole:.2f}" for key, (part, whole) in sorted(steps.items())}
    print(f"  {name}: wrong {wrong} of {good} ({wrong / good:.3f}), saved {saved.pop(ALL)}, {BESIDE} {saved.pop(BESIDE)}")
    print("    " + ", ".join(f"{kind} {share}" for kind, share in saved.items()))


def by_others(found: Sequence[Judged], given: bool) -> None:
    """With limits that the trials of other submissions give."""
    kept: list[Judged] = []
    for submission in sorted({one.trial.row["submission"] for one in found}):
        limit = max(one.most for one in found if one.good and one.trial.row["submission"] != submission)
        of = [one for one in found if one.trial.row["submission"] == submission]
        kept += [replace(one, values=[value / limit for value in one.values]) for one in of]
    show("by others", kept, 1.0, given)


if __name__ == "__main__":
    main()
