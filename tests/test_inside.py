"""What goes on inside a model: its layers, maps of them over the steps, and the data in numbers; of real trainings."""

import json
import math

import numpy as np
import pytest

from scram_plugin import schema
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.monitor import Reviewer
from scram_plugin.training.summary_writer import SummaryWriter
from scram_plugin.views.inside import MOST_COLUMNS, inside, layer_map
from tests.paths import DEMO_LOGS
from tests.recorded import recorded


def reviewed_of(name):
    return Reviewer(str(recorded("keras_inside", name)), catalogue()).reviewed(".")


@pytest.fixture(scope="module")
def dead():
    """A net whose second layer dies: its biases are far below zero."""
    return reviewed_of("a_layer_that_dies")


@pytest.fixture(scope="module")
def demo():
    reviewer = Reviewer(str(DEMO_LOGS), catalogue())
    return lambda name: reviewer.reviewed(name)


def test_the_troubled_layer_is_marked_and_no_other(dead):
    answer = inside(dead)
    assert "dead-relu" in [f.heuristic for f in dead.review.findings]
    marked = {layer["path"]: layer["findings"] for layer in answer["layers"]}
    assert "dead-relu" in marked["dying"]
    assert "dead-relu" not in marked["alive"]
    assert "dead-relu" not in marked["answer"]
    assert answer["layers"][1]["text"].startswith("Dense “dying”: units 16, relu")


def test_a_map_has_the_values_that_were_logged(dead):
    answer = layer_map(dead, "dead")
    rows = {row["name"]: row for row in answer["rows"]}
    assert list(rows) == ["alive", "dying"], "in the order in which data flow; a softmax has no dead units"
    assert rows["dying"]["values"][-1] == 1.0
    assert rows["alive"]["values"][-1] < 0.5
    assert rows["dying"]["findings"] == ["dead-relu"]
    assert len(answer["steps"]) == len(rows["dying"]["values"]) <= MOST_COLUMNS
    assert answer["steps"] == sorted(set(answer["steps"]))


def test_a_spike_between_two_columns_is_seen(dead):
    """Of more rows than columns, a column shows the largest value of its stretch."""
    answer = layer_map(dead, "gradients")
    rows = {row["name"]: row["values"] for row in answer["rows"]}
    curve = dead.run.statistic("statistics", "gradient/answer/kernel/norm")
    assert len(curve) > MOST_COLUMNS
    assert max(rows["answer/kernel"]) == pytest.approx(float(np.max(curve.values)), rel=0.005)


def test_a_value_that_is_not_finite_is_shown_as_such(demo):
    answer = layer_map(demo("movie_reviews/lr_1e10"), "gradients")
    assert any("NaN" in row["values"] or "Infinity" in row["values"] for row in answer["rows"])
    json.dumps(answer, allow_nan=False)


def test_steps_are_those_of_the_ratio_and_lead_to_both_curves(dead):
    row = next(row for row in layer_map(dead, "steps")["rows"] if row["name"] == "answer/kernel")
    update, weight = (dead.run.statistic("statistics", f"{kind}/answer/kernel/norm") for kind in ("update", "weight"))
    assert [curve["tag"].split("/")[2] for curve in row["curves"]] == ["update", "weight"]
    ratios = update.values / weight.values
    assert max(row["values"]) == pytest.approx(float(ratios.max()), rel=0.005)


def test_rows_that_were_logged_at_other_steps_keep_their_values(tmp_path):
    """A column begins wherever any of the curves has a value: a NaN of a short curve is in the map."""
    series = {"top": ([1.0, float("nan"), 1.0], [0, 1, 2]), "base": ([2.0] * 30, list(range(10, 40)))}
    written = SummaryWriter(str(tmp_path), on_idle=lambda: None, on_error=lambda error: None)
    for name, (values, steps) in series.items():
        block = np.array(values, "float32")[:, None]
        written.rows(schema.STATISTICS, [f"gradient/{name}/norm"], np.array(steps), np.array(steps, float), block)
    written.close()
    answer = layer_map(Reviewer(str(tmp_path), catalogue()).reviewed("."), "gradients")
    top = next(row for row in answer["rows"] if row["name"] == "top")
    assert "NaN" in top["values"]


def test_saturation_of_a_net_with_tanh():
    reviewed = reviewed_of("a_layer_that_saturates")
    assert [q["id"] for q in inside(reviewed)["quantities"]] == ["gradients", "steps", "saturated", "spread", "weights"]
    (row,) = layer_map(reviewed, "saturated")["rows"]
    assert row["name"] == "bounded"
    assert row["values"][-1] > 0.3


def test_inputs_outputs_and_classes(dead):
    answer = inside(dead)
    assert [(tensor["id"], tensor["name"]) for tensor in answer["tensors"]] == [
        ("x0", "input"),
        ("y0", "target"),
        ("y_pred0", "output"),
    ]
    for tensor in answer["tensors"]:
        for curve in tensor["curves"]:
            assert dead.run.statistic("statistics", curve["tag"].removeprefix("scram/statistics/")) is not None
    labelled = answer["classes"]["labelled"]
    assert len(labelled) == 10
    assert math.isclose(sum(labelled), 1.0)
    assert max(labelled) < 0.2
    assert math.isclose(sum(answer["classes"]["predicted"]), 1.0)


def test_a_log_without_statistics_has_no_inside(tmp_path):
    from tests.event_files import curve

    curve(tmp_path, "loss", [1.0, 0.9, 0.8])
    reviewed = Reviewer(str(tmp_path), catalogue()).reviewed(".")
    assert inside(reviewed) == {"layers": [], "quantities": [], "tensors": [], "classes": None}
    assert layer_map(reviewed, "dead") == {"steps": [], "rows": [], "left_out": 0}
    assert layer_map(reviewed, "nonsense") is None
