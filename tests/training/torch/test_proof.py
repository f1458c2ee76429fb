"""Runs of programs with PyTorch as a proof makes them: watched by themselves, seeded, cut short; and whole proofs."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import scram_plugin
from scram_plugin.fixing.runs import Limits
from scram_plugin.proof_run import CUT, OPEN
from tests.fixing.programs import DATA, LOOP, ended, files, fix, ran
from tests.paths import environment
from tests.sizes import few
from tests.training.proof.test_guard import has_landlock

NO_LOADER = (
    DATA
    + """\
optimizer = torch.optim.Adam(model.parameters())
for i in range(1000):
    optimizer.zero_grad()
    loss = loss_function(model(x), y)
    loss.backward()
    optimizer.step()
"""
)
WATCHED = LOOP.replace(
    "\ndef epoch",
    "\nimport scram_plugin\nwatch = scram_plugin.watch(model, optimizer, log_dir='own', stop_on='error')\n\ndef epoch",
)
LATE = LOOP.replace('    print("epoch", i, evaluate())\n', "").replace("open(", "evaluate()\nopen(")
OF_TRAINING = LOOP.replace("for inputs, labels in test", "for inputs, labels in train")
LIGHTNING = (
    DATA
    + """\
import lightning as L

class Module(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = model

    def training_step(self, batch, index):
        return loss_function(self.model(batch[0]), batch[1])

    def validation_step(self, batch, index):
        outputs = self.model(batch[0])
        self.log("val_loss", loss_function(outputs, batch[1]))
        self.log("val_accuracy", (outputs.argmax(dim=1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.01)

trainer = L.Trainer(max_epochs=50, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
trainer.fit(Module(), train, test)
"""
)
TRANSFORMERS = """\
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.manual_seed(0)
size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
config = BertConfig(vocab_size=30, num_labels=2, **size)
words = torch.randint(1, 30, (120, 6))
rows = [{"input_ids": w, "labels": int(w[0] > 15)} for w in words]
arguments = TrainingArguments(
    output_dir="out", num_train_epochs=50, per_device_train_batch_size=10, eval_strategy="epoch", report_to=[], use_cpu=True
)
Trainer(BertForSequenceClassification(config), arguments, train_dataset=rows[:100], eval_dataset=rows[100:]).train()
"""


def test_a_loop_is_recorded_and_cut_at_its_validation(tmp_path):
    with ran(tmp_path / "p", LOOP, Limits(batches=50)) as (done, (run,)):
        told = done.told
        assert (told.batches, told.epochs, told.used, told.ended, told.error) == (50, 2, True, True, "")
        assert len(run.signal("batch loss")) == 50
        assert len(run.signal("validation loss")) == 3, "the epoch that was cut is validated, too"
        texts = [statement["text"] for statement in run.facts["source"]["statements"]]
        assert any("SGD" in text for text in texts), "the statements outside of the function with the loop"
    assert sorted(os.listdir(tmp_path / "p")) == ["train.py"]


def test_epochs_end_a_loop(tmp_path):
    told, end = ended(tmp_path, LOOP, limits=Limits(epochs=2))
    assert (told.batches, told.epochs) == (40, 2)
    assert {"validation loss", "training loss"} <= set(end.measures)


def test_seconds_end_a_loop(tmp_path):
    endless = LOOP.replace("range(40)", "range(10 ** 9)")
    told, _ = ended(tmp_path, endless, limits=Limits(seconds=1))
    assert told.used
    assert told.batches > 10


def test_a_program_that_ends_before_its_budget(tmp_path):
    told, _ = ended(tmp_path, LOOP.replace("range(40)", "range(2)"), limits=Limits(seconds=500))
    assert (told.batches, told.epochs, told.used, told.ended) == (40, 2, False, True)


def test_a_loop_without_a_loader(tmp_path):
    told, end = ended(tmp_path, NO_LOADER, limits=Limits(batches=30))
    assert (told.batches, told.error) == (30, "")
    assert "training loss" in end.measures


def test_a_program_that_never_steps_has_batches(tmp_path):
    program = NO_LOADER.replace("    optimizer.step()\n", "")
    told, _ = ended(tmp_path, program, limits=Limits(batches=280))
    assert (told.batches, told.used) == (280, True)
    told, _ = ended(tmp_path, program.replace("1000", "30"), limits=Limits(batches=80))
    assert (told.batches, told.used) == (30, False)


def test_a_program_that_accumulates_over_many_passes_steps(tmp_path):
    program = NO_LOADER.replace("    optimizer.step()", "    if i % 64 == 63:\n        optimizer.step()")
    told, _ = ended(tmp_path, program, limits=Limits(batches=5))
    assert (told.batches, told.used) == (5, True)


def test_a_watch_of_the_program_records_to_the_proof_alone(tmp_path):
    with ran(tmp_path / "p", WATCHED, Limits(batches=50)) as (done, (run,)):
        assert len(run.signal("batch loss")) == 50
        assert len([name for name in os.listdir(done.log_dir / "scram") if "tfevents" in name]) == 1
        assert not (done.log_dir.parent / "program" / "own").exists()


def test_an_evaluation_after_all_epochs_is_reached(tmp_path):
    told, end = ended(tmp_path, LATE, limits=Limits(batches=50))
    assert (told.batches, told.error) == (50, "")
    assert "validation loss" in end.measures


def test_an_evaluation_with_the_data_of_the_training_is_no_training(tmp_path):
    told, _ = ended(tmp_path, OF_TRAINING, limits=Limits(batches=50))
    assert (told.batches, told.error) == (50, "")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_and_another_one_another(tmp_path):
    unseeded = LOOP.replace("torch.manual_seed(3)\n", "")
    for text in (LOOP, unseeded):
        losses = []
        for seed in (0, 0, 1):
            with ran(tmp_path, text, Limits(batches=20), seed) as (_, (run,)):
                losses.append(run.signal("batch loss").values.tolist())
        assert losses[0] == losses[1] != losses[2]


def test_generators_of_the_program_are_shifted_too(tmp_path):
    text = (
        DATA.replace("torch.randn(700, 12)", "torch.randn(700, 12, generator=torch.Generator().manual_seed(1))")
        + "print(x[0, 0])"
    )
    seen = set()
    for seed in (0, 1):
        with ran(tmp_path, text.replace("print(x[0, 0])", "raise ValueError(f'{x[0, 0]:.6f}')"), seed=seed) as (done, _):
            seen.add(done.told.error)
    assert len(seen) == 2
    assert all(sentence.startswith("ValueError: ") for sentence in seen)


def test_lightning(tmp_path):
    with ran(tmp_path, LIGHTNING, Limits(batches=50)) as (done, (run,)):
        assert (done.told.batches, done.told.epochs, done.told.error) == (50, 2, "")
        assert len(run.signal("batch loss")) == 50
        assert len(run.signal("validation accuracy")) == 3


def test_transformers(tmp_path):
    with ran(tmp_path, TRANSFORMERS, Limits(batches=25)) as (done, (run,)):
        assert (done.told.batches, done.told.epochs, done.told.error) == (25, 2, "")
        assert len(run.signal("batch loss")) == 25
        assert len(run.signal("validation loss")) == 3


def test_a_program_that_fails_says_why(tmp_path):
    told, end = ended(tmp_path, LOOP.replace("loss.backward()", "loss.backward(); raise ValueError('no')"))
    assert told.error == end.error == "ValueError: no"


# ---- whole proofs


@pytest.fixture(scope="module")
def proven(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proven")
    (folder / "train.py").write_text(LOOP, encoding="utf-8")
    before = files(folder)
    answer, said = fix(folder, "train.py", "--prove", "--epochs", "8")
    assert files(folder) == before, "nothing is written without being asked"
    return folder, answer, said


def test_a_fix_is_proven(proven):
    folder, answer, said = proven
    assert answer["proven"] is True
    (tried,) = [one for one in answer["tried"] if one["verdict"] == "better"]
    assert tried["seeds"] == 3
    assert tried["before"] < tried["after"] or "loss" in tried["measure"]
    assert "+        optimizer.zero_grad()" in answer["fix"]["patch"]
    assert "as it is, seed 0: 160 batches" in said
    assert sorted(os.listdir(folder / "logs" / "fix" / "train"))[:3] == [
        "as it is, seed 0",
        "as it is, seed 1",
        "as it is, seed 2",
    ]


def test_the_log_carries_the_proof(proven):
    reviews = scram_plugin.review(proven[0] / "logs", cache=False)
    review = reviews["fix/train/as it is, seed 0"]
    proofs = [fix.proof for finding in review.findings for fix in finding.fixes if fix.proof is not None]
    assert {proof.verdict for proof in proofs} == {"better"}
    assert {proof.runs[0] for proof in proofs} == {review.name}
    assert all(name in reviews.names for proof in proofs for name in proof.runs)
    if len(proofs) > 1:
        assert all("together with the fix of" in proof.sentence for proof in proofs)
    assert "Fix proven here: " in repr(scram_plugin.review(proven[0] / "logs", "as it is, seed 0", cache=False))
    assert not any(fix.proof for finding in reviews["fix/train/fix 1, seed 0"].findings for fix in finding.fixes)


@pytest.mark.slow
def test_a_second_proof_replaces_the_first(proven):
    """And writes the fix, and says how to take it back; a directory that no proof made stays."""
    folder = proven[0]
    home = folder / "logs" / "fix" / "train"
    (home / "mine, seed 7").mkdir()
    (home / "mine, seed 7" / "notes.txt").write_text("kept")
    events = set(home.rglob("*tfevents*"))
    answer, _ = fix(folder, "train.py", "--prove", "--epochs", "6", "--apply")
    assert answer["applied"]
    assert (home / "mine, seed 7" / "notes.txt").exists()
    assert not events & set(home.rglob("*tfevents*"))
    text = (folder / "train.py").read_text(encoding="utf-8")
    assert "optimizer.zero_grad()" in text
    assert "# größer?" in text
    command = answer["take_back"].replace("scram", "scram_plugin").split()
    subprocess.run([sys.executable, "-m", *command], cwd=folder, check=True)
    assert (folder / "train.py").read_text(encoding="utf-8") == LOOP


def test_a_program_that_is_not_watched_is_recorded_as_one_that_is(tmp_path):
    """Its files, its loader with the first batch, and whether outputs of an example depend on others."""
    folder = tmp_path / "program"
    folder.mkdir()
    module = "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    module += "        self.lstm, self.last = nn.LSTM(3, 8), nn.Linear(8, 3)\n\n"
    module += "    def forward(self, x):\n        return self.last(self.lstm(x)[0][:, -1])\n"
    (folder / "net.py").write_text(module, encoding="utf-8")
    text = LOOP.replace(
        "model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 3))", "from net import Net\nmodel = Net()"
    )
    text = text.replace("(x[:500]", "(x[:500].reshape(-1, 4, 3)").replace("(x[500:]", "(x[500:].reshape(-1, 4, 3)")
    with ran(folder, text) as (_, (run,)):
        assert [file["file"] for file in run.facts["source"]["files"]] == ["train.py", "net.py"]
        assert run.facts["source"]["signatures"]["Linear"][:2] == ["in_features", "out_features"]
        assert run.facts["fit"]["samples"] == 500
        assert run.facts["fit"]["shuffle"] is True
        assert run.loop["mixing"] > 0


@pytest.mark.parametrize("number", few([signal.SIGINT, signal.SIGTERM], lambda number: number == signal.SIGINT))
def test_an_interrupted_proof_leaves_all_as_it_was(tmp_path, number):
    folder, scratch = tmp_path / "program", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    (folder / "train.py").write_text(LOOP.replace("range(40)", "range(10 ** 9)"), encoding="utf-8")
    before = files(folder)
    command = [sys.executable, "-m", "scram_plugin", "fix", "train.py", "--prove", "--seconds", "600"]
    surroundings = {**environment(), "TMPDIR": str(scratch)}
    process = subprocess.Popen(command, cwd=folder, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not list(scratch.glob("*/run 0/log/scram/*tfevents*")) and time.monotonic() < until:
        time.sleep(0.1)
    children = running_in(scratch)
    assert children
    for _ in range(3):  # impatient
        process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 2
    assert b"interrupted" in said
    assert files(folder) == before
    assert os.listdir(folder) == ["train.py"]
    assert os.listdir(scratch) == []
    assert running_in(scratch) == []


def running_in(folder):
    """The processes that run below this directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd").startswith(str(folder)):
                found.append(process.name)
        except OSError:
            continue
    return found


def test_writing_outside_is_refused_with_a_sentence(tmp_path):
    outside = Path(tempfile.mkdtemp(dir=tmp_path)) / "file.txt"
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "train.py").write_text(f"open({str(outside)!r}, 'w')\n" + LOOP, encoding="utf-8")
    _, said = fix(folder, "train.py", "--prove", status=2)
    assert "train.py failed before it trained" in said
    assert str(outside) in said
    assert "this run only tries out a fix" in said
    assert not outside.exists()


@pytest.mark.parametrize("network", [False, True])
def test_a_run_has_a_network_only_if_it_is_asked_for(tmp_path, network):
    """Other processes, too; those of one training reach one another."""
    sends = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2).sendall(b'secret')"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = f"""\
import socket, subprocess, sys
subprocess.run([sys.executable, "-c", {sends!r}, "{port}"])
own = socket.create_server(("127.0.0.1", 0))
socket.create_connection(own.getsockname(), 2).close()
try:
    socket.create_connection(("127.0.0.1", {port}), 2).sendall(b"secret")
except OSError:
    print("nobody answers")
{LOOP}"""
        told, _ = ended(tmp_path, text, network=network)
        server.settimeout(0.2)
        received = 0
        with contextlib.suppress(TimeoutError):
            while True:
                received += len(server.accept()[0].recv(100))
    assert (told.error, told.network) == ("", OPEN if network else CUT)
    assert received == (12 if network else 0), "bytes that were sent"


@pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")
def test_a_run_reads_no_credentials(tmp_path, monkeypatch):
    home = tmp_path / "home"
    for name in (".ssh/id_rsa", ".config/gcloud/key", ".config/other/file", ".netrc", "data/train.csv"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("content")
    monkeypatch.setenv("HOME", str(home))
    (home / "alias").symlink_to(".ssh")
    text = f"""\
import os, subprocess
read = []
for name in (".ssh/id_rsa", "alias/id_rsa", ".config/gcloud/key", ".config/other/file", ".netrc", "data/train.csv"):
    path = os.path.expanduser("~/" + name)
    read += [name] * (subprocess.run(["cat", path], capture_output=True).stdout == b"content")
    try:
        read.append(open(path).read() and name)
    except PermissionError:
        pass
if read != [".config/other/file"] * 2 + ["data/train.csv"] * 2:
    raise ValueError(read)
{LOOP}"""
    told, _ = ended(tmp_path / "program", text)
    assert told.error == ""


def test_what_there_is_nothing_to_prove_of(tmp_path):
    (tmp_path / "train.py").write_text("print('no training')\n")
    _, said = fix(tmp_path, "train.py", "--prove", status=2)
    assert "came to its end and trained no model that is known" in said
    (tmp_path / "train.py").write_text(
        LOOP.replace("        loss.backward()", "        optimizer.zero_grad(); loss.backward()")
    )
    answer, _ = fix(tmp_path, "train.py", "--prove", "--epochs", "3", status=1)
    assert (answer["fix"], answer["proven"], answer["applied"]) == (None, False, False)
