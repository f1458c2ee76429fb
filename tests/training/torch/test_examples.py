"""How many different examples a training sees: what tells them apart, and what is told of trainings with few of them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import scram_plugin
from scram_plugin.training.torch.examples import Examples, numbers

GENERATOR = torch.Generator().manual_seed(0)
PICTURES = torch.rand(300, 3, 20, 20, generator=GENERATOR)


def test_an_example_has_the_same_number_in_any_batch():
    known = numbers([("x0", PICTURES)])
    order = torch.randperm(300, generator=GENERATOR)
    again = [number for part in order.split(32) for number in numbers([("x0", PICTURES[part])])]
    assert len(set(known)) == 300
    assert [again[i] for i in order.argsort()] == known


@pytest.mark.parametrize(
    "x",
    [
        [],
        [("x0", torch.tensor(3.0))],
        [("x0", torch.zeros(0, 4))],
        [("x0", torch.nested.nested_tensor([torch.rand(2, 3), torch.rand(4, 3)]))],
        [("x0", torch.eye(3).to_sparse())],
        [("x0", torch.empty(3, 4, device="meta"))],
        [("x0", torch.quantize_per_tensor(torch.rand(3, 4), 0.1, 0, torch.qint8))],
    ],
)
def test_what_has_no_examples(x):
    assert numbers(x) == []
    examples = Examples()
    examples.trained(x)
    examples.evaluated(x)
    assert examples.facts() == {}


def test_what_is_traced_or_mapped_has_no_examples():
    seen = []

    def look(x):
        seen.append(numbers([("x0", x)]))
        return x * 2

    torch.vmap(look)(torch.rand(3, 4, 2))
    torch.jit.trace(look, torch.rand(3, 4), check_trace=False)
    assert seen == [[], []]


def test_complex_numbers_tell_examples_apart():
    x = torch.view_as_complex(torch.rand(5, 4, 2, generator=GENERATOR))
    assert len(set(numbers([("x0", x)]))) == 5
    assert numbers([("x0", x)]) != numbers([("x0", x.conj().resolve_conj())])


def test_both_inputs_tell_examples_apart():
    same = torch.zeros(4, 5)
    assert len(set(numbers([("x0", same)]))) == 1
    assert len(set(numbers([("x0", same), ("x1", torch.arange(4))]))) == 4
    assert len(set(numbers([("x0", torch.full((3, 2), torch.nan))]))) == 1


@pytest.mark.parametrize(
    "x", [torch.cartesian_prod(*[torch.linspace(0, 1, 9)] * 4), torch.eye(300), torch.eye(300) @ torch.ones(300, 300).triu()]
)
def test_points_of_a_grid_and_words_have_numbers_of_their_own(x):
    assert len(set(numbers([("x0", x)]))) == len(x)


def test_a_trial_with_one_batch_before_the_training_is_not_all():
    examples = Examples()
    for _ in range(20):
        examples.trained([("x0", PICTURES[:32])])
    assert examples.facts()["examples"]["different"] == 32
    for part in PICTURES.split(32):
        examples.trained([("x0", part)])
    assert examples.facts() == {}


def test_beginnings_of_a_text_are_no_examples():
    examples, words = Examples(), torch.arange(60 * 8).reshape(60, 8)
    for _ in range(8):
        examples.trained([("x0", words)])
    for end in range(1, 9):
        examples.evaluated([("x0", words[:, :end])])
    assert examples.facts()["examples"]["evaluated"] == 60


def test_after_many_examples_nothing_is_looked_at(monkeypatch):
    examples = Examples()
    for part in torch.rand(8192, 4, generator=GENERATOR).split(64):
        examples.trained([("x0", part)])
    assert examples.facts() == {}
    monkeypatch.setattr("scram_plugin.training.torch.examples._numbers", None)
    examples.trained([("x0", torch.rand(64, 4))])
    examples.evaluated([("x0", torch.rand(64, 4))])


X = torch.randn(1600, 12, generator=GENERATOR)
Y = (X @ torch.randn(12, 3, generator=GENERATOR)).argmax(1)


def batches(kind):
    """The batches of one epoch."""
    if kind == "one batch":
        return [(X[:64], Y[:64])] * 15
    if kind == "below the batch size":
        drawn = [torch.randint(0, 64, (64,)) for _ in range(15)]
    elif kind == "changed in each step":
        return [(X[:64] + 0.1 * torch.randn(64, 12), Y[:64]) for _ in range(15)]
    else:
        drawn = torch.randperm(900)[: 15 * 60].split(60)
    return [(X[at], Y[at]) for at in drawn]


def reviewed(log_dir, epochs, rate, given):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 3))
    optimizer = torch.optim.Adam(model.parameters(), rate)
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, print_findings=False):
        for _ in range(epochs):
            model.train()
            for x, y in given():
                loss = F.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                model(X[900:]).argmax(1)
    (review,) = scram_plugin.review(str(log_dir), cache=False)
    return {(f.heuristic, f.causes[0].id) for f in review.findings if f.heuristic in ("overfitting", "unused-data")}


KNOWN = {("overfitting", "too-little-data")}


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("one batch", KNOWN),
        ("below the batch size", {*KNOWN, ("unused-data", "few")}),
        ("changed in each step", set()),
        ("all", set()),
    ],
)
def test_few_examples_that_are_known_by_heart(kind, found, tmp_path):
    assert reviewed(tmp_path, 12, 1e-2, lambda: batches(kind)) == found


@pytest.mark.parametrize(("value", "severities"), [(0.02, []), (3.0, ["warning"]), (None, ["info"])])
def test_few_examples_are_enough_where_the_evaluation_is_good(value, severities, tmp_path):
    x, y = X[:64], (X[:64, :1] > 0).float()
    model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as scram:
        for _ in range(40):
            for part in torch.randperm(64).split(16):
                loss = F.binary_cross_entropy_with_logits(model(x[part]), y[part])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                model(X[64:])
            if value is not None:
                scram.log(val_loss=value)
    (review,) = scram_plugin.review(str(tmp_path), cache=False)
    assert [f.severity for f in review.findings if "by heart" in f.title] == severities


def test_a_part_that_was_cut_off_for_a_trial(tmp_path):
    data = TensorDataset(X, Y)
    few = DataLoader(Subset(data, range(80)), 20, shuffle=True)
    assert reviewed(tmp_path / "few", 20, 1e-4, lambda: few) == {("unused-data", "few")}  # an evaluation has 700
    some = DataLoader(Subset(data, range(500)), 20, shuffle=True)
    assert reviewed(tmp_path / "some", 20, 1e-4, lambda: some) == set()


def test_a_loader_that_begins_anew_with_each_step(tmp_path):
    """Its data set has 900 examples, in one order."""
    data = DataLoader(TensorDataset(X[:900], Y[:900]), 60)
    assert reviewed(tmp_path, 4, 1e-3, lambda: [next(iter(data)) for _ in range(15)]) == {("unused-data", "few")}
