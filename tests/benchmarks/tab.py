"""The tab with two thousand training runs, beside an empty plugin and the Time Series tab of the same TensorBoard.

    python -m tests.benchmarks.tab [--runs 2000] [--rounds 7] [--points 10000000]

Printed are: first paint and first finding later than the first paint of a plugin that shows one line; clicks, each until what
was asked for has been painted; the JavaScript heap above the empty plugin's; what is downloaded; what a refresh transfers when
one training run has changed; a curve of ten million points. Rounds are interleaved.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.reading import record, scalar
from tests.benchmarks.scale import build
from tests.paths import ROOT
from tests.servers import TensorBoard, chromium

EMPTY = """
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

class Plugin(base_plugin.TBPlugin):
    plugin_name = "empty"
    def __init__(self, context):
        pass
    def is_active(self):
        return True
    def get_plugin_apps(self):
        return {"/index.js": self.script}
    def frontend_metadata(self):
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Empty")
    @wrappers.Request.application
    def script(self, request):
        text = "export function render() { document.body.innerHTML = '<p class=app>nothing</p>'; }"
        return http_util.Respond(request, text, "text/javascript")
"""
FRAMES = {"scram": "name=scram", "empty": "name=empty"}
NEXT_PAINT = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"


def empty_plugin(folder: Path) -> dict[str, str]:
    """The environment in which TensorBoard finds the empty plugin beside SCRAM."""
    (folder / "empty_plugin.py").write_text(EMPTY)
    info = folder / "empty_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: empty-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tensorboard_plugins]\nempty = empty_plugin:Plugin\n")
    path = os.pathsep.join(filter(None, [str(folder), str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def make_faulty(logdir: Path, runs: int) -> None:
    """Every tenth training run gets a NaN in its loss."""
    for run in range(0, runs, 10):
        path = logdir / f"sweep{run % 40}" / f"run{run:04}" / "train" / "events.out.tfevents.1700000000.host"
        with path.open("ab") as file:
            file.write(scalar("epoch_loss", 30, 1.7e9 + 30, float("nan"), "tensors"))


class Visit:
    """One page, opened at a tab; times are seconds since the navigation."""

    def __init__(self, browser, server: TensorBoard, tab: str) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900})
        self.page = self.context.new_page()
        self.start = time.perf_counter()
        self.page.goto(f"{server.url}/#{tab}", wait_until="commit")
        self.frame = None
        if tab in FRAMES:
            element = self.page.wait_for_selector(f"iframe[src*='{FRAMES[tab]}']", state="attached", timeout=120_000)
            self.frame = element.content_frame()

    def painted(self, selector: str) -> float:
        place = self.frame or self.page
        place.wait_for_selector(selector, timeout=120_000)
        place.evaluate(NEXT_PAINT)
        return time.perf_counter() - self.start

    def heap(self) -> float:
        """MB of JavaScript's objects, after what is garbage was collected."""
        session = self.context.new_cdp_session(self.page)
        session.send("HeapProfiler.enable")
        session.send("HeapProfiler.collectGarbage")
        return session.send("Runtime.getHeapUsage")["usedSize"] / 1e6


def loading(browser, server: TensorBoard, rounds: int) -> None:
    first, finding, heap, series = [], [], [], []
    seen: dict[str, tuple[float, float, float]] = {}
    for number in range(rounds):
        # who comes second finds a server that has just answered the same: each comes second in every other round
        for tab in ("empty", "scram") if number % 2 else ("scram", "empty"):
            visit = Visit(browser, server, tab)
            shown = visit.painted(".app")
            found = visit.painted("article[data-finding]") if tab == "scram" else shown
            seen[tab] = shown, found, visit.heap()
            visit.context.close()
            time.sleep(1)
        base = seen["empty"][0]
        first.append(seen["scram"][0] - base)
        finding.append(seen["scram"][1] - base)
        heap.append(seen["scram"][2] - seen["empty"][2])
        other = Visit(browser, server, "timeseries")
        series.append(other.painted("card-view, .card-group, mat-card") - base)
        other.context.close()
        time.sleep(5)  # until the server has answered all that it asked for
    said = ", ".join
    later = f"first paint {statistics.median(first):+.2f} s, first finding {statistics.median(finding):+.2f} s"
    print(f"{later} after an empty plugin's first paint")
    print(f"  (rounds: {said(f'{a:+.2f}/{b:+.2f}' for a, b in zip(first, finding, strict=True))})")
    print(f"  first card of Time Series {statistics.median(series):+.2f} s after it")
    print(f"heap {statistics.median(heap):+.1f} MB above the empty plugin's")


def cold(browser, logdir: Path, environment: dict[str, str], rounds: int) -> None:
    """TensorBoard was started just now: nothing is read or reviewed when the page is opened."""
    times: dict[str, list[float]] = {"empty": [], "scram": []}
    for _ in range(rounds):
        for tab, selector in (("empty", ".app"), ("scram", "article[data-finding]")):
            server = TensorBoard("--logdir", str(logdir), env=environment)
            try:
                visit = Visit(browser, server, tab)
                times[tab].append(visit.painted(selector))
                visit.context.close()
            finally:
                server.close()
    later = [ours - empty for ours, empty in zip(times["scram"], times["empty"], strict=True)]
    print(
        f"TensorBoard just started: first finding {statistics.median(later):+.2f} s after an empty plugin's first paint", end=""
    )
    print(f" ({', '.join(f'{value:+.2f}' for value in later)})")


CLICK = """async ([selector, wanted]) => {
  const there = () => [...document.querySelectorAll(wanted)].length > 0;
  const place = document.querySelector(selector);
  if (!place) throw new Error('no ' + selector);
  const start = performance.now();
  place.click();
  while (!there()) await new Promise(requestAnimationFrame);
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}"""


