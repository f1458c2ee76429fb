"""A thousand mutated sets of options and configuration files: an answer, or a sentence and status 2; never a traceback."""

import random

import pytest

from scram_plugin.cli.main import main
from tests.event_files import curve

NAN = float("nan")
ROUNDS, AT_ONCE = 1000, 50
COMMANDS = [
    "check logs",
    "check logs --format json --fail-on warning",
    "check logs --select overfitting,plateau --ignore plateau",
    "check logs --set overfitting.patience=3 --set nonfinite-loss.strict=true",
    "check logs --run ^a$ --format markdown --output out.md -v",
    "check logs --baseline known.json --jobs 2 --no-cache",
    "check logs --config scram.toml --format sarif",
    "check logs --config pyproject.toml --format junit",
    "list --config scram.toml --set plateau.least=5",
    "explain nonfinite-loss",
]
TOML = """\
select = ["overfitting", "nonfinite-loss", "plateau", "undertrained"]
ignore = ["undertrained"]
heuristics = ["mine.py"]

[overfitting]
patience = 10
min_rise = 0.1
strict = false

[signals]
"validation loss" = "my/tag"
"training loss" = ["a", "b"]

[[accept]]
heuristic = "plateau"
runs = "a*"
reason = "known"
"""
MINE = """\
from dataclasses import replace

from scram_plugin.heuristics.curves import plateau

HEURISTIC = replace(plateau.HEURISTIC, id="mine")
"""
PROJECT = '[tool.scram]\nignore = ["plateau"]\n\n[tool.scram.overfitting]\npatience = 4\n'
KNOWN = '{"runs": [{"name": "a", "findings": [{"heuristic": "nonfinite-loss", "severity": "error"}]}]}'
ODD = [
    "",
    "-",
    "--",
    "=",
    ".",
    "\x00",
    "\n",
    "é\u202e",
    "\ud800",
    "nan",
    "inf",
    "-1",
    "1e999",
    "9" * 400,
    "[",
    "(?P<",
    "*" * 50,
]
ODD += ["*" * 50, "overfitting.=", ".patience=1", "overfitting.patience=", "true", "null", "'", '"', "[[", "{}", "%s"]
ODD += ["--format", "--jobs", "0", "logs"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    curve(tmp_path / "logs" / "a", "loss", [1.0, 0.5, NAN])
    curve(tmp_path / "logs" / "b", "train/loss", [1.0, 0.5, 0.4])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mutated(rng: random.Random, words: list[str]) -> list[str]:
    """One to three changes: words that go, come twice, change places or letters, or are others."""
    words = list(words)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(words)) if words else 0
        change = rng.randrange(6)
        if not words or change == 0:
            words.insert(at, rng.choice(ODD))
        elif change == 1:
            del words[at]
        elif change == 2:
            words.insert(at, words[at])
        elif change == 3:
            other = rng.randrange(len(words))
            words[at], words[other] = words[other], words[at]
        elif change == 4:
            words[at] = rng.choice(ODD)
        else:
            where = rng.randrange(len(words[at]) + 1)
            words[at] = words[at][:where] + rng.choice(ODD) + words[at][where + rng.randint(0, 2) :]
    return words


def file_of(rng: random.Random, text: str) -> bytes:
    """A file whose words, or bytes, are changed; or as it is."""
    kind = rng.randrange(4)
    if kind == 0:
        return text.encode()
    if kind == 1:
        content = bytearray(text.encode())
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        return bytes(content)
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    lines[at] = " ".join(mutated(rng, lines[at].split(" ")))
    return "\n".join(lines).encode(errors="surrogatepass")


@pytest.mark.parametrize("part", range(ROUNDS // AT_ONCE))
def test_mutated_options_and_files(part, project, capsys):
    statuses = []
    for seed in range(part * AT_ONCE, (part + 1) * AT_ONCE):
        rng = random.Random(seed)
        which = rng.choice(["options", "scram.toml", "pyproject.toml", "known.json", "options and files"])
        for name, text in (("scram.toml", TOML), ("pyproject.toml", PROJECT), ("known.json", KNOWN)):
            changed = which == name or which == "options and files"
            (project / name).write_bytes(file_of(rng, text) if changed else text.encode())
        broken = rng.choice(["", "1 / 0", "HEURISTIC = 3", "import nothing_of_the_kind", "raise SystemExit"])
        (project / "mine.py").write_text(broken if rng.random() < 0.2 else MINE)
        command = rng.choice(COMMANDS).split(" ")
        arguments = [command[0], *mutated(rng, command[1:])] if "options" in which else command
        try:
            status = main(arguments)
        except SystemExit as end:  # as argparse ends
            status = end.code
        said = capsys.readouterr()
        statuses.append(status)
        told = f"seed {seed}: {arguments}"
        assert status in (0, 1, 2), told
        assert "Traceback" not in said.err, told
        if status == 2:
            assert said.err.strip(), f"{told}: no sentence"
            # a report in which not one check could be made says why
            assert said.out == "" or "no training run could be checked" in said.err, told
    assert 2 in statuses
    assert {0, 1} & set(statuses)


@pytest.mark.parametrize("value", ["2.7", "true", "[3]", "inf"])
def test_a_whole_number_is_asked_for(value, project, capsys):
    (project / "scram.toml").write_text(f"[overfitting]\npatience = {value}\n")
    assert main(["check", "logs"]) == 2
    assert "overfitting.patience takes a whole number, not " in capsys.readouterr().err
