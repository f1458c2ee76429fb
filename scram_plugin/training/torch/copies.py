"""What is copied, saved or compiled of a watched model holds nothing of SCRAM.

`torch.save`, `pickle` and `copy` ask `__reduce_ex__` for what an object consists of; while a training is watched, that of
`torch.nn.Module` leaves SCRAM's hooks out. TorchScript compiles hooks: they are taken off while it does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

HOOKS = ("_forward_hooks", "_forward_pre_hooks")
# keys of hooks, by which these say how a hook is called
OF_HOOKS = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
COMPILED = "_compiled_call_impl"


def ours(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a hook, or a function in place of one of PyTorch's, as SCRAM's."""
    hook.scram = True  # type: ignore[attr-defined]
    return hook


def is_ours(hook: Any) -> bool:
    return getattr(hook, "scram", False) is True


def without_hooks(original: Any) -> Any:
    """`torch.nn.Module.__reduce_ex__` that leaves SCRAM's hooks out of the state of a module."""

    def reduce(module: torch.nn.Module, protocol: Any) -> Any:
        reduced = original(module, protocol)
        if not any(map(is_ours, _hooks(module))) or not isinstance(reduced, tuple) or len(reduced) < 3:
            return reduced
        state = reduced[2]
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], dict):  # with slots
            state = (_clean(state[0]), state[1])
        elif isinstance(state, dict):
            state = _clean(state)
        return (*reduced[:2], state, *reduced[3:])

    return reduce


def _hooks(module: torch.nn.Module) -> list[Any]:
    known = vars(module)
    return [*(hook for name in HOOKS for hook in known.get(name, {}).values()), known.get(COMPILED)]


def _clean(state: dict[str, Any]) -> dict[str, Any]:
    """The state of a module without hooks of SCRAM's."""
    clean = dict(state)
    for name in HOOKS:
        if isinstance(clean.get(name), dict):
            removed = {key for key, hook in clean[name].items() if is_ours(hook)}
            clean[name] = _without(clean[name], removed)
            for other in OF_HOOKS:
                if other.startswith(name) and isinstance(clean.get(other), dict):
                    clean[other] = _without(clean[other], removed)
    if is_ours(clean.get(COMPILED)):
        clean[COMPILED] = None
    return clean


def _without(entries: dict[Any, Any], removed: set[Any]) -> dict[Any, Any]:
    kept = ((key, value) for key, value in entries.items() if key not in removed)
    return OrderedDict(kept) if isinstance(entries, OrderedDict) else dict(kept)
