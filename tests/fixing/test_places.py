"""A fix with several places, and one that was tried: all of it is in all reports, and in the tab's answers."""

import io
import json
import re
import shutil
from dataclasses import replace

import pytest
from rich.console import Console
from tensorboard.compat.proto import tensor_pb2, types_pb2

from scram_plugin import schema
from scram_plugin.fixing.candidates import proposals
from scram_plugin.fixing.keep import keep
from scram_plugin.fixing.on_disk import OnDisk
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
from tests.paths import DEMO_LOGS, ROOT, SCENARIOS
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
    (run,) = training_runs(read(DEMO_LOGS / "cifar10" / "unnormalized"))
    lines = (tmp_path / "cifar10.py").read_text().split("\n")
    at = next(i for i, line in enumerate(lines) if "SGD(" in line)
    rate = Edit("cifar10.py", at + 1, lines[at], lines[at].replace("0.01", "0.001"))
    first = catalogue()["unnormalized-inputs"]

    def another(edit, severity):
        """A check that proposes an edit, beside that of the inputs."""

        def check(run, options):
            for finding in first.check(run, options):
                cause = replace(finding.causes[0], edit=edit)
                yield replace(finding, title="Another", severity=severity, causes=[cause], brings=())

        return replace(catalogue(), heuristics=(first, replace(first, id="another", check=check, explains=(), families=())))

    def made(edit, severity="warning"):
        chosen = another(edit, severity)
        return proposals(review(run, chosen), OnDisk(run, tmp_path), chosen)

    both = made(rate).candidates
    assert [[f.title for f in c.findings][-1] for c in both] == ["Another", both[1].findings[0].title, "Another"]
    assert [len(c.patch.hunks) for c in both] == [2, 1, 1]
    assert [len(c.patch.hunks) for c in made(rate, "info").candidates] == [1, 1], "a remark is tried alone"
    stale = made(replace(rate, before="gone", line=99))
    assert stale.refused == ("cifar10.py, line 99: it has changed since, so that the fix does not fit any more",)
    foreign = made(replace(rate, after=f"{rate.after}  # __import__('os')"))
    assert foreign.refused == (f"cifar10.py, line {at + 1}: the fix has words that are not in the program, and not SCRAM's",)
    assert len(foreign.candidates) == 1


def test_a_change_of_other_lines_or_of_the_place_is_no_reason_to_refuse(tmp_path):
    text = (SCENARIOS / "cifar10.py").read_text()
    for program in (text, "import os\n\n" + text, text.replace("epochs=", "epochs=1 + "), text.replace("\n", "\r\n")):
        (tmp_path / "cifar10.py").write_bytes(program.encode())
        (run,) = training_runs(read(DEMO_LOGS / "cifar10" / "unnormalized"))
        made = proposals(review(run, catalogue()), OnDisk(run, tmp_path), catalogue())
        (first,) = made.candidates
        assert (first.label, first.title, first.touches_loss) == ("fix 1", "Divide by 255 in the model", False)
        assert b"Rescaling(1.0 / 255)" in first.patch.after("cifar10.py")


def test_only_the_patch_of_a_log_is_made_by_one_place():
    """A `Patch` is what runs and what is written: no other module of the package makes one."""
    package = ROOT / "scram_plugin"
    makers = {p.name for p in package.rglob("*.py") if re.search(r"(?<!class )\bPatch\(", p.read_text(encoding="utf-8"))}
    assert makers == {"patch.py"}
