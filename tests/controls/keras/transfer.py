"""Transfer learning in three acts.

1. a convolutional backbone learns to tell apart six kinds of garments (thousands of images);
2. it is frozen, and a new head learns four other kinds from a thousand images;
3. the whole is fine-tuned with a very small learning rate.
"""
import os

import numpy as np
import keras
from keras import layers

keras.utils.set_random_seed(99)

data = np.load(os.environ["SCRAM_DATA"] + "/fashion_mnist.npz")
SOURCE = [0, 1, 2, 3, 5, 8]  # T-shirt, trouser, pullover, dress, sandal, bag
TARGET = [4, 6, 7, 9]  # coat, shirt, sneaker, ankle boot


def select(x, y, classes, limit=None):
    keep = np.flatnonzero(np.isin(y, classes))
    np.random.shuffle(keep)
    keep = keep[:limit]
    return x[keep][..., None], np.searchsorted(classes, y[keep])


xs, ys = select(data["x_train"], data["y_train"], SOURCE)
xs_val, ys_val = select(data["x_test"], data["y_test"], SOURCE)
xt, yt = select(data["x_train"], data["y_train"], TARGET, limit=1000)
xt_val, yt_val = select(data["x_test"], data["y_test"], TARGET)


def build_backbone():
    def conv_bn(x, filters, strides=1):
        x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False,
                          kernel_initializer="he_normal")(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        return layers.Activation("relu")(x)

    inputs = keras.Input((28, 28, 1))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = conv_bn(x, 16, 2)
    x = conv_bn(x, 32)
    x = conv_bn(x, 48, 2)
    x = conv_bn(x, 64)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, x, name="backbone")


backbone = build_backbone()

print("--- pre-training")
pretrain = keras.Sequential([backbone, layers.Dropout(0.2), layers.Dense(len(SOURCE), activation="softmax")])
pretrain.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
pretrain.fit(xs, ys, batch_size=64, epochs=6, validation_data=(xs_val, ys_val), verbose=2)

print("--- new head, backbone frozen")
backbone.trainable = False
inputs = keras.Input((28, 28, 1))
x = backbone(inputs, training=False)
x = layers.Dropout(0.2)(x)
outputs = layers.Dense(len(TARGET))(x)
model = keras.Model(inputs, outputs)
model.compile(
    optimizer=keras.optimizers.Adam(5e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
)
model.fit(xt, yt, batch_size=32, epochs=15, validation_data=(xt_val, yt_val), verbose=2)
frozen_loss, frozen_acc = model.evaluate(xt_val, yt_val, verbose=0)

print("--- fine-tuning")
backbone.trainable = True
for layer in backbone.layers:  # batch norm keeps the statistics that it has
    if isinstance(layer, layers.BatchNormalization):
        layer.trainable = False
model.compile(
    optimizer=keras.optimizers.Adam(2e-5),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
)
model.fit(xt, yt, batch_size=32, epochs=10, validation_data=(xt_val, yt_val), verbose=2)
loss, acc = model.evaluate(xt_val, yt_val, verbose=0)
print(f"target accuracy: head only {frozen_acc:.3f} (loss {frozen_loss:.3f}), fine-tuned {acc:.3f} (loss {loss:.3f})")
