"""A Python file of the user's own, which is no part of a package, imported as a module."""

from __future__ import annotations

import importlib.util
import os
import sys
import zlib
from pathlib import Path
from types import ModuleType


def import_file(path: Path) -> ModuleType:
    """Raises whatever importing it raises, and ImportError for a file that is not Python."""
    name = f"scram_{path.stem}_{zlib.crc32(os.fsencode(path.absolute())):x}"  # several may have the same file name
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for their module while it is imported
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
