"""How often `scram fix --prove` says "better" wrongly, and how often rightly.

    python -m tests.benchmarks.proofs [--folder second] [--seconds 4] [--healthy 20] [--faulty 20] [--keep FILE] [--from FILE]

Wrongly: sound programs of `tests/strangers` with a harmless edit of a random kind (another seed, a name, a unit more or less,
another batch size, a little more dropout, a rate that differs by 2 %). Rightly: programs with a fault, where the fix is the
program without it. Each pair runs with three seeds, also where the first shows no difference. ``--keep`` writes what the runs
came to, and ``--from`` judges that again, without a run: so the constants of `fixing/verdict.py` were chosen, by ``first``.
What the documentation quotes is ``second``.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import random
import re
import tempfile
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

from scram_plugin.errors import BadOption
from scram_plugin.fixing.candidates import Candidate
from scram_plugin.fixing.lines import Replacement
from scram_plugin.fixing.measures import Ending, Level
from scram_plugin.fixing.on_disk import read
from scram_plugin.fixing.patch import Hunk, Patch
from scram_plugin.fixing.proof import SEEDS, Prover
from scram_plugin.fixing.runs import Limits, Program
from scram_plugin.fixing.verdict import judge
from scram_plugin.heuristics.catalogue import catalogue
from tests.benchmarks.strangers_programs import HERE, patched
from tests.paths import state

RENAMED = "another name"
SEED = 1  # of the choice of programs and edits
HARMLESS: dict[str, tuple[str, Callable[[re.Match[str]], str]]] = {
    "another seed": (r"(?<=seed\()(\d+)(?=\))", lambda m: str(int(m[1]) + 1000)),
    "a unit more": (r"(?<=Dense\()(\d\d+)(?=,)", lambda m: str(int(m[1]) + 1)),
    "another hidden size": (
        r"(?m)(?<=^)((?:HIDDEN|hidden|DIM|dim|WIDTH|width)\w* = )(\d+)$",
        lambda m: f"{m[1]}{int(m[2]) + 2}",
    ),
    "another batch size": (r"(?i)(batch_?size\s*=\s*)(\d\d+)", lambda m: f"{m[1]}{int(m[2]) * 15 // 16}"),
    "more dropout": (r"(Dropout\()(0\.\d+)", lambda m: f"{m[1]}{float(m[2]) + 0.01:g}"),
    "another rate": (r"\b(lr|learning_rate)(\s*=\s*)(\d*\.?\d+(?:e-\d+)?)", lambda m: f"{m[1]}{m[2]}{float(m[3]) * 1.02:g}"),
}


def harmless(text: str, chance: random.Random) -> tuple[str, str] | None:
    """A kind of edit that fits a program, and the program with it; None if none does."""
    kinds = list(HARMLESS)
    chance.shuffle(kinds)
    for kind in (*kinds, RENAMED):  # which changes no number: only where nothing else fits
        if kind == RENAMED:
            if (new := renamed(text, chance)) is not None:
                return kind, new
            continue
        pattern, change = HARMLESS[kind]
        code = _without_texts(text)
        found = list(re.finditer(pattern, code))
        if not found:
            continue
        match = chance.choice(found)
        new = text[: match.start()] + change(match) + text[match.end() :]
        if new != text and _is_python(new):
            return kind, new
    return None


def renamed(text: str, chance: random.Random) -> str | None:
    """The program with another name for one of its variables; None if there is none that is no attribute, argument or text."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    other = {n.attr for n in nodes if isinstance(n, ast.Attribute)} | {
        n.arg for n in nodes if isinstance(n, ast.keyword | ast.arg)
    }
    written = {n.id for f in nodes if isinstance(f, ast.JoinedStr) for n in ast.walk(f) if isinstance(n, ast.Name)}
    names = sorted(name for name in stored - other - written if len(name) > 2)
    if not names:
        return None
    name = chance.choice(names)
    return re.sub(rf"\b{name}\b", f"{name}_renamed", text)


def _without_texts(text: str) -> str:
    """The program with blanks for its texts and comments, at the same places."""
    lines = text.splitlines(keepends=True)
    for token in tokenize.tokenize(BytesIO(text.encode()).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT) and token.start[0] == token.end[0]:
            row, line = token.start[0] - 1, lines[token.start[0] - 1]
            lines[row] = line[: token.start[1]] + " " * (token.end[1] - token.start[1]) + line[token.end[1] :]
    return "".join(lines)


