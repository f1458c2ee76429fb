"""Small language models as Hugging Face makes them: masks that are all 1, and labels of -100 that the loss leaves out."""

import contextlib

import numpy as np
import torch
import transformers

import scram_plugin
from tests.recorded.programs import Programs

IDS = torch.randint(5, 100, (256, 16), generator=torch.Generator().manual_seed(0))
MASK = torch.ones(256, 16, dtype=torch.long)


def classifier():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=100, num_labels=2, **sizes))


def generator():
    torch.manual_seed(0)
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 32, "bos_token_id": 1, "eos_token_id": 2}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=100, **sizes))


def batches(labels):
    return [
        {"input_ids": IDS[i : i + 32], "attention_mask": MASK[i : i + 32], "labels": labels[i : i + 32]}
        for i in range(0, 256, 32)
    ]


def data_of(make):
    return batches((IDS[:, 0] > 50).long() if make is classifier else torch.where(IDS % 7 == 0, -100, IDS))


def before(log_dir, make):
    model = make()
    optimizer = torch.optim.AdamW(model.parameters(), 5e-4)
    scram_plugin.preflight(model, data_of(make), optimizer=optimizer, log_dir=log_dir, seconds=60)


def during(log_dir, make):
    model, data = make(), data_of(make)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-4)
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, every=5, print_findings=False) as scram:
        for _ in range(4):
            for batch in data:
                optimizer.zero_grad()
                model(**batch).loss.backward()
                optimizer.step()
            scram.log()


PROGRAMS = Programs(
    {
        "classifier/before": lambda p: before(p, classifier),
        "classifier/during": lambda p: during(p, classifier),
        "generator/before": lambda p: before(p, generator),
        "generator/during": lambda p: during(p, generator),
    }
)


@PROGRAMS
def a_word_without_an_output(log_dir):
    """The program ends in its first step."""
    labels = torch.where(IDS % 7 == 0, -100, IDS)
    labels[3, 4] = 100
    model = generator()
    optimizer = torch.optim.AdamW(model.parameters(), 5e-4)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(IDS, labels), 32)
    with contextlib.suppress(IndexError), scram_plugin.watch(model, optimizer, log_dir=log_dir, print_findings=False):
        for ids, targets in loader:
            logits = model(ids).logits
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()


class Two(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(12, 3)

    def forward(self, a, b):
        return self.layer(torch.cat([a, b], dim=1))


@PROGRAMS
def a_constant_input_beside_another(log_dir):
    model = Two()
    optimizer = torch.optim.Adam(model.parameters())
    rng = np.random.default_rng(0)
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, every=2, print_findings=False) as scram:
        for _ in range(30):
            a = torch.tensor(rng.normal(size=(16, 8)), dtype=torch.float32)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(a, torch.full((16, 4), 0.3)), torch.randint(0, 3, (16,))).backward()
            optimizer.step()
        scram.log()


class Tied(torch.nn.Module):
    """A language model whose output layer has the weights of its embedding."""

    def __init__(self, spread):
        super().__init__()
        self.embedding, self.rnn = torch.nn.Embedding(100, 64), torch.nn.GRU(64, 64, batch_first=True)
        torch.nn.init.normal_(self.embedding.weight, std=spread)
        self.head = torch.nn.Linear(64, 100, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(self.rnn(self.embedding(tokens))[0])


def tied(log_dir, spread):
    model = Tied(spread)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    first = torch.randint(0, 100, (256, 1), generator=torch.Generator().manual_seed(1))
    texts = (first + 3 * torch.arange(17)) % 100
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, every=20, print_findings=False) as scram:
        for _ in range(4):
            for part in texts.split(32):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(part[:, :-1]).flatten(0, 1), part[:, 1:].flatten()).backward()
                optimizer.step()
            scram.log()


# the spread is that of torch.nn.Embedding, and of GPT-2
PROGRAMS.pair("worse than guessing", lambda path: tied(path, 1.0), lambda path: tied(path, 0.02))
