"""How programs call targets, and what is called alike and is none."""

from __future__ import annotations

import re

# what targets are called, at an end of a name or between underscores: ``y_train``, ``label_ds``, ``mask``
LABELS = re.compile(
    r"(^|[_.])(ys?|labels?|targets?|tags?|class(es)?|masks?|seg|segmentations?|annotations?|gt|truth|answers?|stars|ratings?)(_|\d|$)",
    re.I,
)
NOT_LABELS = re.compile(r"pred|hat|null|rand|perm|shuf|nois|fake|real|valid|control|pool|seed|probe|neg", re.I)
SPLITS = re.compile(r"train|val|test|dev|seen|source|unl|hold", re.I)  # names of parts of the data
# of sets and of pictures: what else is called y, or target, may be another domain, a coordinate or a network
OF_SETS = re.compile(r"(^|[_.])(labels?|tags?|classes|masks?|annotations?|ratings|stars|y_train|train_y)(_|\d|$)", re.I)
OF_PICTURES = re.compile(r"(^|[_.])(masks?|seg|segmentations?|labels?|annotations?|gt)(_|\d|$)", re.I)


def is_label(name: str) -> bool:
    """Whether a variable is called as targets are, and not as predictions or draws are."""
    return bool(LABELS.search(name)) and not NOT_LABELS.search(name)
