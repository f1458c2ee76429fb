"""A fix with several places, and one that was tried: all of it is in all reports, and in the tab's answers."""

import io
import json
import shutil
from dataclasses import replace

import pytest
from rich.console import Console
from tensorboard.compat.proto import tensor_pb2, types_pb2

from scram_plugin import schema
from scram_plugin.fixing.candidates import proposals
from scram_plugin.fixing.keep import keep
from scram_plugin.heuristics.catalogue import HEURISTICS, catalogue
from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.heuristic import FixProof
from scram_plugin.logs.facts import clean_proof
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reports import github, html, junit, markdown, sarif, text
from scram_plugin.reviews.as_json import review_as_json
from scram_plugin.reviews.program import complete
from scram_plugin.reviews.run import review
from tests.event_files import record, tensor_event
from tests.paths import DEMO_LOGS, SCENARIOS
from tests.reviews import review_of

TWO = Edit(
    "train.py",
    7,
    "a = 1",
    "a = 2",
    more=(Edit("data.py", 3, "b = 1", "b = 3", reason="the data are others then"),),
    reason="why",
)
PROOF = FixProof(
    "better", "loss 2 → 1 after 3 epochs, three seeds of three", "loss", 2.0, 1.0, 3, 90, ("exp/as it is", "exp/fix 1")
)


@pytest.fixture(scope="module")
def reviewed():
    found = review_of(DEMO_LOGS / "movie_reviews" / "lr_1e10")
    first = found.findings[0]
    fixes = tuple(replace(fix, edit=TWO, proof=PROOF) for fix in first.fixes)
    return replace(found, findings=(replace(first, fixes=fixes), *found.findings[1:]))


def test_json(reviewed):
    fix = json.loads(json.dumps(review_as_json(reviewed)))["findings"][0]["fixes"][0]
    assert fix["edit"] == {
        "file": "train.py",
        "line": 7,
        "before": "a = 1",
        "after": "a = 2",
        "reason": "why",
        "more": [{"file": "data.py", "line": 3, "before": "b = 1", "after": "b = 3", "reason": "the data are others then"}],
    }
    assert fix["proof"] == {
        "verdict": "better",
        "sentence": "loss 2 → 1 after 3 epochs, three seeds of three",
        "measure": "loss",
        "before": 2.0,
        "after": 1.0,
        "seeds": 3,
        "batches": 90,
        "runs": ["exp/as it is", "exp/fix 1"],
    }


def test_reports_for_people(reviewed):
    console = Console(file=io.StringIO(), width=200, color_system=None)
    text.report([reviewed], console)
    written = (
        console.file.getvalue(),
        markdown.report([reviewed]),
        html.report([reviewed], "logs"),
        junit.report([reviewed], HEURISTICS, "info"),
    )
    for report in written:
        for part in (
            "train.py",
            "a = 2",
            "data.py",
            "b = 3",
            "Fix proven here: loss 2 → 1 after 3 epochs, three seeds of three",
        ):
            assert part in report
    assert all("the data are others then" in report for report in written[:3])


def test_sarif_has_all_places_as_one_fix(reviewed):
    written = json.loads(sarif.report([reviewed], HEURISTICS, "logs"))
    result = next(r for r in written["runs"][0]["results"] if r["ruleId"] == "nonfinite-loss")
    changes = result["fixes"][0]["artifactChanges"]
    assert [change["artifactLocation"]["uri"] for change in changes] == ["train.py", "data.py"]
    assert changes[1]["replacements"][0]["insertedContent"]["text"] == "b = 3\n"


def test_github_annotates_all_places(reviewed):
    first, *others = (line for line in github.report([reviewed]).splitlines() if "Loss became NaN" in line)
    assert first.startswith("::error file=train.py,line=7,title=")
    assert [line.partition(",title")[0] for line in others] == ["::notice file=data.py,line=3"]
    assert others[0].endswith("::A part of the fix. the data are others then")


def test_a_fix_that_is_not_whole_in_one_place_is_not_put_in_place(reviewed):
    first = reviewed.findings[0]
    edit = replace(TWO, more=(Edit("data.py", 3, 'b = "…"', 'c = "…"'),))
    hidden = replace(reviewed, findings=(replace(first, fixes=(replace(first.fixes[0], edit=edit),)),))
    assert "fixes" not in json.loads(sarif.report([hidden], HEURISTICS, "logs"))["runs"][0]["results"][0]


def test_hidden_parts_of_all_places_are_restored_from_the_disk(reviewed, tmp_path):
    (tmp_path / "data.py").write_text("import os\n\nb = 'short text'\n")
    first = reviewed.findings[0]
    edit = replace(TWO, more=(Edit("data.py", 3, 'b = "…"', 'c = "…"', reason="why"),))
    given = replace(reviewed, findings=(replace(first, fixes=(replace(first.fixes[0], edit=edit),)),))
    whole = complete(given, tmp_path).findings[0].fixes[0].edit
    assert whole.more == (Edit("data.py", 3, "b = 'short text'", "c = 'short text'", reason="why"),)
    assert replace(whole, more=()) == replace(TWO, more=())


