"""The kinds of model on which SCRAM must not change a bit: name -> (make, data), small enough to train in seconds."""

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits


def digits():
    data = load_digits()
    return (data.images / 16.0).astype("float32"), data.target.astype("int32")


IMAGES, LABELS = digits()


def compiled(model, **how):
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **how)
    return model


def dense(**how):
    return compiled(
        keras.Sequential(
            [keras.Input((8, 8)), layers.Flatten(), layers.Dense(32, "relu"), layers.Dense(10, "softmax")],
        ),
        **how,
    ), (IMAGES, LABELS)


def convolution(**how):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, "softmax"),
        ]
    )
    return compiled(model, **how), (IMAGES[..., None], LABELS)


def dropout_batch_norm(**how):
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.Flatten(),
            layers.Dense(32),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.3),
            layers.Dense(10, "softmax"),
        ]
    )
    return compiled(model, **how), (IMAGES, LABELS)


def embedding_lstm(**how):
    model = keras.Sequential(
        [keras.Input((64,), dtype="int32"), layers.Embedding(17, 8), layers.LSTM(8), layers.Dense(10, "softmax")]
    )
    return compiled(model, **how), ((IMAGES.reshape(-1, 64) * 16).astype("int32")[:600], LABELS[:600])


def two_inputs(**how):
    a, b = keras.Input((8, 8), name="a"), keras.Input((8,), name="b")
    hidden = layers.Concatenate()([layers.Flatten()(a), layers.Dense(8, "relu")(b)])
    model = keras.Model({"a": a, "b": b}, layers.Dense(10, "softmax")(hidden))
    return compiled(model, **how), ({"a": IMAGES, "b": IMAGES.mean(axis=1)}, LABELS)


class OwnStep(keras.Model):
    """A subclass whose `train_step` is its own, as in Keras's guide."""

    def __init__(self):
        super().__init__()
        self.flatten, self.hidden, self.out = layers.Flatten(), layers.Dense(32, "relu"), layers.Dense(10, "softmax")

    def call(self, x):
        return self.out(self.hidden(self.flatten(x)))

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


def own_train_step(**how):
    return compiled(OwnStep(), **how), (IMAGES, LABELS)


class ByHand(keras.Model):
    """A functional model whose `train_step` computes its loss itself, as in Keras's guide."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.mean = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.mean]

    def test_step(self, data):
        import tensorflow as tf

        self.mean.update_state(tf.reduce_mean(tf.square(data[1] - self(data[0], training=False))))
        return {"loss": self.mean.result()}

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - self(x, training=True)))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        self.mean.update_state(loss)
        return {"loss": self.mean.result()}


def loss_by_hand(shape=(-1, 1), kind=ByHand, **how):
    inputs = keras.Input((8, 8))
    hidden = layers.Dense(16, "relu")(layers.Flatten()(inputs))
    model = kind(inputs, layers.Dense(1)(hidden))
    model.compile(keras.optimizers.Adam(0.003), **how)
    return model, (IMAGES, IMAGES[:, 3:5].mean(axis=(1, 2), dtype="float32").reshape(shape))


class Several(ByHand):
    """What its `call` returns is no plain tensor: it must not be touched."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.scale = self.add_weight(shape=(1,), initializer="ones", trainable=False, name="scale")

    def call(self, inputs, **how):
        import tensorflow as tf

        made = super().call(inputs, **how)
        return {"made": made * 3.7, 0: (self.scale, tf.constant([1.0, 2.0]), None)}

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - self(x, training=True)["made"] * 0.13))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        self.mean.update_state(loss)
        return {"loss": self.mean.result()}

    def test_step(self, data):
        return {"loss": self.mean.result()}


def several_outputs_by_hand(**how):
    return loss_by_hand(kind=Several, **how)


def mixed_precision(**how):
    policy = keras.DTypePolicy("mixed_float16")
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.Flatten(),
            layers.Dense(32, "relu", dtype=policy),
            layers.Dense(10, "softmax", dtype="float32"),
        ]
    )
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **how)
    return model, (IMAGES, LABELS)


def four_steps_per_execution(**how):
    model, data = dense(steps_per_execution=4, **how)
    return model, data


def functional_residual(**how):
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    y = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.ReLU()(layers.Add()([x, y]))
    return compiled(keras.Model(inputs, layers.Dense(10, "softmax")(layers.GlobalAveragePooling2D()(x))), **how), (
        IMAGES[..., None],
        LABELS,
    )


def residual_batch_norm(**how):
    inputs = keras.Input((8, 8, 1))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)))
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(x))
    x = layers.ReLU()(layers.Add()([x, y]))
    outputs = layers.Dense(10, "softmax")(layers.GlobalAveragePooling2D()(x))
    return compiled(keras.Model(inputs, outputs), **how), (IMAGES[..., None], LABELS)


def transformer(**how):
    inputs = keras.Input((8, 8))
    x = layers.Dense(16)(inputs)
    x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 8)(x, x)]))
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(16)(layers.Dense(32, "gelu")(x))]))
    outputs = layers.Dense(10, "softmax")(layers.Dropout(0.2)(layers.GlobalAveragePooling1D()(x)))
    return compiled(keras.Model(inputs, outputs), **how), (IMAGES, LABELS)


def tanh_momentum(**how):
    hidden = [layers.Dense(16, "tanh", kernel_regularizer="l2") for _ in range(2)]
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), *hidden, layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9, clipnorm=1.0), loss, metrics=["accuracy"], **how)
    return model, (IMAGES, LABELS)


KINDS = {
    f.__name__: f
    for f in (
        residual_batch_norm,
        transformer,
        tanh_momentum,
        dense,
        convolution,
        dropout_batch_norm,
        embedding_lstm,
        two_inputs,
        own_train_step,
        loss_by_hand,
        several_outputs_by_hand,
        mixed_precision,
        four_steps_per_execution,
        functional_residual,
    )
}


def train(kind, callbacks=(), epochs=2, **how):
    """(losses of each epoch, final weights) of a fresh training from a fixed seed."""
    keras.utils.set_random_seed(7)
    model, (x, y) = KINDS[kind](**how)
    history = model.fit(x, y, validation_split=0.2, batch_size=32, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return history.history, [np.array(w) for w in model.get_weights()]
