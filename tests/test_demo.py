"""`make demo`: the recorded runs in a real TensorBoard that needs no TensorFlow, within two minutes."""

import socket

from tests import demo
from tests.paths import ROOT


def test_make_demo():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    seconds, runs, said = demo.reviewed(["make", "demo", f"PORT={port}"], port, patience=120, cwd=ROOT)
    print(f"answered after {seconds:.1f} s")
    assert len(runs["runs"]) == 6
    assert f"http://127.0.0.1:{port}/#scram" in said
