"""The model and the settings of its training in words: the facts that the recorder wrote, else what the log tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.words import number
from scram_plugin.reviews.model import Reviewed
from scram_plugin.sweeps.conditions import in_words


def settings_in_words(runs: Sequence[Reviewed]) -> list[dict[str, str]]:
    """What is known of each run, as (name: value) texts: the facts that the recorder wrote, if it did so in all of them, else
    the settings that the logs tell; nothing if nobody told any."""
    if all(reviewed.run.facts for reviewed in runs):
        return [described(reviewed.run.facts) for reviewed in runs]
    return [{name: in_words(value) for name, value in r.review.settings.items() if value is not None} for r in runs]


def described(facts: Mapping[str, Any]) -> dict[str, str]:
    """The model (without its layers) and the settings of its training, as (name: value) texts in a fixed order."""
    if not facts:
        return {}
    model, optimizer, loss = (facts.get(key) or {} for key in ("model", "optimizer", "loss"))
    fit, versions = (facts.get(key) or {} for key in ("fit", "versions"))
    settings = {key: value for key, value in (optimizer.get("settings") or {}).items() if key != "name"}
    named: dict[str, Any] = {
        "optimizer": optimizer.get("class"),
        "learning rate": optimizer.get("learning_rate"),
        "learning rate schedule": optimizer.get("schedule"),
        **{f"optimizer: {key.replace('_', ' ')}": value for key, value in settings.items()},
        "loss": loss.get("name"),
        "loss expects logits": loss.get("from_logits"),
        **{key.replace("_", " "): fit.get(key) for key in ("batch_size", "epochs", "steps")},
        "examples": fit.get("samples"),
        "shuffle": fit.get("shuffle"),
        "validation data": fit.get("validation"),
        "parameters": model.get("parameters"),
        "trainable parameters": model.get("trainable_parameters"),
        "precision": facts.get("dtype_policy"),
        "XLA": facts.get("jit_compile"),
        **{f"version of {key}": value for key, value in versions.items()},
    }
    return {name: _said(value) for name, value in named.items() if value is not None}


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else number(value)
    return " × ".join(map(_said, value)) if isinstance(value, list) else str(value)


def layer_in_words(layer: Mapping[str, Any]) -> str:
    """Its class, its name if the user gave it one, settings, activation and size."""
    kind, name = str(layer.get("class")), str(layer.get("name"))
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind).lower()
    automatic = re.fullmatch(rf"{re.escape(snake)}(_\d+)?|{re.escape(snake.replace('_', ''))}(_\d+)?", name)
    given = [f"{key.replace('_', ' ')} {_said(value)}" for key, value in (layer.get("settings") or {}).items()]
    given += [str(layer["activation"])] if layer.get("activation") else []
    given += [f"{layer['parameters']:,} parameters"] if layer.get("parameters") else []
    given += ["regularised"] if layer.get("regularized") else []
    given += ["frozen"] if layer.get("trainable") is False else []
    return f"{kind}{'' if automatic else f' “{name}”'}{': ' if given else ''}{', '.join(given)}"
