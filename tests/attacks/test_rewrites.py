"""Files that change under their reader in any order of acts: what is read is what a reader that begins anew reads."""

import os
import random

from hypothesis import given, settings
from hypothesis import strategies as st

import scram_plugin
from tests.attacks import held
from tests.event_files import event, record
from tests.sizes import size


def points(logs):
    return {(name, tag): (series.steps.tolist(), series.values.tolist()) for name in logs for tag, series in logs[name].items()}


def content(seed, length):
    """An event file with `length` points, of which the seed decides the values; points do not depend on the length."""
    chance = random.Random(seed)
    events = [event(i, chance.random() * 1e6, loss=chance.random()) for i in range(length)]
    return b"".join(record(e.SerializeToString()) for e in [event(0, 1.0), *events])


ACTS = st.sampled_from(["grow", "rewrite", "rewrite in place", "truncate", "replace", "restore", "touch", "remove", "forget"])


def test_after_any_acts_a_refresh_reads_what_a_new_reader_reads(tmp_path_factory, record_property):
    tried = []

    @given(st.lists(st.tuples(ACTS, st.integers(0, 3), st.integers(0, 40)), max_size=12))
    @settings(deadline=None, max_examples=size(1_000, 60))
    def act(acts):
        tried.append(len(acts))
        acted(tmp_path_factory.mktemp("logs"), acts)

    act()
    held(record_property, "rewritten, cut, replaced and restored files", sum(tried), [])


def acted(folder, acts):
    """Do all this to a file; after each act, compare the reader with a new one."""
    path = folder / "x.tfevents.1"
    path.write_bytes(content(0, 5))
    saved, (seed, length) = path.read_bytes(), (0, 5)
    logs = scram_plugin.read(folder)
    for act, new_seed, number in acts:
        if act == "grow":
            length += number
            with path.open("ab") as file:  # more of the same, if it is whole
                file.write(content(seed, length)[len(content(seed, length - number)) :])
        elif act == "rewrite":
            seed, length = new_seed, number
            path.write_bytes(content(seed, length))
        elif act == "rewrite in place" and path.exists():
            seed = new_seed
            with path.open("r+b") as file:
                file.write(content(seed, length))
        elif act == "truncate" and path.exists():
            os.truncate(path, path.stat().st_size * number // 41)
        elif act == "replace":
            seed, length = new_seed, number
            other = folder / "new"
            other.write_bytes(content(seed, length))
            other.replace(path)
        elif act == "restore":
            path.write_bytes(saved)
        elif act == "touch":
            path.touch()
        elif act == "remove":
            path.unlink(missing_ok=True)
        elif act == "forget" and "." in logs:
            logs["."].forget()
        saved = path.read_bytes() if path.exists() and number % 2 else saved
        logs.refresh()
        fresh = scram_plugin.read(folder)
        assert points(logs) == points(fresh)
        assert [p.sentence for p in logs.problems] == [p.sentence for p in fresh.problems]
