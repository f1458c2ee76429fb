"""Whatever a program does with a model works while it is watched as it does without, and what is saved holds nothing of SCRAM.

Each action is done in the middle of a training, once without SCRAM and once with it: results, losses and weights must be the
same bit for bit, there is no warning of SCRAM's, and the recording goes on.
"""

import copy
import inspect
import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin
from scram_plugin.training.torch.hooks import calls_hooks
from tests import find_compiler
from tests.sizes import few

STEPS, AT = 8, (2, 5)  # steps of a training, and those after which the action is done
X, Y = (
    torch.randn(64, 8, generator=torch.Generator().manual_seed(0)),
    torch.randint(0, 3, (64,), generator=torch.Generator().manual_seed(1)),
)
CHOOSES = "dynamo" in inspect.signature(torch.onnx.export).parameters  # before PyTorch 2.5 all is traced


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.body(x))


class Checkpointed(Net):
    def forward(self, x):
        return self.head(checkpoint(self.body, x, use_reentrant=False))


class Cleaned(Net):
    """Leaves something out when it is pickled, as many classes do."""

    def __init__(self):
        super().__init__()
        self.cache = threading.Lock()

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "cache"}


def weights(model):
    return [value.detach().clone() for value in model.state_dict().values()]


def saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    assert b"scram" not in file.getvalue().lower()
    file.seek(0)
    return weights(torch.load(file, weights_only=False))


def saved_with_others(model, optimizer):
    file = io.BytesIO()
    torch.save({"model": model, "all": [model, model.head], "optimizer": optimizer, "state": model.state_dict()}, file)
    assert b"scram" not in file.getvalue().lower()
    file.seek(0)
    return weights(torch.load(file, weights_only=False)["all"][0])


def state_and_back(model, optimizer):
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    optimizer.load_state_dict(loaded["optimizer"])
    return str(model.load_state_dict(loaded["model"]))


def copied(model, optimizer):
    twin = copy.deepcopy(model)
    assert not twin._forward_hooks, "the copy is not watched"
    assert not twin._forward_pre_hooks
    twin.train()
    twin(X[:8]).sum().backward()
    return weights(twin)


def copied_together(model, optimizer):
    twin, other = copy.deepcopy((model, optimizer))
    twin.eval()(X[:8]).sum().backward()
    other.step()
    return weights(twin)


def averaged(model, optimizer):
    average = torch.optim.swa_utils.AveragedModel(model)
    average.update_parameters(model)
    torch.optim.swa_utils.update_bn([X[:16]], average)
    return weights(average)


def moving_average(model, optimizer):
    average = torch.optim.swa_utils.AveragedModel(model, avg_fn=lambda old, new, _: old.lerp(new, 0.1))
    for _ in range(3):
        average.update_parameters(model)
    return [*weights(average), average.eval()(X[:8])]


def to_onnx(model, optimizer, **how):
    model.eval()
    file = io.BytesIO()
    torch.onnx.export(model, (X[:8],), file, **how)
    file.seek(0)
    graph = onnx.load(file).graph
    return [[node.op_type for node in graph.node], [onnx.numpy_helper.to_array(part) for part in graph.initializer]]


def scripted(model, optimizer):
    script = torch.jit.script(model)
    file = io.BytesIO()
    torch.jit.save(script, file)
    file.seek(0)
    return torch.jit.load(file).eval()(X[:8])


def traced(model, optimizer):
    model.eval()
    trace = torch.jit.trace(model, X[:8])
    model.train()
    return trace(X[8:16])


def exported(model, optimizer):
    model.eval()
    program = torch.export.export(model, (X[:8],))
    model.train()
    return program.module()(X[8:16])


def to_fx(model, optimizer):
    return torch.fx.symbolic_trace(model).eval()(X[:8])


def shallow(model, optimizer):
    return weights(pickle.loads(pickle.dumps(copy.copy(model))))


