"""The names of SCRAM's columns: written and read by one class, whatever layers are called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scram_plugin.schema import WITH_PATH, Column, column, column_of, column_tag, parse_tag, thing
from scram_plugin.training.merging import merge
from scram_plugin.training.sampling import ROWS, Thinning

NAMES = {
    "loss": Column("", None, "loss"),
    "weights/probe": Column("weights", None, "probe"),
    "gradient/kept": Column("gradient", None, "kept"),
    "x0/mean": Column("x0", None, "mean"),
    "x0/mean/3": Column("x0", None, "mean", "3"),
    "y0/count/other": Column("y0", None, "count", "other"),
    "loss/nan": Column("loss", None, "nan"),
    "layer/encoder/dense/dead": Column("layer", "encoder/dense", "dead"),
    "layer/0.norm/std": Column("layer", "0.norm", "std"),
    "layer//mean": Column("layer", "", "mean"),
    "gradient/dense/kernel/norm": Column("gradient", "dense/kernel", "norm"),
}
texts = st.text(st.characters(exclude_characters="/", exclude_categories=("Cs",)), min_size=1)


@pytest.mark.parametrize(("name", "parts"), NAMES.items())
def test_names_of_columns(name, parts):
    assert Column.parse(name) == parts
    assert str(parts) == name
    assert column_of(thing(parts.kind, parts.path), parts.statistic) == name or not parts.kind or parts.part
    assert parse_tag(column_tag("statistics", name)) == parts


@given(st.text(alphabet="ab/0", max_size=8) | st.text())
def test_any_name_is_written_as_it_was_read(name):
    assert str(Column.parse(name)) == name


@given(st.sampled_from(WITH_PATH), st.lists(texts, min_size=1).map("/".join), texts)
def test_what_is_written_is_read(kind, path, statistic):
    assert Column.parse(column(kind, path, statistic)) == Column(kind, path, statistic)
    assert column_of(thing(kind, path), statistic) == column(kind, path, statistic)


def test_a_layer_may_be_called_like_a_statistic():
    """`layer/max/mean` was merged and thinned as a maximum, `layer/norm/mean` too."""
    columns = ("layer/max/mean", "layer/norm/std", "layer/min/mean", "layer/a/dead")
    rows = np.array([[1.0, 1.0, 1.0, 0.5], [3.0, 3.0, 3.0, 0.25]], np.float32)
    merged = merge(columns, rows)
    assert merged[[0, 2, 3]].tolist() == [2.0, 2.0, 0.25]
    thinning = Thinning()
    steps = np.arange(ROWS + 2)
    written = thinning.merge(columns, steps, steps.astype(float), [*np.zeros((ROWS, 4)), rows[1], rows[0]])
    assert written[2][-1].tolist() == [1.0, 1.0, 1.0, 0.5], "the last row, and the largest share of dead units"


def test_tags_of_others_are_no_columns():
    assert parse_tag("train/loss") is None
    assert parse_tag("scram/facts") is None
