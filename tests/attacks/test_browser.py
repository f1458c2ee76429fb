"""Hostile runs in the browser: a real training whose every name would like to be markup is shown as text, in every view.

TensorFlow takes no such name for a layer, so one of the same length is replaced in the event file.
"""

import shutil

import pytest

from tests.attacks import held
from tests.browser.test_tab import link, ours
from tests.browser.waiting import settle
from tests.event_files import curve, payloads, record
from tests.recorded import recorded
from tests.servers import open_tab, tensorboard

IMG, SCRIPT = "<img src=x onerror=alert(1)>", "<script>alert(2)</script>"  # the first one's training is a recorded one
LAYER, PLACE = "<img src=x onerror=alert(5)>", b"a_layer_with_as_many_letters"
RIGHT_TO_LEFT = "\u202eevil\u202c אבג"
VIEWS = ("", "checks", "compare", "catalogue")


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    logs = tmp_path_factory.mktemp("untrusted") / "logs"
    shutil.copytree(recorded("keras_names", "markup"), logs / IMG)
    (own,) = (logs / IMG / "scram").iterdir()
    own.write_bytes(b"".join(record(payload.replace(PLACE, LAYER.encode())) for payload in payloads(own.read_bytes())))
    for name in (SCRIPT.replace("/", "∕"), RIGHT_TO_LEFT, "l" * 200):
        curve(logs / name, f"loss{IMG}", [1.0, 0.5])
        curve(logs / name, "loss", [1.0, float("nan")])
    assert len(LAYER) == len(PLACE)
    return logs


@pytest.fixture(scope="module")
def server(logdir):
    with tensorboard("--logdir", str(logdir)) as started:
        yield started


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_text(view, browser, server, record_property):
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
    held(record_property, "hostile runs in a view of the browser", len(runs), [])


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
