"""Fixes as edits of the user's own lines: one function for each fix, for all frameworks.

The recorder has stored the program (`program.py`). Every function returns None if it does not know how to edit that program
safely.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits import (
    keras_fit,
    keras_layers,
    keras_weights,
    torch_loop,
    torch_modules,
    torch_outputs,
    torch_weights,
)
from scram_plugin.heuristics.edits.alike import add_missing_step as add_missing_step
from scram_plugin.heuristics.edits.alike import treat_validation_alike as treat_validation_alike
from scram_plugin.heuristics.edits.apart import order_targets as order_targets
from scram_plugin.heuristics.edits.beside import moved_alone as moved_alone
from scram_plugin.heuristics.edits.data import STANDARDIZED as STANDARDIZED
from scram_plugin.heuristics.edits.data import change_targets as change_targets
from scram_plugin.heuristics.edits.data import change_validation as change_validation
from scram_plugin.heuristics.edits.data import divide_pixels as divide_pixels
from scram_plugin.heuristics.edits.data import guard_logarithm as guard_logarithm
from scram_plugin.heuristics.edits.data import keep_finite_targets as keep_finite_targets
from scram_plugin.heuristics.edits.data import names_batch_size as names_batch_size
from scram_plugin.heuristics.edits.data import names_zeros as names_zeros
from scram_plugin.heuristics.edits.data import normalize_features as normalize_features
from scram_plugin.heuristics.edits.data import of_torch
from scram_plugin.heuristics.edits.data import replace_missing_inputs as replace_missing_inputs
from scram_plugin.heuristics.edits.data import rescale_inputs as rescale_inputs
from scram_plugin.heuristics.edits.data import scores_actions as scores_actions
from scram_plugin.heuristics.edits.data import speaks_of_rewards as speaks_of_rewards
from scram_plugin.heuristics.edits.draws import separate_draws as separate_draws
from scram_plugin.heuristics.edits.edit import Edit as Edit
from scram_plugin.heuristics.edits.epochs import hold_out as hold_out
from scram_plugin.heuristics.edits.epochs import train_longer as train_longer
from scram_plugin.heuristics.edits.idle import dropped_results as dropped_results
from scram_plugin.heuristics.edits.idle import unread_values as unread_values
from scram_plugin.heuristics.edits.labels_anew import targets_anew as targets_anew
from scram_plugin.heuristics.edits.labels_apart import targets_apart as targets_apart
from scram_plugin.heuristics.edits.lost import keep_inputs as keep_inputs
from scram_plugin.heuristics.edits.monitors import set_direction as set_direction
from scram_plugin.heuristics.edits.moved import moved_places as moved_places
from scram_plugin.heuristics.edits.orders import two_orders as two_orders
from scram_plugin.heuristics.edits.prepared_apart import Prepared as Prepared
from scram_plugin.heuristics.edits.prepared_apart import prepared_apart as prepared_apart
from scram_plugin.heuristics.edits.rates import count_in_steps as count_in_steps
from scram_plugin.heuristics.edits.rates import give_factor as give_factor
from scram_plugin.heuristics.edits.rates import lower_rate_later as lower_rate_later
from scram_plugin.heuristics.edits.rates import set_learning_rate as set_learning_rate
from scram_plugin.heuristics.edits.rates import shorten_warm_up as shorten_warm_up
from scram_plugin.heuristics.edits.safely import all_safely
from scram_plugin.heuristics.edits.shifts import take_inputs_as_labels as take_inputs_as_labels
from scram_plugin.heuristics.edits.skipped import skipped_data as skipped_data
from scram_plugin.heuristics.edits.split import shuffle_before_split as shuffle_before_split
from scram_plugin.heuristics.edits.stochastic import always_dropping as always_dropping
from scram_plugin.heuristics.edits.stochastic import not_reparameterised as not_reparameterised
from scram_plugin.heuristics.edits.switched import decodes_in_training as decodes_in_training
from scram_plugin.heuristics.edits.switched import predicts_in_training as predicts_in_training
from scram_plugin.heuristics.edits.taken_before import labels_before_an_order as labels_before_an_order
from scram_plugin.heuristics.edits.torch_axes import average_errors as average_errors
from scram_plugin.heuristics.edits.torch_axes import change_compared as change_compared
from scram_plugin.heuristics.edits.torch_axes import normalize_examples as normalize_examples
from scram_plugin.heuristics.edits.torch_axes import permute_pictures as permute_pictures
from scram_plugin.heuristics.edits.torch_axes import softmax_over_channels as softmax_over_channels
from scram_plugin.heuristics.edits.torch_axes import softmax_over_classes as softmax_over_classes
from scram_plugin.heuristics.edits.torch_axes import softmax_over_keys as softmax_over_keys
from scram_plugin.heuristics.edits.torch_axes import softmax_over_tokens as softmax_over_tokens
from scram_plugin.heuristics.edits.torch_axes import sum_errors as sum_errors
from scram_plugin.heuristics.edits.torch_axes import transpose as transpose
from scram_plugin.heuristics.edits.torch_axes import warms_up_weight as warms_up_weight
from scram_plugin.heuristics.edits.torch_loop import never_cleared as never_cleared
from scram_plugin.heuristics.edits.torch_outputs import take_logarithms as take_logarithms
from scram_plugin.heuristics.edits.torch_parameters import keep_graph as keep_graph
from scram_plugin.heuristics.edits.torch_parameters import make_optimizer_last as make_optimizer_last
from scram_plugin.heuristics.edits.torch_parameters import register_layers as register_layers
from scram_plugin.heuristics.edits.torch_parameters import train_all_parameters as train_all_parameters
from scram_plugin.heuristics.edits.torch_steps import call_scheduler as call_scheduler
from scram_plugin.heuristics.edits.torch_steps import switch_modes as switch_modes
from scram_plugin.heuristics.edits.torch_steps import take_steps as take_steps
from scram_plugin.heuristics.edits.triplets import swapped_triplets as swapped_triplets
from scram_plugin.heuristics.edits.truncated import lost_values as lost_values
from scram_plugin.heuristics.edits.truncated import truncated_values as truncated_values
from scram_plugin.heuristics.edits.uncalled import WrongLine as WrongLine
from scram_plugin.heuristics.edits.uncalled import uncalled as uncalled
from scram_plugin.heuristics.edits.unused import unused_outputs as unused_outputs
from scram_plugin.heuristics.edits.unused import use_output as use_output

Facts = Mapping[str, Any]


def clip_gradients(facts: Facts) -> Edit | None:
    """Limit the norm of the gradients to 1."""
    return torch_loop.clip_gradients(facts, "1.0") if of_torch(facts) else keras_fit.set_in_optimizer(facts, "clipnorm", "1.0")


def clear_gradients(facts: Facts) -> Edit | None:
    """Clear the gradients before each backward pass; Keras does so by itself."""
    return torch_loop.clear_gradients(facts) if of_torch(facts) else None


def swap_betas(facts: Facts, first: float, second: float) -> Edit | None:
    """Give the optimizer its betas in the other order."""
    return torch_loop.set_in_optimizer(facts, "betas", f"({second:g}, {first:g})") if of_torch(facts) else None


def minimize(facts: Facts) -> Edit | None:
    """Let the optimizer minimise the loss, as Keras's always do."""
    return torch_loop.minimize(facts) if of_torch(facts) else None


