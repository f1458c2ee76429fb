"""Labels that a program shifts for a model that shifts them itself."""

import pytest

from scram_plugin.heuristics import edits
from tests.heuristics.edited import changed, facts

TRAINER = {"framework": "torch", "trainer": "hugging face"}
CHUNKS = """\
class Chunks(Dataset):
    def __getitem__(self, i):
        start = i * self.length
        input_ids = self.ids[start : start + self.length]
        labels = self.ids[start + 1 : start + self.length + 1]
        return {"input_ids": input_ids, "labels": labels}
"""
ROWS = 'def collate(rows):\n    return {"input_ids": rows[:, :-1], "labels": rows[:, 1:]}\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (CHUNKS, "        labels = self.ids[start : start + self.length]"),
        (ROWS, '    return {"input_ids": rows[:, :-1], "labels": rows[:, :-1]}'),
        (ROWS.replace(":, ", ""), '    return {"input_ids": rows[:-1], "labels": rows[:-1]}'),
    ],
)
def test_the_labels_are_the_inputs(text, line):
    known = facts(text, **TRAINER)
    assert f"+ {line}" in changed(known, edits.take_inputs_as_labels(known))


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (CHUNKS, {"framework": "torch"}),
        (CHUNKS + CHUNKS, TRAINER),
        (ROWS.replace("1:]", "2:]"), TRAINER),
        (ROWS.replace("rows[:, 1:]", "others[:, 1:]"), TRAINER),
    ],
    ids=["its own loop", "twice", "by two", "of others"],
)
def test_nothing_is_changed_where_that_is_not_sure(text, how):
    assert edits.take_inputs_as_labels(facts(text, **how)) is None
