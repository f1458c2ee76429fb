"""What one finding can have brought about, by the evidence of the run: when it began, where it is, and how large."""

import math

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import HEURISTICS, Catalogue, catalogue
from scram_plugin.heuristics.consequence import Evidence, since
from scram_plugin.heuristics.graph import owner, upstream
from scram_plugin.heuristics.heuristic import Cause, Finding
from scram_plugin.logs.curve import Curve, CurveName
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.explain import explain
from scram_plugin.reviews.run import review
from tests.recorded import KEPT, index
from tests.reviews import finding, found, review_of_recorded

ALL = Catalogue(HEURISTICS)


def one(heuristic, first=0, axis="batch", **how):
    how = {"severity": "warning", **how}
    return Finding(
        how.pop("severity"),
        "likely",
        heuristic,
        {},
        first,
        first + 100,
        axis,
        [CurveName(".", "loss")],
        [Cause("c")],
        heuristic=heuristic,
        **how,
    )


def links(*findings):
    return {f.heuristic: f.explained_by for f in explain(findings, ALL)}


def test_what_began_later_explains_nothing():
    assert links(one("divergence", 7), one("plateau", 7)) == {"divergence": None, "plateau": "divergence"}
    assert links(one("divergence", 8), one("plateau", 7)) == {"divergence": None, "plateau": None}


def test_it_began_at_the_latest():
    assert links(one("divergence", 8), one("no-learning", 0, since=9))["no-learning"] == "divergence"
    assert links(one("divergence", 8), one("no-learning", 0, since=7))["no-learning"] is None


def test_what_a_model_or_its_data_are_holds_from_the_first_step_on():
    assert links(one("unnormalized-inputs", 50), one("plateau", 7))["plateau"] == "unnormalized-inputs"
    assert links(one("nonfinite-inputs", 50, bad_step=50), one("plateau", 7))["plateau"] is None


def test_axes_that_cannot_be_compared_decide_nothing():
    assert links(one("divergence", 8, axis="step"), one("plateau", 2, axis="epoch"))["plateau"] == "divergence"


def test_a_chain_ends_where_its_beginning_is_too_late():
    later, between, first = one("divergence", 9), one("overfitting", 5, since=20), one("noisy-validation", 6)
    assert links(later, between, first) == {"divergence": None, "overfitting": "divergence", "noisy-validation": None}


def test_a_finding_brings_about_what_it_says():
    slow = one("unconventional-learning-rate", brings=["standstill"])
    assert links(slow, one("no-learning"), one("divergence"))["no-learning"] == "unconventional-learning-rate"
    assert links(slow, one("divergence"))["divergence"] is None


def test_before_the_first_update_no_rate_is_the_reason():
    rate = one("unconventional-learning-rate", at_once=False)
    assert links(rate, one("dead-relu", 0))["dead-relu"] is None
    assert links(rate, one("dead-relu", 1))["dead-relu"] == "unconventional-learning-rate"
    assert links(rate, one("nonfinite-loss", 0))["nonfinite-loss"] is None
    assert links(rate, one("nonfinite-loss", 1))["nonfinite-loss"] == "unconventional-learning-rate"


@pytest.mark.parametrize(("times", "explains"), [(2.0, False), (1e10, False), (1e38, True), (math.inf, True)])
def test_only_sizes_near_the_largest_number_overflow_at_once(times, explains):
    links_ = links(one("unnormalized-inputs", where=["inputs"], times=times), one("nonfinite-loss", 0))
    assert (links_["nonfinite-loss"] == "unnormalized-inputs") is explains


def test_a_first_loss_is_not_larger_than_what_makes_it():
    inputs, loss = one("unnormalized-inputs", times=20.0), one("initial-loss", bad_step=0, times=150.0)
    assert links(inputs, loss)["initial-loss"] == "unnormalized-inputs"
    assert links(inputs, one("initial-loss", bad_step=0, times=300.0))["initial-loss"] is None


def test_labels_of_the_wrong_kind_make_no_infinity():
    assert links(one("class-imbalance"), one("nonfinite-loss", 9))["nonfinite-loss"] is None


