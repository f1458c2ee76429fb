"""The kinds of faults in `tests/strangers`, and which findings name each of them.

A finding is written as `heuristic`, `heuristic/cause`, or `*/cause`: the cause that is named first counts.
"""

from __future__ import annotations

RATE = ("*/learning-rate", "unconventional-learning-rate/too-high", "update-ratio/learning-rate", "learning-rate-range/high")
LABELS = ("unpaired-targets", "no-learning/shuffled-apart", "no-learning/labels", "overfitting", "label-range")
RIGHT: dict[str, tuple[str, ...]] = {
    # the loss and the outputs
    "relu-on-logits": ("output-activation-mismatch/cut-logits",),
    "softmax-twice": ("output-activation-mismatch/twice", "output-activation-mismatch/twice-layers"),
    "logits-as-probabilities": ("output-activation-mismatch/missing-softmax", "output-activation-mismatch/missing-sigmoid"),
    "wrong-loss": ("output-activation-mismatch", "label-range", "wrong-direction/sign", "training-loop/swapped-triplet"),
    "bad-activation-last": ("output-activation-mismatch",),
    "softmax-wrong-axis": ("mixed-axes", "mixed-samples"),
    "batch-first": ("mixed-samples", "mixed-axes"),
    "view-for-transpose": ("mixed-axes/view", "mixed-samples"),
    "broadcast-loss": ("label-range/broadcast",),
    "broadcast-metric": ("training-loop/broadcast-metric",),
    "reduction-mixed": ("loss-parts",),
    # what the optimizer trains
    "layers-in-list": ("untrained-parameters/plain-list",),
    "head-replaced": ("untrained-parameters/replaced", "untrained-parameters/left-out"),
    "not-in-optimizer": ("untrained-parameters/left-out", "untrained-parameters/replaced"),
    "wrong-parameters": ("untrained-parameters", "training-loop/no-step", "no-learning/frozen"),
    "everything-frozen": ("frozen-weights", "untrained-parameters", "no-learning/frozen"),
    "detached": (
        "untrained-parameters/cut-off",
        "training-loop/detached-state",
        "training-loop/not-reparameterized",
        "training-loop/cut-derivative",
        "no-gradient/cut",
    ),
    # the loop
    "left-in-eval": ("training-loop/left-in-eval", "training-loop/not-called"),
    "never-eval": ("training-loop/never-eval", "training-loop/not-called", "training-loop/always-dropout"),
    "no-zero-grad": ("kept-gradients", "training-loop/cleared", "training-loop/not-called"),
    "no-step": (
        "training-loop/no-step",
        "training-loop/not-called",
        "untrained-parameters/replaced",
        "training-loop/undivided",
        "training-loop/cleared",
    ),
    "graph-kept": ("training-loop/kept", "training-loop/retained", "training-loop/not-detached"),
    "clip-after-step": ("training-loop/clip-after-step",),
    "scheduler-unit": ("training-loop/per-batch", "training-loop/per-epoch", "learning-rate-schedule"),
    "accumulation-wrong": (
        "training-loop",
        "kept-gradients",
        "unconventional-learning-rate",
        "optimizer-settings/accumulation",
    ),
    "missing-detach-gan": ("untrained-parameters", "training-loop", "kept-gradients"),
    "frozen-bn-trains": ("training-loop/frozen-norm", "normalization-lag"),
    "batch-norm-batch-1": ("training-loop", "noisy-validation/batch-normalization", "normalization-lag"),
    "unused-data": (
        "unused-data",
        "constant-inputs/repeated",
        "ignored-input",
        "training-loop",
        "overfitting",
        "unshuffled-data",
    ),
    # sequences
    "no-causal-mask": ("sequence-targets/sees-targets", "training-loop/unused-result"),
    "labels-not-shifted": ("sequence-targets",),
    # the optimizer
    "rate-too-high": (*RATE, "divergence", "exploding-gradients"),
    "rate-too-low": (
        "unconventional-learning-rate/too-low",
        "undertrained",
        "no-learning/learning-rate",
        "plateau/learning-rate",
        "learning-rate-range/low",
        "learning-rate-schedule",
        "training-loop/per-epoch",
        "training-loop/per-batch",
        "training-loop/rate-as-factor",
    ),
    "wrong-momentum": ("unconventional-learning-rate", *RATE, "optimizer-settings"),
    "too-strong-regularisation": ("strong-regularization", "high-dropout"),
    "tiny-batches": ("oscillating-loss", "noisy-validation", "unconventional-learning-rate"),
    # numbers
    "sqrt-at-zero": ("nonfinite-loss/custom-loss", "nonfinite-origin/slope", "nonfinite-origin/operation"),
    "log-of-zero": (
        "nonfinite-loss/custom-loss",
        "nonfinite-origin/slope",
        "nonfinite-origin/operation",
        "nonfinite-inputs/computed",  # of data, before the training
    ),
    "empty-mean": ("nonfinite-loss/custom-loss", "nonfinite-origin/operation"),
    "nan-in-data": ("nonfinite-inputs", "nonfinite-loss/inputs", "nonfinite-loss/labels", "nonfinite-origin/data"),
    # the model
    "zero-weights": ("poor-initialization",),
    "bad-scale": ("poor-initialization", "initial-loss/weights"),
    "no-nonlinearity": ("missing-activation", "training-loop/unused-result"),
    "zero-second-derivative": ("training-loop/zero-derivative",),
    "dead-relu": ("dead-relu", "poor-initialization"),
    "saturated": ("saturated-activations", "unnormalized-inputs", "vanishing-gradients"),
    "vanishing-deep": ("vanishing-gradients", "no-learning/depth", "saturated-activations", "poor-initialization"),
    "exploding-rnn": ("exploding-gradients", "*/recurrent", "*/explosion", "*/unclipped", "*/no-clipping"),
    "overfitting": ("overfitting", "too-many-parameters"),
    # the data
    "unnormalised-inputs": ("unnormalized-inputs",),
    "unnormalised-targets": ("unnormalized-targets",),
    "constant-input": ("constant-inputs",),
    "wrong-preprocessing": ("input-distribution-shift", "no-learning/validation"),
    "shuffled-labels": LABELS,
    "not-shuffled": ("unshuffled-data",),
    "data-leak-overlap": ("zero-loss/leak", "validation-overlap", "target-in-inputs"),
    "imbalance": ("class-imbalance", "output-collapse"),
}
EVERYWHERE = ("slow-input",)  # that the machine decides


def is_right(kind: str, heuristic: str, cause: str) -> bool:
    """Whether a finding with this first cause names a fault of this kind."""
    return bool({heuristic, f"{heuristic}/{cause}", f"*/{cause}"} & set(RIGHT.get(kind, ())))
