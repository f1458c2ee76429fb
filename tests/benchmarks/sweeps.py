"""Sweeps with known truth: is the setting named that makes runs fail, and none where none does?

    python -m tests.benchmarks.sweeps [--sweeps 200] [--seed 1] [--verbose]

Each simulated sweep has 8 to 500 runs (log-uniform) with 3 to 12 settings: numbers on a grid or drawn, choices, switches and
seeds. Runs fail by one cause, by either of two, by two that must meet, or by none; in a third of the sweeps another setting
follows a cause. Failing runs have the finding with a probability of 0.75 to 1, others of 0 to 0.08; a second finding comes by
chance, and so does the rest of the metric.

Printed for each kind of truth and each number of runs:

* could: sweeps in which the true condition, had anybody known it before, is significant after a correction for the number of
  settings alone: no search can find much more;
* said: a sentence for the finding was said (power, where there is a cause; a false alarm, where there is none);
* right: of those, how many name a cause first, and nothing else than causes; a setting that follows a cause may stand beside it
  if the sentence says that it cannot be told which of them it is;
* all: of those, how many name every cause;
* otherwise: sweeps with a sentence about what nothing causes (the second finding, or the metric where none counts).

A sweep without a cause in which any sentence is said counts as false.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from scram_plugin.sweeps.conditions import conditions
from scram_plugin.sweeps.separate import ALPHA, Separation, separations
from scram_plugin.sweeps.strength import strengths
from tests.paths import state

KINDS = ("one cause", "either of two", "two that meet", "none")
FOUND, BY_CHANCE, METRIC = "nonfinite-loss", "slow-input", "validation accuracy"
SIZES = (8, 20, 60, 180, 501)
Values = list[Any]


@dataclass
class Sweep:
    """Settings of simulated runs, and what came of them; `follows`: a setting -> the cause that it follows."""

    kind: str
    settings: dict[str, Values]
    outcomes: dict[str, np.ndarray]
    causes: list[str]
    follows: dict[str, str]
    fails: np.ndarray

    @property
    def runs(self) -> int:
        return len(self.outcomes[METRIC])


def setting(draws: np.random.Generator, kind: str, runs: int) -> Values:
    """The values of a setting of one of six kinds."""
    if kind == "rate":
        return [float(f"{10**x:.3g}") for x in draws.uniform(-5, -0.5, runs)]
    if kind == "grid":
        return [float(x) for x in draws.choice(10.0 ** -np.arange(1, draws.integers(4, 8)), runs)]
    if kind == "size":
        return [int(x) for x in draws.choice([16, 32, 64, 128, 256], runs)]
    if kind == "share":
        return [round(float(x), 2) for x in draws.uniform(0, 0.9, runs)]
    if kind == "choice":
        return [str(x) for x in draws.choice(["adam", "sgd", "rmsprop", "adamw"][: draws.integers(2, 5)], runs)]
    return [bool(x) for x in draws.integers(0, 2, runs)]


def holding(draws: np.random.Generator, column: Values) -> np.ndarray:
    """A condition that holds for a tenth to six tenths of the runs, as near as the values allow."""
    values = np.array(column)
    if values.dtype.kind in "Ub":
        return values == draws.choice(np.unique(values))
    share = draws.uniform(0.15, 0.6)
    distinct = np.unique(values)
    at = distinct[np.argmin([abs(np.mean(values >= cut) - share) for cut in distinct])]
    return (
        values >= at
        if draws.random() < 0.7
        else values <= distinct[np.argmin([abs(np.mean(values <= c) - share) for c in distinct])]
    )


def simulated(seed: int, kind: str) -> Sweep:
    draws = np.random.default_rng(seed)
    runs = round(math.exp(draws.uniform(math.log(8), math.log(500))))
    kinds = draws.choice(["rate", "grid", "size", "share", "choice", "switch"], draws.integers(3, 13))
    settings = {f"{kind_}_{i}": setting(draws, kind_, runs) for i, kind_ in enumerate(kinds)}
    causes = [str(name) for name in draws.choice(list(settings), 2, replace=False)][
        : 0 if kind == "none" else 1 if kind == "one cause" else 2
    ]
    hold = [holding(draws, settings[name]) for name in causes]
    fails = np.zeros(runs, bool)
    if hold:
        fails = np.logical_and.reduce(hold) if kind == "two that meet" else np.logical_or.reduce(hold)
    settings["seed"] = [int(x) for x in (draws.integers(0, 5, runs) if draws.random() < 0.5 else np.arange(runs))]
    follows = {}
    if causes and draws.random() < 1 / 3:
        of = settings[causes[0]]
        loose = draws.random(runs) < draws.choice([0.0, 0.1, 0.3])  # runs in which it does not follow
        other = [of[j] for j in draws.permutation(runs)]
        follows["follower"] = causes[0]
        settings["follower"] = [other[j] if loose[j] else of[j] for j in range(runs)]
    strong, weak = draws.uniform(0.75, 1), draws.uniform(0, 0.08)
    found = draws.random(runs) < np.where(fails, strong, weak if causes else draws.uniform(0.05, 0.5))
    metric = draws.normal(0.8, 0.03, runs) - np.where(found & bool(causes), draws.uniform(0.1, 0.5), 0)
    by_chance = draws.random(runs) < draws.uniform(0.05, 0.3)
    return Sweep(kind, settings, {FOUND: found, BY_CHANCE: by_chance, METRIC: metric}, causes, follows, fails)


def named(separation: Separation) -> list[set[str]]:
    """The settings of each condition: its own, and those that cannot be told from it."""
    return [
        {setting, *(other for twin in one.twins for other in twin.settings)}
        for one in separation.all()
        for setting in one.condition.settings
    ]


def judged(sweep: Sweep) -> dict[str, Any]:
    found = separations(conditions(sweep.settings), sweep.outcomes)
    about = {one.outcome: one for one in found}
    causes = set(sweep.causes)
    sure = float(strengths(sweep.fails[None, :], sweep.outcomes[FOUND][:, None])[0, 0])
    could = bool(causes) and math.exp(-sure) * len(sweep.settings) <= ALPHA
    entry: dict[str, Any] = {"could": could, "said": FOUND in about, "otherwise": BY_CHANCE in about, "any": bool(found)}
    if FOUND in about and causes:
        told = named(about[FOUND])
        right = all(group & causes for group in told)
        entry |= {"right": right, "all": right and all(any(cause in group for group in told) for cause in causes)}
    entry["text"] = [
        (one.outcome, one.condition.words, [t.words for t in one.twins], round(one.p, 4)) for f in found for one in f.all()
    ]
    return entry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    print(f"state {state()}, {arguments.sweeps} sweeps, seed {arguments.seed}")
    entries: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    begin = time.monotonic()
    for i in range(arguments.sweeps):
        sweep = simulated(arguments.seed * 1_000_000 + i, KINDS[i % len(KINDS)])
        entry = judged(sweep)
        size = next(f"{low} to {high - 1}" for low, high in itertools.pairwise(SIZES) if sweep.runs < high)
        for key in ((sweep.kind, size), (sweep.kind, "all")):
            entries[key].append(entry)
        if arguments.verbose and (entry.get("right") is False or (sweep.kind == "none") == entry["any"]):
            print(i, sweep.kind, sweep.runs, "runs; causes", sweep.causes, "follows", sweep.follows, entry)
    print(f"| {'truth':14} | {'runs':10} | sweeps | could | said | right | all | otherwise |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for kind in KINDS:
        for size in [*(f"{low} to {high - 1}" for low, high in itertools.pairwise(SIZES)), "all"]:
            of = entries[kind, size]
            said = [e for e in of if e["said"]]
            shares = [
                share(of, "could"),
                share(of, "any" if kind == "none" else "said"),
                share(said, "right"),
                share(said, "all"),
                share(of, "otherwise"),
            ]
            print(f"| {kind:14} | {size:10} | {len(of):6} | {' | '.join(shares)} |")
    print(f"It took {time.monotonic() - begin:.0f} s.")


def share(of: list[dict[str, Any]], name: str) -> str:
    known = [e[name] for e in of if name in e]
    return f"{np.mean(known):.2f}" if known else "-"


if __name__ == "__main__":
    main()
