"""Reports for other programs: SARIF, JUnit, GitHub's annotations; and the baseline, so that only what is new counts."""

import dataclasses
import io
import json
import sys
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from rich.console import Console

from scram_plugin.heuristics.catalogue import HEURISTICS, Accepted, catalogue
from scram_plugin.redaction import HIDDEN
from scram_plugin.reports import github, html, junit, markdown, sarif, text
from scram_plugin.reviews.monitor import Reviewer
from tests import fetch_schemas
from tests.event_files import curve
from tests.paths import DEMO_LOGS, REAL_RUNS
from tests.test_cli import EXPECTED, scram

NAN = float("nan")
FAULTY = [name for name, ids in EXPECTED.items() if ids]
ODD = "a: b, 100%\n::error::x \x00\x1b é\ud800 <&>"


@pytest.fixture(scope="module")
def reviews():
    reviewer = Reviewer(str(DEMO_LOGS), catalogue())
    return [reviewer.review(name) for name in EXPECTED]


def renamed(review, name):
    return dataclasses.replace(review, name=name)


def test_sarif_names_the_users_line():
    done = scram("check", DEMO_LOGS, "--format", "sarif")
    assert (done.returncode, done.stderr) == (1, "")
    (run,) = json.loads(done.stdout)["runs"]
    results = run["results"]
    assert len(run["tool"]["driver"]["rules"]) == len(HEURISTICS)
    assert all(run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in results)
    (nan,) = [r for r in results if r["ruleId"] == "nonfinite-loss"]
    place = nan["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "movie_reviews.py"
    assert place["region"] == {"startLine": 19, "endLine": 19}
    assert nan["level"] == "error"
    (change,) = nan["fixes"][0]["artifactChanges"]
    assert "learning_rate=0.001" in change["replacements"][0]["insertedContent"]["text"]
    assert len({r["partialFingerprints"]["finding/v1"] for r in results}) == len(results)
    assert scram("check", DEMO_LOGS, "--format", "sarif").stdout == done.stdout


@pytest.fixture(scope="module")
def everywhere(reviews, tmp_path_factory):
    """Reviews of the demo, of an odd name, of a log with notes, and of real runs where they are there; some are accepted."""
    top = tmp_path_factory.mktemp("logs")
    path = curve(top / "damaged", "loss", [1.0, NAN])
    path.write_bytes(path.read_bytes()[:-3])
    curve(top / "a b%é", "x/loss", [1.0, 0.5, NAN])
    found = [*reviews, renamed(reviews[1], ODD)]
    for logdir in (top, *([REAL_RUNS] if REAL_RUNS.is_dir() else [])):
        reviewer = Reviewer(str(logdir), catalogue(accepted=[Accepted("overfitting", reason="a lesson")]))
        while (answer := reviewer.runs(1.0))["progress"]["done"] < answer["progress"]["total"] or not answer["runs"]:
            pass
        found += [reviewer.review(run["name"]) for run in answer["runs"]]
    return found


def test_sarif_is_valid_by_its_schema(everywhere):
    schema = json.loads(fetch_schemas.SARIF.read_text(encoding="utf-8-sig"))
    check = jsonschema.validators.validator_for(schema)(schema, format_checker=jsonschema.FormatChecker())
    written = json.loads(sarif.report(everywhere, HEURISTICS, "some logs"))
    assert [error.message for error in check.iter_errors(written)] == []
    # what is accepted is in it, too, marked as suppressed
    assert len(written["runs"][0]["results"]) == sum(len(r.alone) + len(r.accepted_alone) for r in everywhere) > len(FAULTY)
    written["runs"][0]["results"][0]["levels"] = "error"
    assert not check.is_valid(written), "the schema does forbid something"


@pytest.mark.parametrize("least", ["error", "info", "never"])
def test_junit_is_valid_by_the_schema_of_jenkins(everywhere, least):
    schema = xmlschema.XMLSchema(fetch_schemas.JUNIT)
    root = ElementTree.fromstring(junit.report(everywhere, HEURISTICS, least).encode(errors="replace"))
    assert [error.reason for error in schema.iter_errors(root)] == []
    del root[0].attrib["name"]
    assert not schema.is_valid(root)


def test_sarif_of_a_log_without_code_names_the_directory(tmp_path):
    curve(tmp_path / "a b", "loss", [1.0, NAN])
    review = Reviewer(str(tmp_path), catalogue()).review("a b")
    (run,) = json.loads(sarif.report([review], HEURISTICS, "logs"))["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "logs/a%20b"


def test_what_is_accepted_is_suppressed_in_sarif(tmp_path):
    (tmp_path / "scram.toml").write_text('[[accept]]\nheuristic = "overfitting"\nreason = "a lesson"\n')
    done = scram("check", DEMO_LOGS, "--format", "sarif", "--config", tmp_path / "scram.toml")
    (result,) = [r for r in json.loads(done.stdout)["runs"][0]["results"] if r["ruleId"] == "overfitting"]
    assert result["suppressions"] == [{"kind": "external", "justification": "a lesson"}]


@pytest.mark.parametrize(("least", "failing"), [("error", 2), ("warning", 3), ("never", 0)])
def test_junit_fails_where_the_exit_status_says_so(least, failing):
    done = scram("check", DEMO_LOGS, "--format", "junit", "--fail-on", least)
    root = ElementTree.fromstring(done.stdout)
    assert [suite.get("name") for suite in root] == list(EXPECTED)
    assert root.get("failures") == str(failing) == str(len(root.findall(".//failure")))
    assert done.returncode == (1 if failing else 0)
    assert root.get("tests") == str(len(EXPECTED) * len(HEURISTICS))
    for suite in root:
        assert suite.get("skipped") == str(len(suite.findall(".//skipped")))


def test_junit_tells_the_fix_and_the_line(reviews):
    root = ElementTree.fromstring(junit.report(reviews, HEURISTICS, "error"))
    (failure,) = root.findall(".//testcase[@name='nonfinite-loss']/failure")
    assert "movie_reviews.py:19" in failure.text
    assert "learning_rate=0.001" in failure.text
    (noted,) = root.findall(".//testcase[@name='overfitting']/system-out")
    assert noted.text.startswith("warning: Overfitting since epoch 3")


def test_github_annotates_the_users_line():
    done = scram("check", DEMO_LOGS, "--format", "github")
    lines = done.stdout.splitlines()
    assert len(lines) == len(FAULTY)
    (nan,) = [
        line for line in lines if line.startswith("::error file=movie_reviews.py,line=19,title=movie_reviews/lr_1e10%3A ")
    ]
    assert "%0AFix: " in nan


def test_names_that_would_be_something_else(reviews):
    odd = renamed(next(r for r in reviews if r.name == "movie_reviews/lr_1e10"), ODD)
    text = github.report([odd])
    assert [line for line in text.splitlines() if line.startswith("::error")] == text.splitlines()
    assert text.count("::") == 2
    root = ElementTree.fromstring(junit.report([odd], HEURISTICS, "error").encode(errors="replace"))
    assert "<&>" in root[0].get("name")
    assert json.loads(sarif.report([odd], HEURISTICS, "logs"))["runs"][0]["results"]


# what may rewrite a terminal, or show another order of signs than the one that is there
CONTROLS = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if not c.isprintable() and not "\ud7ff" < c < "\uf8ff")
CONTROLS = CONTROLS[:400] + "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff\U000e0001"


OURS = ("severity", "heuristic", "axis", "confidence", "passed", "signals", "sketches")  # no text of a log or a source


def spoiled(value):
    """With control characters in every text that a log or a source can bring."""
    if dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value) if field.name not in OURS]
        return dataclasses.replace(value, **{name: spoiled(getattr(value, name)) for name in fields})
    if isinstance(value, dict):
        return {key: spoiled(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(spoiled, value))
    return f"{value[:3]}\x1b[31m{CONTROLS}\x1b]0;owned\x07{value[3:]}" if isinstance(value, str) else value


def printed(reviews):
    kept = io.StringIO()
    text.report(reviews, Console(file=kept, width=200), verbose=True)
    return kept.getvalue()


FORMS = {
    "text": printed,
    "markdown": markdown.report,
    "github": github.report,
    "html": lambda reviews: html.report(reviews, "logs"),
    "junit": lambda reviews: junit.report(reviews, HEURISTICS, "info"),
    "sarif": lambda reviews: sarif.report(reviews, HEURISTICS, "logs"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_nothing_of_a_log_can_steer_a_terminal(form, reviews):
    odd = []
    for review in reviews:
        odd.append(spoiled(dataclasses.replace(review, notes=("a note",))))
    said = form(odd)
    assert "owned" in said
    assert {c for c in said if not c.isprintable()} <= {"\n", "\t"}


def test_a_baseline_lets_only_new_findings_count(tmp_path):
    known = tmp_path / "known.json"
    assert scram("check", DEMO_LOGS, "--format", "json", "--output", known).returncode == 1
    done = scram("check", DEMO_LOGS, "--baseline", known, "--fail-on", "info", "--format", "json")
    assert done.returncode == 0
    runs = {run["name"]: run for run in json.loads(done.stdout)["runs"]}
    assert all(run["findings"] == [] for run in runs.values())
    assert runs["fashion_mnist/overfit"]["accepted"][0]["reason"] == f"known: in {known}"

    document = json.loads(known.read_text())
    for run in document["runs"]:
        run["findings"] = [f for f in run["findings"] if f["heuristic"] != "overfitting"]
        for finding in run["findings"]:
            if finding["heuristic"] == "unnormalized-inputs":
                finding["severity"] = "warning"
    known.write_text(json.dumps(document))
    done = scram("check", DEMO_LOGS, "--baseline", known, "--format", "json")
    found = {run["name"]: [f["heuristic"] for f in run["findings"]] for run in json.loads(done.stdout)["runs"]}
    assert done.returncode == 1
    assert found["fashion_mnist/overfit"][0] == "overfitting", "it is not in the baseline"
    assert found["cifar10/unnormalized"] == ["unnormalized-inputs"], "it became graver"
    assert found["movie_reviews/lr_1e10"] == []


def test_a_baseline_of_a_baseline_is_the_same(tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    scram("check", DEMO_LOGS, "--format", "json", "--output", first)
    scram("check", DEMO_LOGS, "--format", "json", "--output", second, "--baseline", first)
    assert scram("check", DEMO_LOGS, "--baseline", second, "--fail-on", "info").returncode == 0


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"runs": 3}', '{"runs": [{"name": 3}]}', "[" * 100_000])
def test_a_baseline_that_is_none_is_a_sentence(content, tmp_path):
    path = tmp_path / "known.json"
    if content is not None:
        path.write_text(content)
    done = scram("check", DEMO_LOGS, "--baseline", path)
    assert done.returncode == 2
    assert done.stderr.startswith("scram: --baseline: ")


def with_hidden_parts(review):
    """The review with a first fix of which the log does not tell the whole line."""
    (finding, *others) = review.findings
    (fix, *fixes) = finding.fixes
    edit = dataclasses.replace(fix.edit, before=f"{fix.edit.before}  # {HIDDEN}", after=f"{fix.edit.after}  # {HIDDEN}")
    finding = dataclasses.replace(finding, fixes=(dataclasses.replace(fix, edit=edit), *fixes))
    return dataclasses.replace(review, findings=(finding, *others))


@pytest.mark.parametrize("name", ["text", "markdown", "html", "junit", "sarif"])
def test_a_fix_of_a_line_that_the_log_does_not_tell_whole_is_shown_and_never_put_in_place(name, reviews):
    review = next(r for r in reviews if r.name == "movie_reviews/lr_1e10")
    whole = FORMS[name]([review])
    said = FORMS[name]([with_hidden_parts(review)])
    if name == "sarif":
        assert '"fixes"' in whole
        assert HIDDEN not in said
        assert not any("fixes" in result for result in json.loads(said)["runs"][0]["results"])
    else:
        assert "not in the log" in " ".join(said.split())
        assert "not in the log" not in " ".join(whole.split())
