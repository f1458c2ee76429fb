"""What one run of a proof is asked to do, and what it tells at its end: JSON files between `fixing/` and `training/proof/`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

CUT, OPEN = "cut off", "open"  # the network of a run


@dataclass(frozen=True)
class Spec:
    """A run: `script`, with its arguments, as it lies below `directory`, which is the working directory.

    `seed` is added to each seed that the program sets. The run ends after so many `seconds` of training, `batches` or `epochs`,
    whichever comes first; None is no limit. It may write below `writable` only, and has a `network` if that is asked for. It
    logs to `log_dir` and tells its end in `result`.
    """

    script: str
    arguments: list[str]
    directory: str
    log_dir: str
    result: str
    seed: int = 0
    seconds: float | None = None
    batches: int | None = None
    epochs: int | None = None
    writable: list[str] = field(default_factory=list)
    network: bool = False

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Spec:
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))

    def write(self, path: str | os.PathLike[str]) -> None:
        Path(path).write_text(json.dumps(asdict(self)), encoding="utf-8")


@dataclass
class RunResult:
    """What a run tells: the batches and epochs that it trained, whether its budget was used up, and how the program ended.

    `error`: the sentence of the exception that ended the program. `kept`: the epoch whose weights the program went back to at
    its end. `refused`: places outside in which it tried to write. `agreement`: how far the final outputs follow the targets.
    `network`: whether it was "cut off" or "open".
    """

    batches: int = 0
    epochs: int = 0
    used: bool = False
    ended: bool = False
    error: str = ""
    kept: int | None = None
    refused: list[str] = field(default_factory=list)
    agreement: float | None = None
    network: str = OPEN

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it whole or not at all: it may be read at any time."""
        part = f"{os.fspath(path)}.part"
        Path(part).write_text(json.dumps(asdict(self)), encoding="utf-8")
        os.replace(part, path)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> RunResult | None:
        """None where nothing was told yet."""
        try:
            given: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return cls(**given)
