"""SCRAM finds what goes wrong in the training of neural networks: in TensorBoard, the terminal and CI.

Public names, imported when first used:

* `SCRAM`: the Keras callback
* `watch`: the same for training loops of your own, with PyTorch or `tf.GradientTape`
* `LightningSCRAM`, `TransformersSCRAM`, `StableBaselines3SCRAM`, `UltralyticsSCRAM`: the same for the trainers of Lightning,
  Hugging Face and TRL, Stable-Baselines3, and Ultralytics
* `preflight`: tests a model before its training
* `fix`: the fixes of a training run as a patch of the program, with a proof that they help
* `review`: reviews a log directory; a notebook shows the reviews with their curves
* `read`: reads a log directory as a mapping of exact series
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = [
    *("SCRAM", "LightningSCRAM", "StableBaselines3SCRAM", "TransformersSCRAM", "UltralyticsSCRAM"),
    *("fix", "preflight", "read", "review", "watch"),
]

_HOME = {
    "SCRAM": "scram_plugin.training.keras",
    "watch": "scram_plugin.training.watching",
    "LightningSCRAM": "scram_plugin.training.torch.lightning",
    "TransformersSCRAM": "scram_plugin.training.torch.transformers",
    "StableBaselines3SCRAM": "scram_plugin.training.torch.stable_baselines3",
    "UltralyticsSCRAM": "scram_plugin.training.torch.ultralytics",
    "fix": "scram_plugin.api",
    "preflight": "scram_plugin.api",
    "read": "scram_plugin.logs.logdir",
    "review": "scram_plugin.api",
}


# what a name needs that SCRAM does not bring along: the packages it may miss, and how to install them
_NEEDS = {
    "SCRAM": (("keras", "tensorflow"), "Keras and a backend of it: pip install tensorflow"),
    "LightningSCRAM": (("lightning", "pytorch_lightning", "torch"), "Lightning: pip install lightning"),
    "TransformersSCRAM": (("transformers", "torch"), "Hugging Face Transformers: pip install transformers accelerate torch"),
    "StableBaselines3SCRAM": (("stable_baselines3", "torch"), "Stable-Baselines3: pip install stable-baselines3"),
    "UltralyticsSCRAM": (("ultralytics", "torch"), "Ultralytics: pip install ultralytics"),
}


def __getattr__(name: str) -> Any:
    """Raises ImportError, with what to install, for a name whose framework is not installed."""
    if name in _HOME:
        try:
            return getattr(import_module(_HOME[name]), name)
        except ModuleNotFoundError as error:
            missing, what = _NEEDS.get(name, ((), ""))
            if error.name in missing:
                raise ImportError(f"scram_plugin.{name} needs {what}") from None
            raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
