"""What a preflight of a model of PyTorch refuses, with a sentence."""

import pytest
import torch

import scram_plugin


def test_data_that_would_be_used_up(tmp_path):
    with pytest.raises(ValueError, match="used up"):
        scram_plugin.preflight(torch.nn.Linear(4, 1), iter([]), log_dir=tmp_path)


def test_a_size_of_memory_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="8G"):
        scram_plugin.preflight(torch.nn.Linear(4, 1), [], memory="lots")
