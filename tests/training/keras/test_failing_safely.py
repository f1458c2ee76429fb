"""What kills the process or the disk costs SCRAM's files a block at most, and the training nothing."""

import shutil
import subprocess
import sys
import warnings

import keras

from scram_plugin.event_writer import EventWriter
from scram_plugin.training.blocks import BLOCK
from tests.paths import environment
from tests.training.keras.models import dense
from tests.training.keras.test_callback import loss_of_batches, watch

ENDLESS = """
import resource, signal, sys
from scram_plugin import SCRAM
from tests.training.keras.models import dense
import keras

class Say(keras.callbacks.Callback):
    batches = 0
    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        print(self.batches, flush=True)

model, (x, y) = dense()
{before}
model.fit(x, y, batch_size=2, verbose=0, epochs={epochs}, callbacks=[SCRAM({path!r}, every=5, print_findings=False), Say()])
"""


def test_a_full_disk_costs_one_warning_and_no_step(tmp_path):
    # the limit of a file's size is what a test can fill without a disk of its own
    before = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    program = ENDLESS.format(before=before, epochs=3, path=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, text=True)
    print(done.stderr[-3000:])
    assert done.returncode == 0
    assert int(done.stdout.split()[-1]) == 3 * 899, "every step was made"
    assert done.stderr.count("SCRAM cannot write its log") == 1
    assert "stopped recording" not in done.stderr, "other files have room"
    assert "Traceback" not in done.stderr
    assert len(loss_of_batches(tmp_path)) >= BLOCK, "what was written before can be read"


def test_a_removed_log_directory_costs_one_warning_and_no_step(tmp_path):
    class Remove(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                shutil.rmtree(tmp_path / "logs")

    model, (x, y) = dense()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(x, y, epochs=4, verbose=0, callbacks=[watch(tmp_path / "logs"), Remove()])
    ours = [str(w.message) for w in caught if "SCRAM" in str(w.message)]
    assert len(ours) == 1
    assert "was removed" in ours[0]
    assert len(history.history["loss"]) == 4


def test_files_are_named_in_the_order_of_their_making(tmp_path):
    """Readers take them by name: fits that follow one another within a second would look like one that was set back."""
    made = [EventWriter(str(tmp_path)) for _ in range(12)]
    for file in made:
        file.close()
    assert sorted(file.path for file in made) == [file.path for file in made]


def test_a_callback_that_lacks_what_keras_ones_have_costs_nothing(tmp_path):
    class Old(keras.callbacks.ModelCheckpoint):
        """As one of an earlier Keras, restored from a file: it has none of the attributes of today."""

        def __init__(self):
            keras.callbacks.Callback.__init__(self)
            self.monitor, self.mode = "val_loss", "min"

        def on_train_batch_end(self, batch, logs=None):
            pass

        def on_epoch_end(self, epoch, logs=None):
            pass

    model, (x, y) = dense()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y, epochs=2, verbose=0, callbacks=[watch(tmp_path), Old()])
    assert not [str(w.message) for w in caught if "SCRAM" in str(w.message)]
    assert len(loss_of_batches(tmp_path)) > 0
