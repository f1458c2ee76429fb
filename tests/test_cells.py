"""The cells of a notebook, as the recorder tells them: which are versions of one, and under which names."""

import pytest

from scram_plugin.training.program_files import cells

FIT = "model.fit(x, y)"


@pytest.mark.parametrize(
    ("ran", "kept"),
    [
        (["", "y = y[order]", "X = X[order]", FIT], [1, 2]),
        (["", "x_train = x_train / 255.0", "x_test = x_test / 255.0", FIT], [1, 2]),
        (["", "import a\nmodel = build(3)", "import a\nmodel = build(4)", FIT], [2]),  # changed, and run again
        (["", "def build():\n    return 1\n", "x = 1", "def build():\n    return 1\n", FIT], [2, 3]),
        (["", "x = load()", FIT, "x = x / 255", FIT], [1, 3]),
        (["", "%time nothing", "", None, 3, FIT], [1]),
    ],
)
def test_cells_that_have_run(ran, kept):
    told = cells(FIT, ran)
    assert told[0] == (f"notebook cell {len(ran) - 1}", FIT)
    assert [(name, text) for name, text in told[1:]] == [(f"notebook cell {n}", ran[n]) for n in kept]


@pytest.mark.parametrize("ran", [None, 7, [], ["x = 1"]])
def test_a_cell_alone_where_the_others_are_not_known(ran):
    assert cells(FIT, ran) == [("notebook cell", FIT)]
