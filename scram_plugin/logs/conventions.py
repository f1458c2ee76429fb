"""How frameworks name what they log: a table from (TensorBoard run, tag) to the signal that it means. Data, not code.

A signal is ``training`` or ``validation`` followed by a quantity (``loss``, ``accuracy``, or the metric's own name), or
``learning rate``, ``batch loss`` or ``epoch``. Rows stand in order of preference: the first that matches a tag counts for
it, and of two tags for one signal the one with the earlier row does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Names of directories that hold a part of a training run, and the part they hold.
ROLES = {
    "train": "training",
    "training": "training",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "validation",
    "scram": "scram",
}


@dataclass(frozen=True)
class Convention:
    """One row. `role` is the part of the training run a TensorBoard run holds ("" for all of it, "*" for any)."""

    framework: str
    role: str
    tag: str  # a regular expression for the whole tag; the group `metric`, where present, names the quantity
    signal: str  # may contain {metric}
    axis: str = "step"

    def match(self, role: str, tag: str) -> str | None:
        """The signal that `tag` means in a TensorBoard run of this role, or None."""
        if self.role not in ("*", role):
            return None
        found = re.fullmatch(self.tag, tag)
        if found is None:
            return None
        return self.signal.format(metric=quantity(found.groupdict().get("metric") or ""))


def quantity(metric: str) -> str:
    """The common name of a metric: every kind of accuracy is "accuracy"."""
    name = metric.lower()
    return "accuracy" if name in ("acc", "accuracy") or name.endswith(("_acc", "_accuracy")) else metric


CONVENTIONS = (
    Convention("keras", "training", r"epoch_(?:learning_rate|lr)", "learning rate", "epoch"),
    Convention("keras", "training", r"epoch_(?P<metric>.+)", "training {metric}", "epoch"),
    Convention("keras", "validation", r"epoch_(?P<metric>.+)", "validation {metric}", "epoch"),
    Convention("keras", "scram", r"scram/batches/loss", "batch loss", "batch"),
    Convention("keras", "scram", r"scram/batches/epoch", "epoch", "batch"),
    Convention("keras", "", r"val_(?P<metric>loss|acc|\w*accuracy)", "validation {metric}", "epoch"),
    Convention("keras", "", r"(?P<metric>acc|\w*accuracy)", "training {metric}", "epoch"),
    Convention("", "", r"(?i)loss[/_](?:train|training)", "training loss"),
    Convention("", "", r"(?i)loss[/_](?:val|valid|validation|dev|eval|test)", "validation loss"),
    Convention("", "", r"(?i)(?:acc|accuracy)[/_](?:train|training)", "training accuracy"),
    Convention("", "", r"(?i)(?:acc|accuracy)[/_](?:val|valid|validation|dev|eval|test)", "validation accuracy"),
    Convention("", "", r"(?i)(?:train|training)[/_](?:epoch_|total_)?loss(?:_epoch)?", "training loss"),
    Convention("", "", r"(?i)(?:val|valid|validation|dev|eval|test)[/_](?:epoch_|total_)?loss(?:_epoch)?", "validation loss"),
    Convention("", "", r"(?i)(?:train|training)[/_](?:acc|accuracy)(?:_epoch)?", "training accuracy"),
    Convention("", "", r"(?i)(?:val|valid|validation|dev|eval|test)[/_](?:acc|accuracy)(?:_epoch)?", "validation accuracy"),
    Convention(
        "", "*", r"(?i)(?:lr|learning_rate|learning rate|lr[/_-].*|optim(?:izer)?/(?:lr|learning_rate))", "learning rate"
    ),
    Convention("", "training", r"(?i)loss", "training loss"),
    Convention("", "validation", r"(?i)loss", "validation loss"),
    Convention("", "training", r"(?i)(?P<metric>acc|accuracy)", "training {metric}"),
    Convention("", "validation", r"(?i)(?P<metric>acc|accuracy)", "validation {metric}"),
    Convention("", "", r"(?i)loss", "training loss"),
)
