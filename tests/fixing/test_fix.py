"""`scram fix` of recorded trainings: the patch, what is refused, and what is written when it is asked for."""

import json
import shutil
import subprocess
import sys

import pytest

import scram_plugin
from scram_plugin.fixing.ask import Asked, answer
from scram_plugin.fixing.report import as_json
from scram_plugin.heuristics.catalogue import catalogue
from tests.event_files import curve
from tests.fixing.programs import fix
from tests.paths import DEMO_LOGS, SCENARIOS

RATE = "movie_reviews/lr_1e10$"


def revert(folder, status=0):
    done = subprocess.run([sys.executable, "-m", "scram_plugin", "fix", "--revert"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout or done.stderr


@pytest.fixture
def folder(tmp_path):
    for program in SCENARIOS.glob("*.py"):
        shutil.copy(program, tmp_path)
    return tmp_path


def test_the_patch_is_printed_and_nothing_is_written(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    answer, said = fix(folder, str(DEMO_LOGS), "--run", RATE)
    assert answer["run"] == "movie_reviews/lr_1e10"
    assert answer["fix"]["findings"] == ["nonfinite-loss"]
    (place,) = answer["fix"]["places"]
    assert place["before"] == "    optimizer=keras.optimizers.Adam(learning_rate=1e10),"
    assert place["reason"].startswith("Loss became NaN at batch 4")
    assert (answer["proven"], answer["applied"], answer["take_back"], said) == (None, False, None, "")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_text_has_the_diff_with_its_reason_and_what_to_do_next(folder):
    command = [sys.executable, "-m", "scram_plugin", "fix", str(DEMO_LOGS), "--run", RATE]
    text = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert "@@ Loss became NaN at batch 4 of epoch 1\n" in text
    assert "+    optimizer=keras.optimizers.Adam(learning_rate=0.001),\n" in text
    assert text.endswith("Nothing was written. To write it to movie_reviews.py: add --apply\n")


@pytest.mark.parametrize("name", ["cifar10/unnormalized", "fashion_mnist/overfit", "movie_reviews/lr_1e10"])
def test_apply_and_take_back(folder, name):
    program = folder / f"{name.partition('/')[0]}.py"
    before = program.read_bytes()
    answer, _ = fix(folder, str(DEMO_LOGS), "--run", name, "--apply")
    assert answer["applied"]
    assert program.read_bytes() != before
    assert answer["take_back"] == "scram fix --revert"
    revert(folder)
    assert program.read_bytes() == before
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".py") == sorted(
        p.name for p in SCENARIOS.glob("*.py")
    )


def test_two_patches_are_taken_back_one_after_the_other_and_nothing_else(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in ("cifar10/unnormalized", RATE):
        assert fix(folder, str(DEMO_LOGS), "--run", name, "--apply")[0]["applied"]
    (folder / "movie_reviews.py").write_text((folder / "movie_reviews.py").read_text() + "# more\n")
    assert "movie_reviews.py: it has changed since the fix was applied" in revert(folder, status=2)
    (folder / "movie_reviews.py").write_text((folder / "movie_reviews.py").read_text().removesuffix("# more\n"))
    assert revert(folder) == "Taken back: movie_reviews.py\n"
    assert revert(folder) == "Taken back: cifar10.py\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "no fix was applied here" in revert(folder, status=2)


def test_a_program_that_has_changed_is_refused(folder):
    changed = (folder / "movie_reviews.py").read_text().replace("1e10", "1e9")
    (folder / "movie_reviews.py").write_text(changed)
    _, said = fix(folder, str(DEMO_LOGS), "--run", RATE, "--apply", status=2)
    assert said == "scram: movie_reviews.py, line 19: it has changed since, so that the fix does not fit any more.\n"
    assert (folder / "movie_reviews.py").read_text() == changed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "has 6 training runs: name one by --run REGEX (cifar10/normalized, "),
        (["--run", "nothing"], "there is no training run whose name matches 'nothing'"),
        (["--run", "("], "is not a regular expression"),
        (["--run", RATE, "--directory", "elsewhere"], "elsewhere: there is no such directory"),
        (["--run", RATE, "--seconds", "0"], "--seconds takes a number from 1 to 86400"),
        (["--run", RATE, "--epochs", "0"], "--epochs takes a number from 1 on"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(folder, arguments, sentence):
    _, said = fix(folder, str(DEMO_LOGS), *arguments, status=2)
    assert sentence in said


def test_a_program_that_is_not_here(tmp_path):
    _, said = fix(tmp_path, str(DEMO_LOGS), "--run", RATE, status=2)
    assert "movie_reviews.py: there is no such file in ." in said
    _, said = fix(tmp_path, str(tmp_path), status=2)
    assert "no event files" in said


def test_a_run_with_nothing_to_fix(folder):
    answer, _ = fix(folder, str(DEMO_LOGS), "--run", "lr_default", status=1)
    assert (answer["fix"], answer["tried"]) == (None, [])


def test_code_is_shown_where_no_change_is_known(folder, tmp_path):
    """A log of another tool, which has no source."""
    curve(tmp_path / "logs" / "train", "epoch_loss", [1.0, 0.5] + [float("nan")] * 8)
    command = [sys.executable, "-m", "scram_plugin", "fix", "logs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "No change of your own lines is known for it. In general:" in done.stdout


def test_arguments_of_the_program_come_after_two_dashes(folder):
    done = subprocess.run(
        [sys.executable, "-m", "scram_plugin", "fix", "movie_reviews.py", "--lr", "3"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "unrecognized arguments: --lr 3" in done.stderr


@pytest.mark.parametrize("given", [["t.py", "--prove", "--", "--epochs", "3"], ["--prove", "t.py", "--", "--epochs", "3"]])
def test_they_reach_the_program(tmp_path, given):
    (tmp_path / "t.py").write_text("import sys\nsys.exit(' '.join(sys.argv))\n")
    _, said = fix(tmp_path, *given, status=2)
    assert "t.py failed before it trained: it ended with exit status t.py --epochs 3" in said


def test_python_gives_the_same(folder):
    found = scram_plugin.fix(DEMO_LOGS, RATE, directory=folder)
    assert found.good
    assert found.diff == fix(folder, str(DEMO_LOGS), "--run", RATE)[0]["fix"]["patch"]
    assert repr(found).endswith("add --apply")
    with pytest.raises(ValueError, match="name one by --run"):
        scram_plugin.fix(DEMO_LOGS, directory=folder)


def test_the_answer_is_json(folder):
    asked = Asked(str(DEMO_LOGS), directory=folder, run=RATE)
    found = answer(asked, catalogue(), print, lambda *_: True)
    assert json.loads(json.dumps(as_json(found), allow_nan=False))["fix"]["label"] == "fix 1"
