"""`make demo`: the recorded runs in a real TensorBoard that needs no TensorFlow, within two minutes."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from tests.paths import ROOT


def test_make_demo():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.monotonic()
    process = subprocess.Popen(
        ["make", "demo", f"PORT={port}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        while True:
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() - start < 120
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/plugin/scram/runs") as answer:
                    runs = json.load(answer)
                if runs["progress"]["done"] == 6:
                    break
            except urllib.error.URLError:
                pass
            time.sleep(0.5)
        print(f"answered after {time.monotonic() - start:.1f} s")
        assert len(runs["runs"]) == 6
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        said = process.communicate(timeout=20)[0]
    assert f"http://127.0.0.1:{port}/#scram" in said
