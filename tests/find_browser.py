"""Finds a Chromium for the browser tests, or installs one: `python tests/find_browser.py [--install]` prints its path."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """The path of a Chromium: $CHROMIUM, one on the PATH, or Playwright's own."""
    given = os.environ.get("CHROMIUM")
    if given and os.access(given, os.X_OK):
        return given
    for name in NAMES:
        path = shutil.which(name)
        if path and "snap" not in str(Path(path).resolve()):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
        return path if os.path.exists(path) else None


def main() -> int:
    path = find()
    if path is None and "--install" in sys.argv:
        print("SCRAM: installing a Chromium for the browser tests ...", file=sys.stderr)
        script = Path(__file__).with_name("install_debian.sh")
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
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
