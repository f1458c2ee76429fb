"""Small language models as Hugging Face makes them: masks that are all 1, and labels of -100 that the loss leaves out."""

import numpy as np
import pytest
import torch

import scram_plugin
from tests.heuristics.trainings import found, review_of

transformers = pytest.importorskip("transformers")

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


@pytest.mark.parametrize("make", [classifier, generator])
def test_a_sound_one_raises_nothing_before_and_in_its_training(make, tmp_path):
    labels = (IDS[:, 0] > 50).long() if make is classifier else torch.where(IDS % 7 == 0, -100, IDS)
    model, data = make(), batches(labels)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-4)
    (review,) = scram_plugin.preflight(model, data, optimizer=optimizer, log_dir=tmp_path / "before", seconds=20)
    assert [f["title"] for f in review.alone if f["severity"] != "info"] == []
    assert {"constant-inputs", "label-range", "mixed-samples", "no-gradient", "one-batch"} <= set(review.passed)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path / "during", every=5, print_findings=False) as scram:
        for _ in range(4):
            for batch in data:
                optimizer.zero_grad()
                model(**batch).loss.backward()
                optimizer.step()
            scram.log()
    result = review_of(tmp_path / "during")
    assert [h for h in found(result) if h in ("constant-inputs", "label-range")] == []
    assert "label-range" in result.passed


def test_a_word_without_an_output_is_found_beside_labels_that_are_left_out(tmp_path):
    """The program ends in its first step; -100 is no excuse for 100."""
    labels = torch.where(IDS % 7 == 0, -100, IDS)
    labels[3, 4] = 100
    model = generator()
    optimizer = torch.optim.AdamW(model.parameters(), 5e-4)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(IDS, labels), 32)

    def train():
        with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
            for ids, targets in loader:
                logits = model(ids).logits
                torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()

    with pytest.raises(IndexError):
        train()
    result = review_of(tmp_path)
    assert found(result) == ["label-range"]
    assert "-100" not in result.findings[0]["title"]


def test_an_input_that_is_always_the_same_is_found_where_it_is_no_mask(tmp_path):
    """Beside others too, if it is neither 0 nor 1."""

    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(12, 3)

        def forward(self, a, b):
            return self.layer(torch.cat([a, b], dim=1))

    model = Two()
    optimizer = torch.optim.Adam(model.parameters())
    rng = np.random.default_rng(0)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, every=2, print_findings=False) as scram:
        for _ in range(30):
            a = torch.tensor(rng.normal(size=(16, 8)), dtype=torch.float32)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(a, torch.full((16, 4), 0.3)), torch.randint(0, 3, (16,))).backward()
            optimizer.step()
        scram.log()
    assert "constant-inputs" in found(review_of(tmp_path))
