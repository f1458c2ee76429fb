"""Which finding explains which: pure functions of findings."""

import pytest

from scram_plugin.heuristics.catalogue import HEURISTICS, Catalogue, consequences
from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.curve import CurveName
from scram_plugin.reviews.explain import explain
from tests.heuristics.test_own_heuristic import block_of

PAGE = Page.parse(block_of("docs/writing-a-check.md", "````", "markdown", "# It starts slowly"), "own.md")
# In this order causes explain: what is wrong with the data, then with the model, then with layers, then with curves.
PRECEDENCE = """
    nonfinite-inputs constant-inputs label-range target-in-inputs unpaired-targets sequence-targets
    unused-data output-activation-mismatch mixed-axes
    loss-parts ignored-input nonfinite-loss fp16-overflow loss-scale-collapse nonfinite-origin frozen-weights
    untrained-parameters training-loop optimizer-settings wrong-direction poor-initialization unnormalized-targets
    unnormalized-inputs unconventional-learning-rate high-dropout strong-regularization normalization-lag missing-activation
    hidden-activation unshuffled-data input-distribution-shift kept-gradients exploding-gradients saturated-activations
    truncated-completions vanishing-gradients zero-gradient vanishing-grad-norm dead-relu update-ratio mixed-samples
    no-gradient class-imbalance exploding-grad-norm divergence zero-loss no-learning box-loss-without-map overfitting
    oscillating-loss plateau clip-saturation kl-blow-up preference-memorised reward-hacking length-drift entropy-collapse
    return-collapse
"""


def finding(heuristic, severity="warning", cause="cause"):
    curves = [CurveName(".", "loss")]
    return Finding(severity, "likely", heuristic, {}, 0, 1, "step", curves, [Cause(cause)], heuristic=heuristic)


def own(id_, **how):
    return Heuristic(id_, "curves", "-", lambda run, options: [], PAGE, **how)


def explained(*findings, more=()):
    found = explain(findings, Catalogue((*HEURISTICS, *more)))
    return {f.heuristic: (f.severity, f.explained_by) for f in found}


def test_what_explains_first():
    assert list(consequences(HEURISTICS)) == PRECEDENCE.split(), "put a new check that explains others into PRECEDENCE, above"


def test_of_two_causes_the_one_with_precedence_explains_and_becomes_as_grave():
    found = explained(finding("unnormalized-inputs"), finding("poor-initialization"), finding("dead-relu", "error"))
    assert found == {
        "unnormalized-inputs": ("warning", None),
        "poor-initialization": ("error", None),
        "dead-relu": ("error", "poor-initialization"),
    }


def test_the_first_of_a_chain_explains_and_all_between_become_as_grave():
    found = explained(
        finding("constant-inputs", "error"),
        finding("too-many-parameters", "error"),
        finding("no-learning"),
        finding("overfitting"),
    )
    assert found["too-many-parameters"] == ("error", "constant-inputs")
    assert found["overfitting"] == ("error", "constant-inputs")
    assert found["no-learning"] == ("error", "constant-inputs")


def test_an_info_explains_only_infos():
    found = explained(finding("unnormalized-inputs", "info"), finding("dead-relu"), finding("no-learning", "info"))
    assert found["dead-relu"] == ("warning", None)
    assert found["no-learning"] == ("info", "unnormalized-inputs")


def test_what_is_not_used_is_explained_by_nothing():
    assert explained(finding("constant-inputs"), finding("no-gradient", cause="unused"))["no-gradient"][1] is None
    assert explained(finding("constant-inputs"), finding("no-gradient"))["no-gradient"][1] == "constant-inputs"


def test_attention_along_the_wrong_axis_is_why_later_tokens_are_seen():
    axes = finding("mixed-axes", cause="softmax-over-queries")
    seen = explained(axes, finding("sequence-targets", "error", cause="sees-targets"))
    assert seen == {"mixed-axes": ("error", None), "sequence-targets": ("error", "mixed-axes")}
    assert explained(axes, finding("sequence-targets", cause="not-shifted"))["sequence-targets"][1] is None


def test_of_a_circle_one_stands_alone():
    circle = own("slow-start", families=("standstill",), explains=("poor-initialization",))
    found = explained(finding("poor-initialization", "error"), finding("slow-start"), more=[circle])
    assert found == {"poor-initialization": ("error", None), "slow-start": ("error", "poor-initialization")}
    both = own("a", explains=("b",)), own("b", explains=("a", "plateau"))
    found = explained(finding("plateau"), finding("a"), finding("b"), more=both)
    assert found == {"plateau": ("warning", "a"), "a": ("warning", None), "b": ("warning", "a")}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"order": "first"}, "order is a whole number"),
        ({"precedence": None}, "precedence is a whole number"),
        ({"whole_training": 1}, "whole_training is True or False"),
        ({"families": ("standstil",)}, "a family is one of curve-shape"),
        ({"explains": "plateau"}, "explains is a tuple of str"),
    ],
)
def test_a_place_that_is_none_is_refused(how, said):
    with pytest.raises(ValueError, match=said):
        own("slow-start", **how)


@pytest.mark.parametrize("edit", [{"file": "a.py", "line": 1, "before": "a", "after": "b"}, "x = 1"])
def test_an_edit_is_an_edit(edit):
    with pytest.raises(ValueError, match="edit is an Edit"):
        Cause("cause", edit=edit)
    assert Cause("cause", edit=Edit("a.py", 1, "a", "b")).edit.line == 1
