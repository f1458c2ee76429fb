"""What the programs of Keras share: a small classifier, and `fit` with SCRAM's callback or Keras's own."""

import keras
from keras import layers

from scram_plugin import SCRAM
from tests.recorded.digits import IMAGES, LABELS

PROGRAMS: dict = {}


def watched(log_dir, model, x, y, epochs=3, every=10, callbacks=(), source=True, **fit):
    """One real training with SCRAM's callback."""
    arguments = {"validation_split": 0.2, "batch_size": 32, "verbose": 0, **fit}
    scram = SCRAM(log_dir, every=every, source=source, print_findings=False)
    model.fit(x, y, epochs=epochs, callbacks=[scram, *callbacks], **arguments)


def trained(log_dir, model, x=IMAGES[:600], y=LABELS[:600], epochs=25, validation=(IMAGES[600:900], LABELS[600:900]), **fit):
    """One real training with Keras's own callback, as in most logs. The graph, which no check reads, is left out."""
    callbacks = [keras.callbacks.TensorBoard(log_dir, write_graph=False), *fit.pop("callbacks", [])]
    model.fit(x, y, epochs=epochs, validation_data=validation, callbacks=callbacks, **{"batch_size": 32, "verbose": 0, **fit})


def classifier(*first, shape=(8, 8), hidden=32, optimizer="adam", loss="sparse_categorical_crossentropy", units=10, rest=()):
    keras.utils.set_random_seed(11)
    model = keras.Sequential(
        [keras.Input(shape), *first, layers.Flatten(), layers.Dense(hidden, "relu"), *rest, layers.Dense(units, "softmax")]
    )
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


class Rates(keras.callbacks.Callback):
    """Sets the learning rate at the start of some epochs."""

    def __init__(self, rates):
        super().__init__()
        self.rates = rates

    def on_epoch_begin(self, epoch, logs=None):
        if epoch in self.rates:
            self.model.optimizer.learning_rate = self.rates[epoch]
