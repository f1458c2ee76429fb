"""Reviews of made-up runs: what a sweep asks of them."""

from scram_plugin.heuristics.heuristic import Cause, Finding
from scram_plugin.logs.curve import CurveName
from scram_plugin.reviews.model import Review, Signal
from scram_plugin.reviews.score import RunScore

CHECKS = ("divergence", "overfitting", "nonfinite-loss", "no-learning")
TITLES = {"divergence": "Training loss diverges", "overfitting": "Overfitting"}


def finding(heuristic, severity="warning"):
    where = {"axis": "step", "first_step": 1, "last_step": 9, "curves": [CurveName("run", "loss")]}
    return Finding(severity, "certain", "Title", {}, causes=[Cause("cause", "for", "")], heuristic=heuristic, **where)


def review(name, settings=None, found=(), best=None, higher=True, program="", tag="loss", undecided=()):
    measured = (
        RunScore("validation accuracy", "epoch", higher, best, 3, best, 0.01, (3,), (best,)) if best is not None else None
    )
    return Review(
        name=name,
        tensorboard_runs=(name,),
        framework="keras",
        notes=(),
        findings=tuple(map(finding, found)),
        passed=tuple(id_ for id_ in CHECKS if id_ not in found and id_ not in undecided),
        signals={"training loss": Signal(name, tag, "epoch")},
        settings=settings or {},
        scores=(measured,) if measured is not None else (),
        program=program,
    )
