"""Movie reviews, positive or negative, with a learning rate out of all proportion."""

import keras

from data import movie_reviews
from scram_plugin import SCRAM

keras.utils.set_random_seed(1)
(x_train, y_train), (x_test, y_test) = movie_reviews()

model = keras.Sequential([
    keras.Input(shape=(200,), dtype="int32"),
    keras.layers.Embedding(10000, 16),
    keras.layers.GlobalAveragePooling1D(),
    keras.layers.Dense(16, activation="relu"),
    keras.layers.Dense(1, activation="sigmoid"),
])
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.001),
    loss="binary_crossentropy",
    metrics=["accuracy"],
)
model.fit(
    x_train,
    y_train,
    batch_size=64,
    epochs=10,
    validation_data=(x_test, y_test),
    callbacks=[SCRAM(log_dir="logs/movie_reviews")],
)
