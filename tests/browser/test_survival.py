"""TensorBoard survives a broken SCRAM: its other tabs work."""

import os
import shutil
from pathlib import Path

import pytest

import scram_plugin
from tests.paths import DEMO_LOGS
from tests.servers import tensorboard
from tests.sizes import few

PACKAGE = Path(scram_plugin.__file__).parent

BREAKS = {
    "at import": ("import functools\n", 'import functools\n\nraise RuntimeError("broken")\n'),
    "in get_plugin_apps": (
        "        routes: dict[str, Any] = {",
        '        raise RuntimeError("broken")\n        routes: dict[str, Any] = {',
    ),
    "in a route": (
        "        known = self._reviewer.runs(patience",
        '        raise RuntimeError("broken")\n        known = self._reviewer.runs(patience',
    ),
    "in is_active": ('            known = self._reviewer.runs()["progress"]', '            raise RuntimeError("broken")'),
}


@pytest.mark.parametrize("where", few(BREAKS, lambda where: where in list(BREAKS)[::2]))
def test_other_tabs_work(where, browser, tmp_path):
    copy = tmp_path / "scram_plugin"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    old, new = BREAKS[where]
    text = (copy / "tensorboard" / "plugin.py").read_text()
    assert old in text
    (copy / "tensorboard" / "plugin.py").write_text(text.replace(old, new, 1))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with tensorboard("--logdir", str(DEMO_LOGS), env=environment, cwd=tmp_path) as server:
        status, _, _ = server.raw("data/plugins_listing")
        assert status == 200
        page = browser.new_page()
        page.goto(f"{server.url}/#timeseries")
        page.wait_for_selector("text=epoch_loss", timeout=30_000)
        page.goto(f"{server.url}/#scalars")
        page.wait_for_selector("tf-scalar-dashboard", state="attached", timeout=30_000)
        if where == "in a route":
            assert server.raw("data/plugin/scram/runs")[0] == 503
        assert "broken" in server.output() or where == "in is_active"
        page.close()
