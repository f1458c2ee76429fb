#!/usr/bin/env python
# Intent recognition for a home assistant: a very small BERT, trained from scratch with the HF Trainer.
import random, re, tempfile
from collections import Counter

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

set_seed(11)

ROOMS = "kitchen bedroom hall garage attic office cellar bathroom balcony nursery".split()
TIMES = "now tonight tomorrow later today soon".split()
POLITE = ["please", "could you", "hey", "i want you to", "", ""]
TEMPLATES = {
    "light_on": ["turn on the lamp in the {r}", "lights on in the {r} {t}", "make the {r} brighter", "it is too dark in the {r}"],
    "light_off": ["turn off the lamp in the {r}", "lights off in the {r} {t}", "make the {r} darker", "it is too bright in the {r}"],
    "heat_up": ["turn up the heating in the {r}", "make the {r} warmer {t}", "it is too cold in the {r}", "heat the {r}"],
    "heat_down": ["turn down the heating in the {r}", "make the {r} cooler {t}", "it is too warm in the {r}", "let the {r} cool down"],
    "music": ["play some music in the {r}", "put on a song {t}", "i would like to hear the radio in the {r}", "make some noise in the {r}"],
    "ask_state": ["is the lamp in the {r} on", "how warm is it in the {r}", "is it dark in the {r}", "is the heating in the {r} off"],
}
INTENTS = list(TEMPLATES)


def utterance(rnd):
    k = rnd.randrange(len(INTENTS))
    s = rnd.choice(TEMPLATES[INTENTS[k]]).format(r=rnd.choice(ROOMS), t=rnd.choice(TIMES))
    words = f"{rnd.choice(POLITE)} {s} {rnd.choice(TIMES + ['', ''])}".split()
    if rnd.random() < 0.15:                      # speech recognition loses a word now and then
        words.pop(rnd.randrange(len(words)))
    return " ".join(words), k


rnd = random.Random(21)
data = [utterance(rnd) for _ in range(3400)]
train, dev, test = data[:2400], data[2400:2900], data[2900:]

# --- tokeniser: whole words
counts = Counter(w for s, _ in train for w in re.findall(r"\w+", s))
vocab = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + sorted(counts))}


def collate(batch):
    rows = [[2] + [vocab.get(w, 1) for w in re.findall(r"\w+", s)] + [3] for s, _ in batch]
    width = max(map(len, rows))
    ids = torch.tensor([r + [0] * (width - len(r)) for r in rows])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": torch.tensor([k for _, k in batch])}


def metrics(p):
    guess = np.argmax(p.predictions, axis=-1)
    return {"accuracy": float((guess == p.label_ids).mean())}


config = BertConfig(
    vocab_size=len(vocab), hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
    max_position_embeddings=32, num_labels=len(INTENTS), hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1,
)
model = BertForSequenceClassification(config)

args = TrainingArguments(
    output_dir=tempfile.mkdtemp(),
    per_device_train_batch_size=32,
    per_device_eval_batch_size=250,
    num_train_epochs=5,
    learning_rate=2e-3,
    warmup_steps=30,
    weight_decay=0.01,
    eval_strategy="epoch",
    logging_steps=75,
    save_strategy="no",
    report_to="none",
    remove_unused_columns=False,
    use_cpu=True,
    disable_tqdm=True,
    seed=11,
)
trainer = Trainer(model=model, args=args, train_dataset=train, eval_dataset=dev, data_collator=collate,
                  compute_metrics=metrics)
# WATCH(trainer)
trainer.train()
final = trainer.evaluate(test, metric_key_prefix="test")
print("test loss %.4f, accuracy %.4f" % (final["test_loss"], final["test_accuracy"]))
print("RESULT %.4f higher" % final["test_accuracy"])
