"""What is to be done, as code of the framework that wrote a log: its own arguments and callbacks, no loop to write by hand."""

from __future__ import annotations

# what is to be done -> framework of a log -> how it is said there
REMEDIES = {
    "stop at the best": {
        "lightning": """
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

best = ModelCheckpoint(monitor="val_loss", mode="min")  # its best_model_path is the file to use
trainer = Trainer(max_epochs=100, callbacks=[EarlyStopping(monitor="val_loss", patience=5), best])
""",
        "hugging face": """
from transformers import EarlyStoppingCallback, TrainingArguments

args = TrainingArguments(
    output_dir="out",
    eval_strategy="epoch",
    save_strategy="epoch",
    load_best_model_at_end=True,
    metric_for_best_model="eval_loss",
)
callbacks = [EarlyStoppingCallback(early_stopping_patience=3)]  # Trainer(..., args=args, callbacks=callbacks)
""",
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")
model.train(data="coco8.yaml", patience=20)  # ends after 20 epochs without progress; weights/best.pt is kept
""",
    },
    "a smaller rate": {
        "lightning": """
import torch
from lightning.pytorch import LightningModule


class Model(LightningModule):
    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-4)
""",
        "hugging face": """
from transformers import TrainingArguments

args = TrainingArguments(output_dir="out", learning_rate=2e-5, warmup_steps=100)
""",
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")
model.train(data="coco8.yaml", optimizer="AdamW", lr0=0.001)  # with optimizer="auto", lr0 is not used
""",
    },
    "a usual rate": {
        "lightning": """
import torch
from lightning.pytorch import LightningModule


class Model(LightningModule):
    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)
""",
        "hugging face": """
from transformers import TrainingArguments

args = TrainingArguments(output_dir="out", learning_rate=5e-5)  # to fine-tune; 1e-3 to train from the beginning
""",
    },
    "clip": {
        "lightning": """
from lightning.pytorch import Trainer

trainer = Trainer(gradient_clip_val=1.0)
""",
        "hugging face": """
from transformers import TrainingArguments

args = TrainingArguments(output_dir="out", max_grad_norm=1.0)
""",
    },
    "bfloat16": {
        "lightning": """
from lightning.pytorch import Trainer

trainer = Trainer(precision="bf16-mixed")
""",
        "hugging face": """
import torch
from transformers import TrainingArguments

args = TrainingArguments(output_dir="out", bf16=torch.cuda.is_available())
""",
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")
model.train(data="coco8.yaml", amp=False)  # in single precision
""",
    },
    "regularise": {
        "hugging face": """
from transformers import AutoConfig, TrainingArguments

config = AutoConfig.for_model("bert", hidden_dropout_prob=0.2)  # for the names of another model see its configuration
args = TrainingArguments(output_dir="out", weight_decay=0.1)
""",
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")
model.train(data="coco8.yaml", weight_decay=0.001, dropout=0.1, freeze=10)  # freeze: the first ten layers stay as they are
""",
    },
    "augment": {
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")
model.train(data="coco8.yaml", mosaic=1.0, mixup=0.15, degrees=10.0, scale=0.5)
""",
    },
    "lower the rate late": {
        "lightning": """
import torch
from lightning.pytorch import LightningModule


class Model(LightningModule):
    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.2, patience=5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss"}}
""",
        "hugging face": """
from transformers import TrainingArguments

args = TrainingArguments(output_dir="out", lr_scheduler_type="cosine", warmup_steps=500)
""",
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")
model.train(data="coco8.yaml", cos_lr=True, lrf=0.01)
""",
    },
    "larger batches": {
        "lightning": """
from lightning.pytorch import Trainer

trainer = Trainer(accumulate_grad_batches=4)
""",
        "hugging face": """
from transformers import TrainingArguments

args = TrainingArguments(output_dir="out", per_device_train_batch_size=16, gradient_accumulation_steps=4)
""",
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")
model.train(data="coco8.yaml", batch=32)
""",
    },
    "warm up": {
        "hugging face": """
from transformers import TrainingArguments

args = TrainingArguments(output_dir="out", warmup_steps=500)
""",
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")
model.train(data="coco8.yaml", warmup_epochs=3.0)
""",
    },
    "a shorter warm-up": {
        "hugging face": """
from transformers import TrainingArguments

args = TrainingArguments(output_dir="out", warmup_steps=150)  # a tenth of all steps
""",
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")
model.train(data="coco8.yaml", epochs=10, warmup_epochs=1.0)
""",
    },
    "train longer": {
        "lightning": """
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping

trainer = Trainer(max_epochs=300, callbacks=[EarlyStopping(monitor="val_loss", patience=10)])
""",
        "hugging face": """
from transformers import EarlyStoppingCallback, TrainingArguments

args = TrainingArguments(
    output_dir="out",
    num_train_epochs=20,
    eval_strategy="epoch",
    save_strategy="epoch",
    load_best_model_at_end=True,
)
callbacks = [EarlyStoppingCallback(early_stopping_patience=3)]  # Trainer(..., args=args, callbacks=callbacks)
""",
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")
model.train(data="coco8.yaml", epochs=300, patience=50)
""",
    },
    "validate": {
        "lightning": """
from lightning.pytorch import LightningModule


class Model(LightningModule):
    def validation_step(self, batch, batch_idx):  # and a val_dataloader, or Trainer.fit(..., val_dataloaders=...)
        inputs, targets = batch
        loss = self.loss(self(inputs), targets)
        self.log("val_loss", loss)
        return loss
""",
        "hugging face": """
from transformers import TrainingArguments

args = TrainingArguments(output_dir="out", eval_strategy="epoch")  # Trainer(..., eval_dataset=...)
""",
    },
    "smaller updates": {
        "stable-baselines3": """
import gymnasium
from stable_baselines3 import PPO

env = gymnasium.make("CartPole-v1")  # sample
model = PPO("MlpPolicy", env, learning_rate=1e-4, target_kl=0.02, n_epochs=5)
""",
        "hugging face": """
from transformers import TrainingArguments

args = TrainingArguments(output_dir="out", learning_rate=1e-6, max_grad_norm=0.1)  # the same in GRPOConfig
""",
    },
    "fewer steps on preferences": {
        "hugging face": """
from trl import DPOConfig

args = DPOConfig(
    output_dir="out",
    num_train_epochs=1,
    learning_rate=5e-7,  # with LoRA 5e-6
    eval_strategy="steps",
    eval_steps=100,
    save_steps=100,
    load_best_model_at_end=True,
)
""",
    },
    "allow for wrong labels": {
        "hugging face": """
from trl import DPOConfig

args = DPOConfig(output_dir="out", label_smoothing=0.1, beta=0.3)
""",
    },
    "hold the chosen answers": {
        "hugging face": """
from trl import DPOConfig

args = DPOConfig(output_dir="out", loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.1])
""",
    },
    "the same divisor for all": {
        "hugging face": """
from trl import GRPOConfig

args = GRPOConfig(output_dir="out", loss_type="dr_grpo", scale_rewards="none")
""",
    },
    "stay near the reference": {
        "hugging face": """
from trl import GRPOConfig

args = GRPOConfig(output_dir="out", beta=0.04, learning_rate=1e-6)
""",
    },
    "keep the best on other prompts": {
        "hugging face": """
from trl import GRPOConfig

args = GRPOConfig(
    output_dir="out",
    eval_strategy="steps",
    eval_steps=50,
    save_steps=50,
    load_best_model_at_end=True,
    metric_for_best_model="eval_reward",
    greater_is_better=True,
)
""",
    },
    "look at the labels": {
        "yolo": """
from ultralytics import YOLO

model = YOLO("yolo11n.pt")  # the best.pt of your training
model.val(data="coco8.yaml", plots=True)  # draws val_batch0_labels.jpg beside val_batch0_pred.jpg
""",
    },
    "longer completions": {
        "hugging face": """
from trl import GRPOConfig

args = GRPOConfig(output_dir="out", max_completion_length=1024)
""",
    },
    "reward entropy": {
        "stable-baselines3": """
import gymnasium
from stable_baselines3 import PPO

env = gymnasium.make("CartPole-v1")  # sample
model = PPO("MlpPolicy", env, ent_coef=0.01)
""",
    },
    "keep the best": {
        "stable-baselines3": """
import gymnasium
from stable_baselines3.common.callbacks import EvalCallback

env = gymnasium.make("CartPole-v1")  # sample
keep = EvalCallback(env, best_model_save_path="best", eval_freq=10_000)  # model.learn(..., callback=keep)
""",
    },
}