def test_proofs_are_kept_in_the_log_and_read_again(tmp_path):
    home = tmp_path / "logs" / "train"
    tried = {
        "fixes": [["nonfinite-loss", "learning-rate-too-high"]],
        "verdict": "better",
        "sentence": "it helps",
        "seeds": 3,
        "batches": 9,
        "runs": ["as it is, seed 0", "fix 1, seed 0"],
    }
    source = DEMO_LOGS / "movie_reviews" / "lr_1e10"
    cause = review_of(source).findings[0].causes[0].id
    both = {**tried, "fixes": [["nonfinite-loss", cause], ["dead-relu", "x"]], "verdict": "same", "sentence": "both"}
    tried["fixes"] = [["nonfinite-loss", cause]]
    keep(home, {"as it is, seed 0": source, "fix 1, seed 0": source}, ["as it is, seed 0"], [both, tried])
    kept = training_runs(read(tmp_path / "logs"))
    assert [run.ended for run in kept] == ["finished"] * 2  # a proof is written later, and does not make them live
    first, second = (review(run, catalogue()) for run in kept)
    assert (first.name, second.name) == ("train/as it is, seed 0", "train/fix 1, seed 0")
    proof = first.findings[0].fixes[0].proof
    assert (proof.verdict, proof.sentence) == ("better", "it helps")
    assert proof.runs == ("train/as it is, seed 0", "train/fix 1, seed 0")
    assert first.within("all").findings[0].fixes[0].proof.runs[0] == "all/train/as it is, seed 0"
    assert all(fix.proof is None for fix in second.findings[0].fixes)
    keep(home, {"as it is, seed 0": source}, ["as it is, seed 0"], [both])
    (run,) = training_runs(read(tmp_path / "logs"))
    assert review(run, catalogue()).findings[0].fixes[0].proof.sentence == "both, together with the fix of dead-relu"


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {"tried": 3},
        {"tried": [{"fixes": [["nonfinite-loss"]], "verdict": "splendid", "sentence": "x"}]},
        {"tried": [{"fixes": "all", "verdict": "better", "sentence": "x"}]},
        {"tried": [{"fixes": [], "verdict": ["better"], "sentence": "x"}]},
        {"tried": [{"fixes": [["a", "b"]], "verdict": "better", "sentence": 3, "before": "x", "runs": [{}]}]},
    ],
)
def test_proofs_are_strangers_data(odd, tmp_path):
    """What has another form than SCRAM writes is left out, with a remark."""
    log = tmp_path / "logs"
    shutil.copytree(DEMO_LOGS / "movie_reviews" / "lr_1e10", log)
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[json.dumps(odd).encode()])
    event = tensor_event(0, schema.PROOF_TAG, tensor, 4e9, schema.PLUGIN_NAME)
    next((log / "scram").glob("*tfevents*")).open("ab").write(record(event.SerializeToString()))
    (run,) = training_runs(read(log))
    assert run.tried == []
    assert all(fix.proof is None for finding in review(run, catalogue()).findings for fix in finding.fixes)


def test_a_proof_that_is_whole_is_kept_whole():
    given = {
        "tried": [
            {
                "fixes": [["a", "b"]],
                "verdict": "better",
                "sentence": "x",
                "measure": "loss",
                "before": 1.0,
                "after": 0.5,
                "seeds": 3,
                "batches": 9,
                "runs": ["r"],
            }
        ]
    }
    assert clean_proof(given) == (given, False)


def test_candidates_come_together_first_then_alone(tmp_path):
    shutil.copy(SCENARIOS / "cifar10.py", tmp_path)
    found = review_of(DEMO_LOGS / "cifar10" / "unnormalized")
    (first,) = proposals(found, tmp_path).candidates
    assert (first.label, first.findings[0].heuristic, first.title) == (
        "fix 1",
        "unnormalized-inputs",
        "Divide by 255 in the model",
    )
    assert not first.touches_loss
    rate = Edit(
        "cifar10.py", 22, "    optimizer=keras.optimizers.SGD(learning_rate=0.01, momentum=0.9),", "    optimizer='adam',"
    )
    finding = found.findings[0]
    other = replace(finding, heuristic="other", fixes=(replace(finding.fixes[0], edit=rate, title="Another optimizer"),))
    lines = (tmp_path / "cifar10.py").read_text().splitlines()
    rate = replace(rate, line=lines.index(rate.before) + 1)
    other = replace(other, fixes=(replace(other.fixes[0], edit=rate),))
    stale = replace(finding, heuristic="stale", fixes=(replace(finding.fixes[0], edit=replace(rate, before="gone", line=99)),))
    made = proposals(replace(found, findings=(finding, other, stale)), tmp_path)
    assert [c.title for c in made.candidates] == [
        "Divide by 255 in the model; Another optimizer",
        "Divide by 255 in the model",
        "Another optimizer",
    ]
    assert made.refused == ("cifar10.py, line 99: it has changed since, so that the fix does not fit any more",)
    remark = replace(other, severity="info")
    alone = proposals(replace(found, findings=(finding, remark)), tmp_path).candidates
    assert [c.title for c in alone] == ["Divide by 255 in the model", "Another optimizer"], "a remark is tried alone"
