"""How fast event files are read, beside what else a user has: whole processes, interleaved, median of the rounds.

    python -m tests.benchmarks.reading [--rounds 5] [--sizes S M] [--keep DIRECTORY]

S is 240,000 scalars in 24 runs (17 MB), M is 6,000,000 (416 MB), each once as TensorFlow 2 writes scalars (tensors) and once
as PyTorch does (simple_value): five tags, written in turn. Every reader holds all points of all series in memory at its
end and prints their number and sum, which must be those of the others.

Compared are TensorBoard's EventAccumulator (S), its data server, all points through gRPC (S and M), tbparse (S, where it is
installed) and `cat` (M, to /dev/null through a pipe: what the bytes alone cost). At the end: one event is added to M and
the log directory is refreshed; and the peak of memory for M.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.event_files import record

SIZES = {"S": (24, 2_000), "M": (24, 50_000)}  # runs, steps of each of the five tags
TAGS = (
    "train/loss_of_this_step",
    "train/accuracy/top_1",
    "optimizer/learning_rate",
    "gradients/all/global_norm",
    "time/seconds_per_step",
)
ENCODINGS = ("tensors", "simple_value")


def field(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def scalar(tag: str, step: int, wall_time: float, value: float, encoding: str) -> bytes:
    """One event, as the writers of TensorFlow 2 and of PyTorch make it (the former with the metadata of the first event)."""
    number = struct.pack("<f", value)
    if encoding == "simple_value":
        content = field(1, tag.encode()) + b"\x15" + number
    else:
        content = field(1, tag.encode()) + field(8, b"\x08\x01" + field(2, b"") + field(4, number))
        if not step:
            content += field(9, field(1, field(1, b"scalars")) + b"\x20\x01")
    head = b"\x09" + struct.pack("<d", wall_time) + (b"\x10" + varint(step) if step else b"")
    return record(head + field(5, field(1, content)))


def build(directory: Path, size: str, encoding: str) -> Path:
    """The log directory of one size and encoding; made once."""
    logdir = directory / f"{size}-{encoding}"
    if logdir.exists():
        return logdir
    partial = directory / f"{logdir.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    runs, steps = SIZES[size]
    for run in range(runs):
        path = partial / f"run{run:02d}" / "events.out.tfevents.1700000000.host"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            file.write(record(b"\x09" + struct.pack("<d", 1.7e9) + field(3, b"brain.Event:2")))
            for step in range(steps):
                when = 1.7e9 + 0.37 * step + run
                for i, tag in enumerate(TAGS):
                    file.write(scalar(tag, step, when + i * 1e-4, (i + 1) / (step + 1) + run, encoding))
    partial.rename(logdir)
    return logdir


READERS = {
    "scram_plugin.read": "SM",
    "EventAccumulator": "S",
    "data server": "SM",
    "tbparse": "S",
    "cat": "M",
}


def seconds(reader: str, logdir: Path) -> tuple[float, str]:
    command = [sys.executable, str(Path(__file__).with_name("readers.py")), reader, str(logdir)]
    if reader == "cat":
        command = ["sh", "-c", f"cat {logdir}/*/* | cat > /dev/null"]
    start = time.perf_counter()
    runs, steps = SIZES[logdir.name[0]]
    expected = {"SERIES": str(runs * len(TAGS)), "LAST_STEP": str(steps - 1)}  # until when the data server is waited for
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **expected})
    took = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{reader}: {done.stderr.strip().splitlines()[-1]}")
    return took, done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def compare(size: str, encoding: str, logdir: Path, rounds: int) -> None:
    readers = [name for name, sizes in READERS.items() if size in sizes]
    if "tbparse" in readers and subprocess.run([sys.executable, "-c", "import tbparse"], capture_output=True).returncode:
        readers.remove("tbparse")
    times: dict[str, list[float]] = {name: [] for name in readers}
    answers: dict[str, str] = {}
    for _ in range(rounds):
        for name in readers:
            took, answers[name] = seconds(name, logdir)
            times[name].append(took)
    ours = times["scram_plugin.read"]
    bytes_ = sum(p.stat().st_size for p in logdir.rglob("*tfevents*"))
    print(f"\n{size}, {encoding}: {answers['scram_plugin.read'].split()[0]} scalars, {bytes_ / 1e6:.0f} MB")
    for name in readers:
        ratio = statistics.median(other / own for other, own in zip(times[name], ours, strict=True))
        spread = f"{min(times[name]):.2f} to {max(times[name]):.2f} s"
        said = f"{ratio:6.1f} times ours" if name != "cat" else f"ours is {1 / ratio:.1f} times it"
        same = "" if answers[name] in ("", answers["scram_plugin.read"]) else f"  READ SOMETHING ELSE: {answers[name]}"
        print(f"  {name:20}{statistics.median(times[name]):8.3f} s  ({spread})  {'' if ours is times[name] else said}{same}")


def refresh_and_memory(logdir: Path, encoding: str) -> None:
    code = (
        "import resource, sys, time, scram_plugin\n"
        "from pathlib import Path\n"
        "logs = scram_plugin.read(sys.argv[1])\n"
        "count = sum(len(run[tag]) for run in logs.values() for tag in run)\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "from tests.benchmarks.reading import scalar\n"
        "took = []\n"
        "for i in range(9):\n"
        "    path = sorted(Path(sys.argv[1]).rglob('*tfevents*'))[i]\n"
        "    with path.open('ab') as file:\n"
        "        file.write(scalar('train/accuracy/top_1', 10**6 + i, 1.8e9, 0.5, sys.argv[2]))\n"
        "    start = time.perf_counter()\n"
        "    (name,) = logs.refresh()\n"
        "    last = logs[name]['train/accuracy/top_1'].steps[-1]\n"
        "    took.append(time.perf_counter() - start)\n"
        "    assert last == 10**6 + i\n"
        "print(f'  one event added: refreshed and its series read in {1000 * sorted(took)[4]:.1f} ms (median of 9)')\n"
        "print(f'  peak memory with all {count:,} points held: {peak:.0f} MB')\n"
    )
    copy = logdir.with_name(logdir.name + "-growing")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(logdir, copy)
    subprocess.run([sys.executable, "-c", code, str(copy), encoding], check=True)
    shutil.rmtree(copy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--keep", type=Path, help="where the log directories are made and stay; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = options.keep or Path(scratch)
        for size in options.sizes:
            for encoding in ENCODINGS:
                logdir = build(directory, size, encoding)
                seconds("scram_plugin.read", logdir)  # its bytes are in the page cache then, for everybody
                compare(size, encoding, logdir, options.rounds)
                if size == "M":
                    sys.stdout.flush()
                    refresh_and_memory(logdir, encoding)


if __name__ == "__main__":
    main()
