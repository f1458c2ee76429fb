"""Title: Predicting a distribution of rents with a mixture density network
Description: Functional Keras model with a categorical embedding and a mixture of Gaussians as its output.

The rent of a flat depends on size, age, distance to the centre and the quarter. Some flats are let
furnished, which costs a good deal more, and a few with service, which costs a fortune - but the table does
not say which, so that for one and the same row the rent has several likely values. A single number cannot
express that, a mixture can.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from keras import layers, ops

keras.utils.set_random_seed(99)

"""
## The table
"""

NUM_QUARTERS = 12
K = 3  # components


def make_table(n, seed):
    rng = np.random.default_rng(seed)
    level = np.random.default_rng(1).uniform(0.8, 1.4, NUM_QUARTERS)
    quarter = rng.integers(0, NUM_QUARTERS, n)
    size = rng.gamma(6.0, 11.0, n) + 18
    age = rng.uniform(0, 90, n)
    distance = rng.gamma(2.0, 2.5, n)
    base = level[quarter] * (250 + 11.0 * size) * (1 - 0.002 * age) * np.exp(-0.03 * distance)
    factor = rng.choice([1.0, 1.45, 2.6], size=n, p=[0.64, 0.34, 0.02])  # plain, furnished, with service
    rent = base * factor * np.exp(0.05 * rng.normal(size=n))
    numeric = np.stack([size, age, distance], axis=1)
    return numeric.astype("float32"), quarter.astype("int32"), rent.astype("float32")


num_train, q_train, rent_train = make_table(6000, 10)
num_val, q_val, rent_val = make_table(1000, 11)
num_test, q_test, rent_test = make_table(2000, 12)

rent_mean, rent_std = rent_train.mean(), rent_train.std()


def scale(rent):
    return ((rent - rent_mean) / rent_std)[:, None]


"""
## The model

The last layer gives, for each component, a weight (as a logit), a mean and the logarithm of a spread.
"""

normaliser = layers.Normalization()
normaliser.adapt(num_train)

numeric_in = keras.Input(shape=(3,), name="numeric")
quarter_in = keras.Input(shape=(), dtype="int32", name="quarter")
x = layers.Concatenate()([normaliser(numeric_in), layers.Embedding(NUM_QUARTERS, 4)(quarter_in)])
x = layers.Dense(48, activation="relu")(x)
x = layers.Dense(48, activation="relu")(x)
mixture_out = layers.Dense(3 * K, name="mixture")(x)
model = keras.Model([numeric_in, quarter_in], mixture_out)


def mixture_nll(y_true, y_pred):
    logit, mean, log_std = ops.split(y_pred, 3, axis=-1)
    log_weight = ops.log_softmax(logit, axis=-1)
    z = (y_true - mean) * ops.exp(-log_std)
    log_density = -0.5 * ops.square(z) - log_std - 0.5 * np.log(2 * np.pi)
    return -ops.logsumexp(log_weight + log_density, axis=-1)


model.compile(optimizer=keras.optimizers.Adam(2e-3, clipnorm=1.0), loss=mixture_nll)

"""
## Training
"""

callbacks = [
    keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=2),
    keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True),
]
# WATCH(model)
model.fit(
    {"numeric": num_train, "quarter": q_train}, scale(rent_train),
    validation_data=({"numeric": num_val, "quarter": q_val}, scale(rent_val)),
    batch_size=64, epochs=12, callbacks=callbacks, verbose=2,
)

"""
## What does it say?

For a measure that does not depend on the scaling we add log(rent_std): the negative log likelihood of rents in euros.
"""

params = model.predict({"numeric": num_test, "quarter": q_test}, batch_size=500, verbose=0)
nll = float(np.mean(mixture_nll(scale(rent_test), params))) + float(np.log(rent_std))
weights = np.exp(params[:, :K]) / np.exp(params[:, :K]).sum(axis=1, keepdims=True)
means = params[:, K:2 * K] * rent_std + rent_mean
for i in range(3):
    text = ", ".join(f"{w:.2f} x {m:.0f}" for w, m in sorted(zip(weights[i], means[i]), reverse=True))
    print(f"rent {rent_test[i]:.0f}: {text}")
print(f"RESULT {nll:.4f} lower")
