"""The layout shows the architecture: imports go one way (the contracts stand in pyproject.toml)."""

import ast
import contextlib
import graphlib
import os
import subprocess
import sys
from collections import defaultdict

import grimp
import pytest

from tests.paths import BIN, ROOT


def test_imports_go_one_way():
    lint = BIN / "lint-imports"
    command = (
        [str(lint)] if lint.exists() else [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    )
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_reading_and_judging_need_no_framework():
    program = (
        "import sys, scram_plugin.cli.main, scram_plugin.tensorboard.plugin;"
        "print([m for m in ('tensorflow', 'keras', 'torch', 'scram_plugin.training') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_fit_in_the_head():
    long = {
        str(p.relative_to(ROOT)): n
        for p in (ROOT / "scram_plugin").rglob("*.py")
        if (n := len(p.read_text().splitlines())) > 400
    }
    assert long == {}


def test_no_two_classes_have_one_name():
    places = defaultdict(list)
    for path in (ROOT / "scram_plugin").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SCRAM", "scram_plugin.SCRAM needs Keras and a backend of it: pip install tensorflow"),
        ("watch as w; w(3)", "scram_plugin.watch needs a keras.Model, or PyTorch: pip install torch"),
        ("LightningSCRAM", "scram_plugin.LightningSCRAM needs Lightning: pip install lightning"),
        ("TransformersSCRAM", "scram_plugin.TransformersSCRAM needs Hugging Face Transformers: pip install transformers"),
        ("StableBaselines3SCRAM", "scram_plugin.StableBaselines3SCRAM needs Stable-Baselines3: pip install stable-baselines3"),
        ("UltralyticsSCRAM", "scram_plugin.UltralyticsSCRAM needs Ultralytics: pip install ultralytics"),
    ],
)
def test_a_name_without_its_framework_says_what_to_install(name, said):
    missing = (
        "keras",
        "tensorflow",
        "torch",
        "lightning",
        "pytorch_lightning",
        "transformers",
        "stable_baselines3",
        "ultralytics",
    )
    program = f"import sys; sys.modules.update(dict.fromkeys({missing})); from scram_plugin import {name}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip().splitlines()[-1].startswith(f"ImportError: {said}")


def test_a_preflight_imports_no_framework_that_the_program_does_not(tmp_path):
    """TensorFlow and a PyTorch with Triton end a process that has both."""
    (tmp_path / "program.py").write_text("print('no training')\n")
    program = (
        "import sys; sys.argv = ['scram', 'preflight', 'program.py']\n"
        "from scram_plugin.cli.main import main\n"
        "main()\n"
        "print([name for name in ('tensorflow', 'keras', 'torch') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_one_name_is_one_number():
    """A limit that has the same name in two checks is the same limit."""
    numbers = defaultdict(dict)
    for path in (ROOT / "scram_plugin" / "heuristics").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
                with contextlib.suppress(ValueError):
                    value = ast.literal_eval(node.value)
                    if all(isinstance(part, int | float) for part in (value if isinstance(value, tuple) else (value,))):
                        numbers[node.targets[0].id][path.name] = value
    assert {name: of for name, of in numbers.items() if len(set(map(repr, of.values()))) > 1} == {}


def test_no_two_modules_import_each_other():
    """Nor a longer circle, imports within functions included."""
    graph = grimp.build_graph("scram_plugin")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    list(graphlib.TopologicalSorter(imports).static_order())  # raises CycleError, which names the circle