def clear_before_backward(facts: Facts) -> Edit | None:
    """Clear the gradients before the backward pass that makes new ones."""
    return torch_loop.clear_before_backward(facts) if of_torch(facts) else None


def clip_before_step(facts: Facts) -> Edit | None:
    """Clip the gradients before the step that uses them."""
    return torch_loop.clip_before_step(facts) if of_torch(facts) else None


def shuffle(facts: Facts) -> Edit | None:
    """Shuffle the training data."""
    return torch_loop.shuffle(facts) if of_torch(facts) else keras_fit.shuffle(facts)


def weigh_classes(facts: Facts, weights: Mapping[int, float]) -> Edit | None:
    """Give each class its weight in the loss."""
    if of_torch(facts):
        whole = sorted(weights) == list(range(len(weights)))
        return torch_loop.set_class_weight(facts, [weights[i] for i in sorted(weights)]) if whole else None
    return keras_fit.set_in_fit(facts, "class_weight", str(dict(weights)))


def set_loss(facts: Facts, loss: str, logits: bool = False) -> Edit | None:
    """Set another loss, by Keras's name (``binary_crossentropy``); `logits`: for outputs without a sigmoid, where that is
    another class."""
    if of_torch(facts):
        return torch_loop.set_loss(facts, f"{loss}_with_logits" if logits else loss)
    return keras_fit.set_loss(facts, loss)


