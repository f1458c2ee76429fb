# coding=utf-8
r"""Fine-grained sentiment of synthetic product reviews with a small, randomly initialised BERT
and the Hugging Face Trainer.  The sentences mix opinions about several aspects with negations
and contrasts ("the screen is not bad but ..."), the last clause decides.  Four labels
(very negative ... very positive); accuracy on the held-out reviews.
"""
import random

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed
from transformers.utils import logging as hf_logging

hf_logging.set_verbosity_error()

ASPECTS = ["screen", "battery", "camera", "case", "sound", "price", "keyboard", "delivery"]
GOOD = ["good", "great", "lovely", "sturdy", "sharp", "excellent", "pleasant", "superb"]
BAD = ["bad", "poor", "ugly", "flimsy", "blurry", "terrible", "awful", "dreadful"]
WEAK = ["somewhat", "fairly", "slightly"]
STRONG = ["very", "really", "extremely"]
JOIN = ["but", "however", "still"]


def clause(rng, polarity, strong):
    negate = rng.random() < 0.4
    word = rng.choice(GOOD if polarity ^ negate else BAD)
    degree = rng.choice(STRONG if strong else WEAK)
    return ["the", rng.choice(ASPECTS), "is"] + (["not"] if negate else []) + [degree, word]


def review(rng):
    label = rng.randrange(4)
    words = []
    for _ in range(rng.randrange(2)):
        words += clause(rng, rng.random() < 0.5, rng.random() < 0.5) + [rng.choice(JOIN)]
    return " ".join(words + clause(rng, label >= 2, label in (0, 3))), label


class WordTokenizer:
    def __init__(self, texts):
        words = sorted({w for t in texts for w in t.split()})
        self.vocab = {w: i for i, w in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]"] + words)}

    def __call__(self, text):
        return [1] + [self.vocab.get(w, 3) for w in text.split()] + [2]


class ReviewDataset(torch.utils.data.Dataset):
    def __init__(self, texts, labels, tokenizer):
        self.encodings = [tokenizer(t) for t in texts]
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, idx):
        return {"input_ids": self.encodings[idx], "labels": self.labels[idx]}


def collate(features):
    longest = max(len(f["input_ids"]) for f in features)
    ids = torch.zeros(len(features), longest, dtype=torch.long)
    for row, f in enumerate(features):
        ids[row, : len(f["input_ids"])] = torch.tensor(f["input_ids"])
    labels = torch.tensor([f["labels"] for f in features])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def compute_metrics(eval_pred):
    logits, labels = eval_pred
    predictions = np.argmax(logits, axis=-1)
    return {"accuracy": float((predictions == labels).mean())}


def main():
    set_seed(7)
    rng = random.Random(7)
    unique = sorted({review(rng) for _ in range(5000)})
    rng.shuffle(unique)
    texts, labels = [t for t, _ in unique], [l for _, l in unique]
    n_eval = 600
    tokenizer = WordTokenizer(texts[n_eval:])
    train_dataset = ReviewDataset(texts[n_eval:], labels[n_eval:], tokenizer)
    eval_dataset = ReviewDataset(texts[:n_eval], labels[:n_eval], tokenizer)
    print(f"{len(train_dataset)} train, {len(eval_dataset)} eval, {len(tokenizer.vocab)} words, e.g. {texts[0]!r}")

    config = BertConfig(
        vocab_size=len(tokenizer.vocab), hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=96, max_position_embeddings=40, num_labels=4, initializer_range=0.1,
        hidden_dropout_prob=0.05, attention_probs_dropout_prob=0.05,
    )
    model = BertForSequenceClassification(config)

    training_args = TrainingArguments(
        output_dir="out",
        num_train_epochs=5,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=200,
        learning_rate=2e-3,
        weight_decay=0.01,
        warmup_steps=40,
        lr_scheduler_type="linear",
        eval_strategy="epoch",
        save_strategy="no",
        logging_strategy="epoch",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=7,
    )
    trainer = Trainer(
        model=model,
        args=training_args,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        data_collator=collate,
        compute_metrics=compute_metrics,
    )
    # WATCH(trainer)
    trainer.train()
    metrics = trainer.evaluate()
    print(f"RESULT {metrics['eval_accuracy']:.4f} higher")


if __name__ == "__main__":
    main()
