"""A hundred people at once: each asks for `runs` every five seconds, and for a review now and then, on a live log directory.

    python -m tests.benchmarks.crowd [--clients 100] [--runs 500] [--seconds 60]

Twenty trainings write all the time. Printed are errors and times of SCRAM's answers, times of the other tabs' answers beside
those of a TensorBoard without SCRAM (and so without its crowd), and the memory over a thousand refreshes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.reading import scalar
from tests.benchmarks.scale import build
from tests.servers import TensorBoard

WRITERS = 20
OTHER = "data/runs", "data/plugin/scalars/tags", "data/plugin/timeseries/tags"
WITHOUT = (
    "import sys; sys.modules['tensorflow'] = None; from tensorboard import default, main; "
    "default.get_dynamic_plugins = lambda: []; sys.argv[0] = 'tensorboard'; main.run_main()"
)


class Without(TensorBoard):
    """TensorBoard as it is where SCRAM was never installed."""

    python = ("-c", WITHOUT)


class Crowd:
    """Clients in threads, each with a cursor of its own."""

    def __init__(self, server: TensorBoard, clients: int, seconds: float, names: list[str]) -> None:
        self.server, self.names = server, names
        self.end = time.monotonic() + seconds
        self.took: dict[str, list[float]] = {"runs": [], "review": []}
        self.errors: list[str] = []
        self.threads = [threading.Thread(target=self._client, args=(seed,), daemon=True) for seed in range(clients)]

    def _client(self, seed: int) -> None:
        rng = random.Random(seed)
        cursor = ""
        time.sleep(rng.random() * 5)  # people do not come all in the same moment
        while time.monotonic() < self.end:
            started = time.monotonic()
            answer = self._ask("runs", since=cursor)
            cursor = answer["cursor"] if answer else cursor
            if rng.random() < 0.2:
                self._ask("review", run=rng.choice(self.names))
            time.sleep(max(5 - (time.monotonic() - started), 0))

    def _ask(self, route: str, **parameters: str):
        start = time.perf_counter()
        try:
            status, answer = self.server.get(route, **parameters)
        except Exception as error:
            self.errors.append(f"{route}: {error}")
            return None
        self.took[route].append(time.perf_counter() - start)
        if status != 200:
            self.errors.append(f"{route}: {status}")
            return None
        return answer


def write(logdir: Path, names: list[str], end: float) -> None:
    """Trainings that go on: a point each, some times a second."""
    step = 100
    while time.monotonic() < end:
        for name in names:
            path = next((logdir / name / "train").iterdir())
            with path.open("ab") as file:
                file.write(scalar("epoch_loss", step, time.time(), 0.1 + 1 / step, "tensors"))
        step += 1
        time.sleep(0.5)


def other_tabs(servers: Sequence[TensorBoard], took: Sequence[list[float]], end: float) -> None:
    """Ask the routes of other tabs, of one server and the other in turn, so that both meet the same load of the machine."""
    while time.monotonic() < end:
        for route in OTHER:
            for server, seconds in zip(servers, took, strict=True):
                start = time.perf_counter()
                status, _, _ = server.raw(route)
                assert status == 200, route
                seconds.append(time.perf_counter() - start)
        time.sleep(0.1)


def memory(server: TensorBoard) -> float:
    """MB that the process holds."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        logdir = Path(scratch)
        build(logdir, options.runs)
        with (
            contextlib.closing(TensorBoard("--logdir", str(logdir))) as server,
            contextlib.closing(Without("--logdir", str(logdir))) as plain,
        ):
            names = [run["name"] for run in server.reviewed(options.runs, timeout=300)["runs"]]
            server.raw(OTHER[1]), plain.raw(OTHER[1])
            time.sleep(5)  # TensorBoard's own loader is done, too
            crowd = Crowd(server, options.clients, options.seconds, names)
            writer = threading.Thread(target=write, args=(logdir, names[:WRITERS], crowd.end), daemon=True)
            with_: list[float] = []
            without: list[float] = []
            watcher = threading.Thread(target=other_tabs, args=((server, plain), (with_, without), crowd.end), daemon=True)
            for thread in [writer, *crowd.threads, watcher]:
                thread.start()
            for thread in [*crowd.threads, watcher]:
                thread.join()
            assert plain.raw("data/plugin/scram/runs")[0] == 404, "it has no SCRAM"
            every = [t for took in crowd.took.values() for t in took]
            print(
                f"{options.clients} clients, {options.runs} training runs of which {WRITERS} are live, {options.seconds:.0f} s:"
            )
            print(f"  {len(every)} answers, {len(crowd.errors)} errors {crowd.errors[:3] or ''}")
            for route, took in ((route, took) for route, took in crowd.took.items() if took):
                median, late = 1000 * statistics.median(took), 1000 * np.percentile(took, 95)
                print(f"  {route}: median {median:.0f} ms, 95th percentile {late:.0f} ms")
            print(f"  95th percentile of all {1000 * np.percentile(every, 95):.0f} ms")
            print(
                f"  answers of the other tabs: median {1000 * statistics.median(with_):.1f} ms, without SCRAM "
                f"{1000 * statistics.median(without):.1f} ms: {statistics.median(with_) / statistics.median(without):.2f} times"
            )
            time.sleep(3)
            cursor, sizes = "", []
            for i in range(1001):
                cursor = server.get("runs", since=cursor)[1]["cursor"]
                if i % 200 == 0:
                    sizes.append(memory(server))
            print(f"  memory over 1,000 refreshes: {', '.join(f'{size:.0f}' for size in sizes)} MB")


if __name__ == "__main__":
    main()
