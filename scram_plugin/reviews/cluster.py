"""Dask workers as an executor, for log directories that take one machine too long."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

from scram_plugin import __version__
from scram_plugin.errors import BadOption

SECONDS = 10  # to reach the scheduler
SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")
RETRIES = 3  # retries of a task whose worker was lost


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """An executor over the workers of the Dask scheduler at `address` (``tcp://host:8786``).

    Raises BadOption, with a sentence, if it cannot be used. All workers must have the same version of SCRAM as this process.
    """
    scheme, _, place = address.rpartition("://")
    if (scheme and scheme not in SCHEMES) or not re.fullmatch(r"\S+:\d+", place):
        raise BadOption(f"--dask takes the address of a scheduler, for example tcp://host:8786, not {address!r}")
    try:
        from distributed import Client
    except ImportError:
        raise BadOption("--dask needs Dask: pip install distributed") from None
    try:
        client = Client(address, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise BadOption(f"--dask: no scheduler answers at {address} ({str(error)[:200]})") from None
    client.loop.asyncio_loop.set_exception_handler(_without_timeouts)
    with client:
        try:
            versions = client.run(_version)
        except Exception as error:
            raise BadOption(f"--dask: the workers cannot use SCRAM ({str(error)[:200]}); install it on each") from None
        if not versions:
            raise BadOption(f"--dask: the scheduler at {address} has no workers; start some with: dask worker {address}")
        for worker, version in versions.items():
            if version != __version__:
                raise BadOption(f"--dask: the worker {worker} has SCRAM {version}, not {__version__}; use the same version")
        with client.get_executor(pure=False, retries=RETRIES) as executor:
            yield executor


def _without_timeouts(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keeps back what Dask's timer of messages leaves when it ends just as a connection is closed: nobody waits for it.

    Without this, a busy machine prints "Future exception was never retrieved" beside the review. A timeout that matters is
    raised where its result is awaited.
    """
    if not isinstance(context.get("exception"), TimeoutError | asyncio.TimeoutError):
        loop.default_exception_handler(context)


def _version() -> str:
    from scram_plugin import __version__ as version

    return version
