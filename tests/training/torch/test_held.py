"""Rows of the program's arrays that its batches are made of: found in variables, which are let go and never changed."""

import gc
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin
from scram_plugin.training.torch.held import Held

WAVES = torch.randn(1200, 16, generator=torch.Generator().manual_seed(7))


def denoised(log_dir, place, arrays=None):
    """Train to take noise away; a step takes the waves at `place(step)`. Returns the causes of `unused-data`."""
    waves = WAVES if arrays is None else arrays
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 16))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, print_findings=False):
        for step in range(60):
            clean = torch.as_tensor(waves[place(step)])
            level = torch.rand(len(clean), 1)
            noise = torch.randn_like(clean)
            loss = F.mse_loss(model((1 - level) * clean + level * noise), noise)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    (review,) = scram_plugin.review(str(log_dir), cache=False)
    return [(f.causes[0].id, f.evidence["said"]) for f in review.findings if f.heuristic == "unused-data"]


@pytest.mark.parametrize("kind", [torch.as_tensor, np.asarray])
def test_waves_that_are_drawn_from_few(kind, tmp_path):
    found = denoised(tmp_path, lambda step: torch.randperm(100)[:32], kind(WAVES))
    said = "The training saw 100 different rows of `arrays` again and again; there are 1,200 in it."
    assert found == [("few", said)]


@pytest.mark.parametrize(
    "place",
    [
        lambda step: torch.randint(0, 1200, (32,)),
        lambda step: torch.randperm(400)[:32],  # a third
        lambda step: torch.arange(step * 20, (step + 1) * 20),  # each once
        lambda step: torch.arange(2),  # too few to tell
        lambda step: slice(None),
    ],
)
def test_waves_that_are_used(place, tmp_path):
    assert denoised(tmp_path, place) == []


class Kept:
    """An object of the program with an array."""

    def __init__(self, x):
        self.x = x


class Odd(TensorDataset):
    """A data set that cannot be read now."""

    def __init__(self):
        pass

    @property
    def tensors(self):
        raise RuntimeError("not now")


class Lazy:
    """An object that loads something when it is asked for its class."""

    asked = 0

    @property
    def __class__(self):
        Lazy.asked += 1
        return Lazy


# the functions of tests ask for all of their variables, to show them, and are left alone: so those below have no assertions


def seen(make, times=12):
    """What is known of an array that `make` puts into something, after steps with 25 of the first 30 rows of it."""
    held, x = Held(), torch.randn(600, 16)
    beside = make(x)  # a variable of this function
    x = x[:30].clone()
    for step in range(times):
        held.stepped([("x0", x.roll(step, 0)[:25])], [])
    del beside
    return held.facts()


@pytest.mark.parametrize(
    "make",
    [Kept, lambda x: (x, 3), lambda x: {"x": x}, lambda x: DataLoader(TensorDataset(x)), lambda x: [DataLoader(Kept(x))]],
)
def test_arrays_are_found_in_what_holds_them(make):
    assert seen(make) == {"held": {"name": "beside", "rows": 600, "different": 30}}


@pytest.mark.parametrize(
    "make",
    [
        lambda x: None,
        lambda x: [x] * 9,  # a long list may be anything
        lambda x: x.requires_grad_(),  # a parameter
        lambda x: nn.ParameterList([nn.Parameter(x)]),
        lambda x: x.to_sparse(),
        lambda x: x[:100],  # too few
        lambda x: x.double().numpy().astype("O"),
        lambda x: (x, Odd()),  # the search ends
    ],
)
def test_what_is_no_array_of_data(make):
    assert seen(make) == {}


def evaluating():
    """`eval` is a method here, and shows no variables."""
    held, x = Held(), torch.randn(600, 16)
    nn.Dropout().eval()
    for step in range(12):
        held.stepped([("x0", x[step : step + 25])], [])
    return held.facts()


def one_batch(evaluated):
    """The same rows in each step."""
    held, x = Held(), torch.randn(600, 16)
    for _ in range(40):
        held.stepped([("x0", x[:30])], [])
    held.evaluated([("x0", x[evaluated])])
    return held.facts()


@pytest.mark.parametrize(
    ("evaluated", "told"), [(slice(300, 600), False), (slice(0, 400), False), (slice(0, 20), True), (slice(0, 0), True)]
)
def test_one_batch_may_be_all_data_where_the_others_are_evaluated(evaluated, told):
    assert bool(one_batch(evaluated)) == told


def test_an_evaluation_of_what_has_no_rows_is_left_out():
    held, x = Held(), torch.randn(600, 16)
    for _ in range(40):
        held.stepped([("x0", x[:30])], [])
    held.evaluated([("x0", x.to_sparse())])
    assert held.facts()


def test_one_batch_that_was_made_once_may_be_all_data():
    held, x = Held(), torch.randn(600, 16)
    part = x[:30]
    for _ in range(40):
        held.stepped([("x0", part)], [])
    assert held.facts() == {}


def test_rows_that_are_mostly_alike_are_no_examples():
    """As maps of labels: the few batches that are looked at have few of the rare ones."""
    held, often, rare = Held(), torch.randn(20, 16), torch.randn(300, 16)
    x = torch.cat([often.repeat(85, 1), rare])
    for step in range(12):
        held.stepped([("x0", x[torch.arange(30) + 30 * step])], [])
    assert held.facts() == {}


def test_one_row_for_all_examples_is_a_constant_input():
    held, x = Held(), torch.randn(600, 16)
    for _ in range(40):
        held.stepped([("x0", x[:1].expand(30, 16))], [])
    assert held.facts() == {}


def test_a_function_that_evaluates_a_model():
    assert evaluating()["held"]["name"] == "x"


def half_supervised():
    """A few labelled examples, and seven times as many without labels."""
    held, x = Held(), torch.randn(600, 16)
    unlabelled, labelled = x[:100], x[:20]
    for _ in range(20):
        labelled, unlabelled = x[torch.randperm(40)[:20]], x[torch.randint(0, 600, (140,))]
        held.stepped([("x0", labelled)], [])
    return held.facts(), unlabelled


def test_examples_without_labels_are_used():
    assert half_supervised()[0] == {}


def test_few_steps_do_not_show_it():
    assert seen(Kept, times=8) == {}


def test_an_object_is_not_asked_for_its_class():
    Lazy.asked = 0
    assert seen(lambda x: (Lazy(), x))["held"]["rows"] == 600
    assert Lazy.asked == 0


def stepped(held):
    batch, thing = WAVES[:30], nn.Linear(2, 2)
    held.stepped([("x0", batch)], [])
    gone = weakref.ref(thing)
    del thing
    gc.collect()
    return gone()


def test_variables_are_let_go():
    """Before Python 3.13, a frame keeps what was read of it."""
    assert stepped(Held()) is None


def asking(held):
    batch, mine = WAVES[:30], locals()
    names = set(mine)
    held.stepped([("x0", batch)], [])
    return names, set(mine)


def test_a_function_that_asks_for_its_variables_is_left_alone():
    before, after = asking(Held())
    assert after == before
