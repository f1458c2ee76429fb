"""The recorder for PyTorch: `watch(model, optimizer, log_dir=...)`."""

from scram_plugin.training.torch.watch import Watch as watch

__all__ = ["watch"]
