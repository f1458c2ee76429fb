"""A real TensorBoard process on a free port, and a real Chromium with its tab open."""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests import find_browser

DARK = "localStorage.setItem('_tb_global_settings', JSON.stringify({theme: '%s'}))"


# TensorBoard as it starts where no TensorFlow is installed: in a fifth of the time that it takes to import TensorFlow, which
# `make demo` does (tests/test_demo.py)
WITHOUT_TENSORFLOW = ("-c", "import sys; sys.modules['tensorflow'] = None; from tensorboard.main import run_main; run_main()")


class TensorBoard:
    """Starts TensorBoard and waits for its address; `get` asks SCRAM's routes."""

    python = WITHOUT_TENSORFLOW  # what Python is given before TensorBoard's arguments

    def __init__(
        self,
        *arguments: str,
        prefix: str = "",
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log", delete=False)  # noqa: SIM115
        command = [sys.executable, *self.python, "--host", "127.0.0.1", "--port", "0", *arguments]
        if prefix:
            command += ["--path_prefix", prefix]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=env or os.environ, cwd=cwd)
        self.url = self._address()

    def output(self) -> str:
        return Path(self.log.name).read_text()

    def _address(self) -> str:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = re.search(r"http://127\.0\.0\.1:\d+\S*", self.output())
            if found:
                return found[0].rstrip("/")
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"TensorBoard did not start:\n{self.output()}")

    def raw(self, path: str, method: str = "GET", headers: dict[str, str] | None = None):
        """(status, headers, body) of any path below the server's address."""
        request = urllib.request.Request(f"{self.url}/{path}", method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def get(self, route: str, **parameters: str):
        """(status, JSON) of one of SCRAM's routes."""
        query = urllib.parse.urlencode(parameters)
        status, _, body = self.raw(f"data/plugin/scram/{route}?{query}")
        return status, json.loads(body)

    def reviewed(self, total: int | None = None, timeout: float = 60.0):
        """`runs`, once everything is reviewed (and `total` runs are there)."""
        end = time.monotonic() + timeout
        while True:
            _, answer = self.get("runs")
            progress = answer["progress"]
            if progress["looked"] and progress["done"] == progress["total"] and total in (None, progress["total"]):
                return answer
            if time.monotonic() > end:
                raise TimeoutError(answer)
            time.sleep(0.2)

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


@contextlib.contextmanager
def tensorboard(*arguments: str, **options):
    server = TensorBoard(*arguments, **options)
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def chromium():
    """A headless browser. Raises RuntimeError, with what to do, where none can be had."""
    path = find_browser.find()
    if path is None:
        raise RuntimeError("no Chromium: sudo apt-get install chromium, or CHROMIUM=/path/to/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        try:
            yield browser
        finally:
            browser.close()


def open_tab(browser: Browser, server: TensorBoard, width=1280, height=900, theme="light", link="#scram") -> Page:
    """TensorBoard's page with SCRAM's tab open. `page.scram` is the tab's frame; `page.said` the console's messages."""
    context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    context.add_init_script(DARK % theme)
    page = context.new_page()
    if slower := int(os.environ.get("SLOWER", "0")):  # tests/browser/waiting.py says why
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.said = []  # type: ignore[attr-defined]
    page.on("console", lambda message: page.said.append(f"{message.type}: {message.text}"))  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.said.append(f"error: {error}"))  # type: ignore[attr-defined]
    page.goto(f"{server.url}/{link}")
    element = page.wait_for_selector("iframe[src*='plugin_entry.html?name=scram']", state="attached", timeout=30_000)
    page.scram = element.content_frame()  # type: ignore[attr-defined]
    page.scram.wait_for_selector(".app", timeout=30_000)  # type: ignore[attr-defined]
    return page
