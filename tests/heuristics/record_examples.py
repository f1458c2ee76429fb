"""Records the examples of the catalogue: for every heuristic one training with the fault and its healthy twin.

    python -m tests.heuristics.record_examples [ID ...]     writes scram_plugin/heuristics/examples.json

They are the recorded trainings of the tests, and the demo's where those are the test. Curves are decimated as the tab's are.
"""

import json
import math
import sys

from scram_plugin.heuristics.catalogue import HEURISTICS, catalogue
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.as_json import review_as_json
from scram_plugin.reviews.pictures import of_recorder
from scram_plugin.reviews.plain import plain
from scram_plugin.reviews.run import review
from scram_plugin.tensorboard.plugin import decimate
from tests.heuristics import test_curves, test_faults, test_policies, test_preflight_faults, test_torch_faults, test_torch_loops
from tests.paths import DEMO_LOGS, ROOT
from tests.recorded import recorded

OUT = ROOT / "scram_plugin" / "heuristics" / "examples.json"
POINTS = 90
MOST_CURVES = 2
TABLES = {
    "keras_faults": test_faults.FAULTS,
    "torch_faults": test_torch_faults.FAULTS,
    "torch_loops": test_torch_loops.FAULTS,
    "torch_policies": test_policies.FAULTS,
    "torch_trainers": test_policies.TRAINERS,
    "torch_norms": test_policies.NORMS,
    "torch_detectors": test_policies.DETECTORS,
    "torch_preferences": test_policies.PREFERENCES,
    "torch_text_logs": test_policies.TEXT_LOGS,
}
DEMO = {
    "overfitting": ("fashion_mnist/overfit", "fashion_mnist/regularized"),
    "nonfinite-loss": ("movie_reviews/lr_1e10", "movie_reviews/lr_default"),
    "nonfinite-origin": ("movie_reviews/lr_1e10", "movie_reviews/lr_default"),
    "unnormalized-inputs": ("cifar10/unnormalized", "cifar10/normalized"),
}


def recorded_as(heuristic):
    """The name of the recorded pair of a heuristic, as `recorded` takes it."""
    if heuristic in test_curves.CURVES:
        return "keras_curves", heuristic
    for module, cases in TABLES.items():
        for name, (id_, _) in cases.items():
            if id_ == heuristic:
                return module, name
    for name, (module, id_, _) in test_preflight_faults.FAULTS.items():
        if id_ == heuristic:
            return module, name
    raise LookupError(f"{heuristic} has no recorded training with its fault: see tests/recorded/programs")


def pair(heuristic):
    """(with the fault, healthy twin): training runs."""
    if heuristic in DEMO:
        runs = {run.name: run for run in training_runs(read(DEMO_LOGS))}
        return tuple(runs[name] for name in DEMO[heuristic])
    made = []
    for which in ("fault", "healthy"):
        (run,) = training_runs(read(recorded(*recorded_as(heuristic), which)))
        made.append(run)
    return tuple(made)


def curve_like(run, source):
    """The curve of a twin that is of the same kind as one of the faulty training; its loss where it has none."""
    name = source.tensorboard_run.rpartition("/")[2]
    for tensorboard_run, role in run.parts.items():
        logged = run._logs[tensorboard_run]
        if tensorboard_run.rpartition("/")[2] == name or role == name:
            for tag in [source.tag, *_relatives(source.tag, logged)]:
                if tag in logged:
                    return Curve.of(logged.find(tag).between(run.session_start), tensorboard_run, tag, "")
    return run.signal("training loss") or run.signal("batch loss")


def _relatives(tag, logged):
    """Tags of the same statistic of other layers."""
    parts = tag.split("/")
    if not tag.startswith("scram/statistics/") or len(parts) < 5:
        return []
    return [other for other in logged if other.split("/")[:3] == parts[:3] and other.endswith(f"/{parts[-1]}")]


def points(curve, label):
    kept = decimate(curve.values, POINTS)
    values = [float(f"{v:.4g}") if math.isfinite(v) else float(v) for v in curve.values[kept]]
    return {"label": label, "steps": curve.steps[kept].tolist(), "values": values}


def label(source):
    run, tag = source.tensorboard_run.rpartition("/")[2], source.tag.removeprefix("scram/statistics/")
    return (
        f"{run}: {tag.removeprefix('scram/batches/')}"
        if run and run not in (".", "scram")
        else tag.removeprefix("scram/batches/")
    )


def example(heuristic):
    faulty, twin = pair(heuristic)
    own = catalogue(select=[heuristic])
    found = review(faulty, own).findings[0]
    sound = review(twin, own)
    assert not sound.findings, heuristic
    seen = review_as_json(sound)["measured"].get(heuristic)
    axis, sources = found.axis, list(found.curves[:1])
    for source in found.curves[1:MOST_CURVES]:  # only curves over the same axis share a chart
        if of_recorder(source) == of_recorder(sources[0]):
            sources.append(source)
    bad = [
        (Curve.of(faulty._logs[s.tensorboard_run].find(s.tag).between(faulty.session_start), "", "", ""), label(s))
        for s in sources
    ]
    good = {
        c.tag + c.tensorboard_run: (c, label(c.source())) for s in sources if (c := curve_like(twin, s)) is not None and len(c)
    }
    return {
        "title": found.title,
        "summary": found.summary,
        "measured": f"{seen['what']}: {seen['value']}" + f" (a finding {seen['limit']})" * bool(seen["limit"]) if seen else "",
        "axis": axis,
        "span": [found.first_step, found.last_step],
        "bad_step": found.bad_step,
        "best_step": found.best_step,
        "faulty": [points(*entry) for entry in bad],
        "healthy": [points(*entry) for entry in good.values()],
    }


def main():
    wanted = sys.argv[1:]
    known = json.loads(OUT.read_text()) if wanted else {}
    made = {heuristic.id: known.get(heuristic.id) for heuristic in HEURISTICS}
    for heuristic in HEURISTICS:
        if wanted and heuristic.id not in wanted:
            continue
        made[heuristic.id] = plain(example(heuristic.id))
        print(heuristic.id, made[heuristic.id]["title"], flush=True)
    lines = [f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in made.items()]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
