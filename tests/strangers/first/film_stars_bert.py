"""Fine-tuning with a custom dataset: does the viewer like the film? (after the tutorial of transformers, with a toy BERT)"""
import os

os.environ["HF_HUB_OFFLINE"] = "1"
import random
import tempfile

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

MAX_LEN = 20
GOOD = ["brilliant", "moving", "funny", "gripping", "charming", "clever", "superb", "fresh"]
BAD = ["dull", "messy", "silly", "slow", "bland", "noisy", "tired", "lazy"]
THINGS = ["plot", "acting", "music", "script", "ending", "camera", "cast", "dialogue", "pace", "humour", "film", "hero"]
GLUE = ["the", "was", "and", "with", "a", "quite", "in", "my", "view", "overall", "some", "rather", "felt", "this"]
WORDS = ["[PAD]", "[CLS]", "[SEP]", "not"] + GLUE + THINGS + GOOD + BAD
ID = {w: i for i, w in enumerate(WORDS)}


def write_review(rnd):
    words, mood = [], 0
    for _ in range(rnd.choice([1, 3])):
        positive = rnd.random() < 0.5
        negated = rnd.random() < 0.15
        mood += 1 if positive != negated else -1
        words += [rnd.choice(GLUE), rnd.choice(THINGS), rnd.choice(GLUE)]
        words += (["not"] if negated else []) + [rnd.choice(GOOD if positive else BAD)]
    label = int(mood > 0)
    if rnd.random() < 0.06:                       # the stars do not always fit the words
        label = 1 - label
    return " ".join(words), label


def read_split(n, seed):
    rnd = random.Random(seed)
    texts, labels = zip(*(write_review(rnd) for _ in range(n)))
    return list(texts), list(labels)


def tokenize(texts):
    encodings = {"input_ids": [], "attention_mask": []}
    for text in texts:
        ids = ([ID["[CLS]"]] + [ID[w] for w in text.split()])[:MAX_LEN - 1] + [ID["[SEP]"]]
        pad = MAX_LEN - len(ids)
        encodings["input_ids"].append(ids + [ID["[PAD]"]] * pad)
        encodings["attention_mask"].append([1] * len(ids) + [0] * pad)
    return encodings


class ReviewDataset(torch.utils.data.Dataset):
    def __init__(self, encodings, labels):
        self.encodings = encodings
        self.labels = labels

    def __getitem__(self, idx):
        item = {key: torch.tensor(val[idx]) for key, val in self.encodings.items()}
        item["labels"] = torch.tensor(self.labels[idx])
        return item

    def __len__(self):
        return len(self.labels)


class ReviewTrainer(Trainer):
    """The loss of the model does not look at num_items_in_batch, so that accumulated gradients would be too large."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        total = torch.nn.functional.cross_entropy(outputs.logits, labels, reduction="sum")
        loss = total / (len(labels) if num_items_in_batch is None else num_items_in_batch)
        return (loss, outputs) if return_outputs else loss


set_seed(5)
train_texts, train_labels = read_split(1400, 1)
val_texts, val_labels = read_split(250, 2)
test_texts, test_labels = read_split(600, 3)

train_dataset = ReviewDataset(tokenize(train_texts), train_labels)
val_dataset = ReviewDataset(tokenize(val_texts), val_labels)

config = BertConfig(
    vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64,
    max_position_embeddings=MAX_LEN, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, num_labels=2)
model = BertForSequenceClassification(config)

training_args = TrainingArguments(
    output_dir=tempfile.mkdtemp(),
    num_train_epochs=5,
    per_device_train_batch_size=8,
    gradient_accumulation_steps=4,
    per_device_eval_batch_size=125,
    learning_rate=4e-3,
    warmup_steps=30,
    weight_decay=0.01,
    eval_strategy="epoch",
    logging_strategy="epoch",
    save_strategy="no",
    report_to="none",
    disable_tqdm=True,
    use_cpu=True,
    dataloader_pin_memory=False,
    seed=5,
)
trainer = ReviewTrainer(model=model, args=training_args, train_dataset=train_dataset, eval_dataset=val_dataset)
# WATCH(trainer)
trainer.train()

# a last look at reviews that nobody has seen
model.eval()
test = tokenize(test_texts)
with torch.no_grad():
    logits = model(torch.tensor(test["input_ids"]), torch.tensor(test["attention_mask"])).logits
gold = torch.tensor(test_labels)
loss = torch.nn.functional.cross_entropy(logits, gold).item()
accuracy = (logits.argmax(-1) == gold).float().mean().item()
print(f"test accuracy {accuracy:.3f}, test loss {loss:.3f}")
print(f"RESULT {loss:.4f} lower")
