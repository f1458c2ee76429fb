"""Every answer of the server has the form of `api.schema.json`; that is made from the server's types, and the tab's from it."""

import json
from itertools import permutations

import pytest
from jsonschema import Draft202012Validator

from scram_plugin.heuristics.examples import examples
from scram_plugin.tensorboard import api_schema
from scram_plugin.views.inside import QUANTITIES
from tests.paths import DEMO_LOGS, REAL_RUNS
from tests.servers import tensorboard
from tests.test_cli import EXPECTED, scram

SCHEMA = json.loads(api_schema.FILE.read_text(encoding="utf-8"))


def problems(answer, name):
    """What is wrong with an answer, by one of the definitions; nothing for a right one."""
    validator = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(answer)]


def check(server, name, route, **parameters):
    status, answer = server.get(route, **parameters)
    assert status == 200
    assert problems(answer, name) == []
    return answer


def test_the_schema_is_that_of_the_types():
    told = "out of date: python -m scram_plugin.tensorboard.api_schema"
    assert api_schema.FILE.read_text(encoding="utf-8") == api_schema.text(), told


def test_the_schema_is_strict():
    assert problems({"markdown": "x"}, "Report") == []
    assert problems({"markdown": "x", "more": 1}, "Report")
    assert problems({}, "Report")


def every_route(server):
    seen = {"maps": 0, "thresholds": 0, "curves": 0}
    runs = check(server, "Runs", "runs")
    check(server, "Runs", "runs", since=runs["cursor"])
    for page in check(server, "Heuristics", "heuristics")["heuristics"]:
        assert page["id"] in examples(), f"no example of {page['id']}: make examples"
        example = check(server, "Example", "example", heuristic=page["id"])
        steps = example["faulty"][0]["steps"]
        assert example["span"][0] <= steps[-1]
        assert example["span"][1] >= steps[0]
        assert example["healthy"]
    for run in runs["runs"]:
        name = run["name"]
        review = check(server, "Review", "review", run=name)
        check(server, "Answers", "why", run=name)
        check(server, "Report", "report", run=name)
        for quantity in check(server, "Inside", "inside", run=name)["quantities"]:
            seen["maps"] += len(check(server, "LayerMap", "layer_map", run=name, quantity=quantity["id"])["rows"])
        for finding in review["findings"]:
            answer = check(server, "Thresholds", "thresholds", run=name, heuristic=finding["heuristic"])
            seen["thresholds"] += len(answer["thresholds"])
            for near in answer["thresholds"][:1]:
                how = {"run": name, "heuristic": finding["heuristic"], "option": near["option"]}
                assert check(server, "Judged", "judge", **how, value=near["value"])["titles"]
            for curve in finding["curves"]:
                answer = check(server, "Curve", "curve", run=name, tb_run=curve["tensorboard_run"], tag=curve["tag"])
                seen["curves"] += len(answer["values"])
    return seen


def test_of_the_demo(demo_server):
    seen = every_route(demo_server)
    assert all(seen.values()), seen
    for before, after in permutations(EXPECTED, 2):
        check(demo_server, "Comparison", "compare", run=before, **{"with": after})


@pytest.mark.skipif(not REAL_RUNS.is_dir(), reason="needs the real runs of ../shared")
def test_of_real_runs():
    with tensorboard("--logdir", str(REAL_RUNS)) as server:
        server.reviewed(timeout=300)
        seen = every_route(server)
        assert seen["curves"]
        assert seen["thresholds"]


def test_of_the_command_line():
    document = json.loads(scram("check", DEMO_LOGS, "--format", "json").stdout)
    assert problems(document, "Document") == []


@pytest.mark.parametrize("route", ["review", "compare", "why", "inside", "layer_map", "report", "thresholds", "judge", "curve"])
def test_of_bad_questions(route, demo_server):
    status, answer = demo_server.get(route)
    assert status == 400
    assert problems(answer, "Failure") == []
    status, answer = demo_server.get(
        route,
        run="no such",
        **{"with": "x"},
        quantity="dead",
        heuristic="dead-relu",
        option="x",
        value="1",
        tb_run="x",
        tag="y",
    )
    assert status == 404
    assert problems(answer, "Failure") == []


def test_a_threshold_that_is_tried_is_not_kept(demo_server):
    asked = {"run": "fashion_mnist/overfit", "heuristic": "overfitting", "option": "noise_factor"}
    (near,) = [t for t in demo_server.get("thresholds", **asked)[1]["thresholds"] if t["option"] == "noise_factor"]
    for value, found in ((near["turns_at"] * 0.98, True), (near["turns_at"] * 1.02, False)):
        status, answer = demo_server.get("judge", **asked, value=value)
        assert (status, bool(answer["titles"]), answer["undecided"]) == (200, found, "")
    assert demo_server.get("review", run="fashion_mnist/overfit")[1]["findings"]
    for change, status in (({"value": "x"}, 400), ({"value": -1}, 400), ({"value": "nan"}, 400), ({"option": "patience"}, 404)):
        assert demo_server.get("judge", **{**asked, "value": 3, **change})[0] == status


@pytest.mark.parametrize(("route", "parameters"), [("layer_map", {"quantity": "x"}), ("thresholds", {"heuristic": "x"})])
def test_of_things_that_are_unknown(route, parameters, demo_server):
    status, answer = demo_server.get(route, run="cifar10/unnormalized", **parameters)
    assert status == 404
    assert "'x'" in answer["error"]


def test_every_quantity_has_a_name_of_its_own():
    assert len({quantity.id for quantity in QUANTITIES}) == len({quantity.title for quantity in QUANTITIES}) == len(QUANTITIES)
