from dataclasses import dataclass


@dataclass
class Settings:
    seed: int = 5
    samples: int = 1500
    hidden: int = 64
    dropout: float = 0.0
    learning_rate: float = 0.003
    batch_size: int = 32
    epochs: int = 18
    log_dir: str = "logs"
