"""Short made-up film reviews: which way a review goes depends on its adjectives, and a "not" turns the next one over."""
import random

import torch

GOOD = "brilliant moving funny sharp gripping tender bold charming clever warm".split()
BAD = "dull clumsy flat noisy tired hollow slow messy bland cold".split()
NEUTRAL = "the a film plot cast score scene story was felt and with but very quite".split()
WORDS = ["[PAD]", "[CLS]", "not", *GOOD, *BAD, *NEUTRAL]
VOCABULARY = {word: number for number, word in enumerate(WORDS)}
LENGTH = 16


def review(rng):
    label = rng.randint(0, 1)
    words = []
    for _ in range(rng.randint(2, 3)):
        words += rng.choices(NEUTRAL, k=rng.randint(1, 3))
        if rng.random() < 0.3:
            words += ["not", rng.choice(BAD if label else GOOD)]
        else:
            words += [rng.choice(GOOD if label else BAD)]
    return " ".join(words), label


def encode(text):
    ids = [VOCABULARY["[CLS]"]] + [VOCABULARY[word] for word in text.split()]
    ids = ids[:LENGTH]
    mask = [1] * len(ids) + [0] * (LENGTH - len(ids))
    return ids + [VOCABULARY["[PAD]"]] * (LENGTH - len(ids)), mask


class Reviews(torch.utils.data.Dataset):
    def __init__(self, size, seed):
        rng = random.Random(seed)
        self.items = [review(rng) for _ in range(size)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        text, label = self.items[i]
        ids, mask = encode(text)
        return {
            "input_ids": torch.tensor(ids),
            "attention_mask": torch.tensor(mask),
            "labels": torch.tensor(label),
        }
