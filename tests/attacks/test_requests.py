"""Odd requests to a real TensorBoard: whatever is asked, the answer is JSON with a sentence, or TensorBoard's own refusal."""

import gzip
import json
import random
from urllib.parse import quote

from tests.attacks import held
from tests.sizes import size
from tests.test_plugin import ROUTES

NAMES = (
    "run",
    "with",
    "tag",
    "tb_run",
    "points",
    "from",
    "to",
    "since",
    "heuristic",
    "quantity",
    "view",
    "",
    "run[]",
    "__proto__",
)
VALUES = (
    *("", "0", "-1", "1e999", "nan", "inf", "1" * 5000, "0x10", "٣", "1_000", "null", "true", "[]", "{}"),
    *("cifar10/normalized", "movie_reviews/lr_1e10", "movie_reviews/lr_1e10/scram", "overfitting", "gradients", "no such"),
    *("..", "../../../../etc/passwd", "/etc/passwd", "C:\\", "file:///etc/passwd", "http://127.0.0.1:1/", "%00", "%2e%2e%2f"),
    *(
        "\x00",
        "\n\r\nSet-Cookie: a=b",
        "\u202e",
        "\U0001f600",
        "<script>alert(1)</script>",
        "' OR 1=1",
        "{{7*7}}",
        "${x}",
        "x" * 6000,
    ),
)
RAW = ("%", "%zz", "%ff%fe", "run=%ed%a0%80", "&&&=&", "run", "run=&run=&run=", "?", "#", ";", "%E2%80%AE", "+", "=" * 50)
HEADERS = (
    {},
    {"Accept-Encoding": "gzip, br;q=0, *;q=1"},
    {"Accept-Encoding": "x" * 2000},
    {"If-None-Match": "*"},
    {"If-None-Match": '"' * 99},
    {"Range": "bytes=0-1,5-2"},
    {"Content-Length": "7"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Origin": "http://elsewhere.example"},
    {"X-Forwarded-Prefix": "/../.."},
)


def asked(rng):
    """A path with a query, and headers."""
    route = rng.choice(ROUTES).partition("?")[0]
    if rng.random() < 0.1:
        route = quote(rng.choice(VALUES), safe="/.%")
    known = [] if rng.random() < 0.5 else [rng.choice(ROUTES).partition("?")[2]]
    pairs = [f"{quote(rng.choice(NAMES))}={quote(rng.choice(VALUES), safe='')}" for _ in range(rng.randrange(4))]
    raw = [rng.choice(RAW)] if rng.random() < 0.2 else []
    return f"data/plugin/scram/{route}?{'&'.join([*known, *pairs, *raw])}".replace(" ", "%20"), rng.choice(HEADERS)


def test_odd_requests_get_an_answer(demo_server, record_property):
    rng, tried, broken = random.Random(2), size(3_000, 150), []
    before = len(demo_server.output())
    for _ in range(tried):
        path, headers = asked(rng)
        try:
            status, answered, body = demo_server.raw(path, headers=headers)
        except Exception as error:
            broken.append(f"{path[:200]}: {error!r}")
            continue
        if answered.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if status >= 500 or b"Traceback (most" in body or b"root:x:0" in body:
            broken.append(f"{path[:200]}: {status} {body[:80]!r}")
        elif "json" in answered.get("Content-Type", "") and status >= 400:
            error = json.loads(body).get("error", "")
            if not error.endswith(".") or len(error) > 1000:
                broken.append(f"{path[:200]}: {status} {error[:80]!r}")
        if answered.get("Set-Cookie") or answered.get("Access-Control-Allow-Origin"):
            broken.append(f"{path[:200]}: {dict(answered)}")
    assert demo_server.reviewed(6)["runs"], "it still works"
    if "Traceback (most" in demo_server.output()[before:]:
        broken.append(demo_server.output()[before:][-2000:])
    held(record_property, "odd requests to the tab's routes", tried, broken)
