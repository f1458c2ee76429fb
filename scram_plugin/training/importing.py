"""Actions that are taken when the program imports a module: SCRAM itself imports no framework that the program does not."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any


class WhenImported(importlib.abc.MetaPathFinder):
    """Within it, `actions` are taken as soon as modules of these names have been imported; at once if they have been."""

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        self._actions = dict(actions)
        self._looking = False

    def __enter__(self) -> None:
        for name in [name for name in self._actions if name in sys.modules]:
            self._actions.pop(name)()
        sys.meta_path.insert(0, self)

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._actions or self._looking:
            return None
        self._looking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._looking = False
        if spec is None or spec.loader is None:
            return None
        loader = spec.loader
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            # here, and not before: TensorFlow asks for Keras's place, and imports it later
            if (action := self._actions.pop(fullname, None)) is not None:
                action()

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
