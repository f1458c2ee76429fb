import numpy as np
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

from data import VOCABULARY, Reviews
from scram_plugin import TransformersSCRAM

SEED = 17
set_seed(SEED)

train_dataset = Reviews(1600, seed=SEED)
eval_dataset = Reviews(400, seed=SEED + 1)

config = BertConfig(
    vocab_size=len(VOCABULARY),
    hidden_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=96,
    max_position_embeddings=32,
    hidden_dropout_prob=0.1,
    attention_probs_dropout_prob=0.1,
    num_labels=2,
)
model = BertForSequenceClassification(config)


def compute_metrics(prediction):
    labels = np.argmax(prediction.predictions, axis=-1)
    return {"accuracy": float((labels == prediction.label_ids).mean())}


training_args = TrainingArguments(
    output_dir="out",
    num_train_epochs=5,
    learning_rate=2e-3,
    per_device_train_batch_size=32,
    per_device_eval_batch_size=128,
    weight_decay=0.01,
    warmup_steps=20,
    lr_scheduler_type="linear",
    max_grad_norm=1.0,
    eval_strategy="epoch",
    logging_steps=10,
    save_strategy="no",
    report_to="none",
    use_cpu=True,
    seed=SEED,
    disable_tqdm=True,
)

trainer = Trainer(
    model=model,
    args=training_args,
    train_dataset=train_dataset,
    eval_dataset=eval_dataset,
    compute_metrics=compute_metrics,
    callbacks=[TransformersSCRAM(log_dir="logs")],
)
trainer.train()
print("accuracy:", round(trainer.evaluate()["eval_accuracy"], 4))