def test_what_kills_first_stands_first():
    alone = [one("class-imbalance"), one("plateau", 3), one("nonfinite-metric", 9), one("return-collapse", 1)]
    assert [f.heuristic for f in explain(alone, ALL)] == ["nonfinite-metric", "return-collapse", "plateau", "class-imbalance"]
    two = [one("no-return-gain", 5), one("plateau", 3)]
    assert [f.heuristic for f in explain(two, ALL)] == ["plateau", "no-return-gain"], "by when they began"


def test_since_is_the_begin_of_the_last_stretch():
    curve = Curve(".", "a", "batch", np.array([1, 3, 7, 15]), np.zeros(4), np.array([1.0, 0.0, 1.0, 1.0]), 0, 0)
    assert since(curve, curve.values > 0.5) == 7
    assert since(curve, curve.values >= 0) == 1
    assert since(curve, curve.values > 2) == 15


def layer(path, *sources, **more):
    return {"path": path, "name": path.rpartition("/")[2], "class": "Dense", "from": list(sources), **more}


def test_what_lies_before_a_layer():
    branch = [layer("a"), layer("b", "a"), layer("c", "a"), layer("sum", "b", "c"), layer("end", "sum")]
    assert upstream(branch, "b") == {"a", "b"}
    assert upstream(branch, "end") == {"a", "b", "c", "sum", "end"}
    chain = [layer("a"), layer("b"), layer("c")]
    assert upstream(chain, "b") == {"a", "b"}, "without sources they come one after the other"
    assert upstream(branch, "of another model") == {"of another model"}


def test_nested_models_and_activations_that_are_modules():
    inner = [layer("inner/in"), layer("inner/x", "in"), layer("inner/y", "x")]
    nested = [layer("first"), layer("inner", "first", layers=inner), layer("last", "inner", activated_by="last_relu")]
    assert upstream(nested, "inner/x") == {"first", "inner/in", "inner/x"}
    assert upstream(nested, "last") >= {"first", "inner/in", "inner/x", "inner/y"}
    assert (owner(nested, "last_relu"), owner(nested, "inner/y")) == ("last", "inner/y")


def origin(*name):
    return review_of_recorded("keras_nonfinite_origin", *name)


@pytest.mark.parametrize("how", ["graph", "xla"])
def test_targets_of_hundreds_make_no_infinite_first_update(how):
    result = origin("step_that_overflows", how)
    assert found(result)[0] == "nonfinite-loss"
    assert finding(result, "nonfinite-loss").causes[0].id == "learning-rate"
    assert finding(result, "unnormalized-targets").severity == "warning"


def test_but_they_do_in_float16():
    result = review_of_recorded("keras_nonfinite_loss", "float16")
    assert finding(result, "nonfinite-loss").explained_by == "unnormalized-targets"


@pytest.mark.parametrize("check", ["nonfinite-loss", "nonfinite-origin"])
def test_an_exponential_is_named(check):
    one = finding(origin("exponential_that_overflows", "graph"), check)
    assert (one.causes[0].id, "88.7" in one.causes[0].for_) == ("activation", True)
    against = {cause.id: cause.against for cause in one.causes}
    assert "finite" in against["weights"]
    assert "usual" in against["learning-rate"]


def test_the_rate_is_no_cause_before_the_first_step():
    one = finding(origin("exploding_recurrence", "graph"), "nonfinite-origin")
    (rate,) = [cause for cause in one.causes if cause.id == "learning-rate"]
    assert "before the optimizer" in rate.against
    assert rate is not one.causes[0]


def test_a_rate_far_too_high_explains_the_infinity_it_makes():
    result = review_of_recorded("keras_faults", "a linear model that runs away", "fault")
    assert found(result) == ["unconventional-learning-rate"]
    assert finding(result, "nonfinite-loss").explained_by == "unconventional-learning-rate"


def test_no_recorded_finding_is_explained_by_a_later_one():
    catalogue_ = catalogue()
    explained = 0
    for row in index():
        for run in training_runs(read(KEPT / row[0])):
            evidence, findings = Evidence(run), review(run, catalogue_).findings
            for f in findings:
                if f.explained_by is None:
                    continue
                of, shown = catalogue_[f.explained_by], catalogue_[f.heuristic]
                causes = [cause for cause in findings if cause.heuristic == f.explained_by]
                assert any(evidence.in_time(cause, of, f, shown) for cause in causes), (row[0], f.heuristic)
                explained += 1
    assert explained
