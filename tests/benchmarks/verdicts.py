"""How often SCRAM is right, on simulated training runs whose truth is known.

    python -m tests.benchmarks.verdicts [--healthy 2000] [--faulty 2000] [--seed 0] [--wrong]

Prints false alarms on healthy runs for each level of each factor, detection for each fault and size, how many findings are
right by check and by its word, and the delay with which overfitting is found; beside the rule of the 2020 prototype
(`strict`: the validation accuracy falls twice in a row while the training accuracy rises) and the rule of one epoch (the
validation loss rises from one point to the next while the training loss falls).
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict

import numpy as np
from rich.progress import track

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.curves import overfitting
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.reviews.run import review
from tests.benchmarks.reliability import Reliability
from tests.benchmarks.simulated import FAULTS, Simulated, faulty, healthy

# fault -> other findings that are true of it
ALSO_TRUE = {
    "overfitting": {"metric-loss-disagreement", "noisy-validation"},
    "divergence": {"overfitting", "plateau", "loss-spike"},
    "no-learning": {"plateau"},
    "plateau": {"no-learning", "metric-loss-disagreement", "divergence"},
    "oscillating-loss": {"noisy-validation", "loss-spike"},
    "loss-spike": {"oscillating-loss", "divergence"},
    "noisy-validation": {"overfitting"},
    "metric collapses": {"plateau", "metric-loss-disagreement"},
    "metric never rises": {"plateau"},
    "jump for a while": {"noisy-validation", "plateau"},
}
# fault -> the checks that may find it, where its name is not the check's
FOUND_BY = {
    "no-learning": ("no-learning", "plateau"),  # each is accepted for the other, as by real_runs/score.py
    "plateau": ("plateau", "no-learning", "divergence"),
    "metric collapses": ("divergence",),
    "metric never rises": ("no-learning",),
    "jump for a while": ("divergence", "loss-spike", "oscillating-loss"),
}
DESCRIPTIVE = {"missing-validation", "step-rewind", "validation-better-than-training", "undertrained"}
ALARM = ("error", "warning")


def findings(run: Simulated, rules) -> list[Finding]:
    return [f for f in review(run.run, rules).findings if f.explained_by is None]


def one_epoch_rule(run: Simulated) -> bool:
    train, val = run.curves["train"], run.curves["val"]
    with np.errstate(invalid="ignore"):
        return bool(((np.diff(val) > 0) & (np.diff(train) < 0)).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--healthy", type=int, default=2000)
    parser.add_argument("--faulty", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wrong", action="store_true", help="list the false alarms")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    rules, strict = catalogue(), catalogue(["overfitting"], options={"overfitting": {"strict": True}})
    reliability = Reliability()

    alarms: dict[tuple[str, str], Counter] = defaultdict(Counter)
    by_heuristic: Counter = Counter()
    for _ in track(range(options.healthy), "healthy runs", transient=True):
        run = healthy(rng)
        found = [f for f in findings(run, rules) if f.heuristic not in DESCRIPTIVE]
        by_heuristic.update({(f.heuristic, f.severity) for f in found})
        for f in found:
            reliability.add(f, False)
            if options.wrong:
                print(f.severity, f.confidence, f.heuristic, run.levels, run.points, f.summary[:150])
        for level in [*run.levels.items(), ("all", "")]:
            counter = alarms[level]
            counter["runs"] += 1
            counter["warning"] += any(f.severity in ALARM for f in found)
            counter["any"] += bool(found)
            counter["strict"] += bool(findings(run, strict))
            counter["one epoch"] += one_epoch_rule(run)
    print(f"\nfalse alarms on {options.healthy:,} healthy runs, in percent of the runs of a level")
    print(f"{'factor':12}{'level':24}{'runs':>6}{'warnings':>10}{'with infos':>12}{'strict rule':>13}{'one epoch':>11}")
    for (factor, level), counter in sorted(alarms.items()):
        shares = [100 * counter[k] / counter["runs"] for k in ("warning", "any", "strict", "one epoch")]
        print(f"{factor:12}{level:24}{counter['runs']:6}{shares[0]:10.1f}{shares[1]:12.1f}{shares[2]:13.1f}{shares[3]:11.1f}")
    print("by heuristic:", ", ".join(f"{h} ({s}) {n}" for (h, s), n in by_heuristic.most_common()) or "none")

    detected: dict[tuple[str, str], Counter] = defaultdict(Counter)
    delays = []
    for fault, share in FAULTS.items():
        for _ in track(range(share * options.faulty // 2000), fault, transient=True):
            run = faulty(rng, fault)
            found = findings(run, rules)
            right_ones = FOUND_BY.get(fault, (fault,))
            hit = any(f.heuristic in right_ones for f in found)
            for f in found:
                if f.heuristic not in DESCRIPTIVE:
                    right = f.heuristic in right_ones or f.heuristic in ALSO_TRUE.get(fault, ())
                    reliability.add(f, right)
                    if options.wrong and not right:
                        print("WRONG", fault, run.size, f.confidence, f.heuristic, run.levels, f.summary[:120])
            keys = [(fault, f"size {run.size:g}")] if fault not in ("no-learning", "nonfinite-loss") else [(fault, "all")]
            if fault == "overfitting" and run.size >= 3:
                keys.append((fault, f"rise of 3 noises or more, {_span(run.after)} points after the best"))
            if fault == "overfitting" and run.size >= 3 and run.after >= 10:
                keys.append((fault, "rise of 3 noises or more, 10 points or more"))
            for key in keys:
                counter = detected[key]
                counter["runs"] += 1
                counter["found"] += hit
                counter["warned"] += any(f.heuristic in right_ones and f.severity in ALARM for f in found)
                counter["strict"] += bool(findings(run, strict))
                counter["one epoch"] += one_epoch_rule(run)
            if fault == "overfitting" and hit and run.size >= 3 and len(delays) < 200:
                delays.append(_delay(run))
    print("\ndetection of faults, in percent; sizes as in tests/benchmarks/simulated.py (overfitting: rise in noises)")
    print(f"{'fault':18}{'size':58}{'runs':>6}{'found':>8}{'warned':>8}{'strict':>8}{'one epoch':>11}")
    for (fault, size), counter in sorted(detected.items(), key=_place):
        shares = [100 * counter[k] / counter["runs"] for k in ("found", "warned", "strict", "one epoch")]
        others = f"{shares[2]:8.0f}{shares[3]:11.0f}" if fault == "overfitting" else ""
        print(f"{fault:18}{size:58}{counter['runs']:6}{shares[0]:8.1f}{shares[1]:8.1f}{others}")
    if delays:
        print(f"median delay of overfitting: {np.median(delays):.0f} validation points after the best (of {len(delays)} runs)")
    reliability.print()


def _place(item: tuple[tuple[str, str], Counter]) -> tuple:
    (fault, size), _ = item
    return list(FAULTS).index(fault), _order(size)


def _order(size: str) -> tuple[bool, float, str]:
    number = [float(word) for word in size.split() if word.replace(".", "").isdigit()]
    return not size.startswith("size"), number[0] if len(number) == 1 else number[1] if number else 0.0, size


def _span(after: int) -> str:
    for low, high in ((0, 4), (5, 9), (10, 14), (15, 29), (30, 99)):
        if low <= after <= high:
            return f"{low} to {high}"
    return "100 or more"


def _delay(run: Simulated) -> int:
    """How many validation points after the best one the finding is made, when judged after each of them."""
    training, validation = run.run.signal("training loss"), run.run.signal("validation loss")
    assert training is not None
    assert validation is not None
    low, high = 5, run.after
    while low < high:  # more of a rise is more evidence: the first point at which it is found, by halves
        middle = (low + high) // 2
        upto = len(validation) - 1 - run.after + middle
        cut = validation.upto(int(validation.steps[upto]))
        found = list(overfitting.of_curves(run.run, training.upto(int(cut.steps[-1])), cut, overfitting.HEURISTIC.defaults))
        low, high = (low, middle) if found else (middle + 1, high)
    return low


if __name__ == "__main__":
    main()
