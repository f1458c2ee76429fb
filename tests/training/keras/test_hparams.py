"""Settings that Keras's callbacks write into event files, read back."""

from scram_plugin.logs.configs import HPARAMS
from tests.event_files import curve, event, write
from tests.logs.test_settings import only, values


def test_hparams_of_keras(tmp_path):
    """As its callback writes them, beside the logs of the training and the validation."""
    from tensorboard.plugins.hparams import summary

    started = event(0, 5.0)
    told = summary.session_start_pb(hparams={"learning_rate": 0.25, "dropout": 0.5, "name": "x"})
    started.summary.ParseFromString(told.SerializeToString())
    assert started.summary.value[0].tag == HPARAMS
    write(tmp_path / "exp" / "events.out.tfevents.1.v2", [started])
    curve(tmp_path / "exp" / "train", "epoch_loss", [3, 2, 1])
    curve(tmp_path / "exp" / "validation", "epoch_loss", [3, 2, 1])
    assert values(only(tmp_path)) == {"learning rate": 0.25, "dropout": 0.5}
