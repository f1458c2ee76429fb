"""What came of trying the fixes of a run, as the log of the run has it."""

from __future__ import annotations

from scram_plugin.heuristics.heuristic import FixProof
from scram_plugin.logs.pairing import above
from scram_plugin.logs.training_run import TrainingRun

BEST_FIRST = ("better", "worse", "breaks", "same", "unknown")  # verdicts, by how much they say


def proof_of(run: TrainingRun, heuristic: str, cause: str) -> FixProof | None:
    """What came of the fix of this cause; of several trials that had it, the one that says most, with fewest other fixes."""
    known = [tried for tried in run.tried if [heuristic, cause] in tried["fixes"]]
    if not known:
        return None
    best = min(known, key=lambda tried: (BEST_FIRST.index(tried["verdict"]), len(tried["fixes"])))
    others = sorted({other for other, _ in best["fixes"]} - {heuristic})
    together = f", together with the fix of {', '.join(others)}" if others else ""
    parent = above(run.name)
    names = [name if parent == "." else f"{parent}/{name}" for name in best.get("runs") or ()]
    return FixProof(
        verdict=best["verdict"],
        sentence=best["sentence"] + together,
        measure=best.get("measure") or "",
        before=best.get("before"),
        after=best.get("after"),
        seeds=best.get("seeds") or 0,
        batches=best.get("batches") or 0,
        runs=tuple(names),
    )
