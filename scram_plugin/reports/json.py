"""Reviews as the JSON document of `scram check --format json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from scram_plugin import __version__
from scram_plugin.reviews.as_json import DocumentJson, review_as_json
from scram_plugin.reviews.model import Review
from scram_plugin.sweeps.against import Standing

SCHEMA_VERSION = 1


def report(reviews: Iterable[Review], logdir: str, standings: Sequence[Standing] = ()) -> str:
    """One JSON document, the same bytes for the same reviews. `standings`: beside the good runs of `--against`, if given."""
    document: DocumentJson = {
        "schema_version": SCHEMA_VERSION,
        "scram_version": __version__,
        "logdir": logdir,
        "runs": [review_as_json(review) for review in reviews],
        "against": [asdict(one) for one in standings],
    }
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=True) + "\n"
