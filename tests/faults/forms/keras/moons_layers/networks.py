"""Networks of this project, by name."""
import keras
from keras.layers import Activation, BatchNormalization, Dense, Dropout, Input


def mlp(n_features, widths=(48, 48), drop=0.1):
    x = inputs = Input((n_features,))
    for width in widths:
        x = Dense(width, kernel_initializer="he_normal")(x)
        x = Activation("relu")(x)
        x = Dropout(drop)(x)
    x = Dense(1)(x)
    outputs = Activation("sigmoid")(x)
    return keras.Model(inputs, outputs)


def compiled(name, n_features, learning_rate=0.005, **options):
    model = {"mlp": mlp}[name](n_features, **options)
    optimizer = keras.optimizers.Nadam(learning_rate=learning_rate)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return model
