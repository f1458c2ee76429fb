"""
Blog: "Recommending films with embeddings", part 2.

Two inputs (who? what?), one output (how many stars?). The classical matrix
factorisation with user and film biases, written as a functional Keras model.
"""
import numpy as np
import keras
from keras import layers, ops, regularizers

keras.utils.set_random_seed(5)

# --- Let's invent some users, films and opinions ------------------------------
n_users, n_films, n_ratings = 350, 220, 30000
rng = np.random.default_rng(5)

taste = rng.normal(0, 1, (n_users, 3))
genre = rng.normal(0, 1, (n_films, 3))
kindness = rng.normal(0, 0.4, n_users)
quality = rng.normal(0, 0.5, n_films)

user = rng.integers(0, n_users, n_ratings)
film = (n_films * rng.random(n_ratings) ** 1.4).astype(int)     # some films are popular
stars = 3.3 + kindness[user] + quality[film] + 0.45 * (taste[user] * genre[film]).sum(1)
stars = np.clip(np.round(2 * (stars + rng.normal(0, 0.25, n_ratings))) / 2, 0.5, 5.0)
when = rng.integers(1_400_000_000, 1_600_000_000, n_ratings)

# --- Older ratings are for training, the latest 20 % for testing ----------------
by_time = np.argsort(when)
user = user[by_time]
film = film[by_time]
stars = stars[by_time]

cut = int(0.8 * n_ratings)
x_train = [user[:cut], film[:cut]]
x_test = [user[cut:], film[cut:]]
y_train, y_test = stars[:cut], stars[cut:]
average = y_train.mean()
print(f"{cut} training ratings, {average:.2f} stars on average")

# --- The model -----------------------------------------------------------------
n_factors = 8
l2 = regularizers.L2(4e-5)

user_in = keras.Input((), dtype="int32", name="user")
film_in = keras.Input((), dtype="int32", name="film")

u = layers.Embedding(n_users, n_factors, embeddings_regularizer=l2, name="user_factors")(user_in)
f = layers.Embedding(n_films, n_factors, embeddings_regularizer=l2, name="film_factors")(film_in)
ub = layers.Embedding(n_users, 1, embeddings_initializer="zeros", name="user_bias")(user_in)
fb = layers.Embedding(n_films, 1, embeddings_initializer="zeros", name="film_bias")(film_in)

match = layers.Dot(axes=1)([u, f])
output = layers.Add()([match, ub, fb])
model = keras.Model([user_in, film_in], output)

model.compile(optimizer=keras.optimizers.Adam(0.007), loss="mse",
              metrics=[keras.metrics.RootMeanSquaredError(name="rmse")])
model.summary()
# WATCH(model)

# --- Training: we predict how far a rating is from the average --------------------
model.fit(x_train, y_train - average,
          validation_data=(x_test, y_test - average),
          batch_size=128, epochs=8, verbose=2)

guess = model.predict(x_test, batch_size=512, verbose=0).ravel() + average
rmse = np.sqrt(np.mean((guess - y_test) ** 2))
print(f"always guessing the average: {np.sqrt(np.mean((average - y_test) ** 2)):.3f}")
print(f"RESULT {rmse:.4f} lower")
