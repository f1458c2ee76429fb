"""The copy of a program's directory: what it needs is there, what is large is a link, and the rest is left out."""

import pytest

from scram_plugin.errors import BadOption
from scram_plugin.fixing import copies
from scram_plugin.fixing.copies import copy


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "program"
    for name in ("package", ".git", "env", "__pycache__", "data", "logs/exp/train", "more/few"):
        (folder / name).mkdir(parents=True)
    (folder / "train.py").write_text("import package")
    (folder / "package" / "__init__.py").write_text("")
    (folder / ".git" / "HEAD").write_text("")
    (folder / "env" / "pyvenv.cfg").write_text("")
    (folder / "__pycache__" / "train.pyc").write_text("")
    (folder / "logs" / "exp" / "train" / "events.out.tfevents.1").write_text("")
    (folder / "weights.bin").write_bytes(bytes(copies.SMALL + 1))
    (folder / "settings.yaml").write_text("a: 1")
    for i in range(copies.MANY + 1):
        (folder / "data" / f"{i}.png").write_text("")
    (folder / "more" / "few" / "a.csv").write_text("1")
    (folder / "broken").symlink_to(folder / "absent")
    (folder / "alias.yaml").symlink_to("settings.yaml")
    return folder


def test_what_is_copied_linked_and_left_out(program, tmp_path):
    copy(program, tmp_path / "copy", program / "nothing")
    made = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*")}
    assert {"train.py", "package/__init__.py", "settings.yaml", "more/few/a.csv", "alias.yaml"} <= made
    assert not {".git", "env", "__pycache__", "logs/exp/train", "broken"} & made
    assert (tmp_path / "copy" / "weights.bin").is_symlink()
    assert (tmp_path / "copy" / "data").is_symlink()
    assert (tmp_path / "copy" / "data" / "3.png").exists()
    assert not (tmp_path / "copy" / "settings.yaml").is_symlink()
    (tmp_path / "copy" / "settings.yaml").write_text("a: 2")
    assert (program / "settings.yaml").read_text() == "a: 1"


def test_the_log_directory_is_left_out(program, tmp_path):
    copy(program, tmp_path / "copy", program / "more")
    assert not (tmp_path / "copy" / "more").exists()


def test_a_directory_that_is_too_large_is_refused(program, tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "MOST_ENTRIES", 5)
    with pytest.raises(BadOption, match="too many to copy for a proof; start in the directory of the program"):
        copy(program, tmp_path / "copy", program / "nothing")
