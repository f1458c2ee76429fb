"""Settings of logs that come from anybody: nothing is executed, nothing hangs, and a broken one costs a note."""

import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from scram_plugin.logs.configs import Garbled, of_text
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.settings import settings_of
from tests.logs.test_settings import put, values, with_a_log

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} {{" + f"b: *a{n - 1}, c: *a{n - 1}" + "}\n" for n in range(1, 60))
LISTS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)) + "precision: *a59\n"
HOSTILE = {
    "code": 'lr: 0.5\nx: !!python/object/apply:os.system ["touch {}"]\ny: !!python/object/new:os.system ["touch {}"]\n',
    "a bomb of aliases": BOMB,
    "a bomb of lists": LISTS,
    "merges": "a: &a {"
    + ", ".join(f"k{n}: 1" for n in range(3000))
    + "}\n"
    + "".join(f"m{n}: {{<<: *a}}\n" for n in range(3000)),
    "an alias to itself": "lr: 0.5\na: &a {b: *a, c: [*a]}\n",
    "deep": "x: " + "[" * 5000,
    "deep mappings": "{a: " * 5000,
    "many": "".join(f"k{n}: 1\n" for n in range(30_000)),
    "large": "x: " + "y" * (1 << 20) + "\n",
    "bytes": "lr: \x00\x07\n",
    "half": "lr: 0.5\nx: {a: [1, 2",
    "no mapping": "- 1\n- 2\n",
    "nothing but a comment": "# lr: 1\n",
    "tabs": "lr:\t0.5\n\tx: 1\n",
    "keys that are lists": "? [a, b]\n: 1\nlr: 0.5\n",
    "an unknown anchor": "lr: *nobody\n",
    "two documents": "lr: 0.5\n---\nlr: 0.7\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_yaml_costs_a_note_at_most(kind, tmp_path):
    log, made = with_a_log(tmp_path / "log"), tmp_path / "made"
    put(log / "args.yaml", HOSTILE[kind].replace("{}", str(made)) if kind == "code" else HOSTILE[kind])
    began = time.process_time()
    logs = read(log)
    (run,) = training_runs(logs)
    assert set(values(run).items()) <= {("learning rate", 0.5)}
    assert run.signal("training loss") is not None
    assert time.process_time() - began < 5
    assert not made.exists()
    assert len(logs.problems) <= 1
    print(values(run), [problem.sentence for problem in logs.problems])
    assert bool(values(run)) == (kind in ("code", "an alias to itself", "keys that are lists", "two documents"))


@pytest.mark.parametrize(
    "text",
    ["{" * 100_000, "x = " + "-" * 100_000 + "1", "f(" * 5000, "[" * 200, "x = " + "(" * 150, "\\", "{'a': b}", "{1: {2: 3}}"],
)
def test_hostile_texts(text):
    for tag in ("config/text_summary", "args/text_summary", "sys.argv/text_summary"):
        try:
            assert settings_of(of_text(tag, text), "") == {}
        except Garbled:
            continue


def test_parsing_in_threads_leaves_the_warnings_of_the_program_alone():
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: dict(of_text("config/text_summary", f"x = '{n}'\nlr = 0.1\n" * 50)), range(400)))
    assert warnings.filters == before
