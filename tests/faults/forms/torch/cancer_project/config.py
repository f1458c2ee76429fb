from dataclasses import dataclass, field


@dataclass
class ModelConfig:
    hidden: int = 32
    dropout: float = 0.2


@dataclass
class Config:
    seed: int = 21
    lr: float = 2e-3
    weight_decay: float = 1e-4
    batch_size: int = 16
    epochs: int = 12
    clip: float = 1.0
    model: ModelConfig = field(default_factory=ModelConfig)
