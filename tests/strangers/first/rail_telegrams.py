"""A small GPT-2 (random init) learns the language of railway telegrams with the Hugging Face Trainer.

A telegram reads like  `<s> express 17 dep Arl 8 40 via Bru Cas arr Dov 11 10 late 2 ack </s>`: stations lie on a
line, the stations called at are those in between, and the arrival follows from distance and kind of train.
Lengths differ, so batches are padded. Score: share of next tokens guessed right on unseen telegrams.

RESULT next_token_accuracy higher
"""
import tempfile

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

set_seed(21)

STATIONS = ["Arl", "Bru", "Cas", "Dov", "Ems", "Fol", "Gra", "Hol"]
KINDS = {"express": 20, "local": 40, "goods": 60}           # minutes a section
VOCAB = (["<pad>", "<s>", "</s>", "dep", "arr", "via", "late", "ack", "nonstop"] + list(KINDS) + STATIONS
         + [str(i) for i in range(60)])
TOKEN = {w: i for i, w in enumerate(VOCAB)}
MAX_LEN = 24


def telegram(rng):
    kind = list(KINDS)[rng.integers(3)]
    a, b = rng.choice(len(STATIONS), 2, replace=False)
    hour, minute = int(rng.integers(4, 15)), int(rng.integers(0, 6)) * 10
    between = range(a + 1, b) if a < b else range(a - 1, b, -1)
    end = hour * 60 + minute + KINDS[kind] * abs(int(a) - int(b))
    words = ["<s>", kind, str(rng.integers(60)), "dep", STATIONS[a], str(hour), str(minute)]
    words += ["via"] + [STATIONS[s] for s in between] if len(between) else ["nonstop"]
    words += ["arr", STATIONS[b], str(end // 60), str(end % 60)]
    if rng.random() < 0.3:
        words += ["late", str(rng.integers(1, 6))]
    return words + ["ack", "</s>"]


class Telegrams(Dataset):
    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.ids = torch.zeros(n, MAX_LEN, dtype=torch.long)
        for row in self.ids:
            words = telegram(rng)[:MAX_LEN]
            row[:len(words)] = torch.tensor([TOKEN[w] for w in words])

    def __len__(self):
        return self.ids.shape[0]

    def __getitem__(self, i):
        ids = self.ids[i]
        mask = (ids != TOKEN["<pad>"]).long()
        labels = ids.masked_fill(mask == 0, -100)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


config = GPT2Config(vocab_size=len(VOCAB), n_positions=MAX_LEN, n_embd=64, n_layer=2, n_head=4,
                    bos_token_id=TOKEN["<s>"], eos_token_id=TOKEN["</s>"], pad_token_id=TOKEN["<pad>"],
                    resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
model = GPT2LMHeadModel(config)
train_set, test_set = Telegrams(6000, seed=1), Telegrams(400, seed=2)

BATCH = 32
args = TrainingArguments(
    output_dir=tempfile.mkdtemp(),
    max_steps=350,
    per_device_train_batch_size=BATCH,
    learning_rate=3e-3,
    warmup_steps=30,
    lr_scheduler_type="cosine",
    weight_decay=0.01,
    logging_steps=50,
    save_strategy="no",
    report_to="none",
    disable_tqdm=True,
    use_cpu=True,
)
trainer = Trainer(model=model, args=args, train_dataset=train_set)
# WATCH(trainer)
trainer.train()


@torch.no_grad()
def next_token_accuracy(model, ids):
    model.eval()
    guess = model(input_ids=ids, attention_mask=(ids != 0).long()).logits[:, :-1].argmax(-1)
    real = ids[:, 1:]
    return (guess == real)[real != 0].float().mean().item()


prompt = "<s> goods 7 dep Hol 9 30".split()
out = model.generate(torch.tensor([[TOKEN[w] for w in prompt]]), max_length=MAX_LEN, do_sample=False)
print(" ".join(VOCAB[i] for i in out[0].tolist()))
print(f"RESULT next_token_accuracy {next_token_accuracy(model, test_set.ids):.4f}")