def clicks(browser, server: TensorBoard) -> None:
    visit = Visit(browser, server, "scram")
    visit.painted("article[data-finding]")
    frame, took = visit.frame, {}

    def click(what: str, selector: str, wanted: str) -> None:
        took.setdefault(what, []).append(frame.evaluate(CLICK, [selector, wanted]))
        frame.wait_for_timeout(50)

    for _ in range(3):
        names = frame.eval_on_selector_all("[data-run]", "all => all.map(run => run.dataset.run)")
        for name in names[:12]:
            click("a run", f'[data-run="{name}"]', f'main[aria-label="Review of {name}"] .headline')
        for view, wanted in (
            ("Runs × checks", ".matrix-row"),
            ("Compare", "main.comparison .headline"),
            ("Catalogue", "article.page"),
        ):
            index = frame.eval_on_selector_all(".views button", f"all => all.findIndex(b => b.textContent === '{view}') + 1")
            click(f"view {view}", f".views button:nth-child({index})", wanted)
            if view == "Runs × checks":
                click("sort by a check", ".matrix-head .check button", ".matrix-head [aria-sort=ascending] button")
            if view == "Catalogue":
                for id_ in ("label-range", "overfitting", "dead-relu"):
                    page = f"nav.catalogue button[title$='({id_})']"
                    click("a page of the catalogue", page, f"{page}[aria-current=true]")
        click("view Findings", ".views button:nth-child(1)", "main.review .headline")
        click("why", ".why:not(.inside) > summary", ".question")
        click("not why", ".why:not(.inside) > summary", ".why:not(.inside):not([open])")
    every = sorted(value for values in took.values() for value in values)
    print(f"{len(every)} clicks until what was asked for is painted: median {statistics.median(every):.0f} ms, ", end="")
    print(f"95th percentile {np.percentile(every, 95):.0f} ms, longest {every[-1]:.0f} ms")
    for what, values in took.items():
        print(f"  {what}: {statistics.median(values):.0f} ms (longest {max(values):.0f})")
    scroll = """async () => {
      const list = document.querySelector('nav .scroller');
      const took = [];
      for (let i = 0; i < 40; i++) {
        const start = performance.now();
        list.scrollTop = i * 1500;
        await new Promise(requestAnimationFrame);
        took.push(performance.now() - start);
      }
      return took;
    }"""
    print(f"scrolling the list: longest frame {max(frame.evaluate(scroll)):.0f} ms")
    visit.context.close()


def downloads(server: TensorBoard, logdir: Path) -> None:
    size = sum(len(gzip.compress(path.read_bytes())) for path in (ROOT / "scram_plugin" / "tensorboard" / "static").iterdir())
    print(f"bundle {size / 1000:.0f} kB compressed")
    cursor = server.get("runs")[1]["cursor"]
    with next(iter(sorted(logdir.glob("*/run0001/train/*")))).open("ab") as file:
        file.write(scalar("epoch_loss", 31, 1.7e9 + 31, 0.1, "tensors"))
    end = time.monotonic() + 60
    while time.monotonic() < end:
        _, _, body = server.raw(f"data/plugin/scram/runs?since={cursor}")
        if json.loads(body)["runs"]:
            break
        time.sleep(0.5)
    print(f"a refresh with one changed run: {len(body) / 1000:.2f} kB, {len(json.loads(body)['runs'])} run in it")


def long_curve(browser, points: int, environment: dict[str, str]) -> None:
    """One curve of very many points: until its finding is painted, and until a zoom shows exact values."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "long" / "events.out.tfevents.1700000000.host"
        path.parent.mkdir()
        with path.open("wb") as file:
            file.write(record(b"\x09" + bytes(8) + b"\x1a\x0dbrain.Event:2"))
            for begin in range(0, points, 100_000):
                steps = range(begin, min(begin + 100_000, points))
                values = 1.0 / (np.arange(steps.start, steps.stop) + 1) + 0.1
                file.write(
                    b"".join(scalar("loss", s, 1.7e9 + s, float(v), "simple_value") for s, v in zip(steps, values, strict=True))
                )
            file.write(scalar("loss", points, 1.7e9 + points, float("nan"), "simple_value"))
        with contextlib.closing(TensorBoard("--logdir", scratch, env=environment)) as server:
            start = time.perf_counter()
            server.reviewed(1, timeout=300)
            read = time.perf_counter() - start
            visit = Visit(browser, server, "scram")
            shown = visit.painted("article[data-finding] canvas")
            begin = time.perf_counter()
            _, body = server.get(
                "curve", tb_run="long", tag="loss", points="1200", **{"from": str(points // 2), "to": str(points // 2 + 1000)}
            )
            part = time.perf_counter() - begin
            print(
                f"{points:,} points: reviewed in {read:.1f} s; its curve {shown:.2f} s after the navigation; ",
                end="",
            )
            print(f"a zoom answered in {1000 * part:.0f} ms with {len(body['values'])} exact points")
            visit.context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--points", type=int, default=10_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        logdir = Path(scratch) / "logs"
        build(logdir, options.runs)
        make_faulty(logdir, options.runs)
        plugin = Path(scratch) / "plugin"
        plugin.mkdir()
        environment = empty_plugin(plugin)
        print(f"{options.runs} training runs in {sum(1 for _ in logdir.rglob('*tfevents*'))} files")
        with contextlib.closing(TensorBoard("--logdir", str(logdir), env=environment)) as server:
            server.reviewed(options.runs, timeout=300)
            loading(browser, server, options.rounds)
            clicks(browser, server)
            downloads(server, logdir)
        cold(browser, logdir, environment, min(options.rounds, 5))
        if options.points:
            long_curve(browser, options.points, environment)


if __name__ == "__main__":
    main()
