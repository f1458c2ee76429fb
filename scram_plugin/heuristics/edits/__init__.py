"""Fixes as edits of the user's own lines: one function for each fix, for all frameworks.

The recorder has stored the statements of the program (`statement.py`). Every function returns None if it does not know how to
edit that program safely.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits import keras, keras_layers, torch_loop, torch_modules
from scram_plugin.heuristics.edits.statement import Edit as Edit
from scram_plugin.heuristics.edits.statement import calls, statements

Facts = Mapping[str, Any]


def _torch(facts: Facts) -> bool:
    return facts.get("framework") == "torch"


def set_learning_rate(facts: Mapping[str, Any], optimizer: str, now: float, value: float) -> Edit | None:
    """Set the learning rate where the optimizer is created: where the literal is `now`, or else in the only such place."""
    places = []
    for role in ("compile", "model", "optimizer", "fit"):
        for statement in statements(facts, role):
            for call in calls(statement, optimizer):
                rate = next((k.value for k in call.keywords if k.arg in ("learning_rate", "lr")), None)
                place = 1 if _torch(facts) else 0
                rate = rate or (call.args[place] if len(call.args) > place and not _starred(call) else None)
                if rate is not None:
                    places.append((statement, rate))
    exact = [(s, r) for s, r in places if isinstance(r, ast.Constant) and _same(r.value, now)]
    if not exact and (len(places) != 1 or isinstance(places[0][1], ast.Constant)):
        return None
    statement, rate = (exact or places)[0]
    return statement.edit([(*statement.span(rate), f"{value:g}")])


def _starred(call: ast.Call) -> bool:
    return any(isinstance(argument, ast.Starred) for argument in call.args)


def _same(literal: Any, value: float) -> bool:
    """Equal as float32, which is what an optimizer stores."""
    return isinstance(literal, int | float) and abs(literal - value) <= 1e-6 * abs(value)


def clip_gradients(facts: Facts) -> Edit | None:
    """Limit the norm of the gradients to 1."""
    if _torch(facts):
        return torch_loop.clip_gradients(facts, "1.0")
    return keras_layers.set_in_optimizer(facts, str(facts.get("optimizer", {}).get("class")), "clipnorm", "1.0")


def clear_gradients(facts: Facts) -> Edit | None:
    """Clear the gradients before each backward pass; Keras does so by itself."""
    return torch_loop.clear_gradients(facts) if _torch(facts) else None


def swap_betas(facts: Facts, first: float, second: float) -> Edit | None:
    """Give the optimizer its betas in the other order."""
    return torch_loop.set_in_optimizer(facts, "betas", f"({second:g}, {first:g})") if _torch(facts) else None


def clip_before_step(facts: Facts) -> Edit | None:
    """Clip the gradients before the step that uses them."""
    return torch_loop.clip_before_step(facts) if _torch(facts) else None


def rescale_inputs(facts: Facts, divisor: str, minus_one: bool, input_name: str | None) -> Edit | None:
    """Divide the inputs of training and validation (then subtract 1); `input_name` names one of several."""
    if _torch(facts):
        return torch_loop.change_data(facts, "x", f"{{0}} / {divisor}{' - 1' if minus_one else ''}") if not input_name else None
    layer = f"Rescaling(1.0 / {divisor}{', offset=-1' if minus_one else ''})"
    return keras.insert_first_layer(facts, layer, input_name)


def normalize_features(facts: Facts) -> Edit | None:
    """Scale each feature to mean 0 and standard deviation 1, by the training data."""
    return torch_loop.normalize_features(facts) if _torch(facts) else keras.insert_normalization(facts)


def replace_missing_inputs(facts: Facts) -> Edit | None:
    """Replace inputs that are not finite by 0."""
    if _torch(facts):
        return torch_loop.change_training(facts, "torch.nan_to_num({})")
    name = keras.keras_name(facts)
    return keras_layers.wrap_in_fit(facts, "x", f"{name}.ops.nan_to_num({{}})") if name else None


def keep_finite_targets(facts: Facts) -> Edit | None:
    """Leave out the examples whose target, a single number, is not finite."""
    if _torch(facts):
        return torch_loop.keep_finite_targets(facts)
    name = keras.numpy_name(facts)
    return keras_layers.keep_rows(facts, f"{name}.isfinite({{}})") if name else None


def change_targets(facts: Facts, template: str) -> Edit | None:
    """Replace the targets, of training and validation, by ``template.format(targets, training targets)``."""
    if _torch(facts):
        return torch_loop.change_data(facts, "y", template)
    return keras_layers.wrap_in_fit(facts, "y", template)


def change_validation(facts: Facts, template: str) -> Edit | None:
    """Replace the validation inputs by ``template.format(inputs)``."""
    return torch_loop.change_validation(facts, template) if _torch(facts) else keras_layers.wrap_validation(facts, template)


def shuffle(facts: Facts) -> Edit | None:
    """Shuffle the training data."""
    return torch_loop.shuffle(facts) if _torch(facts) else keras_layers.set_in_fit(facts, "shuffle", None)


def weigh_classes(facts: Facts, weights: Mapping[int, float]) -> Edit | None:
    """Give each class its weight in the loss."""
    if _torch(facts):
        whole = sorted(weights) == list(range(len(weights)))
        return torch_loop.set_class_weight(facts, [weights[i] for i in sorted(weights)]) if whole else None
    return keras_layers.set_in_fit(facts, "class_weight", str(dict(weights)))


def set_loss(facts: Facts, loss: str, logits: bool = False) -> Edit | None:
    """Set another loss, by Keras's name (``binary_crossentropy``); `logits`: for outputs without a sigmoid, where that is
    another class."""
    if _torch(facts):
        return torch_loop.set_loss(facts, f"{loss}_with_logits" if logits else loss)
    return keras_layers.set_loss(facts, loss)


def take_probabilities(facts: Facts, path: str) -> Edit | None:
    """Keep the loss from applying a softmax or sigmoid that layer `path` has already applied."""
    if not _torch(facts):
        return keras_layers.set_from_logits(facts, False)
    if facts.get("loss", {}).get("class") == "BCEWithLogitsLoss":
        return torch_loop.set_loss(facts, "binary_crossentropy")
    return torch_modules.set_in_layers(facts, [path], "activation", None)


def set_in_layers(facts: Facts, paths: Sequence[str], name: str, value: str | None, **others: str) -> Edit | None:
    """Set an argument of these layers, named as Keras names it, to `value` (as code; None restores the default)."""
    if _torch(facts):
        return torch_modules.set_in_layers(facts, paths, name, value, normalized=bool(others))
    return keras_layers.set_in_layers(facts, paths, name, value, **others)


def weaken_penalty(facts: Facts, paths: Sequence[str]) -> Edit | None:
    """Set the penalty on the weights to 0.0001."""
    if _torch(facts):
        return torch_loop.set_in_optimizer(facts, "weight_decay", "0.0001")
    name = keras.keras_name(facts)
    penalty = f"{name}.regularizers.L2(0.0001)"
    return keras_layers.set_in_layers(facts, paths, "kernel_regularizer", penalty) if name else None


def train_layers(facts: Facts, paths: Sequence[str]) -> Edit | None:
    """Unfreeze layers."""
    if _torch(facts):
        return torch_modules.set_trainable(facts)
    return keras_layers.set_trainable(facts) or keras_layers.set_in_layers(facts, paths, "trainable", None)


def remove_layer(facts: Facts, path: str) -> Edit | None:
    return torch_modules.remove_layer(facts, path) if _torch(facts) else keras_layers.remove_layer(facts, path)


def put_batch_first(facts: Facts, path: str) -> Edit | None:
    """Make a sequence layer take the batch as its first axis, as Keras's layers always do."""
    return torch_modules.put_batch_first(facts, path) if _torch(facts) else None


def add_dropout(facts: Facts, rate: float) -> Edit | None:
    return torch_modules.add_dropout(facts, rate) if _torch(facts) else keras.add_dropout(facts, rate)


def add_callback(facts: Facts, callback: str) -> Edit | None:
    """Add a Keras callback; a custom training loop has none."""
    return None if _torch(facts) else keras.add_callback(facts, callback)