def functional(model, optimizer):
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    buffers = dict(model.named_buffers())
    model.eval()
    try:

        def loss(given, x, y):
            return nn.functional.cross_entropy(torch.func.functional_call(model, (given, buffers), (x[None],)), y[None])

        each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(parameters, X[:8], Y[:8])
    finally:
        model.train()
    return [value for _, value in sorted(each.items())]


def quantized(model, optimizer):
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8).eval()(X[:8])


def in_inference_mode(model, optimizer):
    model.eval()
    with torch.inference_mode():
        answer = model(X[:8]).clone()
    model.train()
    with torch.inference_mode():
        model.body[0](X[:8])
    return answer.numpy().copy()


def to_half_and_back(model, optimizer):
    model.half()
    model.float()
    return weights(model)


def moved(model, optimizer):
    model.to("cpu", torch.float64).to(torch.float32)
    return weights(model)


def shared(model, optimizer):
    model.share_memory()
    return all(p.is_shared() for p in model.parameters())


def parallel(model, optimizer):
    return nn.DataParallel(model)(X[:8]).detach()


def workers(model, optimizer, how):
    loader = DataLoader(TensorDataset(X, Y), batch_size=16, num_workers=2, multiprocessing_context=how)
    return [x.sum() for x, _ in loader]


def _train_copy(model, answers):
    torch.manual_seed(7)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X[:16]), Y[:16]).backward()
        optimizer.step()
    answers.put([value.numpy() for value in weights(model)])


def in_another_process(model, optimizer, how):
    context = multiprocessing.get_context(how)
    answers = context.Queue()
    child = context.Process(target=_train_copy, args=(copy.deepcopy(model) if how == "fork" else model, answers))
    child.start()
    answer = answers.get(timeout=120)
    child.join(60)
    assert child.exitcode == 0
    return answer


