"""The programs of `tests/strangers`: with a fault, watched, and run."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.paths import ROOT

HERE = ROOT / "tests" / "strangers"
WATCH = re.compile(r"^([ \t]*)# WATCH\((.*)\)[ \t]*$", re.M)
RESULT = re.compile(r"^RESULT +(\S+) +(higher|lower)", re.M)
# printed times differ from run to run
TIMES = re.compile(
    r"\b[fs]ps=\d+|"
    r"'\w+_(runtime|per_second)': '[^']+'|\d+(\.\d+)?( ?s\b| ?sec| ?ms\b| ?minutes| ?it/s)|\b(ms|s)/\w+ +\d+(\.\d+)?"
)
CLOCK = "BENCH-CPU"
_OPTIMIZERS = "__import__('importlib').import_module('torch.optim.optimizer')"
_STEPS = f"_n = []; {_OPTIMIZERS}.register_optimizer_step_pre_hook(lambda *_: _n.append(_t.process_time()))"
_TOLD = f"_a.register(lambda: print({CLOCK!r}, _t.process_time() - _b, _n[-1] - _n[len(_n) // 2], file=_s.stderr))"
CLOCKED = f"import atexit as _a, time as _t, sys as _s; {_STEPS}; _b = _t.process_time(); {_TOLD}"


class Program(NamedTuple):
    name: str
    kind: str  # of its fault; "" for a sound one
    text: str
    framework: str  # keras, torch, lightning or transformers


class Ran(NamedTuple):
    status: int
    output: str  # without times
    last: str  # line of the errors that it printed
    result: float | None  # oriented: higher is better
    cpu: float | None  # seconds of the processor from the line WATCH to the end
    late: float | None = None  # those of the second half of the steps


def programs(folder: str) -> Iterator[Program]:
    """The sound programs of a folder, and those with a fault, by their names."""
    for path in sorted((HERE / folder).glob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield Program(path.stem, "", text, _framework(text))
        for diff in sorted((HERE / folder / "faults").glob(f"{path.stem}--*.diff")):
            faulty = patched(path, diff)
            kind = diff.stem.partition("--")[2].partition(".")[0]  # a second fault of one kind has a number behind a point
            yield Program(diff.stem, kind, faulty, _framework(text))


def patched(program: Path, diff: Path) -> str:
    """The text of a program with a diff applied. Raises CalledProcessError where it does not fit."""
    command = ["patch", "--quiet", "--fuzz=0", "--output=-", str(program), str(diff)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _framework(text: str) -> str:
    for name in ("transformers", "pytorch_lightning", "lightning", "keras", "tensorflow"):
        if re.search(rf"^\s*(from|import) ([\w.]+( as \w+)?, )*(\w+\.)?{name}\b", text, re.M):
            return {"pytorch_lightning": "lightning", "tensorflow": "keras"}.get(name, name)
    return "torch"


def watched(program: Program, log_dir: Path, clock: bool = False) -> str:
    """The program with SCRAM in the place that its author names. Raises ValueError where there is none.

    `clock`: it tells the processor's time from that place to its end.
    """
    found = WATCH.search(program.text)
    if found is None:
        raise ValueError("there is no line `# WATCH(...)`")
    where = f"log_dir={str(log_dir)!r}, print_findings=False"
    if program.framework == "keras":
        in_fit = _in_fit(program.text, found.end(), f"scram_plugin.SCRAM({where})", found)
        if in_fit is not None:
            return in_fit
    call = {
        "keras": f"watching = scram_plugin.watch({found[2]}, {where})",
        "torch": f"watching = scram_plugin.watch({found[2]}, {where})",
        "lightning": f"{found[2]}.callbacks.append(scram_plugin.LightningSCRAM({where}))",
        "transformers": f"{found[2]}.add_callback(scram_plugin.TransformersSCRAM({where}))",
    }[program.framework]
    call = f"import scram_plugin; {call}{'; ' + CLOCKED if clock else ''}"
    return f"{program.text[: found.start()]}{found[1]}{call}{program.text[found.end() :]}"


def _in_fit(text: str, after: int, callback: str, found: re.Match[str]) -> str | None:
    """Add a callback to the first `fit` after a place; None without one."""
    line = text[:after].count("\n") + 1
    fits = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "fit" and node.lineno >= line
    ]
    if not fits:
        return None
    fit = min(fits, key=lambda node: node.lineno)
    lines = [0]
    for one in text.encode().splitlines(keepends=True):
        lines.append(lines[-1] + len(one))
    raw = text.encode()
    given = next((k.value for k in fit.keywords if k.arg == "callbacks"), None)
    if given is not None:
        begin, end = lines[given.lineno - 1] + given.col_offset, lines[given.end_lineno - 1] + given.end_col_offset
        new = b"[*(" + raw[begin:end] + b"), " + callback.encode() + b"]"
    else:
        arguments = [*fit.args, *(k.value for k in fit.keywords)]
        last = max(arguments, key=lambda a: (a.end_lineno, a.end_col_offset))
        begin = end = lines[last.end_lineno - 1] + last.end_col_offset
        new = b", callbacks=[" + callback.encode() + b"]"
    raw = raw[:begin] + new + raw[end:]
    head = text[: found.start()].encode()
    return (head + f"{found[1]}import scram_plugin".encode() + raw[len(text[: found.end()].encode()) :]).decode()


def timed(program: Program) -> str:
    """The program alone, telling the processor's time from the line WATCH to its end."""
    return WATCH.sub(lambda found: found[1] + CLOCKED, program.text, count=1)


def run(text: str, scratch: Path, limit: float = 600.0) -> Ran:
    file = scratch / "program.py"
    file.write_text(text, encoding="utf-8")
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    try:
        done = subprocess.run(
            [sys.executable, file.name],
            cwd=scratch,
            env={**os.environ, **threads, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ran(124, "", "it took too long", None, None)
    result = RESULT.search(done.stdout)
    value = None if result is None else float(result[1]) * (1 if result[2] == "higher" else -1)
    times = re.search(rf"^{CLOCK} (\S+) (\S+)", done.stderr, re.M)
    cpu, late = map(float, times.groups()) if times else (None, None)
    errors = [line for line in done.stderr.strip().splitlines() if not line.startswith(CLOCK)]
    return Ran(done.returncode, TIMES.sub("", done.stdout), errors[-1] if errors else "", value, cpu, late)