def take_probabilities(facts: Facts, path: str) -> Edit | None:
    """Keep the loss from applying a softmax or sigmoid that layer `path` has already applied."""
    if not of_torch(facts):
        return keras_fit.set_from_logits(facts, False)
    if facts.get("loss", {}).get("class") == "BCEWithLogitsLoss" and not torch_outputs.reads_logits(facts):
        return torch_loop.set_loss(facts, "binary_crossentropy")
    return torch_modules.set_in_layers(facts, [path], "activation", None)


def make_probabilities(facts: Facts, path: str) -> Edit | None:
    """Let layer `path` apply the sigmoid that the loss expects; the loss does so where the program reads logits."""
    if of_torch(facts) and torch_outputs.reads_logits(facts):
        return torch_loop.set_loss(facts, "binary_crossentropy_with_logits")
    return set_in_layers(facts, [path], "activation", '"sigmoid"')


def take_logits(facts: Facts) -> Edit | None:
    """Let the loss apply the softmax that the model does not; the losses of PyTorch are other classes then."""
    return None if of_torch(facts) else keras_fit.set_from_logits(facts, True)


def set_in_layers(facts: Facts, paths: Sequence[str], name: str, value: str | None, **others: str) -> Edit | None:
    """Set an argument of these layers, named as Keras names it, to `value` (as code; None restores the default)."""
    if of_torch(facts):
        return torch_modules.set_in_layers(facts, paths, name, value, normalized=bool(others))
    return keras_layers.set_in_layers(facts, paths, name, value, **others)


def weaken_penalty(facts: Facts, paths: Sequence[str]) -> Edit | None:
    """Set the penalty on the weights to 0.0001."""
    if of_torch(facts):
        return torch_loop.set_in_optimizer(facts, "weight_decay", "0.0001")
    return keras_weights.weaken_penalty(facts, paths)


def train_layers(facts: Facts, paths: Sequence[str]) -> Edit | None:
    """Unfreeze layers."""
    if of_torch(facts):
        return torch_weights.set_trainable(facts, paths)
    return torch_weights.set_trainable(facts, paths) or keras_layers.set_in_layers(facts, paths, "trainable", None)


def remove_layer(facts: Facts, path: str) -> Edit | None:
    return torch_modules.remove_layer(facts, path) if of_torch(facts) else keras_layers.remove_layer(facts, path)


def put_batch_first(facts: Facts, path: str) -> Edit | None:
    """Make a sequence layer take the batch as its first axis, as Keras's layers always do."""
    return torch_modules.put_batch_first(facts, path) if of_torch(facts) else None


def add_dropout(facts: Facts, rate: float) -> Edit | None:
    return torch_modules.add_dropout(facts, rate) if of_torch(facts) else keras_layers.add_dropout(facts, rate)


def add_callback(facts: Facts, callback: str) -> Edit | None:
    """Add a Keras callback, or what Lightning has for stopping early; a custom training loop has none."""
    return torch_loop.stop_early(facts) if of_torch(facts) else keras_fit.add_callback(facts, callback)


all_safely(globals())