def in_a_fork(model, optimizer):
    """The child goes on training the watched model itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for _ in range(3):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(X[:16]), Y[:16]).backward()
                optimizer.step()
            os.write(writing, pickle.dumps([value.numpy() for value in weights(model)]))
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pickle.load(pipe)
    assert os.waitpid(child, 0)[1] == 0
    return answer


def with_other_hooks(model, optimizer):
    seen = []
    handles = [
        model.register_forward_pre_hook(lambda m, args: seen.append("before")),
        model.register_forward_hook(lambda m, args, output: output * 2),
        model.register_full_backward_hook(lambda m, given, got: seen.append("backward")),
    ]
    model(X[:8]).sum().backward()
    for handle in handles:
        handle.remove()
    optimizer.zero_grad()
    return seen


def of_outputs(model, optimizer):
    """Outputs with their graph are saved, for which PyTorch warns if hooks are on them."""
    output = model(X[:8])
    file = io.BytesIO()
    torch.save(output.detach(), file)
    twice = output * 2
    gradient = torch.autograd.grad(twice.sum(), output, retain_graph=True)[0]
    assert not output._backward_hooks
    return [gradient, *torch.autograd.grad(output.sum(), list(model.parameters()))]


def forward_that_fails(model, optimizer):
    with pytest.raises(RuntimeError):
        model(torch.zeros(4, 5))
    return True


def interrupted(model, optimizer):
    def stop(module, args, output):
        raise KeyboardInterrupt

    handle = model.head.register_forward_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        model(X[:8])
    handle.remove()
    return True


def a_second_model(model, optimizer):
    torch.manual_seed(5)
    other = Net()
    second = torch.optim.SGD(other.parameters(), 0.1)
    nn.functional.cross_entropy(other(X[:16]), Y[:16]).backward()
    second.step()
    return weights(other)


ACTIONS = {
    "torch.save": lambda m, o: saved(m),
    "torch.save of a dictionary": saved_with_others,
    "torch.save of a class that cleans itself": lambda m, o: saved(m),
    "pickle": lambda m, o: weights(pickle.loads(pickle.dumps(m))),
    "pickle with protocol 2": lambda m, o: weights(pickle.loads(pickle.dumps(m, protocol=2))),
    "copy.deepcopy": copied,
    "copy.deepcopy with its optimizer": copied_together,
    "copy.copy": shallow,
    "state_dict": state_and_back,
    "AveragedModel": averaged,
    "an exponential moving average": moving_average,
    "ONNX": to_onnx,
    "ONNX by tracing": lambda m, o: to_onnx(m, o, **({"dynamo": False} if CHOOSES else {})),
    "torch.jit.script": scripted,
    "torch.jit.trace": traced,
    "torch.export": exported,
    "torch.fx": to_fx,
    "functional_call and vmap": functional,
    "quantize_dynamic": quantized,
    "inference_mode": in_inference_mode,
    "half": to_half_and_back,
    "to": moved,
    "share_memory": shared,
    "DataParallel": parallel,
    "forked workers of a loader": lambda m, o: workers(m, o, "fork"),
    "spawned workers of a loader": lambda m, o: workers(m, o, "spawn"),
    "a process that was spawned": lambda m, o: in_another_process(m, o, "spawn"),
    "a process that was forked": lambda m, o: in_another_process(m, o, "fork"),
    "a fork that trains on": in_a_fork,
    "hooks of others": with_other_hooks,
    "outputs": of_outputs,
    "a forward pass that fails": forward_that_fails,
    "Ctrl-C in the forward pass": interrupted,
    "another model": a_second_model,
}
MODELS = {"torch.save of a class that cleans itself": Cleaned}


def train(action, watch=None, model=Net):
    """(losses, final weights, results of the action) of one training."""
    torch.manual_seed(3)
    model = model()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    watching = watch(model, optimizer) if watch is not None else None
    losses, results = [], []
    for step in range(STEPS):
        batch = slice(16 * (step % 4), 16 * (step % 4) + 16)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X[batch]), Y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step in AT:
            results.append(action(model, optimizer))
            optimizer.zero_grad()
            model.train()
    if watching is not None:
        watching.close()
    return losses, weights(model), results


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.detach().numpy().tobytes()
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


SLOW = ("a process that was spawned", "ONNX")  # a process loads all of PyTorch; workers that are spawned stay in the quick part


@pytest.mark.filterwarnings("error:SCRAM", "ignore:.*fork:DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("every", [1, 100], ids=["measured", "in brief"])
@pytest.mark.parametrize("name", few(ACTIONS, lambda name: name not in SLOW))
def test_it_works_while_a_model_is_watched(name, every, tmp_path):
    model = MODELS.get(name, Net)
    before = train(ACTIONS[name], model=model)

    def watch(model, optimizer):
        return scram_plugin.watch(model, optimizer, log_dir=tmp_path, every=every, print_findings=False)

    assert plain(train(ACTIONS[name], watch, model)) == plain(before)
    run = scram_plugin.read(tmp_path)["scram"]
    assert len(run["scram/batches/loss"]) >= STEPS, "the recording went on"
    assert not hasattr(torch.nn.Module.__reduce_ex__, "scram"), "PyTorch is as it was"


@pytest.mark.parametrize("make", [Checkpointed, Cleaned])
@pytest.mark.filterwarnings("error:SCRAM")
def test_kinds_of_models(make, tmp_path):
    before = train(lambda m, o: 0, model=make)

    def watch(model, optimizer):
        return scram_plugin.watch(model, optimizer, log_dir=tmp_path, every=1, print_findings=False)

    assert plain(train(lambda m, o: 0, watch, make)) == plain(before)


def test_what_is_saved_loads_where_scram_is_not_installed(tmp_path):
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path / "logs", print_findings=False):
        nn.functional.cross_entropy(model(X), Y).backward()
        optimizer.step()
        torch.save({"model": model, "optimizer": optimizer}, tmp_path / "model.pt")
    load = "print(torch.load(sys.argv[1], weights_only=False)['model'])"
    program = f"import sys; sys.modules['scram_plugin'] = None; import torch; {load}"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "model.pt")], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Linear(in_features=8, out_features=16" in done.stdout


def test_hooks_of_others_are_saved_as_ever(tmp_path):
    model = nn.Linear(8, 3)
    model.register_forward_hook(print)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        twin = pickle.loads(pickle.dumps(model))
    assert list(twin._forward_hooks.values()) == [print]


@pytest.mark.skipif(not find_compiler.found(), reason="torch.compile needs a C++ compiler")
def test_a_model_that_is_compiled_later(tmp_path):
    def compiled(watch):
        torch._dynamo.reset()
        torch.manual_seed(3)
        model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        watching = watch(model, optimizer) if watch else None
        called, losses = torch.compile(model), []
        for _ in range(4):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(called(X), Y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if watching:
            watching.close()
        return losses

    def watch(model, optimizer):
        return scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watched = compiled(watch)
    assert watched == compiled(None)
    told = any("is compiled after `watch`, compile it first" in str(warning.message) for warning in caught)
    (recorded,) = scram_plugin.read(tmp_path).values()  # as PyTorch 2.1 calls the hooks
    assert told != (len(recorded["scram/batches/loss"].steps) == 4 if "scram/batches/loss" in recorded else False)


def test_steps_are_seen_after_something_was_compiled(tmp_path):
    """`torch.compile` of PyTorch 2.1 takes the wrapper that calls hooks off the steps of all optimizers."""
    model = Net()
    optimizer = torch.optim.Adagrad(model.parameters(), 0.1)
    plain = inspect.unwrap(torch.optim.Adagrad.step, stop=lambda step: not calls_hooks(step))
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for step in range(6):
            if step == 2:
                torch.optim.Adagrad.step = plain
                plain.hooked = True
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
    (recorded,) = scram_plugin.read(tmp_path).values()
    assert len(recorded["scram/batches/loss"].steps) == 6


@pytest.mark.skipif(not find_compiler.found(), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("how", ["function", "method"])
def test_a_compiled_model_is_saved(how, tmp_path):
    torch._dynamo.reset()
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    if how == "function":
        model = torch.compile(model)
    else:
        model.compile()
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        nn.functional.cross_entropy(model(X), Y).backward()
        optimizer.step()
        file = io.BytesIO()
        torch.save(getattr(model, "_orig_mod", model), file)
        twin = copy.deepcopy(getattr(model, "_orig_mod", model))
    assert b"scram" not in file.getvalue().lower()
    assert not twin._forward_hooks


@pytest.mark.filterwarnings("error:SCRAM")
def test_a_model_for_several_processes_is_saved(tmp_path):
    torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=torch.distributed.HashStore())
    try:
        model = nn.parallel.DistributedDataParallel(Net())
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with scram_plugin.watch(model, optimizer, log_dir=tmp_path, every=1, print_findings=False):
            for _ in range(3):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(X), Y).backward()
                optimizer.step()
                file = io.BytesIO()
                torch.save({"model": model.module, "state": model.state_dict()}, file)
            twin = copy.deepcopy(model.module)
    finally:
        torch.distributed.destroy_process_group()
    assert b"scram" not in file.getvalue().lower()
    assert not twin._forward_hooks
    assert len(scram_plugin.read(tmp_path)["scram"]["scram/batches/loss"]) == 3


@pytest.mark.filterwarnings("error:SCRAM")
def test_two_models_are_watched_and_saved(tmp_path):
    models = [Net(), Net()]
    optimizers = [torch.optim.SGD(model.parameters(), 0.1) for model in models]
    watches = [
        scram_plugin.watch(model, optimizer, log_dir=tmp_path / str(i), every=1, print_findings=False)
        for i, (model, optimizer) in enumerate(zip(models, optimizers, strict=True))
    ]
    for model, optimizer, watching in zip(models, optimizers, watches, strict=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X), Y).backward()
        optimizer.step()
        assert len(saved(nn.ModuleList(models))) == 2 * len(weights(model))
        watching.close()  # the other one is still watched
    assert not hasattr(torch.nn.Module.__reduce_ex__, "scram")
