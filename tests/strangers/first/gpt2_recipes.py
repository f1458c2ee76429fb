# A tiny GPT-2 that writes kitchen instructions, word by word. No functions, just run it.
import os
os.environ["HF_HUB_OFFLINE"] = "1"
import math
import random
import tempfile
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

set_seed(99)
rnd = random.Random(99)

# 1. text from a small grammar -------------------------------------------------
foods = {"onion": "chop", "carrot": "peel", "potato": "peel", "tomato": "slice", "fish": "clean", "rice": "rinse",
         "beans": "soak", "cheese": "grate", "pepper": "slice", "leek": "chop", "apple": "core", "egg": "crack"}
ways = {"fry": "pan", "boil": "pot", "bake": "oven", "steam": "basket", "grill": "rack"}
minutes = ["two", "five", "ten", "twelve", "twenty"]
seasoning = ["salt", "oil", "butter", "lemon", "thyme"]
lines = []
for _ in range(1300):
    a, b = rnd.sample(list(foods), 2)
    w = rnd.choice(list(ways))
    text = f"take the {a} and the {b} . {foods[a]} the {a} , {foods[b]} the {b} . "
    if rnd.random() < 0.5:
        text += f"add {rnd.choice(seasoning)} . "
    text += f"{w} the {rnd.choice([a, b])} in the {ways[w]} for {rnd.choice(minutes)} minutes . "
    if rnd.random() < 0.4:
        text += f"serve with {rnd.choice(seasoning)} . "
    lines.append(text.split())

# 2. words to numbers ----------------------------------------------------------
words = ["<pad>", "<eos>"] + sorted({w for line in lines for w in line})
index = {w: i for i, w in enumerate(words)}
length = max(len(line) for line in lines) + 1
data = []
for line in lines:
    ids = [index[w] for w in line] + [1]
    pad = length - len(ids)
    data.append({
        "input_ids": torch.tensor(ids + [0] * pad),
        "attention_mask": torch.tensor([1] * len(ids) + [0] * pad),
        "labels": torch.tensor(ids + [-100] * pad),      # the model shifts them itself
    })
train_data, eval_data, test_data = data[:1000], data[1000:1150], data[1150:]
print(len(words), "words, longest line", length)

# 3. model ---------------------------------------------------------------------
model = GPT2LMHeadModel(GPT2Config(
    vocab_size=len(words), n_positions=length, n_embd=48, n_layer=2, n_head=4,
    resid_pdrop=0.02, embd_pdrop=0.02, attn_pdrop=0.02, bos_token_id=1, eos_token_id=1, pad_token_id=0))
print(f"{sum(p.numel() for p in model.parameters()):,} parameters")

# 4. training ------------------------------------------------------------------
training = TrainingArguments(
    output_dir=tempfile.mkdtemp(),
    max_steps=400,
    per_device_train_batch_size=16,
    per_device_eval_batch_size=75,
    learning_rate=6e-3,
    lr_scheduler_type="cosine",
    warmup_steps=30,
    weight_decay=0.01,
    max_grad_norm=1.0,
    logging_steps=40,
    eval_strategy="steps",
    eval_steps=80,
    save_strategy="no",
    report_to="none",
    disable_tqdm=True,
    use_cpu=True,
    dataloader_pin_memory=False,
    seed=99,
)
trainer = Trainer(model=model, args=training, train_dataset=train_data, eval_dataset=eval_data)
# WATCH(trainer)
trainer.train()

# 5. how good, and a sample ----------------------------------------------------
test_loss = trainer.evaluate(test_data)["eval_loss"]
model.eval()
start = torch.tensor([[index[w] for w in "take the leek and the".split()]])
with torch.no_grad():
    for _ in range(14):
        nxt = model(start).logits[:, -1].argmax(-1, keepdim=True)
        start = torch.cat([start, nxt], 1)
print("sample:", " ".join(words[i] for i in start[0].tolist()))
print(f"perplexity {math.exp(test_loss):.3f}")
print(f"RESULT {test_loss:.4f} lower")