def _is_python(text: str) -> bool:
    try:
        compile(text, "program", "exec")
    except SyntaxError:
        return False
    return True


def between(folder: Path, file: str, new: str) -> Patch:
    """The patch that makes a file this text."""
    source = read(file, folder)
    old_lines, new_lines = source.text.splitlines(), new.splitlines()
    hunks = [
        Hunk(file, a + 1, Replacement(a, b - a, tuple(new_lines[c:d])), "")
        for kind, a, b, c, d in difflib.SequenceMatcher(None, old_lines, new_lines, autojunk=False).get_opcodes()
        if kind != "equal"
    ]
    return Patch(folder, {file: source}, tuple(hunks))


def cases(folder: str, healthy: int, faulty: int) -> Iterator[tuple[str, bool, str, str]]:
    """Name, whether the edit is a fix, the program before it and after it."""
    chance = random.Random(SEED)
    paths = sorted((HERE / folder).glob("*.py"))
    chance.shuffle(paths)
    made = 0
    for path in paths:
        text = path.read_text(encoding="utf-8")
        found = harmless(text, chance)
        if found is not None and made < healthy:
            made += 1
            yield f"{path.stem}: {found[0]}", False, text, found[1]
    diffs = sorted((HERE / folder / "faults").glob("*.diff"))
    chance.shuffle(diffs)
    for diff in diffs[:faulty]:
        path = HERE / folder / f"{diff.stem.partition('--')[0]}.py"
        yield diff.stem, True, patched(path, diff), path.read_text(encoding="utf-8")


def compared(before: str, after: str, seconds: float) -> tuple[list[tuple[Ending, Ending]], bool]:
    """How all pairs of runs ended, and whether the edit changes how the loss is made. Raises BadOption."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, "program")
        folder.mkdir()
        (folder / "program.py").write_text(before, encoding="utf-8")
        candidate = Candidate("fix 1", between(folder, "program.py", after), (), ())
        prover = Prover(Program(folder, "program.py"), Path(home, "logs"), Limits(seconds=seconds), catalogue(), lambda _: None)
        return prover.pairs_of(candidate, SEEDS), candidate.touches_loss


def _read(given: dict) -> Ending:
    measures = {name: Level(**measure) for name, measure in given.pop("measures").items()}
    return Ending(**{**given, "targets": tuple(given["targets"])}, measures=measures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default="second", choices=("first", "second"))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--healthy", type=int, default=20)
    parser.add_argument("--faulty", type=int, default=20)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--from", type=Path, dest="given")
    arguments = parser.parse_args()
    print(f"state {state()}, {arguments.folder}, {arguments.seconds:g} s a run", flush=True)
    counts = {False: [0, 0], True: [0, 0]}
    if arguments.given is not None:
        known = [json.loads(line) for line in arguments.given.read_text(encoding="utf-8").splitlines()]
        found = ((k["name"], k["fix"], [tuple(map(_read, pair)) for pair in k["pairs"]], k["touches"]) for k in known)
    else:
        found = run(arguments)
    for name, is_fix, pairs, touches in found:
        judged = judge(pairs, ("validation loss",) if is_fix else (), touches)
        counts[is_fix][0] += 1
        counts[is_fix][1] += judged.outcome == "better"
        print(f"{'fix     ' if is_fix else 'harmless'} {judged.outcome:8} {name:50} {judged.sentence}", flush=True)
    for is_fix, word in ((False, "harmless edits"), (True, "fixes")):
        print(f"'better' is said of {counts[is_fix][1]} of {counts[is_fix][0]} {word}")


def run(arguments: argparse.Namespace) -> Iterator[tuple[str, bool, list[tuple[Ending, Ending]], bool]]:
    for name, is_fix, before, after in cases(arguments.folder, arguments.healthy, arguments.faulty):
        try:
            pairs, touches = compared(before, after, arguments.seconds)
        except BadOption as error:
            print(f"{name}: {error}", flush=True)
            continue
        if arguments.keep is not None:
            entry = {"name": name, "fix": is_fix, "touches": touches, "pairs": [[asdict(b), asdict(a)] for b, a in pairs]}
            with arguments.keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        yield name, is_fix, pairs, touches


if __name__ == "__main__":
    main()
