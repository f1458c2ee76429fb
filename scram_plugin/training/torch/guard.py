"""What the recorder does within the program's own calls: it never raises there, and is not seen by autograd."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import torch

from scram_plugin.training.torch.compiled import transforming
from scram_plugin.training.torch.copies import ours
from scram_plugin.training.torch.owner import Owner
from scram_plugin.training.torch.pace import Pace
from scram_plugin.training.torch.second_pass import Apart


class Guard:
    """Makes functions that never raise, do nothing where the program is not computing, and add nothing to the autograd graph.

    `enabled`: whether gradients were enabled when the last one was called. `close`: called before a failure is reported.
    """

    def __init__(self, owner: Owner, pace: Pace, apart: Apart, close: Callable[[], None]) -> None:
        self._owner, self._pace, self._apart, self._close = owner, pace, apart, close
        self.enabled = False

    def __call__(self, method: Callable[..., Any]) -> Callable[..., None]:
        owner, pace, apart = self._owner, self._pace, self._apart

        @functools.wraps(method)
        def guarded(*args: Any, **kwargs: Any) -> None:
            if owner.broken or apart.passing or transforming():
                return
            self.enabled = before = torch.is_grad_enabled()
            begin, measuring = time.perf_counter(), pace.measuring
            torch._C._set_grad_enabled(False)  # like `torch.no_grad`, which takes longer than the method itself
            try:
                method(*args, **kwargs)
            except Exception as error:
                self._close()
                owner.fail(error)
            finally:
                torch._C._set_grad_enabled(before)
                pace.spent(time.perf_counter() - begin, measuring)

        return ours(guarded)
