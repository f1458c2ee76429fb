"""Names, code and data of a log are shown as text, in every view: a real training whose every name would like to be markup.

TensorFlow takes no such name for a layer, so one of the same length is replaced in the event file.
"""

import os
import struct
import subprocess
import sys

import pytest

from tests.browser.screenshots import settle
from tests.browser.test_tab import link, ours
from tests.event_files import curve, record
from tests.servers import open_tab, tensorboard

IMG, SCRIPT = "<img src=x onerror=alert(1)>", "<script>alert(2)</script>"
LAYER = "<img src=x onerror=alert(5)>"
PLACE = "a_layer_with_as_many_letters"
RIGHT_TO_LEFT = "\u202eevil\u202c אבג"
PROGRAM = """
import keras
from keras import layers
from scram_plugin import SCRAM
from sklearn.datasets import load_digits
x, y = load_digits(return_X_y=True)
TITLE = "<script>alert(3)</script><img src=x onerror=alert(4)>"
model = keras.Sequential([keras.Input((64,), name="in"),
    layers.Dense(16, "relu", name="PLACE", bias_initializer=keras.initializers.Constant(-50.0)),
    layers.Dense(10, "softmax", name="w" * 300)])
model.compile(keras.optimizers.SGD(learning_rate=1e10), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=3, verbose=0, validation_split=0.2, callbacks=[SCRAM(LOG_DIR, every=1)])
"""
VIEWS = ("", "checks", "compare", "catalogue")


def payloads(data):
    """The records of an event file."""
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield data[at + 12 : at + 12 + length]
        at += length + 16


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("untrusted")
    logs = folder / "logs"
    program = folder / f"{IMG}.py"
    program.write_text(PROGRAM.replace("LOG_DIR", repr(str(logs / IMG))).replace("PLACE", PLACE))
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    (own,) = (logs / IMG / "scram").iterdir()
    own.write_bytes(b"".join(record(payload.replace(PLACE.encode(), LAYER.encode())) for payload in payloads(own.read_bytes())))
    for name in (SCRIPT.replace("/", "∕"), RIGHT_TO_LEFT, "l" * 200):
        curve(logs / name, f"loss{IMG}", [1.0, 0.5])
        curve(logs / name, "loss", [1.0, float("nan")])
    assert len(LAYER) == len(PLACE)
    return logs


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_text(view, browser, logdir):
    with tensorboard("--logdir", str(logdir)) as server:
        runs = server.reviewed(4)["runs"]
        page = open_tab(browser, server, width=900, link=link(IMG, view=view, inside="" if view else "gradients"))
        dialogs = []
        page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())
        settle(page)
        for run in [entry["name"] for entry in runs] if view in ("", "compare") else []:
            page.scram.locator(f"[data-run={_quoted(run)}]").first.click()
            settle(page)
            if not view:
                for summary in page.scram.locator("main .why > summary").all():
                    summary.click()
            page.scram.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            page.scram.wait_for_timeout(700)
            page.scram.eval_on_selector_all(
                "main .question button[aria-expanded=false]", "all => all.forEach(button => button.click())"
            )
            page.scram.wait_for_timeout(700)
        if view == "":
            page.scram.locator(f"[data-run={_quoted(IMG)}]").click()
            settle(page)
            text = page.scram.inner_text("main")
            assert IMG in text
            assert LAYER in text
        made = "document.querySelectorAll('.app :is(img, script, iframe, b)').length"
        assert page.scram.evaluate(made) == 0
        assert page.scram.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert (dialogs, ours(page)) == ([], [])
        page.context.close()


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
