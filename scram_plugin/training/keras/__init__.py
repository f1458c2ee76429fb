"""The recorder for Keras: the callback `SCRAM`."""

from scram_plugin.training.keras.callback import SCRAM

__all__ = ["SCRAM"]
