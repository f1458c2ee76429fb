"""Millions of tags: so many are kept at most, and the others are counted and named."""

import tracemalloc

import pytest

import scram_plugin
from scram_plugin.logs import tags
from scram_plugin.logs.pairing import training_runs
from tests.event_files import event, write

MOST, MORE = 500, 4_000


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(tags.Tags.__init__, "__defaults__", (MOST,))


def told(logdir):
    logs = scram_plugin.read(logdir)
    (run,) = training_runs(logs)
    return logs, [note for note in run.notes() if "that SCRAM reads" in note]


def test_tags_beyond_the_limit_are_counted_and_named(tmp_path, few):
    values = {f"tag{i}": 1.0 for i in range(MOST + MORE)}
    events = [
        event(0, 1e9, loss=2.0),
        *(event(1, 1e9, **{tag: value}) for tag, value in values.items()),
        event(2, 1e9, loss=1.0),
    ]
    write(tmp_path / "events.out.tfevents.1.host", events)
    write(tmp_path / "events.out.tfevents.2.host", events)
    logs, notes = told(tmp_path)
    assert len(logs["."]) == MOST
    assert logs["."]["loss"].values.tolist() == [2.0, 1.0] * 2  # a tag that is kept loses no point
    (note,) = notes
    assert any(f"about {count:,} tags more than the {MOST:,}" in note for count in range(MORE, MORE + 10))
    assert "'tag" in note
    assert any("tags more" in problem.sentence for problem in logs.problems)


def test_as_many_tags_as_are_read_are_no_news(tmp_path, few):
    write(tmp_path / "events.out.tfevents.1.host", [event(1, 1e9, **{f"tag{i}": 1.0 for i in range(MOST)})])
    logs, notes = told(tmp_path)
    assert (len(logs["."]), notes, logs.problems) == (MOST, [], [])


def test_points_that_were_let_go_are_of_the_same_tags_when_read_again(tmp_path, few):
    write(tmp_path / "events.out.tfevents.1.host", [event(i, 1e9, **{f"tag{i}": 1.0}) for i in range(MOST + MORE)])
    logs, notes = told(tmp_path)
    before = list(logs["."])
    logs._runs["."].forget()
    assert all(len(logs["."][tag]) == 1 for tag in before)
    assert told(tmp_path)[1] == notes


def test_memory_is_bounded_whatever_the_number_of_tags(tmp_path, few):
    peaks = []
    for name, count in (("fewer", 10_000), ("more", 60_000)):
        write(tmp_path / name / "events.out.tfevents.1.host", (event(1, 1e9, **{f"tag{i}": 1.0}) for i in range(count)))
        tracemalloc.start()
        logs = scram_plugin.read(tmp_path / name)
        peaks.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert len(logs["."]) == MOST
    assert peaks[1] < 2 * peaks[0] + (4 << 20)
