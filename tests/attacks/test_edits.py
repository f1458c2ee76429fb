"""Forged logs that want a line of their own in the user's program: what is inserted is on the disk, or SCRAM's own."""

import ast
import itertools
import json
import random
import re
import shutil
import subprocess
import sys
import time

import pytest
from tensorboard.compat.proto import tensor_pb2, types_pb2

from scram_plugin import schema
from scram_plugin.fixing.candidates import proposals
from scram_plugin.fixing.on_disk import OnDisk
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.edits.words import WORDS
from scram_plugin.logs.facts import clean
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.run import review
from tests.attacks import held
from tests.event_files import tensor_event, write
from tests.fixing.programs import fix
from tests.paths import DEMO_LOGS, ROOT, SCENARIOS, environment
from tests.recorded import recorded
from tests.sizes import size

# a loop that never takes a step
PROGRAM = """\
import os
import torch

model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
"""
MADE = "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)"
EVIL = (
    '__import__("os").system("touch ran").it = torch.optim.SGD(model.parameters(), lr=0.1)',
    "eval(input()).it = torch.optim.SGD(model.parameters(), lr=0.1)",
    "os.remove(loader).it = torch.optim.SGD(model.parameters(), lr=0.1)",  # names that the program has
    "optimіzer = torch.optim.SGD(model.parameters(), lr=0.1)",  # a Cyrillic letter
)


@pytest.fixture
def forged_log(tmp_path):
    """A real log of such a program, and a way to forge what it tells of the program; the program itself is honest."""
    log = tmp_path / "logs"
    shutil.copytree(recorded("torch_loops", "no-step/fault"), log)
    (tmp_path / "train.py").write_text(PROGRAM, encoding="utf-8")
    (run,) = training_runs(read(log))

    def forge(text):
        source = {"file": "train.py", "line": 9, "statements": [], "files": [{"file": "train.py", "text": text}]}
        facts = json.dumps({**run.facts, "source": source}, ensure_ascii=False).encode()
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[facts])
        event = tensor_event(0, schema.FACTS_TAG, tensor, wall_time=time.time(), plugin=schema.PLUGIN_NAME)
        write(log / schema.RUN / "events.out.tfevents.9999999999.forged", [event])
        return log

    return forge


def test_an_honest_log_is_fixed(forged_log, tmp_path):
    forged_log(PROGRAM)
    answer, _ = fix(tmp_path, "logs", "--apply")
    assert answer["applied"]
    assert (tmp_path / "train.py").read_text(encoding="utf-8") == PROGRAM + "        optimizer.step()\n"


@pytest.mark.parametrize("line", EVIL)
def test_a_line_of_the_log_is_never_written(forged_log, tmp_path, line):
    forged_log(PROGRAM.replace(MADE, line))
    answer, said = fix(tmp_path, "logs", "--apply", status=0)
    assert line.partition(" = ")[0] not in json.dumps(answer, ensure_ascii=False) + said
    assert (tmp_path / "train.py").read_text(encoding="utf-8") == PROGRAM + "        optimizer.step()\n"


