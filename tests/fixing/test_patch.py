"""Edits of recorded lines, carried over to the lines on the disk: nothing else changes, and what does not fit is refused."""

import shutil
import subprocess

import pytest

from scram_plugin.fixing.lines import Changed, carried_over
from scram_plugin.fixing.patch import DoesNotFit, apply, made, read
from scram_plugin.heuristics.edits import Edit
from scram_plugin.redaction import redacted

PROGRAM = """\
# Größe der Schritte
import keras  # für alle

model = keras.Sequential([
\tkeras.layers.Dense(8, activation="relu", name="erste"),  # Schlüssel: geheim
\tkeras.layers.Dense(1),
])
model.compile(keras.optimizers.Adam(1e10), loss="mse", metrics=["my metric", "accuracy"])  # zu groß?
print("fertig: 100 %")
"""


def recorded_edit(program, old, new, more=()):
    """The edit that replaces `old` by `new`, made on the lines as a log has them."""
    shown = redacted(program).split("\n")
    at = next(i for i, line in enumerate(shown) if old in line)
    return Edit("train.py", at + 1, shown[at], shown[at].replace(old, new), more=tuple(more))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.py").write_bytes(PROGRAM.encode())
    return tmp_path


def test_hidden_texts_and_comments_stay(folder):
    edit = recorded_edit(PROGRAM, "1e10", "0.001")
    assert "geheim" not in edit.before
    assert "…" in edit.before
    apply(made(edit, "the rate is too high", folder))
    assert (folder / "train.py").read_text(encoding="utf-8") == PROGRAM.replace("1e10", "0.001")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", ["\n", ""])
def test_every_other_byte_stays(folder, end, bom, last):
    text = PROGRAM.rstrip("\n") + last
    (folder / "train.py").write_bytes(bom + text.replace("\n", end).encode())
    shown = redacted(PROGRAM).split("\n")
    line = shown[4]
    edit = Edit("train.py", 5, line, f"\tkeras.layers.Rescaling(1.0 / 255),\n{line}")
    apply(made(edit, "", folder))
    lines = text.split("\n")
    expected = [*lines[:4], "\tkeras.layers.Rescaling(1.0 / 255),", *lines[4:]]
    assert (folder / "train.py").read_bytes() == bom + end.join(expected).encode()


def test_an_encoding_that_the_program_names_is_kept(folder):
    text = "# -*- coding: latin-1 -*-\nrate = 1e10  # größer\n"
    (folder / "train.py").write_bytes(text.encode("latin-1"))
    apply(made(recorded_edit(text, "1e10", "0.1"), "", folder))
    assert (folder / "train.py").read_bytes() == text.replace("1e10", "0.1").encode("latin-1")


def test_lines_that_moved_are_found_where_they_are_the_only_ones(folder):
    edit = recorded_edit(PROGRAM, "1e10", "0.001")
    (folder / "train.py").write_text("import os\n" + PROGRAM, encoding="utf-8")
    apply(made(edit, "", folder))
    assert (folder / "train.py").read_text(encoding="utf-8") == "import os\n" + PROGRAM.replace("1e10", "0.001")
    twice = "x = 1\nrate = 1e10\nrate = 1e10\n"
    with pytest.raises(Changed, match="more than once"):
        carried_over(twice, 1, "rate = 1e10", "rate = 1")


@pytest.mark.parametrize("now", [PROGRAM.replace("1e10", "1e9"), "", "x = (\n"])
def test_a_program_that_has_changed_is_refused_with_a_sentence(folder, now):
    edit = recorded_edit(PROGRAM, "1e10", "0.001")
    (folder / "train.py").write_text(now, encoding="utf-8")
    with pytest.raises(DoesNotFit, match=r"train\.py, line 8: it has changed since"):
        made(edit, "", folder)
    assert (folder / "train.py").read_text(encoding="utf-8") == now


