"""Which kind of training a log is of, by the signals in it; and whether the level of its loss shows its progress."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, NamedTuple

Kind = Literal[
    "supervised", "language model", "preference", "group-relative policy", "reinforcement", "detection", "adversarial"
]


class AboutKind(NamedTuple):
    """What SCRAM says of a kind, a sentence for the reader of a review; and why its loss shows no progress, None if it does."""

    sentence: str
    kind_of_loss: Literal["adversarial", "reinforcement"] | None = None


KINDS: dict[Kind, AboutKind] = {
    "supervised": AboutKind(""),
    "language model": AboutKind("Reviewed as training of a language model: by its loss."),
    "preference": AboutKind("Reviewed as learning from preferences: by its loss. The reward margin shows what it learns."),
    "group-relative policy": AboutKind(
        "Reviewed as a language model that learns from rewards, as with GRPO or RLOO: by its return, not by its loss.",
        "reinforcement",
    ),
    "reinforcement": AboutKind("Reviewed as reinforcement learning: by its return, not by its loss.", "reinforcement"),
    "detection": AboutKind("Reviewed as object detection: by the total of its losses."),
    "adversarial": AboutKind(
        "Reviewed as adversarial training: not by the level of its losses, which work against each other.", "adversarial"
    ),
}

RETURNS = {"return", "validation return"}
REWARDED = {"policy loss", *RETURNS}
ANSWERS = {"completion length", "truncated completions", "groups without spread"}  # of a language model that is rewarded
CRITIC = "value loss"  # PPO has one; GRPO and RLOO compare answers to the same question instead
PREFERENCES = {"reward margin", "chosen reward", "rejected reward", "chosen log-probability", "rejected log-probability"}
TOKENS = {"training token accuracy", "validation token accuracy"}
# Programs of many kinds log an entropy; these frameworks log one of tokens, or train nothing but language models.
LANGUAGE = {"hugging face": "token entropy", "megatron": "training loss"}
DETECTORS = ("yolo", "detectron2", "mmengine", "object detection api")
MEAN_PRECISION = re.compile(r"validation (?:.* )?(?:map\d*|ap)(?: .*)?")  # retrieval has a mean average precision, too


def kind_of(signals: Collection[str], framework: str | None, competes: bool) -> Kind:
    """The kind of a training with these signals. `competes`: a loss is that of a generator or a discriminator.

    "supervised" where nothing says anything else.
    """
    said = set(signals)
    if said & REWARDED and not competes:
        return "group-relative policy" if said & ANSWERS and CRITIC not in said else "reinforcement"
    if "adversarial loss" in said:
        return "adversarial"
    if said & PREFERENCES:
        return "preference"
    if framework in DETECTORS and any(map(MEAN_PRECISION.fullmatch, said)):
        return "detection"
    return "language model" if said & TOKENS or LANGUAGE.get(framework or "") in said else "supervised"
