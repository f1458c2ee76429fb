"""Intent classification with a BERT of our own size, trained from scratch with the Trainer."""
import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import argparse
import random
import tempfile

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

INTENTS = {
    "book": ["i want to {a} a {x} for {d}", "can you {a} us a {x} {d}", "please {a} the {x} on {d}"],
    "cancel": ["i do not want the {x} for {d} any more", "please drop my {x} on {d}", "can you remove the {x} {d}"],
    "ask": ["is there a {x} free {d}", "how much is a {x} on {d}", "which {x} do you have for {d}"],
    "move": ["can we shift the {x} to {d}", "please put my {x} on {d} instead", "i want the {x} later than {d}"],
}
SLOTS = {
    "{a}": ["book", "reserve", "get", "arrange"],
    "{x}": ["table", "room", "seat", "flight", "car", "tour", "ticket"],
    "{d}": ["monday", "tuesday", "friday", "sunday", "tomorrow", "tonight", "next week"],
}
POLITE = ["hello", "hi there", "good morning", "excuse me", "well", "um"]
TAIL = ["thank you", "if possible", "for my wife", "for two", "as soon as you can", "cheers"]


def make_examples(n, seed):
    rnd = random.Random(seed)
    names = list(INTENTS)
    texts, labels = [], []
    for _ in range(n):
        k = rnd.randrange(len(names))
        sentence = rnd.choice(INTENTS[names[k]])
        for slot, options in SLOTS.items():
            sentence = sentence.replace(slot, rnd.choice(options))
        if rnd.random() < 0.5:
            sentence = rnd.choice(POLITE) + " " + sentence
        if rnd.random() < 0.5:
            sentence += " " + rnd.choice(TAIL)
        # speech recognition loses a word now and then
        words = [w for w in sentence.split() if rnd.random() > 0.12]
        texts.append(" ".join(words))
        labels.append(k)
    return texts, labels


class WordTokenizer:
    PAD, UNK, CLS = 0, 1, 2

    def __init__(self, texts):
        words = sorted({w for t in texts for w in t.split()})
        self.ids = {w: i + 3 for i, w in enumerate(words)}

    def __len__(self):
        return len(self.ids) + 3

    def __call__(self, text, max_length):
        ids = [self.CLS] + [self.ids.get(w, self.UNK) for w in text.split()]
        ids = ids[:max_length]
        mask = [1] * len(ids) + [0] * (max_length - len(ids))
        return ids + [self.PAD] * (max_length - len(ids)), mask


class IntentDataset(Dataset):
    def __init__(self, texts, labels, tokenizer, max_length):
        encoded = [tokenizer(t, max_length) for t in texts]
        self.input_ids = torch.tensor([e[0] for e in encoded])
        self.attention_mask = torch.tensor([e[1] for e in encoded])
        self.labels = torch.tensor(labels)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return {"input_ids": self.input_ids[i], "attention_mask": self.attention_mask[i], "labels": self.labels[i]}


def compute_metrics(eval_pred):
    logits, labels = eval_pred
    return {"accuracy": float((np.argmax(logits, axis=-1) == labels).mean())}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--train_size", type=int, default=1600)
    parser.add_argument("--max_length", type=int, default=20)
    parser.add_argument("--hidden", type=int, default=48)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--learning_rate", type=float, default=5e-4)
    parser.add_argument("--epochs", type=float, default=5)
    args = parser.parse_args()
    set_seed(args.seed)

    texts, labels = make_examples(args.train_size + 800, args.seed)
    tokenizer = WordTokenizer(texts[:args.train_size])
    n, m = args.train_size, args.train_size + 400
    train_set, eval_set, test_set = (
        IntentDataset(texts[a:b], labels[a:b], tokenizer, args.max_length) for a, b in ((0, n), (n, m), (m, None)))

    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=args.hidden, num_hidden_layers=args.layers, num_attention_heads=4,
        intermediate_size=2 * args.hidden, max_position_embeddings=args.max_length, num_labels=len(INTENTS),
        hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, initializer_range=0.1,
        pad_token_id=WordTokenizer.PAD,
    )
    model = BertForSequenceClassification(config)

    with tempfile.TemporaryDirectory() as out:
        training_args = TrainingArguments(
            output_dir=out, num_train_epochs=args.epochs, per_device_train_batch_size=32,
            per_device_eval_batch_size=200, learning_rate=args.learning_rate, weight_decay=0.01, warmup_steps=25,
            lr_scheduler_type="linear", eval_strategy="epoch", logging_strategy="epoch", save_strategy="no",
            disable_tqdm=True, report_to="none", seed=args.seed, use_cpu=True, dataloader_pin_memory=False,
        )
        trainer = Trainer(model=model, args=training_args, train_dataset=train_set, eval_dataset=eval_set,
                          compute_metrics=compute_metrics)
        # WATCH(trainer)
        trainer.train()
        final = trainer.evaluate(test_set, metric_key_prefix="test")

    print(f"test loss {final['test_loss']:.4f}")
    print(f"RESULT {final['test_accuracy']:.4f} higher")


if __name__ == "__main__":
    main()
