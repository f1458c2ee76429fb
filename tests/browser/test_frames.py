"""TensorBoard within another page, as Jupyter and Colab show it: in a frame of another origin (another port of the machine).

A frame of another *site* gets no storage from Chromium, and TensorBoard itself does not start there.
"""

import contextlib
import http.server
import threading

from tests.browser.test_tab import ours

PAGE = """<!doctype html><html lang="en"><title>notebook</title><body>
<iframe title="TensorBoard" src="{address}" width="100%" height="800" frameborder="0"></iframe></body></html>"""


@contextlib.contextmanager
def notebook(address):
    """A page of another origin that holds TensorBoard in a frame."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = PAGE.format(address=address).encode()
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body if self.path == "/" else b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def test_in_a_frame_of_another_origin(browser, demo_server):
    with notebook(f"{demo_server.url}/#scram") as address:
        page = browser.new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: page.said.append(f"error: {error}"))
        page.goto(address)
        board = page.frame_locator("iframe[title=TensorBoard]")
        tab = board.frame_locator("iframe[src*='plugin_entry.html?name=scram']")
        tab.locator("article[data-finding] canvas").first.wait_for(timeout=60_000)
        tab.locator("[data-run='movie_reviews/lr_1e10']").click()
        tab.locator("article[data-finding=nonfinite-loss]").wait_for()
        tab.locator("text=Not a problem here").click()
        tab.locator("[data-hidden=nonfinite-loss]").wait_for()
        tab.locator("text=Show again").click()
        tab.locator("article[data-finding=nonfinite-loss] >> text=Copy link").click()
        tab.locator("text=/Copied|Select and copy/").wait_for()
        # what the frame of another origin may not do is no error of ours
        assert [said for said in ours(page) if "clipboard" not in said.lower() and "404" not in said] == []
        page.close()
