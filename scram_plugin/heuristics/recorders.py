"""How a training is recorded: the lines that a check names where SCRAM's own statistics are missing."""

from __future__ import annotations

# framework of a log -> the line that records a training with it
RECORDERS = {
    "keras": 'model.fit(..., callbacks=[SCRAM(log_dir="logs/exp1")])',
    "torch": 'scram_plugin.watch(model, optimizer, log_dir="logs/exp1")',
    "lightning": "Trainer(..., callbacks=[scram_plugin.LightningSCRAM()])",
    "hugging face": "Trainer(..., callbacks=[scram_plugin.TransformersSCRAM()])",
    "stable-baselines3": 'model.learn(..., callback=scram_plugin.StableBaselines3SCRAM("logs/exp1"))',
    "yolo": 'scram_plugin.UltralyticsSCRAM("logs/exp1").attach(model)  # before model.train(...)',
}
HOW = f"{RECORDERS['keras']}  # Keras\n{RECORDERS['torch']}  # PyTorch"


def for_framework(how: str, framework: str | None) -> str:
    """What to log, in the words of the framework that wrote the log, where that is known."""
    line = RECORDERS.get(framework or "")
    return how if line is None else how.replace(HOW, line)
