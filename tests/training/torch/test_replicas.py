"""Two real processes train one model (`torch.distributed`, gloo): one set of logs, the statistics of both."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch.distributed.fsdp

import scram_plugin
from scram_plugin.training.merging import merge
from tests.paths import ROOT, environment
from tests.sizes import few

PROGRAM = """
import json, sys
import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
import scram_plugin
from tests.recorded.digits import IMAGES, LABELS

rank, folder, watched, dies = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "watched", sys.argv[4:] == ["dies"]
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
torch.manual_seed(3)
torch.set_num_threads(1)
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
if "fully_shard" in sys.argv:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
elif "FullyShardedDataParallel" in sys.argv:
    from torch.distributed.fsdp import FullyShardedDataParallel
    model = FullyShardedDataParallel(model, device_id=torch.device("cpu"))
else:
    model = DistributedDataParallel(model)
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
data = TensorDataset(torch.tensor(IMAGES[:640]), torch.tensor(LABELS[:640]).long())
sampler = DistributedSampler(data, 2, rank, seed=5)
loader = DataLoader(data, 16, sampler=sampler)
losses, means, lows = [], [], []
watched = watched and (rank == 0 or "alone" not in sys.argv)
scram = scram_plugin.watch(model, optimizer, log_dir=f"{folder}/logs", every=5, print_findings=False) if watched else None
for epoch in range(3):
    sampler.set_epoch(epoch)
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        means.append(float(x.mean()))
        lows.append(float(y.min()))
    if scram is not None:
        if dies and rank == 1:
            sys.stdout.flush()
            import os
            os._exit(0)  # without a word
        if dies:
            break
        scram.log()
if scram is not None:
    scram.close()
own = [p.to_local() if hasattr(p, "to_local") else p for p in model.parameters()]
weights = [p.detach().numpy().tobytes().hex() for p in own]
with open(f"{folder}/{rank}.json", "w") as file:
    json.dump({"losses": losses, "means": means, "lows": lows, "weights": weights}, file)
if not dies:
    dist.barrier()  # the store lies with the first process
    # Gloo's threads abort a process that ends in the usual way, once in a few hundred times, without SCRAM, too
    import os, time
    time.sleep(1.0)  # the other process may still be in the barrier
    os._exit(0)
"""


def train(folder, *arguments):
    folder.mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), str(folder), *arguments],
            env=environment(),
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    for process in processes:
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said[-3000:]
        assert "SCRAM stopped" not in said
    files = [folder / f"{rank}.json" for rank in (0, 1)]
    return [json.loads(file.read_text()) for file in files if file.exists()]


def test_one_set_of_logs_with_the_statistics_of_both(tmp_path):
    plain, both = train(tmp_path / "plain", "plain"), train(tmp_path / "watched", "watched")
    assert plain == both, "the training is the same bit for bit"
    assert both[0]["losses"] != both[1]["losses"], "each has its own part of the data"
    logs = scram_plugin.read(tmp_path / "watched" / "logs")
    assert len(list((tmp_path / "watched" / "logs" / "scram").iterdir())) == 1
    loss = logs["scram"]["scram/batches/loss"]
    assert loss.steps.tolist() == list(range(60))
    for column, name, together in (("loss", "losses", np.mean), ("x0/mean", "means", np.mean), ("y0/min", "lows", np.min)):
        expected = together([run[name] for run in both], axis=0)
        np.testing.assert_allclose(logs["scram"][f"scram/batches/{column}"].values, expected, rtol=1e-5, err_msg=column)
    counts = np.sum([logs["scram"][f"scram/statistics/y0/count/{label}"].values for label in range(10)], axis=0)
    assert set(counts.tolist()) == {32.0}, "of the examples of both"
    assert logs["scram"].facts["fit"]["replicas"] == 2
    (review,) = scram_plugin.review(tmp_path / "watched" / "logs")
    assert [f.heuristic for f in review.findings if f.severity == "error"] == []


@pytest.mark.skipif(not hasattr(torch.distributed.fsdp, "fully_shard"), reason="before PyTorch 2.6 FSDP needs a GPU")
@pytest.mark.parametrize("how", few(["fully_shard", "FullyShardedDataParallel"], lambda how: how == "fully_shard"))
def test_a_model_whose_weights_are_shared_out(how, tmp_path):
    """The statistics of weights and gradients are of the parts; the training is as it was."""
    plain, both = train(tmp_path / "plain", "plain", how), train(tmp_path / "watched", "watched", how)
    assert plain == both
    run = scram_plugin.read(tmp_path / "watched" / "logs")["scram"]
    losses = np.mean([rank["losses"] for rank in both], axis=0)
    np.testing.assert_allclose(run["scram/batches/loss"].values, losses, rtol=1e-5)
    norms = [tag for tag in run if tag.startswith("scram/statistics/gradient/") and tag.endswith("norm")]
    assert norms
    assert all(np.isfinite(run[tag].values).all() for tag in norms)


def test_a_process_that_dies_costs_its_part_alone(tmp_path):
    (left,) = train(tmp_path / "watched", "watched", "dies")
    loss = scram_plugin.read(tmp_path / "watched" / "logs")["scram"]["scram/batches/loss"]
    assert loss.steps.tolist() == list(range(20))
    assert len(left["losses"]) == 20


@pytest.mark.slow
def test_where_only_the_first_watches_it_tells_of_its_part(tmp_path):
    both = train(tmp_path / "watched", "watched", "alone")
    loss = scram_plugin.read(tmp_path / "watched" / "logs")["scram"]["scram/batches/loss"]
    np.testing.assert_allclose(loss.values, both[0]["losses"], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_merged_statistics_are_those_of_all(size):
    rng = np.random.default_rng(size)
    parts = rng.normal(3, 2, (size, 64)) + rng.normal(0, 5, (size, 1))
    columns = ("x0/mean", "x0/std", "x0/min", "x0/max", "x0/nonfinite", "y0/count/3", "gradient/a/norm")
    rows = [[p.mean(), p.std(), p.min(), p.max(), 2.0, (p > 3).sum(), 7.0] for p in parts]
    everything = parts.reshape(-1)
    expected = [
        everything.mean(),
        everything.std(),
        everything.min(),
        everything.max(),
        2.0 * size,
        (everything > 3).sum(),
        7.0,
    ]
    np.testing.assert_allclose(merge(columns, np.array(rows)), expected, rtol=1e-9)
