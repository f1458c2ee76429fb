"""`scram preflight`: real programs, run up to where their training begins."""

import json
import subprocess
import sys

import pytest

import scram_plugin
from tests.faults import forms
from tests.paths import environment
from tests.sizes import few

KERAS = next(p for p in forms.PROGRAMS if p.name == "digits_list").files(11)["train.py"]
OF_TENSORFLOW = KERAS.replace("import keras\n", "from tensorflow import keras\n")
TORCH = next(p for p in forms.PROGRAMS if p.name == "digits_plain").files(11)["train.py"]
FUNCTIONS = """
import sys
import torch
import torch.nn.functional as F

torch.manual_seed(3)
model = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, int(sys.argv[1])))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(320, 6), torch.arange(320) % 3
for epoch in range(30):
    for i in range(0, 320, 32):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[i : i + 32]), y[i : i + 32])
        loss.backward()
        optimizer.step()
open("trained.txt", "w").close()
"""
RECURRENT = """
import torch
from torch import nn

class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.reader = nn.GRU(3, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        states, _ = self.reader(x)
        return self.head(states[:, -1])

torch.manual_seed(3)
model = Reader()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loss_function = nn.CrossEntropyLoss()
x = torch.randn(640, 12, 3)
y = (x[:, -3:, 0].sum(dim=1) > 0).long()
for epoch in range(20):
    for i in range(0, 640, 32):
        optimizer.zero_grad()
        loss = loss_function(model(x[i : i + 32]), y[i : i + 32])
        loss.backward()
        optimizer.step()
"""
TAPE = """
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(3)
x = np.random.default_rng(0).normal(size=(640, 6)).astype("float32")
y = (x[:, 0] + x[:, 1] > 0).astype("int64") + (x[:, 2] > 0)
model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3)])
optimizer = keras.optimizers.Adam(0.01)
loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_function(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss

for epoch in range(40):
    for i in range(0, 640, 32):
        train_step(x[i : i + 32], y[i : i + 32])
    print("validation", float(loss_function(y[:64], model(x[:64], training=False))))
open("trained.txt", "w").close()
"""
TIME_FIRST = """
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(40, 16, padding_idx=0)
        self.reader = nn.LSTM(16, 16, bidirectional=True)
        self.tags = nn.Linear(32, 4)

    def forward(self, words):
        return self.tags(self.reader(self.words(words))[0])

torch.manual_seed(3)
words = [torch.randint(1, 40, (int(torch.randint(4, 14, ())),)) for _ in range(640)]
data = [(w, (w + torch.roll(w, 1)) % 4) for w in words]

def collate(pairs):
    return pad_sequence([w for w, _ in pairs]), pad_sequence([t for _, t in pairs], padding_value=-1)

model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
loss_function = nn.CrossEntropyLoss(ignore_index=-1)
for epoch in range(10):
    for words, tags in torch.utils.data.DataLoader(data, batch_size=32, shuffle=True, collate_fn=collate):
        optimizer.zero_grad()
        loss = loss_function(model(words).reshape(-1, 4), tags.reshape(-1))
        loss.backward()
        optimizer.step()
"""
CLIPPED = """
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

torch.manual_seed(3)
x = torch.randn(640, 20)
y = (x[:, :5].sum(dim=1) > 0).long()
model = nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
for epoch in range(20):
    for i in range(0, 640, 32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[i : i + 32]), y[i : i + 32])
        loss.backward()
        clip_grad_norm_(model.parameters(), 0.05)
        optimizer.step()
"""
TESTS = """
def test_ten_outputs(model, batch):
    assert len(model(batch[0])[0]) == 10

def test_one_output(model, batch):
    assert len(model(batch[0])[0]) == 1, "there are more"
"""


