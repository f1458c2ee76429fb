"""A thumbnail GPT-2 that learns the sentences of a toy market, character by character."""
import os
import random
import tempfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import torch
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

set_seed(2)

GOODS = {"apple": 3, "pear": 4, "melon": 9, "plum": 1, "leek": 2, "egg": 5, "honey": 8}
PEOPLE = ["ann", "bert", "carla", "dino", "eve"]


def sentence(r):
    who, what = r.choice(PEOPLE), r.choice(list(GOODS))
    if r.random() < 0.5:
        return f"{who} buys a {what} for {GOODS[what]}. "
    other = r.choice([p for p in PEOPLE if p != who])
    return f"{who} gives the {what} to {other}; thanks, says {other}. "


def corpus(n, seed):
    r = random.Random(seed)
    return "".join(sentence(r) for _ in range(n))


train_text, eval_text = corpus(1900, 10), corpus(300, 11)
alphabet = sorted(set(train_text))
to_id = {c: i for i, c in enumerate(alphabet)}
encode = lambda s: torch.tensor([to_id[c] for c in s])
decode = lambda ids: "".join(alphabet[int(i)] for i in ids)


class CharBlocks(Dataset):
    def __init__(self, text, block=48):
        self.ids, self.block = encode(text), block

    def __len__(self):
        return (len(self.ids) - 1) // self.block

    def __getitem__(self, k):
        piece = self.ids[k * self.block:(k + 1) * self.block]
        return {"input_ids": piece, "labels": piece.clone()}


model = GPT2LMHeadModel(GPT2Config(
    vocab_size=len(alphabet), n_positions=96, n_embd=48, n_layer=2, n_head=4,
    resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=None, eos_token_id=to_id["."], pad_token_id=None,
))
print(f"{model.num_parameters():,} parameters, {len(alphabet)} characters")

args = TrainingArguments(
    output_dir=tempfile.mkdtemp(), num_train_epochs=5, per_device_train_batch_size=16, per_device_eval_batch_size=64,
    learning_rate=4e-3, lr_scheduler_type="cosine", warmup_steps=30, weight_decay=0.01, max_grad_norm=1.0,
    logging_steps=100, eval_strategy="epoch", save_strategy="no", report_to="none", use_cpu=True,
    disable_tqdm=True, seed=2,
)
trainer = Trainer(model=model, args=args, train_dataset=CharBlocks(train_text), eval_dataset=CharBlocks(eval_text))
# WATCH(trainer)
trainer.train()

# what does it say by itself?
model.eval()
start = encode(". eve gives ")[None]
out = model.generate(start, attention_mask=torch.ones_like(start), max_new_tokens=50, do_sample=False, pad_token_id=0)
print("sample:", decode(out[0]))

# bits per character of text it has not seen
with torch.no_grad():
    held = torch.stack([CharBlocks(eval_text)[k]["input_ids"] for k in range(len(CharBlocks(eval_text)))])
    logp = model(input_ids=held).logits[:, :-1].log_softmax(-1)
    bits = -logp.gather(-1, held[:, 1:, None]).mean().item() / 0.6931472
print(f"bits per character {bits:.4f}")
print(f"RESULT {bits:.4f} lower")
