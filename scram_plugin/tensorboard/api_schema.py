"""The JSON schema of all answers, made from the types beside what writes them (`wire.py`).

    python -m scram_plugin.tensorboard.api_schema

writes it to ``api.schema.json``. The build of the tab makes its types of that file, and a test fails if it is out of date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from scram_plugin import wire
from scram_plugin.heuristics.heuristic import Confidence
from scram_plugin.reviews.as_json import DocumentJson, ReviewJson
from scram_plugin.severity import Severity
from scram_plugin.tensorboard import answers
from scram_plugin.views.comparison import Changed, Comparison
from scram_plugin.views.inside import InsideJson, LayerMapJson
from scram_plugin.views.several import Several
from scram_plugin.views.sweep import Sweep
from scram_plugin.views.why.answer import AnswersJson

FILE = Path(__file__).with_name("api.schema.json")
SUFFIX = "Json"  # of the types, which the definitions do without
ANSWERS = (
    answers.RunsJson,
    ReviewJson,
    Comparison,
    Several,
    Sweep,
    AnswersJson,
    answers.CurveJson,
    InsideJson,
    LayerMapJson,
    answers.ReportJson,
    answers.ThresholdsJson,
    answers.JudgedJson,
    answers.HeuristicsJson,
    answers.ExampleJson,
    answers.FailureJson,
    DocumentJson,
)
# types that have no class, with what the definitions say of them
NAMED = {
    "Severity": (Severity, ""),
    "Confidence": (Confidence, ""),
    "Change": (Changed, ""),
    "WireNumber": (wire.WireNumber, "Numbers that are not finite travel as texts."),
}


def schema() -> dict[str, Any]:
    """All definitions; an object has the properties that are named and no others."""
    _, components = msgspec.json.schema_components(ANSWERS, ref_template="#/$defs/{name}")
    named = {name: _plain(msgspec.json.schema(type_)) for name, (type_, _) in NAMED.items()}
    definitions = {name.removesuffix(SUFFIX): _referring(_plain(given), named) for name, given in components.items()}
    for name, (_, description) in NAMED.items():
        definitions[name] = {**named[name], **({"description": description} if description else {})}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Made by python -m scram_plugin.tensorboard.api_schema.",
        "$defs": dict(sorted(definitions.items())),
    }


def _plain(given: Any) -> Any:
    """A schema without titles, strict, with the names of the definitions."""
    if isinstance(given, list):
        return [_plain(entry) for entry in given]
    if not isinstance(given, dict):
        return given
    found = {key: _plain(value) for key, value in given.items() if key != "title" or isinstance(value, dict)}
    if "$ref" in found:
        found["$ref"] = found["$ref"].removesuffix(SUFFIX)
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found["additionalProperties"] = False
    return found


def _referring(given: Any, named: dict[str, Any]) -> Any:
    """The schema with references to the types that have a name."""
    if isinstance(given, list):
        return [_referring(entry, named) for entry in given]
    if not isinstance(given, dict):
        return given
    for name, form in named.items():
        if {key: value for key, value in given.items() if key != "description"} == form:
            return {"$ref": f"#/$defs/{name}"}
    return {key: _referring(value, named) for key, value in given.items()}


def text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
