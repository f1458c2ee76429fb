"""Reviews as the JSON document of `scram check --format json`."""

from __future__ import annotations

import json
from collections.abc import Iterable

from scram_plugin import __version__
from scram_plugin.reviews.as_json import DocumentJson, review_as_json
from scram_plugin.reviews.model import Review

SCHEMA_VERSION = 1


def report(reviews: Iterable[Review], logdir: str) -> str:
    """One JSON document, the same bytes for the same reviews."""
    document: DocumentJson = {
        "schema_version": SCHEMA_VERSION,
        "scram_version": __version__,
        "logdir": logdir,
        "runs": [review_as_json(review) for review in reviews],
    }
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=True) + "\n"
