"""A BERT from scratch (config only, no download) that sorts short nurse notes into wards, trained with the Trainer."""
import random
import tempfile

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed
from transformers.utils import logging as hf_logging

hf_logging.set_verbosity_error()
hf_logging.disable_progress_bar()
set_seed(31)
rng = random.Random(31)

WARDS = ["heart", "lungs", "stomach", "skin", "bones"]
SIGNS = {
    "heart": ["chest pressure", "racing pulse", "swollen ankles", "high blood pressure"],
    "lungs": ["dry cough", "short breath", "wheezing", "chest pain when breathing"],
    "stomach": ["nausea", "cramps after meals", "heartburn", "loss of appetite"],
    "skin": ["itchy rash", "red patches", "swollen blisters", "dry skin"],
    "bones": ["stiff knee", "back pain", "swollen wrist", "pain when walking"],
}
PREFIX = "read the note and name the ward :"


def note():
    ward = rng.randrange(len(WARDS))
    own = rng.choice(SIGNS[WARDS[ward]])
    extra = rng.choice(SIGNS[rng.choice(WARDS)])
    who = rng.choice(["the patient", "a young man", "an old lady", "she", "he"])
    since = rng.choice(["since monday", "for two weeks", "since last night", "for a month"])
    style = rng.randrange(3)
    if style == 0:
        body = f"{who} has {own} {since} but no {extra}"
    elif style == 1:
        body = f"no {extra} , but {who} reports {own}"
    else:
        body = f"{since} {who} complains about {own}"
    return f"{PREFIX} {body}", ward


notes = [note() for _ in range(1900)]
words = sorted({w for text, _ in notes[:1500] for w in text.split()})
vocab = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + words)}
MAX_LEN = 28


def encode(text):
    ids = [vocab["[CLS]"]] + [vocab.get(w, 1) for w in text.split()]
    ids = ids[:MAX_LEN - 1] + [vocab["[SEP]"]]
    mask = [1] * len(ids) + [0] * (MAX_LEN - len(ids))
    return ids + [0] * (MAX_LEN - len(ids)), mask


class NoteDataset(Dataset):
    def __init__(self, items):
        self.items = [(*encode(text), label) for text, label in items]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        ids, mask, label = self.items[i]
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask), "labels": torch.tensor(label)}


def compute_metrics(pred):
    return {"accuracy": float((np.argmax(pred.predictions, axis=-1) == pred.label_ids).mean())}


config = BertConfig(
    vocab_size=len(vocab), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
    max_position_embeddings=32, num_labels=len(WARDS), hidden_dropout_prob=0.05, attention_probs_dropout_prob=0.05,
)
model = BertForSequenceClassification(config)

args = TrainingArguments(
    output_dir=tempfile.mkdtemp(),
    num_train_epochs=6,
    per_device_train_batch_size=25,
    per_device_eval_batch_size=100,
    learning_rate=1e-3,
    warmup_steps=40,
    weight_decay=0.01,
    lr_scheduler_type="linear",
    eval_strategy="epoch",
    logging_strategy="epoch",
    save_strategy="no",
    report_to="none",
    use_cpu=True,
    disable_tqdm=True,
    dataloader_pin_memory=False,
    seed=31,
)
trainer = Trainer(model=model, args=args, train_dataset=NoteDataset(notes[:1500]), eval_dataset=NoteDataset(notes[1500:]),
                  compute_metrics=compute_metrics)

# WATCH(trainer)
trainer.train()
for entry in trainer.state.log_history:
    if "eval_accuracy" in entry:
        print(f"epoch {entry['epoch']:.0f}  eval loss {entry['eval_loss']:.4f}  accuracy {entry['eval_accuracy']:.4f}")
print(f"RESULT {trainer.evaluate()['eval_accuracy']:.4f} higher")
