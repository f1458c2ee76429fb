"""A tiny GPT-2 learns to sort words letter by letter ("hcabd>abcdh").

Random-init configuration, hand-made character vocabulary, Hugging Face Trainer
with its own dataset, collator and metric; at the end the model continues prompts
it has never seen, and the score is the share of words sorted without a mistake.

RESULT exact_match higher
"""
import random
import string

import torch
from torch import nn
from transformers import GPT2Config, GPT2Model, Trainer, TrainingArguments, set_seed

set_seed(17)

LETTERS = string.ascii_lowercase[:12]
SPECIAL = ["<pad>", "<eos>", ">"]
VOCAB = {tok: i for i, tok in enumerate(SPECIAL + list(LETTERS))}
PAD, EOS = VOCAB["<pad>"], VOCAB["<eos>"]
IGNORE = -100


class CharTokenizer:
    def encode(self, text):
        return [VOCAB[c] for c in text]

    def decode(self, ids):
        inverse = list(VOCAB)
        return "".join(inverse[i] for i in ids if i not in (PAD, EOS))


tok = CharTokenizer()


def random_words(n):
    words = set()
    while len(words) < n:
        words.add("".join(random.choices(LETTERS, k=random.randint(3, 5))))
    words = sorted(words)
    random.shuffle(words)
    return words


class SortDataset(torch.utils.data.Dataset):
    def __init__(self, words):
        self.items = [self.build(w) for w in words]

    @staticmethod
    def build(word):
        prompt = tok.encode(word + ">")
        answer = tok.encode("".join(sorted(word))) + [EOS]
        ids = prompt + answer
        labels = [IGNORE] * len(prompt) + answer
        return {"input_ids": ids, "labels": labels}

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def collate(features):
    width = max(len(f["input_ids"]) for f in features)
    fill = lambda key, value: torch.tensor(
        [f[key] + [value] * (width - len(f[key])) for f in features])
    ids = fill("input_ids", PAD)
    return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": fill("labels", IGNORE)}


class SortLM(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.backbone = GPT2Model(config)
        self.norm = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size)

    def forward(self, input_ids, attention_mask=None, labels=None):
        hidden = self.backbone(input_ids, attention_mask=attention_mask).last_hidden_state
        logits = self.head(self.norm(hidden))
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORE)
        return {"loss": loss, "logits": logits}


@torch.no_grad()
def complete(model, prompt, limit=8):
    ids = tok.encode(prompt)
    start = len(ids)
    while len(ids) < start + limit and ids[-1] != EOS:
        logits = model(torch.tensor([ids]))["logits"]
        ids.append(int(logits[0, -1].argmax()))
    return tok.decode(ids[start:])


words = random_words(5300)
train_words, eval_words, test_words = words[:5000], words[5000:5150], words[5150:]

config = GPT2Config(
    vocab_size=len(VOCAB), n_positions=24, n_embd=48, n_layer=2, n_head=4,
    resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    bos_token_id=EOS, eos_token_id=EOS)
model = SortLM(config)

args = TrainingArguments(
    output_dir="out",
    num_train_epochs=4,
    per_device_train_batch_size=48,
    per_device_eval_batch_size=128,
    learning_rate=4e-3,
    lr_scheduler_type="cosine",
    warmup_steps=40,
    weight_decay=0.01,
    eval_strategy="epoch",
    save_strategy="no",
    logging_steps=50,
    report_to=[],
    use_cpu=True,
    disable_tqdm=True,
    seed=17,
)
trainer = Trainer(
    model=model,
    args=args,
    train_dataset=SortDataset(train_words),
    eval_dataset=SortDataset(eval_words),
    data_collator=collate,
)
# WATCH(trainer)
trainer.train()

model.eval()
answers = [complete(model, w + ">") for w in test_words]
for w, a in list(zip(test_words, answers))[:3]:
    print(w, "->", a)
exact = sum(a == "".join(sorted(w)) for w, a in zip(test_words, answers)) / len(test_words)
print(f"RESULT exact_match {exact:.4f}")
