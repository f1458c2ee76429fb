"""Two training runs side by side: what is said to be mended was checked again."""

import dataclasses

import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.monitor import Reviewer
from scram_plugin.views.comparison import Verdict, compare
from scram_plugin.views.facts_in_words import described
from tests.event_files import curve
from tests.paths import DEMO_LOGS


@pytest.fixture(scope="module")
def demo():
    reviewer = Reviewer(str(DEMO_LOGS), catalogue())
    return lambda name: reviewer.reviewed(name)


def changes(comparison):
    return {entry.heuristic: entry.change for entry in comparison.findings}


@pytest.mark.parametrize(
    ("bad", "good", "heuristic", "different"),
    [
        ("movie_reviews/lr_1e10", "movie_reviews/lr_default", "nonfinite-loss", {"learning rate": ("1e10", "0.001")}),
        ("cifar10/unnormalized", "cifar10/normalized", "unnormalized-inputs", {}),
        ("fashion_mnist/overfit", "fashion_mnist/regularized", "overfitting", {"parameters": ("1,863,690", "269,322")}),
    ],
)
def test_a_fix_is_confirmed_and_what_made_it_is_shown(demo, bad, good, heuristic, different):
    forth, back = compare(demo(bad), demo(good)), compare(demo(good), demo(bad))
    assert (forth.verdict.kind, back.verdict.kind) == ("fixed", "worse")
    assert (changes(forth)[heuristic], changes(back)[heuristic]) == ("gone", "came")
    told = {fact.name: (fact.before, fact.after) for fact in forth.facts}
    assert different.items() <= told.items()
    assert forth.code.before != forth.code.after
    assert {"training loss", "validation loss"} <= {entry.signal for entry in forth.curves}
    assert forth.facts_missing == []


def test_the_layer_that_makes_the_difference(demo):
    layers = compare(demo("cifar10/unnormalized"), demo("cifar10/normalized")).layers
    before, after = (layers.before.split("\n"), layers.after.split("\n"))
    assert [line for line in after if line not in before] == ["Rescaling: scale 0.00392, offset 0"]
    assert [line for line in before if line not in after] == []


def test_a_run_and_itself(demo):
    run = demo("movie_reviews/lr_1e10")
    same = compare(run, run)
    assert same.verdict == Verdict("same", "No difference. Errors and warnings: 1 still there (and 3 consequences).")
    assert (same.facts, same.layers, same.code) == ([], None, None)


def test_consequences_are_counted_apart(demo):
    worse = compare(demo("movie_reviews/lr_default"), demo("movie_reviews/lr_1e10"))
    assert worse.verdict.text == "Worse. Errors and warnings: 1 new (and 3 consequences)."
    assert sum(entry.change == "came" for entry in worse.findings) == 4


def test_two_programs_are_called_so(demo):
    verdict = compare(demo("cifar10/normalized"), demo("movie_reviews/lr_1e10")).verdict
    assert verdict.kind == "unsure"
    assert verdict.text.startswith("These are two programs, cifar10.py and movie_reviews.py")


def test_what_could_not_be_checked_again_is_not_called_gone(demo, tmp_path):
    curve(tmp_path / "short", "epoch_loss", [0.5, 0.4, 0.3])
    other = Reviewer(str(tmp_path), catalogue()).reviewed("short")
    compared = compare(demo("fashion_mnist/overfit"), other)
    assert changes(compared)["overfitting"] == "unsure"
    assert compared.verdict.kind == "unsure"
    assert next(e for e in compared.findings if e.heuristic == "overfitting").reason
    assert compared.facts_missing == ["short"]


def test_the_best_of_what_is_better_when_it_rises(demo):
    curves = {e.signal: e for e in compare(demo("fashion_mnist/overfit"), demo("fashion_mnist/regularized")).curves}
    loss, accuracy = curves["validation loss"].before, curves["validation accuracy"].before
    assert loss.best < loss.last
    assert accuracy.best > accuracy.last
    assert curves["learning rate"].before.best is None


def test_mixed_and_better(demo):
    bad = demo("movie_reviews/lr_1e10")
    good = demo("movie_reviews/lr_default")
    own = [f for f in bad.review.findings if f.explained_by is None]
    fresh = dataclasses.replace(own[0], heuristic="overfitting", severity="warning")
    passed = tuple(h for h in good.review.passed if h != "overfitting")
    mixed = dataclasses.replace(good, review=dataclasses.replace(good.review, findings=(fresh,), passed=passed))
    assert compare(bad, mixed).verdict.kind == "mixed"
    both = dataclasses.replace(bad, review=dataclasses.replace(bad.review, findings=(*bad.review.findings, fresh)))
    better = compare(both, mixed).verdict
    assert better == Verdict(
        "better", "Better, but not fixed. Errors and warnings: 1 gone (and 3 consequences), 1 still there."
    )


def test_facts_of_any_shape_are_described():
    assert described({}) == {}
    odd = {"model": None, "optimizer": {"settings": None}, "loss": {"from_logits": False}, "fit": {"batch_size": [2, 3]}}
    assert described(odd) == {"loss expects logits": "no", "batch size": "2 × 3"}