def flown(folder, program, *options, arguments=(), status=0):
    """What the command printed, and its findings' heuristics with their first causes."""
    (folder / "program.py").write_text(program)
    options = options if "--seconds" in options else ("--seconds", "8", *options)
    command = [sys.executable, "-m", "scram_plugin", "preflight", "--format", "json", "--output", "found.json", *options]
    done = subprocess.run(
        [*command, "program.py", *arguments], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    print(done.stderr[-2000:])
    assert done.returncode == status
    if status == 2:
        return done.stderr, []
    (run,) = json.loads((folder / "found.json").read_text())["runs"]
    alone = [f for f in run["findings"] if f["explained_by"] is None and f["severity"] != "info"]
    return done.stderr, [(f["heuristic"], f["causes"][0]["id"], f) for f in alone]


def results_of(folder):
    return scram_plugin.read(folder / "logs" / "preflight")["scram"].facts["preflight"]


@pytest.mark.parametrize(
    "program",
    few([KERAS, OF_TENSORFLOW, TORCH], lambda program: program is not OF_TENSORFLOW),
    ids=["keras", "tensorflow", "torch"],
)
def test_a_sound_program(program, tmp_path):
    _, found = flown(tmp_path, program)
    assert found == []
    made = results_of(tmp_path)
    assert {name for name, result in made.items() if not result.get("reason")} >= {
        *("gradients", "one_batch", "inputs", "samples", "rates", "memory")
    }
    assert made["one_batch"]["last"] < 0.1 * made["one_batch"]["first"]
    # the program's own log is not written to
    assert sorted(p.name for p in (tmp_path / "logs").iterdir()) == ["preflight"]


def test_a_fault_is_named_with_the_line_that_mends_it(tmp_path):
    _, found = flown(tmp_path, KERAS.replace('Dense(10, activation="softmax")', "Dense(10)"), status=1)
    heuristic, cause, finding = found[0]
    assert (heuristic, cause) == ("output-activation-mismatch", "missing-softmax")
    edit = finding["fixes"][0]["edit"]
    assert edit["file"] == "program.py"
    assert 'activation="softmax"' in edit["after"] or "from_logits=True" in edit["after"]


@pytest.mark.slow
def test_a_loop_with_functions_and_without_a_loader(tmp_path):
    _, found = flown(tmp_path, FUNCTIONS, "--tests", str(own(tmp_path)), arguments=["10"], status=1)
    assert [(heuristic, finding["title"]) for heuristic, _, finding in found] == [
        ("own-tests", "Your test test_one_output failed")
    ]
    assert "there are more" in found[0][2]["summary"]
    assert "line 6" in found[0][2]["summary"]
    assert results_of(tmp_path)["one_batch"]["examples"] == 16
    assert not (tmp_path / "trained.txt").exists(), "the training itself is not made"


@pytest.mark.slow
def test_time_and_batch_that_are_confused_are_put_right_by_the_edit(tmp_path):
    _, found = flown(tmp_path, RECURRENT, status=1)
    (mixed,) = [f for heuristic, cause, f in found if (heuristic, cause) == ("mixed-samples", "batch-first")]
    edit = mixed["fixes"][0]["edit"]
    assert edit["before"].strip() == "self.reader = nn.GRU(3, 16)"
    assert edit["after"].strip() == "self.reader = nn.GRU(3, 16, batch_first=True)"
    mended = RECURRENT.replace(edit["before"], edit["after"])
    (tmp_path / "mended").mkdir()
    assert "mixed-samples" not in [heuristic for heuristic, _, _ in flown(tmp_path / "mended", mended)[1]]


def test_a_model_that_trains_in_evaluation_mode(tmp_path):
    program = FUNCTIONS.replace("torch.nn.ReLU()", "torch.nn.ReLU(), torch.nn.Dropout(0.5)")
    _, found = flown(tmp_path, program.replace("x, y =", "model.eval()\nx, y ="), arguments=["3"])
    assert [(heuristic, cause) for heuristic, cause, _ in found] == [("training-loop", "left-in-eval")]


def test_what_is_optimised_through_a_model_is_no_training_of_it(tmp_path):
    program = FUNCTIONS.replace("model.parameters(), lr=0.1", "[x], lr=0.1").replace(
        "optimizer =", "x = torch.randn(320, 6, requires_grad=True)\nmodel.eval()\noptimizer ="
    )
    said, _ = flown(tmp_path, program.replace("x, y = torch.randn(320, 6), ", "y = "), arguments=["3"], status=2)
    assert "trained no model that is known" in said


@pytest.mark.parametrize("way", few(["eager", "traced"], lambda way: way == "traced"))
def test_a_loop_with_a_tape_is_watched(way, tmp_path):
    program = TAPE if way == "traced" else TAPE.replace("@tf.function", "")
    twice = program.replace("keras.layers.Dense(3)", 'keras.layers.Dense(3, activation="softmax")')
    _, found = flown(tmp_path, twice)
    assert [(heuristic, cause) for heuristic, cause, _ in found] == [("output-activation-mismatch", "twice")]
    assert results_of(tmp_path)["one_batch"]["reason"]
    assert not (tmp_path / "trained.txt").exists(), "the training itself is not made"


def test_a_sound_loop_with_a_tape(tmp_path):
    mine = TAPE.replace(
        "@tf.function", 'import scram_plugin\nwatch = scram_plugin.watch(model, optimizer, "mine")\n\n@tf.function'
    )
    assert flown(tmp_path, mine)[1] == []
    assert not (tmp_path / "mine").exists(), "the program's own log is not written to"


def test_a_batch_whose_first_axis_is_the_time(tmp_path):
    _, found = flown(tmp_path, TIME_FIRST)
    assert found == []
    made = results_of(tmp_path)
    assert "may be the time" in made["samples"]["reason"]
    # the loss leaves out a class, and its outputs are reshaped
    assert made["one_batch"]["last"] < 0.2 * made["one_batch"]["first"]


def test_a_tape_before_fit_is_none_of_the_training(tmp_path):
    before, _, _ = TAPE.partition("@tf.function")
    shown = (
        "with tf.GradientTape() as tape:\n"
        "    loss = loss_function(y[:32], model(x[:32]))\n"
        "print([float(tf.norm(g)) for g in tape.gradient(loss, model.trainable_variables)])\n"
        "model.compile(optimizer, loss_function)\nmodel.fit(x, y, epochs=9)\n"
    )
    said, found = flown(tmp_path, before + shown)
    assert found == []
    assert "SCRAM has seen no training step" not in said
    assert results_of(tmp_path)["one_batch"]["last"] < 0.1 * results_of(tmp_path)["one_batch"]["first"]


def test_outputs_of_each_position_with_time_and_batch_confused(tmp_path):
    program = RECURRENT.replace("states[:, -1]", "states").replace(
        "loss_function(model(x[i : i + 32])", "loss_function(model(x[i : i + 32]).flatten(0, 1)"
    )
    program = program.replace("y[i : i + 32])", "y[i : i + 32].repeat_interleave(12))")
    _, found = flown(tmp_path, program, status=1)
    assert ("mixed-samples", "batch-first") in [(heuristic, cause) for heuristic, cause, _ in found]


def test_the_clipping_of_another_network_is_none_of_this_one(tmp_path):
    program = CLIPPED.replace("RATE", "0.1").replace("optimizer =", "side = nn.Linear(20, 2)\noptimizer =")
    assert flown(tmp_path, program.replace("clip_grad_norm_(model.parameters()", "clip_grad_norm_(side.parameters()"))[1] == []
    assert "blown" in results_of(tmp_path)["rates"]


def test_rates_are_tried_with_the_clipping_of_the_program(tmp_path):
    assert flown(tmp_path, CLIPPED.replace("RATE", "2.0"))[1] == []
    # nothing diverges, and that the loss falls at high rates says nothing of a low one
    assert "clips its gradients" in results_of(tmp_path)["rates"]["reason"]
    assert set(results_of(tmp_path)["rates"]) & {"blown", "steepest", "lowest"} == set()


def own(folder):
    path = folder / "mine.py"
    path.write_text(TESTS)
    return path


def test_a_program_that_dies_in_its_first_step_is_judged_by_what_was_seen(tmp_path):
    program = TORCH.replace("y = torch.tensor(labels)", "y = torch.tensor(labels + 1)")
    said, found = flown(tmp_path, program, status=1)
    assert "IndexError" in said
    assert found[0][:2] == ("label-range", "from-one")


@pytest.mark.parametrize(
    ("program", "options", "said"),
    [
        ("print('hello')\n", (), "trained no model"),
        ("raise SystemExit(3)\n", (), "ended (3) before it trained a model"),
        ("import missing_module_of_nobody\n", (), "No module named"),
        ("this is no program\n", (), "SyntaxError"),
        (FUNCTIONS, ("--seconds", "0"), "--seconds takes a number"),
        (FUNCTIONS, ("--memory", "much"), "512M or 8G"),
        (FUNCTIONS, ("--tests", "nowhere.py"), "no such test file"),
        (FUNCTIONS, ("--select", "nonsense"), "there is no heuristic 'nonsense'"),
    ],
)
def test_what_cannot_be_tested_is_said(program, options, said, tmp_path):
    printed, _ = flown(tmp_path, program, *options, status=2)
    assert said in printed


def test_a_model_that_nothing_can_be_put_through(tmp_path):
    program = """
import keras
import numpy as np

class Game(keras.Model):
    def train_step(self, data):
        return {"loss": 0.0}

game = Game()
game.compile("adam")
game.fit(np.zeros((64, 4)), epochs=1)
"""
    said, _ = flown(tmp_path, program, status=2)
    assert "Game has no `call`" in said
    assert "Traceback" not in said


def test_a_program_that_is_not_there(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "scram_plugin", "preflight", "nowhere.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "scram: nowhere.py: there is no such file"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "has no function whose name begins with test_"),
        ("def test_it(tokenizer): ...\n", "takes the argument 'tokenizer'"),
        ("1 / 0\n", "cannot be imported: ZeroDivisionError"),
    ],
)
def test_a_file_of_tests_that_cannot_be_used(text, said, tmp_path):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ValueError, match=said):
        scram_plugin.preflight(object(), [], tests=tmp_path / "mine.py")


def test_what_is_no_model():
    with pytest.raises(TypeError, match="model is a str"):
        scram_plugin.preflight("model", [])
