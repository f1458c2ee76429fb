"""
Title: Small convnet for 8x8 handwritten digits
Description: A compact convolutional classifier built with `keras.Sequential`.
"""

"""
## Setup
"""
import numpy as np
import keras
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(812)

"""
## Prepare the data
"""
num_classes = 10
input_shape = (8, 8, 1)

digits = load_digits()
images = digits.images.astype("float32") / 16.0
images = np.expand_dims(images, -1)
labels = digits.target.astype("int32")

rng = np.random.default_rng(0)
order = rng.permutation(len(images))
images, labels = images[order], labels[order]

x_rest, x_test, y_rest, y_test = train_test_split(
    images, labels, test_size=0.2, random_state=1, stratify=labels
)
x_train, x_val, y_train, y_val = train_test_split(
    x_rest, y_rest, test_size=0.15, random_state=2, stratify=y_rest
)
print("x_train shape:", x_train.shape)
print(len(x_train), "train /", len(x_val), "validation /", len(x_test), "test samples")

"""
## Build the model
"""
conv_args = dict(kernel_size=3, padding="same", activation="relu", kernel_initializer="he_normal")

model = keras.Sequential(
    [
        keras.Input(shape=input_shape),
        layers.Conv2D(24, **conv_args),
        layers.Conv2D(24, **conv_args),
        layers.MaxPooling2D(pool_size=2),
        layers.Conv2D(40, **conv_args),
        layers.MaxPooling2D(pool_size=2),
        layers.Flatten(),
        layers.Dropout(0.4),
        layers.Dense(num_classes),
    ]
)
model.summary(line_length=72)

"""
## Train the model
"""
batch_size = 32
epochs = 13

model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=1e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)

stopper = keras.callbacks.EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)

# WATCH(model)
model.fit(
    x_train,
    y_train,
    batch_size=batch_size,
    epochs=epochs,
    validation_data=(x_val, y_val),
    callbacks=[stopper],
    verbose=2,
)

"""
## Evaluate the trained model
"""
score = model.evaluate(x_test, y_test, verbose=0)
print("Test loss:", round(score[0], 4))
print("Test accuracy:", round(score[1], 4))
print(f"RESULT {score[1]:.4f} higher")
