import lightning as L

from data import DigitsData
from model import LitDigits
from scram_plugin import LightningSCRAM


def main():
    L.seed_everything(42)
    data = DigitsData(batch_size=32)
    model = LitDigits(hidden=64, learning_rate=2e-3)
    trainer = L.Trainer(
        max_epochs=8,
        accelerator="cpu",
        gradient_clip_val=1.0,
        enable_progress_bar=False,
        enable_checkpointing=False,
        logger=False,
        num_sanity_val_steps=0,
        callbacks=[LightningSCRAM(log_dir="logs")],
    )
    trainer.fit(model, datamodule=data)
    metrics = trainer.validate(model, datamodule=data, verbose=False)
    print(f"val_acc: {metrics[0]['val_acc']:.4f}")


if __name__ == "__main__":
    main()
