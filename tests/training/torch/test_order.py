"""What is seen of a training loop that leaves a call out, or has it in the wrong place: real loops, and the facts of them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import scram_plugin
from scram_plugin.training.torch.schedules import Schedule

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(256, 12, generator=GENERATOR)
Y = (X @ torch.randn(12, 3, generator=GENERATOR)).argmax(dim=1)
STEPS = 60
EQUAL = torch.Tensor.__eq__  # PyTorch's own


def model_of():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))


class Loop:
    """A loop with an evaluation after each 20 steps. A subclass does one thing differently."""

    def __init__(self):
        self.model = model_of()
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-3)
        self.kept = []

    def begin(self): ...

    def clear(self):
        self.optimizer.zero_grad()

    def backward(self, loss):
        loss.backward()

    def step(self):
        self.optimizer.step()

    def evaluate(self):
        self.model.eval()
        with torch.no_grad():
            for part in X[:128].split(64):
                self.model(part)
        self.model.train()

    def run(self, log_dir):
        self.begin()
        with scram_plugin.watch(self.model, self.optimizer, log_dir=log_dir, every=10, print_findings=False) as watch:
            for i in range(STEPS):
                at = torch.arange(i * 16, i * 16 + 16) % 256
                self.clear()
                self.backward(F.cross_entropy(self.model(X[at]), Y[at]))
                self.step()
                if i % 20 == 19:
                    self.evaluate()
        return watch.facts["loop"]


def usual(facts):
    """The facts that differ from those of a usual loop."""
    whole = (
        *("between", "steps", "modal", "ways", "graphs", "sizes", "evaluations", "looked", "forwards", "passes", "factor"),
        *("evaluated_at", "trained_at"),
    )
    return {key: value for key, value in facts.items() if value and key not in whole}


class NeverEval(Loop):
    def evaluate(self):
        with torch.no_grad():
            for part in X[:128].split(64):
                self.model(part)


class LeftInEval(Loop):
    def evaluate(self):
        super().evaluate()
        self.model.eval()


class InEvalFromTheStart(Loop):
    def begin(self):
        self.model.eval()

    def evaluate(self): ...


class Cleared(Loop):
    def step(self):
        self.optimizer.zero_grad()
        self.optimizer.step()


class ClearedEachTime(Loop):
    """Four batches for a step, and the gradients are cleared in each of them."""

    batches = 0

    def step(self):
        self.batches += 1
        if self.batches % 4 == 0:
            self.optimizer.step()


class ClippedAfter(Loop):
    def step(self):
        self.optimizer.step()
        nn.utils.clip_grad_norm_(self.model.parameters(), 0.1)


class Clipped(Loop):
    def step(self):
        nn.utils.clip_grad_norm_(self.model.parameters(), 0.1)
        self.optimizer.step()


class NoStep(Loop):
    def step(self): ...


class Kept(Loop):
    def backward(self, loss):
        self.kept.append(loss)
        loss.backward()


class KeptNumbers(Loop):
    def backward(self, loss):
        self.kept.append(loss.detach())
        loss.backward()


class Growing(Loop):
    carried = 0.0

    def backward(self, loss):
        self.carried = self.carried + loss
        self.carried.backward(retain_graph=True)

    def step(self): ...  # weights must not change in a graph that is used again


class FrozenNorm(Loop):
    def begin(self):
        self.model[0].requires_grad_(False)
        self.model[1].requires_grad_(False)


SEEN = {
    Loop: {},
    Clipped: {},
    KeptNumbers: {},
    NeverEval: {"unswitched": 6, "unswitched_row": 2},
    LeftInEval: {"eval_steps": 40},
    InEvalFromTheStart: {"eval_steps": 60},
    Cleared: {"cleared": 60},
    ClearedEachTime: {"cleared": 15},
    ClippedAfter: {"changed": 59},
    NoStep: {"unstepped": True},
    Kept: {"kept_graphs": 38},
}


@pytest.mark.parametrize("kind", SEEN, ids=lambda kind: kind.__name__)
def test_what_is_seen(kind, tmp_path):
    assert usual(kind().run(tmp_path)) == SEEN[kind]


@pytest.mark.parametrize("parts", [1, 4])
def test_batches_that_are_accumulated(parts, tmp_path):
    class Accumulated(Loop):
        batches = 0

        def clear(self):
            if self.batches % 4 == 0:
                self.optimizer.zero_grad()

        def backward(self, loss):
            self.batches += 1
            (loss / parts).backward()

        def step(self):
            if self.batches % 4 == 0:
                self.optimizer.step()

    facts = Accumulated().run(tmp_path)
    assert (facts["ways"], facts["forwards"], facts["factor"]) == (4, 60, 1 / parts)
    assert usual(facts) == ({"divisor": 4} if parts > 1 else {})


def test_a_graph_that_grows(tmp_path):
    first, later = Growing().run(tmp_path)["sizes"]
    assert later > 2 * first


def test_a_normalisation_that_is_frozen_and_goes_on_averaging(tmp_path):
    facts = FrozenNorm().run(tmp_path)
    assert (facts["frozen_norms"], facts["frozen_names"]) == (1, ["1"])
    assert 0.0 < facts["moved"] < 1.0


@pytest.mark.parametrize("cut", [False, True])
def test_a_state_that_is_detached_within_a_step(cut, tmp_path):
    cell = nn.GRUCell(12, 16)
    optimizer = torch.optim.Adam(cell.parameters(), 1e-3)
    with scram_plugin.watch(cell, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        for _ in range(5):
            state = torch.zeros(4, 16)
            for part in X[:20].split(4):
                state = cell(part, state.detach() if cut else state)
            optimizer.zero_grad()
            state.square().mean().backward()
            optimizer.step()
    assert watch.facts["loop"]["detached"] is cut


def test_a_metric_of_all_pairs(tmp_path):
    model = nn.Linear(12, 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    targets = (Y > 0).float()
    for stretch in (False, True):
        with scram_plugin.watch(model, optimizer, log_dir=tmp_path / str(stretch), print_findings=False) as watch:
            for _ in range(3):
                optimizer.zero_grad()
                F.binary_cross_entropy_with_logits(model(X).squeeze(1), targets).backward()
                optimizer.step()
                with torch.no_grad():
                    said = (model(X) > 0).float()
                    assert ((said if stretch else said.squeeze(1)) == targets).dim() == 1 + stretch
        assert watch.facts["loop"]["stretched"] == ([[256, 1], [256]] if stretch else [])
    assert torch.Tensor.__eq__ is EQUAL


def test_the_loss_of_each_backward_pass_is_recorded_without_steps(tmp_path):
    NoStep().run(tmp_path)
    (run,) = scram_plugin.review(str(tmp_path), cache=False)
    assert [f.heuristic for f in run.alone if f.severity == "error"] == ["training-loop"]
    losses = scram_plugin.read(str(tmp_path))["scram"]["scram/batches/loss"]
    assert len(losses.values) == STEPS


def test_a_scheduler_of_a_function_that_has_ended_is_known(tmp_path):
    def train(model, optimizer):
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
        for _ in range(20):
            optimizer.zero_grad()
            F.cross_entropy(model(X[:16]), Y[:16]).backward()
            optimizer.step()
            scheduler.step()

    model = nn.Linear(X.shape[1], int(Y.max()) + 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        train(model, optimizer)
    schedule = watch.facts["loop"]["schedule"]
    assert schedule.pop("rate") < 0.1
    assert schedule == {"class": "ExponentialLR", "calls": 20, "base": 0.1}


@pytest.mark.parametrize("condition", [lambda i: i % 2 == 1, lambda i: i // 2 == 0])
def test_backward_passes_and_steps_are_counted(condition, tmp_path):
    model = nn.Linear(X.shape[1], int(Y.max()) + 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        for _ in range(4):
            for i in range(40):
                (F.cross_entropy(model(X[:16]), Y[:16]) / 2).backward()
                if condition(i):
                    optimizer.step()
                    optimizer.zero_grad()
    loop = watch.facts["loop"]
    assert loop["passes"] > 3 * loop["ways"] * loop["steps"] or condition(3)
    assert loop["passes"] == loop["ways"] * loop["steps"] or not condition(3)


def test_a_scheduler_is_found(tmp_path):
    class Scheduled(Loop):
        def begin(self):
            self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=4)

        def step(self):
            super().step()
            self.scheduler.step()

    assert Scheduled().run(tmp_path)["schedule"] == {
        **{"class": "CosineAnnealingLR", "calls": 60, "length": 4, "base": 1e-3, "rate": pytest.approx(0.0, abs=1e-9)},
    }


class ClearsWithin(Loop):
    """Three batches for each step, and the gradients of the first two are cleared before the last one."""

    every = 3

    def __init__(self):
        super().__init__()
        self.seen = 0

    def clear(self):
        if self.seen % self.every == self.lost:
            super().clear()

    lost = 2

    def backward(self, loss):
        super().backward(loss / self.every)
        self.seen += 1

    def step(self):
        if self.seen % self.every == 0:
            super().step()


class Accumulates(ClearsWithin):
    lost = 0


def test_gradients_of_most_batches_are_cleared(tmp_path):
    assert ClearsWithin().run(tmp_path)["cleared"] == STEPS // 3
    assert Accumulates().run(tmp_path / "sound")["cleared"] == 0


def test_an_optimizer_that_calls_a_closure_has_gradients(tmp_path):
    """Where each gradient is cleared after its step, there is none before the closure makes the next one."""
    model = model_of()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def closure():
        loss = F.cross_entropy(model(X[:32]), Y[:32])
        loss.backward()
        return loss

    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        for _ in range(STEPS):
            optimizer.step(closure)
            optimizer.zero_grad()
    assert watch.facts["loop"]["idle"] == []


def test_longer_sequences_have_larger_graphs(tmp_path):
    """A recurrent layer has nodes for each position: that is no graph that grows."""
    torch.manual_seed(0)
    model = nn.GRU(3, 4, batch_first=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        for i in range(STEPS):
            optimizer.zero_grad()
            model(torch.randn(4, 5 + i, 3))[0].square().mean().backward()
            optimizer.step()
    early, late = watch.facts["loop"]["sizes"]
    assert late < 1.5 * early


@pytest.mark.parametrize(("factor", "told"), [(lambda epoch: 0.01 * 0.95**epoch, True), (lambda epoch: 0.95**epoch, False)])
def test_a_rate_in_place_of_a_factor(factor, told, tmp_path):
    model = model_of()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, every=5, print_findings=False):
        for i in range(STEPS):
            optimizer.zero_grad()
            F.cross_entropy(model(X[i % 4 :: 4]), Y[i % 4 :: 4]).backward()
            optimizer.step()
            if i % 10 == 9:
                scheduler.step()
    (review,) = scram_plugin.review(str(tmp_path), cache=False)
    assert ("rate-as-factor" in [f.causes[0].id for f in review.findings]) == told


@pytest.mark.parametrize("leaves_early", [True, False])
def test_epochs_of_one_batch_each(leaves_early, tmp_path):
    model = model_of()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=16, shuffle=True)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for _ in range(6):
            for x, y in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
                if leaves_early:
                    break
    (review,) = scram_plugin.review(str(tmp_path), cache=False)
    assert ("part" in [f.causes[0].id for f in review.findings]) == leaves_early


class KeepsEvaluations(Loop):
    """Evaluates with gradients, and keeps the outputs of all evaluations, or only those of the last one."""

    last = False

    def evaluate(self):
        self.model.eval()
        made = [self.model(part) for part in X.split(32)]
        self.kept = made if self.last else [*self.kept, *made]
        self.model.train()


class KeepsTheLastEvaluation(KeepsEvaluations):
    last = True


def test_evaluations_that_are_kept_with_their_graphs(tmp_path):
    assert KeepsEvaluations().run(tmp_path)["kept_evaluated"] == 16  # two of three evaluations, of 8 batches each
    assert KeepsTheLastEvaluation().run(tmp_path / "last")["kept_evaluated"] == 8


def test_the_steps_at_which_a_program_evaluates(tmp_path):
    assert Loop().run(tmp_path)["evaluated_at"] == [20, 40, 60]


def test_the_steps_at_which_an_epoch_begins_without_loader_or_evaluation(tmp_path):
    model = model_of()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        for _ in range(4):
            model.train()
            for i in range(50):  # most of them are recorded in brief
                optimizer.zero_grad()
                F.cross_entropy(model(X[i % 4 :: 4]), Y[i % 4 :: 4]).backward()
                optimizer.step()
    assert watch.facts["loop"]["trained_at"] == [50, 100, 150]


def test_a_program_that_acts_between_its_steps_has_no_few_places(monkeypatch, tmp_path):
    """Only so many are kept: of a longer training it must not look as if it evaluated in few places."""
    monkeypatch.setattr("scram_plugin.training.torch.order.MOST_EVALUATED", 3)
    assert "evaluated_at" not in Loop().run(tmp_path)


def test_a_scheduler_of_a_wrapped_optimizer_is_found():
    """Accelerate wraps the optimizer, whose scheduler holds what is inside."""

    class Wrapped:
        def __init__(self, inner):
            self.inner = inner

        @property
        def param_groups(self):
            return self.inner.param_groups

    inner, other = (torch.optim.SGD([nn.Parameter(torch.zeros(2))], 0.1) for _ in range(2))
    kept = [torch.optim.lr_scheduler.ConstantLR(one) for one in (inner, other)]
    assert Schedule([Wrapped(inner)]).facts()["class"] == "ConstantLR"
    assert len(kept) == 2
