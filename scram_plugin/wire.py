"""What the answers in JSON have in common. Each answer has its type beside what writes it; the names of all end with Json.

`tensorboard/api_schema.py` makes a JSON schema of these types, and the build of the tab makes its types of that.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

WireNumber = float | Literal["NaN", "Infinity", "-Infinity"]  # as `reviews/plain.py` writes it
Span = Annotated[list[int], Meta(min_length=2, max_length=2, description="The first and the last step.")]


class CurveNameJson(TypedDict):
    tensorboard_run: str
    tag: str


class LabelledCurveJson(CurveNameJson):
    label: str  # its name in a legend
