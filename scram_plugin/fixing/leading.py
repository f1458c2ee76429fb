"""The imports with which a program begins: done once for all runs of a proof, since they take longer than many a training.

Only what comes before anything else that the program does: a program that chooses a backend or a device by a variable of the
environment does so before an import, and that import is left to its runs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

Import: TypeAlias = tuple[str, tuple[str, ...]]  # a module, and the names that are taken from it

# Packages that no program changes by what it does before. JAX is not among them: it warns where its process is forked.
KNOWN = frozenset(
    (
        *("numpy", "scipy", "pandas", "sklearn", "matplotlib", "tqdm", "PIL"),
        *("tensorflow", "keras", "torch", "torchvision", "torchmetrics", "lightning", "pytorch_lightning"),
        *("transformers", "datasets", "tokenizers", "accelerate"),
    )
)
WORTH = frozenset(("tensorflow", "keras", "torch"))  # that take long


def leading(script: Path) -> list[Import]:
    """The imports of known packages before the first other statement, in their order.

    Empty where none of them takes long, or the file cannot be read.
    """
    try:
        program = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    found = list(_leading(program, script.parent))
    return found if any(_package(module) in WORTH for module, _ in found) else []


def _leading(program: ast.Module, folder: Path) -> Iterator[Import]:
    for statement in program.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        imports: list[Import] = []
        if isinstance(statement, ast.Import):
            imports = [(alias.name, ()) for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            imports = [(statement.module, tuple(alias.name for alias in statement.names if alias.name != "*"))]
        if not imports:
            return
        for module, names in imports:
            package = _package(module)
            if package in sys.stdlib_module_names:
                continue
            if package not in KNOWN or (folder / package).exists() or (folder / f"{package}.py").exists():
                return
            yield module, names


def _package(module: str) -> str:
    return module.partition(".")[0]
