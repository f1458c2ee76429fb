"""What part of the validation data is in the training data."""

import numpy as np

from scram_plugin.training.preflight.probes import overlap
from scram_plugin.training.preflight.subject import Batch


def test_an_accuracy_of_the_training_data_is_no_validation_that_leaked():
    def batches(*parts):
        return [Batch(np.arange(first, last, dtype="float32"), None) for first, last in parts]

    training = batches((0, 32), (32, 64), (64, 96))
    assert overlap(training, batches((0, 96), (96, 128)), 5.0) == {"training": 96, "validation": 32, "both": 0, "again": 0}
    # but a part of them that stands together is
    assert overlap(training, batches((64, 96), (96, 128)), 5.0) == {"training": 96, "validation": 64, "both": 32, "again": 0}
    assert overlap(training, batches((0, 96)), 5.0) == {"training": 96, "validation": 96, "both": 96, "again": 0}
