"""Edits of the lines on the disk: nothing else changes, and what does not fit is refused."""

import shutil
import subprocess

import pytest

from scram_plugin.fixing.on_disk import DoesNotFit, OnDisk, read
from scram_plugin.fixing.patch import apply, made
from scram_plugin.heuristics.edits import Edit

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


class Disk(OnDisk):
    """Of no training run: files of the user's own."""

    def __init__(self, folder):
        self.folder, self._recorded, self._read = folder, {}, {}


def edited(program, old, new, more=()):
    """The edit that replaces `old` by `new`."""
    lines = program.split("\n")
    at = next(i for i, line in enumerate(lines) if old in line)
    return Edit("train.py", at + 1, lines[at], lines[at].replace(old, new), more=tuple(more))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.py").write_bytes(PROGRAM.encode())
    return tmp_path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", ["\n", ""])
def test_every_other_byte_stays(folder, end, bom, last):
    text = PROGRAM.rstrip("\n") + last
    (folder / "train.py").write_bytes(bom + text.replace("\n", end).encode())
    line = PROGRAM.split("\n")[4]
    edit = Edit("train.py", 5, line, f"\tkeras.layers.Rescaling(1.0 / 255),\n{line}")
    apply(made(edit, "", Disk(folder)))
    lines = text.split("\n")
    expected = [*lines[:4], "\tkeras.layers.Rescaling(1.0 / 255),", *lines[4:]]
    assert (folder / "train.py").read_bytes() == bom + end.join(expected).encode()


def test_an_encoding_that_the_program_names_is_kept(folder):
    text = "# -*- coding: latin-1 -*-\nrate = 1e10  # größer\n"
    (folder / "train.py").write_bytes(text.encode("latin-1"))
    apply(made(edited(text, "1e10", "0.1"), "", Disk(folder)))
    assert (folder / "train.py").read_bytes() == text.replace("1e10", "0.1").encode("latin-1")


@pytest.mark.parametrize("now", [PROGRAM.replace("1e10", "1e9"), "", "x = (\n"])
def test_a_program_that_has_changed_is_refused_with_a_sentence(folder, now):
    edit = edited(PROGRAM, "1e10", "0.001")
    (folder / "train.py").write_text(now, encoding="utf-8")
    with pytest.raises(DoesNotFit, match=r"train\.py, line 8: it has changed since"):
        made(edit, "", Disk(folder))
    assert (folder / "train.py").read_text(encoding="utf-8") == now


def test_all_places_or_none(folder):
    (folder / "data.py").write_text("batch = 1\n")
    second = Edit("data.py", 1, "batch = 1", "batch = 32", reason="batch normalization needs several")
    edit = edited(PROGRAM, "1e10", "0.001", [second])
    patch = made(edit, "too high", Disk(folder))
    assert patch.files == ["data.py", "train.py"]
    assert [hunk.reason for hunk in patch.hunks] == ["too high", "batch normalization needs several"]
    (folder / "data.py").write_text("batch = 2\n")
    with pytest.raises(DoesNotFit, match="changed in the meantime"):
        apply(patch)
    assert (folder / "train.py").read_text(encoding="utf-8") == PROGRAM
    with pytest.raises(DoesNotFit, match=r"data\.py, line 1: it has changed since"):
        made(edit, "too high", Disk(folder))


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
        made(edit, "", Disk(folder))


def test_two_fixes_become_one_patch_unless_they_meet(folder):
    rate = made(edited(PROGRAM, "1e10", "0.001"), "the rate", Disk(folder))
    size = made(edited(PROGRAM, "Dense(1)", "Dense(2)"), "the size", Disk(folder))
    both = rate.joined(size)
    assert both.joined(rate).hunks == both.hunks
    other = made(edited(PROGRAM, "1e10", "0.1"), "another rate", Disk(folder))
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
    second = Edit("train.py", last, 'print("fertig: 100 %")', 'print("fertig: 100 %", 1)')
    patch = made(edited(PROGRAM, "1e10", "0.001", [second]), "the rate", Disk(folder))
    assert " @@ the rate" in patch.diff()
    apply(patch)
    assert (folder / "train.py").read_bytes() == patch.after("train.py") != content
    command = ["patch", "-R", "-p1", "--binary", "--quiet"]
    subprocess.run(command, cwd=folder, input=patch.diff().encode(), check=True)
    assert (folder / "train.py").read_bytes() == content