def test_all_places_or_none(folder):
    (folder / "data.py").write_text("batch = 1\n")
    second = Edit("data.py", 1, "batch = 1", "batch = 32", reason="batch normalization needs several")
    edit = recorded_edit(PROGRAM, "1e10", "0.001", [second])
    patch = made(edit, "too high", folder)
    assert patch.files == ["data.py", "train.py"]
    assert [hunk.reason for hunk in patch.hunks] == ["too high", "batch normalization needs several"]
    (folder / "data.py").write_text("batch = 2\n")
    with pytest.raises(DoesNotFit, match="changed in the meantime"):
        apply(patch)
    assert (folder / "train.py").read_text(encoding="utf-8") == PROGRAM
    with pytest.raises(DoesNotFit, match=r"data\.py, line 1: it has changed since"):
        made(edit, "too high", folder)


@pytest.mark.parametrize("name", ["../train.py", "/etc/passwd.py", "sub/../../x.py", "train.txt", "absent.py"])
def test_only_programs_below_the_directory_are_read(folder, name):
    (folder / "train.txt").write_text("x")
    (folder / "below").mkdir()
    with pytest.raises(DoesNotFit):
        read(name, folder / "below")


def test_a_link_out_of_the_directory_is_refused(folder):
    (folder / "below").mkdir()
    (folder / "below" / "train.py").symlink_to(folder / "train.py")
    with pytest.raises(DoesNotFit, match="by a link"):
        read("train.py", folder / "below")


def test_what_would_be_no_python_is_refused(folder):
    edit = Edit("train.py", 7, "])", ")")
    with pytest.raises(DoesNotFit, match="no Python"):
        made(edit, "", folder)


def test_two_fixes_become_one_patch_unless_they_meet(folder):
    rate = made(recorded_edit(PROGRAM, "1e10", "0.001"), "the rate", folder)
    size = made(recorded_edit(PROGRAM, "Dense(1)", "Dense(2)"), "the size", folder)
    both = rate.joined(size)
    assert both.joined(rate).hunks == both.hunks
    other = made(recorded_edit(PROGRAM, "1e10", "0.1"), "another rate", folder)
    assert both.joined(other) is None
    apply(both)
    changed = PROGRAM.replace("1e10", "0.001").replace("Dense(1)", "Dense(2)")
    assert (folder / "train.py").read_text(encoding="utf-8") == changed


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs the command patch")
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_diff_is_one_for_patch_and_takes_the_change_back(folder, end):
    content = PROGRAM.rstrip("\n").replace("\n", end).encode()  # without an end of the last line
    (folder / "train.py").write_bytes(content)
    last = PROGRAM.rstrip("\n").count("\n") + 1
    second = Edit("train.py", last, 'print("…")', 'print("…", 1)')
    patch = made(recorded_edit(PROGRAM, "1e10", "0.001", [second]), "the rate", folder)
    assert " @@ the rate" in patch.diff()
    apply(patch)
    assert (folder / "train.py").read_bytes() == patch.after("train.py") != content
    command = ["patch", "-R", "-p1", "--binary", "--quiet"]
    subprocess.run(command, cwd=folder, input=patch.diff().encode(), check=True)
    assert (folder / "train.py").read_bytes() == content


def test_texts_that_change_places_are_not_guessed():
    program = 'f("one secret", "another secret", size=3)\n'
    shown = redacted(program).rstrip("\n")
    swapped = carried_over(program, 1, shown, shown.replace("size=3", "size=4"))
    assert swapped.new == ('f("one secret", "another secret", size=4)',)
    with pytest.raises(Changed, match="moves texts"):
        carried_over(program, 1, shown, 'f("…", "…", "…", size=3)')
    with pytest.raises(Changed, match="moves texts"):
        carried_over(program, 1, shown, 'f("…", size=3)')  # which of them?
    program = 'compile(metrics=["my metric"], jit="my mode")\n'
    without = 'compile(metrics=["…"])'
    assert carried_over(program, 1, redacted(program).rstrip("\n"), without).new == ('compile(metrics=["my metric"])',)
