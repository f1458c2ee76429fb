"""What is shipped: the wheel holds the built tab and none of its source; the frontend's own unit tests pass."""

import os
import subprocess
import sys
import zipfile

import pytest

from tests.paths import DEMO_LOGS, ROOT


def test_the_wheel_holds_the_built_tab_and_no_source_of_it(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("tensorboard_plugin_scram-")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"scram_plugin/tensorboard/static/index.js", "scram_plugin/tensorboard/api.schema.json"} <= set(names)
    assert {n for n in names if n.endswith(".md") and n.startswith("scram_plugin/heuristics")}
    assert [n for n in names if n.endswith((".ts", ".tsx")) or "frontend" in n or "node_modules" in n or "demo_logs" in n] == []
    points = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("entry_points.txt"))).decode()
    assert "[tensorboard_plugins]" in points
    assert "scram_plugin/py.typed" in names
    described = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith(".dist-info/METADATA"))).decode()
    assert "# SCRAM" in described
    assert "](docs/" not in described, "a relative link or picture leads nowhere from there"


def test_the_frontends_unit_tests():
    done = subprocess.run(
        [sys.executable, "-c", "import build_frontend; build_frontend.node('node_modules/vitest/vitest.mjs', 'run')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_demo_logs_are_small_and_name_no_machine():
    files = list(DEMO_LOGS.rglob("*tfevents*"))
    assert len(files) == 18
    assert sum(p.stat().st_size for p in files) < 5e6
    here = str(ROOT.parent).encode()
    assert not [p for p in files if here in p.read_bytes()]


@pytest.mark.parametrize("name", ["fashion_mnist", "movie_reviews", "cifar10"])
def test_a_notebook_is_executed_and_shows_its_finding(name):
    import nbformat

    found = {"fashion_mnist": "Overfitting since", "movie_reviews": "Loss became NaN", "cifar10": "Inputs are not normalised"}
    made = nbformat.read(DEMO_LOGS / "scenarios" / f"{name}.ipynb", as_version=4)
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    text = "".join(o.get("text", "") for cell in code for o in cell.outputs)
    assert found[name] in text, "by the callback, while it trains"
    (shown,) = [o["data"]["text/html"] for cell in code for o in cell.outputs if "data" in o]
    assert found[name] in shown
    assert "<polyline" in shown
    assert os.sep + "work" not in text + shown
