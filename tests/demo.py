"""`make demo`, started as a user starts it, until its runs are reviewed."""

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.request

RUNS = 6  # of the demo


def reviewed(command: list[str], port: int, patience: float, **how) -> tuple[float, dict, str]:
    """(seconds until all runs are reviewed, what `runs` answers, what was printed); the processes are ended.

    Raises RuntimeError where they are not reviewed within `patience` seconds.
    """
    start, runs = time.monotonic(), None
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True, **how
    )
    try:
        while runs is None and process.poll() is None and time.monotonic() - start < patience:
            with contextlib.suppress(OSError, ValueError):  # not there yet
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/plugin/scram/runs", timeout=5) as answer:
                    known = json.load(answer)
                if known["progress"]["done"] == known["progress"]["total"] == RUNS:
                    runs = known
                    continue
            time.sleep(0.5)
        seconds = time.monotonic() - start
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        said = process.communicate(timeout=60)[0]
    if runs is None:
        raise RuntimeError(f"make demo reviewed no {RUNS} runs in {seconds:.0f} s:\n{said[-4000:]}")
    return seconds, runs, said
