"""Finds a Chromium and a Firefox for the browser tests, or installs them.

`python tests/find_browser.py [--install]` prints their paths.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FIREFOX = ("firefox-esr", "firefox")


def find() -> str | None:
    """The path of a Chromium: $CHROMIUM, one on the PATH, or Playwright's own."""
    path = _on_path("CHROMIUM", CHROMIUM)
    if path is not None:
        return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
        return path if os.path.exists(path) else None


def find_firefox() -> str | None:
    """The path of a Firefox: $FIREFOX, or one on the PATH. One in a snap cannot be driven from outside of it."""
    return _on_path("FIREFOX", FIREFOX)


def _on_path(variable: str, names: tuple[str, ...]) -> str | None:
    given = os.environ.get(variable)
    if given and os.access(given, os.X_OK):
        return given
    paths = filter(None, map(shutil.which, names))
    return next((path for path in paths if not _of_snap(Path(path))), None)


def _of_snap(path: Path) -> bool:
    """Whether a program is a snap, or (Ubuntu's Firefox) a script that starts one."""
    if "snap" in str(path.resolve()):
        return True
    with path.open("rb") as file:
        head = file.read(4096)
    return head.startswith(b"#!") and b"/snap/" in head


def main() -> int:
    script = Path(__file__).with_name("install_debian.sh")
    if find_firefox() is None and "--install" in sys.argv:
        print("SCRAM: installing a Firefox for the browser tests ...", file=sys.stderr)
        subprocess.run(["sh", str(script), "firefox-esr"])
    path = find()
    if path is None and "--install" in sys.argv:
        print("SCRAM: installing a Chromium for the browser tests ...", file=sys.stderr)
        if subprocess.run(["sh", str(script), "chromium"]).returncode != 0:
            subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])
        path = find()
    if path is None:
        print(
            "SCRAM: there is no Chromium, and none could be installed. The browser tests will fail. Install it "
            "(sudo apt-get install chromium) or name one with CHROMIUM=/path/to/chromium.",
            file=sys.stderr,
        )
        return 0
    print(path, find_firefox() or "", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
