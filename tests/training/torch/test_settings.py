"""Settings that the writers of PyTorch, Lightning and the Trainer write into event files, read back."""

import json

from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.about import about
from tests.logs.test_settings import only, values


def test_texts_of_the_trainer_in_an_event_file(tmp_path):
    """As its callback for TensorBoard writes them, by the classes that write them."""
    import transformers
    from torch.utils.tensorboard import SummaryWriter

    args = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"), learning_rate=3e-5, max_grad_norm=0.0, warmup_steps=500, per_device_train_batch_size=4
    )
    config = transformers.BertConfig(vocab_size=123, architectures=["BertForMaskedLM"])
    with SummaryWriter(str(tmp_path / "log")) as writer:
        writer.add_text("args", args.to_json_string())
        writer.add_text("model_config", config.to_json_string())
        writer.add_text("predictions", '{"learning_rate": 7}')
        writer.add_scalar("train/loss", 1.0, 1)
    run = only(tmp_path / "log")
    known = values(run)
    assert (known["learning rate"], known["gradient clipping"], known["warmup steps"], known["batch size"]) == (
        3e-5,
        None,
        500,
        4,
    )
    assert (known["vocabulary size"], known["model class"]) == (123, "BertForMaskedLM")
    assert "precision" not in known  # the model may be of any type where neither fp16 nor bf16 is on
    assert run.settings["gradient clipping"][1:] == ("max_grad_norm", "args")
    assert "learning rate 3e-5, warm-up 500 steps" in dict(about(run))["settings"]


def test_hparams_of_pytorch(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    for number, rate in enumerate((0.1, 0.1)):
        with SummaryWriter(str(tmp_path / "exp")) as writer:
            writer.add_scalar("train/loss", 1.0, number)
            writer.add_hparams({"lr": rate, "batch_size": 8 + number, "opt": "sgd"}, {"hparam/loss": 1.0})
    # both sub-runs are of one training: what they contradict each other in is not known
    assert values(only(tmp_path)) == {"learning rate": 0.1, "optimizer": "sgd"}


def test_hparams_of_lightning(tmp_path):
    from lightning.pytorch import loggers

    for logger in (loggers.TensorBoardLogger(tmp_path / "tb"), loggers.CSVLogger(tmp_path / "csv")):
        logger.log_hyperparams({"optimizer": {"lr": 0.02}, "batch_size": 16, "note": "5e9"})
        for step in range(3):
            logger.log_metrics({"train_loss": 3.0 - step}, step)
        logger.save()
        logger.finalize("success")
    for run in training_runs(read(tmp_path)):
        assert values(run) == {"learning rate": 0.02, "batch size": 16}
    assert run.settings["batch size"].source == "hparams"
    assert only(tmp_path / "csv").settings["batch size"].source == "hparams.yaml"


def test_each_training_of_a_directory_has_its_own(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    for number, rate in enumerate((0.1, 0.2, 0.3)):
        with SummaryWriter(str(tmp_path), filename_suffix=f".{number}") as writer:
            writer.add_text("args", json.dumps({"lr": rate}), walltime=1e9 + 1000 * number)
            for step in range(30):
                writer.add_scalar("train/loss", 3.0 / (step + 1), step, walltime=1e9 + 1000 * number + 10 + step)
    runs = training_runs(read(tmp_path))
    assert {run.name: run.settings["learning rate"].value for run in runs} == {
        **{". (training 1)": 0.1, ". (training 2)": 0.2, ".": 0.3},
    }


def test_a_broken_text_is_a_note(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_text("args", '{"lr": 0.1, ')
        writer.add_scalar("args/text_summary", 4.0, 1)  # whose name is odd is a scalar all the same
        writer.add_scalar("train/loss", 1.0, 1)
    logs = read(tmp_path)
    assert [p.sentence.partition(":")[0] for p in logs.problems] == ["the settings in 'args/text_summary' were not read"]
    assert logs["."]["args/text_summary"].values.tolist() == [4.0]
    assert only(tmp_path).settings == {}
