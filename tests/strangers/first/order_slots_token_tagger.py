"""Find the slots (item, quantity, place, day) in short orders with a token classifier.

Uses the Hugging Face Trainer. The orders come out of a small grammar, and the BERT is a tiny one with random weights,
so that nothing is downloaded.
"""
import os
import random

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["USE_TF"] = "0"

import numpy as np
import torch
from transformers import (
    BertConfig,
    BertForTokenClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

set_seed(4)
rnd = random.Random(4)

LABELS = ["O", "B-ITEM", "I-ITEM", "B-QTY", "B-PLACE", "I-PLACE", "B-DAY"]
LABEL2ID = {l: i for i, l in enumerate(LABELS)}

COLOURS = "red green old small fresh sweet dry heavy".split()
THINGS = "apples chairs lamps boxes tomatoes books shirts pans".split()
QUANTITIES = "two three five seven twelve twenty some".split()
STREETS = "oak mill station church river garden".split()
KINDS = "street square lane".split()
DAYS = "monday tuesday friday sunday tomorrow today".split()
OPENERS = ["please send", "could you bring", "i need", "we would like", "send", "bring us"]
# Some words are a day or a thing in one place and nothing of the kind in another.
CLOSERS = ["thanks", "it is for the sunday school", "today was fine", "the books last time were great", "two of us wait", ""]


def phrase():
    pieces = [(w, "O") for w in rnd.choice(OPENERS).split()]
    for k in range(rnd.choice([1, 1, 2])):
        if k:
            pieces.append(("and", "O"))
        if rnd.random() < 0.8:
            pieces.append((rnd.choice(QUANTITIES), "B-QTY"))
        if rnd.random() < 0.5:
            pieces += [(rnd.choice(COLOURS), "B-ITEM"), (rnd.choice(THINGS), "I-ITEM")]
        else:
            pieces.append((rnd.choice(THINGS), "B-ITEM"))
    if rnd.random() < 0.7:
        pieces += [(rnd.choice(["to", "at"]), "O"), (rnd.choice(STREETS), "B-PLACE"), (rnd.choice(KINDS), "I-PLACE")]
    if rnd.random() < 0.6:
        pieces += [("on", "O"), (rnd.choice(DAYS), "B-DAY")]
    pieces += [(w, "O") for w in rnd.choice(CLOSERS).split()]
    # a slip of the pen now and then
    pieces = [("<unk>" if rnd.random() < 0.02 else w, l) for w, l in pieces]
    return [w for w, _ in pieces], [l for _, l in pieces]


vocab = {"<pad>": 0, "<unk>": 1}
examples = [phrase() for _ in range(2000)]
for words, _ in examples[:1500]:
    for w in words:
        vocab.setdefault(w, len(vocab))


class Orders(torch.utils.data.Dataset):
    def __init__(self, rows):
        self.rows = [
            {"input_ids": [vocab.get(w, 1) for w in words], "labels": [LABEL2ID[l] for l in labels]}
            for words, labels in rows
        ]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


def collate(batch):
    longest = max(len(b["input_ids"]) for b in batch)

    def pad(row, value):
        return row + [value] * (longest - len(row))

    return {
        "input_ids": torch.tensor([pad(b["input_ids"], 0) for b in batch]),
        "attention_mask": torch.tensor([pad([1] * len(b["input_ids"]), 0) for b in batch]),
        "labels": torch.tensor([pad(b["labels"], -100) for b in batch]),
    }


def slots(tags):
    """Set of (kind, start, end) out of a list of BIO tags."""
    found, start, kind = set(), None, None
    for i, tag in enumerate(list(tags) + ["O"]):
        if start is not None and not (tag.startswith("I-") and tag[2:] == kind):
            found.add((kind, start, i))
            start = None
        if tag.startswith("B-"):
            start, kind = i, tag[2:]
    return found


def compute_metrics(pred):
    guess = np.argmax(pred.predictions, axis=-1)
    tp = n_guess = n_true = 0
    for g, t in zip(guess, pred.label_ids):
        keep = t != -100
        sg, st = slots([LABELS[i] for i in g[keep]]), slots([LABELS[i] for i in t[keep]])
        tp, n_guess, n_true = tp + len(sg & st), n_guess + len(sg), n_true + len(st)
    keep = pred.label_ids != -100
    return {"f1": 2 * tp / max(1, n_guess + n_true), "accuracy": float((guess == pred.label_ids)[keep].mean())}


class Printer(TrainerCallback):
    def on_log(self, args, state, control, logs=None, **kwargs):
        shown = {k: round(float(v), 4) for k, v in logs.items() if k in ("loss", "learning_rate", "grad_norm", "eval_loss", "eval_f1")}
        if shown:
            print(state.global_step, shown)


config = BertConfig(
    vocab_size=len(vocab), hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
    max_position_embeddings=40, num_labels=len(LABELS), hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1,
    id2label=dict(enumerate(LABELS)), label2id=LABEL2ID,
)
model = BertForTokenClassification(config)

training_args = TrainingArguments(
    output_dir="/tmp/order_slots_out",
    num_train_epochs=6,
    per_device_train_batch_size=32,
    per_device_eval_batch_size=250,
    learning_rate=3e-3,
    lr_scheduler_type="cosine",
    warmup_steps=30,
    weight_decay=0.01,
    eval_strategy="epoch",
    logging_steps=47,
    save_strategy="no",
    report_to=[],
    use_cpu=True,
    disable_tqdm=True,
    seed=4,
)
trainer = Trainer(
    model=model,
    args=training_args,
    train_dataset=Orders(examples[:1500]),
    eval_dataset=Orders(examples[1500:1750]),
    data_collator=collate,
    compute_metrics=compute_metrics,
)
trainer.remove_callback(__import__("transformers").PrinterCallback)
trainer.add_callback(Printer())
# WATCH(trainer)
trainer.train()

scores = trainer.evaluate(Orders(examples[1750:]), metric_key_prefix="test")
print({k: round(v, 4) for k, v in scores.items() if k in ("test_loss", "test_f1", "test_accuracy")})
print(f"RESULT {scores['test_f1']:.4f} higher")
