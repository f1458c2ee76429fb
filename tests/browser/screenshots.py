"""Pictures of the tab in a real Chromium: `python -m tests.browser.screenshots [DIR]`; the first three are kept in docs/.

Light and dark, 1280 and 480 wide, the other views, an empty log directory, and a training that is live.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser.waiting import settle
from tests.paths import DEMO_LOGS, ROOT, SCENARIOS, environment
from tests.servers import chromium, open_tab, tensorboard

PICTURES = {
    "tab": ("cifar10/unnormalized", 1440, "light"),
    "tab-400": ("cifar10/unnormalized", 400, "light"),
    "tab-2000": ("movie_reviews/lr_1e10", 2000, "dark"),
    "nan-light": ("movie_reviews/lr_1e10", 1280, "light"),
    "nan-dark": ("movie_reviews/lr_1e10", 1280, "dark"),
    "overfit-light": ("fashion_mnist/overfit", 1280, "light"),
    "healthy-light": ("cifar10/normalized", 1280, "light"),
    "narrow-light": ("fashion_mnist/overfit", 480, "light"),
    "narrow-dark": ("fashion_mnist/overfit", 480, "dark"),
}


def train_movie_reviews(log_dir):
    """The 1e10 program in another process, long enough to be watched, logging below `log_dir`."""
    text = (SCENARIOS / "movie_reviews.py").read_text()
    scratch = Path(tempfile.mkdtemp())
    shutil.copy(SCENARIOS / "data.py", scratch)
    (scratch / "movie_reviews.py").write_text(text.replace('"logs/', f'"{log_dir}/').replace("epochs=10", "epochs=200"))
    return subprocess.Popen(
        [sys.executable, "movie_reviews.py"],
        cwd=scratch,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        with tensorboard("--logdir", str(DEMO_LOGS)) as server:
            server.reviewed(6)
            for name, (run, width, theme) in PICTURES.items():
                page = open_tab(browser, server, width, 1000, theme, f"#scram&p.scram.run={run.replace('/', '%2F')}")
                settle(page)
                page.screenshot(path=out / f"{name}.png")
            for view in ("catalogue", "checks", "compare"):
                page = open_tab(browser, server, link=f"#scram&p.scram.view={view}")
                settle(page)
                page.screenshot(path=out / f"{view}-light.png")
        with tempfile.TemporaryDirectory() as empty, tensorboard("--logdir", empty) as server:
            server.reviewed(0)
            page = open_tab(browser, server)
            settle(page)
            page.screenshot(path=out / "empty-light.png")
            training = train_movie_reviews(Path(empty))
            page.scram.wait_for_selector("article[data-finding=nonfinite-loss] canvas", timeout=90_000)
            settle(page)
            page.screenshot(path=out / "live-light.png")
            training.kill()
            training.wait()


if __name__ == "__main__":
    main()
