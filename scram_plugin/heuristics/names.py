"""The same thing under its names in different frameworks: heuristics use Keras's names of layers, activations and losses."""

from __future__ import annotations

from typing import Any

from scram_plugin.logs.training_run import TrainingRun

CATEGORICAL = ("CategoricalCrossentropy", "SparseCategoricalCrossentropy")  # losses of classes; source: Keras
# class of `torch.nn` -> class of `keras.layers` that computes the same
_LAYERS = {
    "Linear": "Dense",
    "LazyLinear": "Dense",
    **{f"{lazy}Conv{n}d": f"Conv{n}D" for n in (1, 2, 3) for lazy in ("", "Lazy")},
    **{f"{lazy}ConvTranspose{n}d": f"Conv{n}DTranspose" for n in (1, 2, 3) for lazy in ("", "Lazy")},
    **{f"{lazy}BatchNorm{n}d": "BatchNormalization" for n in (1, 2, 3) for lazy in ("", "Lazy")},
    "SyncBatchNorm": "BatchNormalization",
    "LayerNorm": "LayerNormalization",
    "GroupNorm": "GroupNormalization",
    **{f"InstanceNorm{n}d": "GroupNormalization" for n in (1, 2, 3)},
    **{f"Dropout{n}d": f"SpatialDropout{n}D" for n in (1, 2, 3)},
    "FeatureAlphaDropout": "AlphaDropout",
    **{f"MaxPool{n}d": f"MaxPooling{n}D" for n in (1, 2, 3)},
    **{f"AvgPool{n}d": f"AveragePooling{n}D" for n in (1, 2, 3)},
    **{f"AdaptiveAvgPool{n}d": f"GlobalAveragePooling{n}D" for n in (1, 2, 3)},
    "RNN": "SimpleRNN",
    "EmbeddingBag": "Embedding",
    "MultiheadAttention": "MultiHeadAttention",
    "Unflatten": "Reshape",
    "ZeroPad2d": "ZeroPadding2D",
    "LogSoftmax": "Softmax",
    "Sigmoid": "Activation",
    "Tanh": "Activation",
}
# class of `torch.nn` -> class of `keras.losses`
_LOSSES = {
    "CrossEntropyLoss": "SparseCategoricalCrossentropy",
    "NLLLoss": "SparseCategoricalCrossentropy",
    "BCELoss": "BinaryCrossentropy",
    "BCEWithLogitsLoss": "BinaryCrossentropy",
    "MSELoss": "MeanSquaredError",
    "L1Loss": "MeanAbsoluteError",
    "SmoothL1Loss": "Huber",
    "HuberLoss": "Huber",
    "KLDivLoss": "KLDivergence",
}
_ACTIVATING = ("ReLU", "Softmax", "LogSoftmax", "LeakyReLU", "PReLU", "ELU", "Sigmoid", "Tanh", "GELU", "SiLU", "ReLU6")


def layer_kind(name: Any) -> str:
    """The class of a layer, by Keras's name."""
    return _LAYERS.get(str(name), str(name))


def activation_of(entry: Any) -> str | None:
    """The activation of a layer, or the activation that the layer itself is."""
    kind, given = str(entry.get("class")), entry.get("activation")
    if given is None and kind in _ACTIVATING:
        return {"LogSoftmax": "log_softmax"}.get(kind, kind.lower())
    return None if given is None else str(given)


def loss_class(run: TrainingRun) -> str:
    """The class of the loss, by Keras's name; "None" if it is not known."""
    name = str((run.facts.get("loss") or {}).get("class"))
    return _LOSSES.get(name, name)
