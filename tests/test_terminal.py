"""What a person sees in a terminal: colours, unless NO_COLOR is set; lines that fit; curves with the bad part marked."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from scram_plugin.cli.arguments import FORMATS
from tests.event_files import curve, scalar_tensor, tensor_event, write
from tests.paths import DEMO_LOGS

NAN = float("nan")


def in_terminal(*arguments, columns=80, **environment):
    """What `scram` writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "scram_plugin", *map(str, arguments)],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**known, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    assert process.stderr is not None
    said = process.stderr.read()
    process.wait(30)
    assert said == b""
    return written.decode().replace("\r\n", "\n")


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_lines_fit_and_only_code_is_longer(columns):
    lines = plain(in_terminal("check", DEMO_LOGS, "--no-cache", columns=columns)).splitlines()
    long = [line for line in lines if len(line) > columns]
    assert not [line for line in long if not re.match(r"\s+[-+ ] ", line)], "a line of code is never broken"
    assert max(len(line) for line in lines) <= max(columns, 80)
    assert any("validation loss" in line and "█" in line for line in lines)
    assert any("╰" in line and "╯" in line for line in lines)


def test_colours_and_none():
    coloured = in_terminal("check", DEMO_LOGS, "--no-cache")
    assert "\x1b[1;31m" in coloured
    without = in_terminal("check", DEMO_LOGS, "--no-cache", NO_COLOR="1")
    assert not re.findall(r"\x1b\[(?:\d+;)*(?:3|4|9|10)\d", without)
    assert plain(coloured) == plain(without)


def test_colours_where_a_pipe_shows_them_and_no_progress_in_it():
    how = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm-256color"}
    how.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "scram_plugin", "check", DEMO_LOGS, "--no-cache"]
    done = subprocess.run(command, env=how, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (in_terminal("check", DEMO_LOGS, "--no-cache"), "")
    without = subprocess.run(command, env={**how, "FORCE_COLOR": ""}, capture_output=True, text=True)
    assert "\x1b" not in without.stdout


def test_what_is_said_of_a_run_stands_whole_below_a_long_name(tmp_path):
    name = "an/experiment/with/a/name/that/leaves/little/room"
    for run in (name, "other"):
        curve(tmp_path / run, "loss", [1.0, 0.5])
    lines = plain(in_terminal("check", tmp_path, "--no-cache", columns=60)).splitlines()
    said = lines[lines.index(name) + 1]
    assert said.startswith("  · Too few points to tell")


def test_what_was_kept_is_for_the_same_terminal(tmp_path):
    how = {"XDG_CACHE_HOME": str(tmp_path)}
    wide = in_terminal("check", DEMO_LOGS, columns=160, **how)
    assert in_terminal("check", DEMO_LOGS, columns=160, **how) == wide
    narrow = in_terminal("check", DEMO_LOGS, columns=60, **how)
    assert narrow == in_terminal("check", DEMO_LOGS, "--no-cache", columns=60)
    assert in_terminal("check", DEMO_LOGS, columns=60, NO_COLOR="1", **how) != narrow


ODD = [
    [1.0, NAN],
    [NAN, NAN, NAN],
    [1e308, -1e308, 1e308, NAN],
    [1e-320, 5e-324, 1e-300, NAN],
    [1.0, float("inf"), float("-inf"), NAN],
    [0.0, 0.0, 0.0, NAN],
    [-1.0, 1e30, 3.0, 1e-30, NAN],
    [1.7e308, -1.7e308] * 20 + [NAN],
    [5e-324, 1e-323] * 20 + [NAN],
    [0.0, 5e-324] * 20 + [NAN],
    [1.0] * 100 + [1.7e308] * 100 + [NAN],
    [5e-324, 1.7976931348623157e308] * 20 + [NAN],
    [1.0] * 500 + [NAN],
    [NAN] + [1.0 / (i + 1) for i in range(500)],
]


@pytest.fixture(scope="module")
def odd_curves(tmp_path_factory):
    path = tmp_path_factory.mktemp("odd")
    for number, values in enumerate(ODD):
        curve(path / f"{number}" / "a", "loss", values)
        doubles = [tensor_event(i, "loss", scalar_tensor("double content", value), 1.0 + i) for i, value in enumerate(values)]
        write(path / f"{number}" / "double" / "events.out.tfevents.1.host", doubles)
        for first_step in (-5, 2**60):
            curve(path / f"{number}" / f"b{first_step}", "loss", values, first_step=first_step)
    return path


@pytest.mark.parametrize("columns", [40, 120])
@pytest.mark.parametrize("form", ["text", "html"])
def test_odd_curves_are_drawn(form, columns, odd_curves):
    text = in_terminal("check", odd_curves, "--format", form, "--no-cache", columns=columns)
    assert "Traceback" not in text
    assert "the check itself failed" not in text
    assert text.count("NaN") >= len(ODD)
    assert not re.search(r'"nan|nan"|[ ,]nan[ ,"]|inf[ ,"]', text), "no number that a browser cannot draw"


def test_names_forge_no_lines_and_write_no_escapes(tmp_path):
    curve(tmp_path / "new\nline ● error: fake", "loss", [1.0, 0.5, NAN])
    os.symlink("/nonexistent", tmp_path / "\x1b]0;pwned\x07tfevents")
    command = [sys.executable, "-m", "scram_plugin", "check", str(tmp_path), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert not [line for line in done.stdout.splitlines() if line.startswith("line")]
    assert "tfevents" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_an_output_that_is_closed_is_no_traceback():
    for form in ("text", "json"):
        command = f"{sys.executable} -m scram_plugin check {DEMO_LOGS} --format {form} >&-"
        done = subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (1, "")


def test_a_name_that_is_not_utf_8_goes_to_a_file_in_every_form(tmp_path):
    place = os.fsencode(tmp_path) + b"/logs/sur\xff"
    curve(tmp_path / "plain", "loss", [1.0, NAN])
    os.makedirs(os.path.dirname(place))
    os.rename(tmp_path / "plain", place)
    for form in FORMATS:
        arguments = ["check", str(tmp_path / "logs"), "--format", form, "--output", str(tmp_path / form), "--no-cache"]
        done = subprocess.run([sys.executable, "-m", "scram_plugin", *arguments], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (1, ""), form
        assert (tmp_path / form).stat().st_size