@pytest.mark.parametrize("arguments", [["--prove"], ["--apply"], ["--prove", "--apply"]])
def test_nothing_runs_and_nothing_is_written_before_the_answer(forged_log, tmp_path, arguments):
    forged_log(PROGRAM)
    (tmp_path / "train.py").write_text("open('started', 'w')\n" + PROGRAM)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    command = [sys.executable, "-m", "scram_plugin", "fix", "logs", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2
    assert "+        optimizer.step()" in done.stderr, "it is shown"
    assert "There is no terminal to say yes on, so nothing was run or written: add --yes" in done.stderr
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


LOGS = {
    "pixels": (DEMO_LOGS / "cifar10" / "unnormalized", SCENARIOS),
    "overfitting": (DEMO_LOGS / "fashion_mnist" / "overfit", SCENARIOS),
    "rate": (DEMO_LOGS / "movie_reviews" / "lr_1e10", SCENARIOS),
    "targets": (recorded("keras_nonfinite_loss", "float16"), ROOT),
    "no step": (recorded("torch_loops", "no-step/fault"), ROOT),
    "loss": (recorded("keras_faults", "softmax twice"), ROOT),
    "torch loss": (recorded("torch_faults", "softmax twice"), ROOT),
}
FOREIGN = (
    "foreign",
    "foreign()",
    "Adam(foreign())",
    "x\n    foreign()\n",
    "'); foreign(); ('",
    '"""; foreign(); """',
    "__import__('foreign')",
    "{foreign()}",
    "# foreign",
    "Adam # foreign",
    "Аdam",  # a Cyrillic letter
    "SGD\u202eforeign",
    "foreign." * 5_000,
    "lambda: foreign",
    "\\x66oreign",
)


def texts(value, path=()):
    """Where the facts hold a text."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in entries:
        yield from texts(item, (*path, key))
    if isinstance(value, str):
        yield path


def put(facts, path, value):
    at = facts
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value


def foreign_in(log_run, folder, chosen):
    """What the patches of a run insert that is neither in the program on the disk nor in a template."""
    disk = OnDisk(log_run, folder)
    found = []
    for candidate in proposals(review(log_run, chosen), disk, chosen).candidates:
        for hunk in candidate.patch.hunks:
            own = candidate.patch.sources[hunk.file].text
            words = set(re.findall(r"[^\W\d]\w*", "\n".join(hunk.change.new)))
            found += sorted(words - WORDS - set(re.findall(r"[^\W\d]\w*", own)) - {"e"})
            ast.parse(candidate.patch.after(hunk.file))
    return found


def known_run(name):
    """A run, the directory of its program, and the checks."""
    log, folder = LOGS[name]
    chosen = catalogue()
    return next(r for r in training_runs(read(log), chosen.signals) if r.facts), folder, chosen


@pytest.mark.parametrize("name", LOGS)
def test_no_text_of_the_facts_comes_into_an_edit(name, record_property):
    run, folder, chosen = known_run(name)
    known = run.facts
    assert foreign_in(run, folder, chosen) == []
    where = [path for path in texts(known) if path[0] != "versions"]
    cases = list(itertools.product(where, FOREIGN))
    random.Random(1).shuffle(cases)
    broken = []
    tried = [([path], odd) for path, odd in cases[: size(len(cases), 25)]] + [(where, odd) for odd in FOREIGN]
    for paths, odd in tried:
        facts = json.loads(json.dumps(known))
        for path in paths:
            put(facts, path, odd)
        run.facts = clean(facts)[0]
        if foreign := foreign_in(run, folder, chosen):
            broken.append(f"{name}: {len(paths)} texts, the first at {paths[0]}, are {odd[:30]!r}: {foreign[:3]}")
    held(record_property, "forged texts of facts", len(tried), broken)


@pytest.mark.parametrize("name", LOGS)
def test_no_word_of_the_recorded_program_comes_into_an_edit(name, record_property):
    run, folder, chosen = known_run(name)
    known = json.dumps(run.facts["source"])
    words = sorted(set(re.findall(r"[^\W\d]\w*", known)) - {"source", "file", "files", "line", "statements", "text", "role"})
    cases = list(itertools.product(words, ("foreign", "foreign().it", "self.foreign")))
    random.Random(2).shuffle(cases)
    tried, broken = cases[: size(len(cases), 25)], []
    for word, odd in tried:
        run.facts = clean({**run.facts, "source": json.loads(re.sub(rf"\b{word}\b", odd, known))})[0]
        if foreign := foreign_in(run, folder, chosen):
            broken.append(f"{name}: {word} -> {odd}: {foreign[:3]}")
    held(record_property, "forged words of programs", len(tried), broken)
