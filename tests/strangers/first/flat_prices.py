# Predicting flat prices with the Keras functional API
# -----------------------------------------------------
# In this post we mix numbers (area, age, ...) and one categorical column
# (the district) in one network. Two inputs, one output: exactly what the
# functional API is made for.
import os
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import keras
from keras import layers
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

SEED = 21
keras.utils.set_random_seed(SEED)


# Step 1: we need some flats. Let's invent a city with nine districts.
def make_city(n, rng):
    area = rng.gamma(8.0, 9.0, n).clip(18, 190)
    rooms = np.clip(np.round(area / 26 + rng.normal(0, 0.6, n)), 1, 8)
    age = rng.uniform(0, 110, n)
    floor = rng.integers(0, 9, n)
    centre_km = rng.gamma(2.2, 2.0, n)
    district = rng.integers(0, 9, n)
    level = np.array([0.78, 0.86, 0.92, 0.97, 1.0, 1.08, 1.15, 1.27, 1.45])
    per_sqm = 3600 * level[district] * np.exp(-0.06 * centre_km)
    per_sqm *= 1 - 0.0055 * age + 0.000045 * age**2      # old, but not too old, is cheap
    price = area * per_sqm + 6500 * rooms + 2800 * floor
    price *= np.exp(rng.normal(0, 0.05, n))
    numbers = np.stack([area, rooms, age, floor, centre_km], axis=1)
    return numbers.astype("float32"), district.astype("int32"), price.astype("float32")


rng = np.random.default_rng(SEED)
numbers, district, price = make_city(4500, rng)
print(f"cheapest {price.min():,.0f}  median {np.median(price):,.0f}  dearest {price.max():,.0f}")

# Step 2: three splits, because we want to keep the best epoch.
idx_train, idx_rest = train_test_split(np.arange(len(price)), test_size=0.3, random_state=SEED)
idx_val, idx_test = train_test_split(idx_rest, test_size=0.5, random_state=SEED)

# Step 3: scaling. Everything is measured on the training part only.
scaler = StandardScaler().fit(numbers[idx_train])
y_mean, y_std = price[idx_train].mean(), price[idx_train].std()


def pack(idx):
    x = {"numbers": scaler.transform(numbers[idx]), "district": district[idx]}
    y = (price[idx] - y_mean) / y_std
    return x, y


x_train, y_train = pack(idx_train)
x_val, y_val = pack(idx_val)
x_test, _ = pack(idx_test)


# Step 4: the model.
def build():
    in_numbers = keras.Input((5,), name="numbers")
    in_district = keras.Input((), dtype="int32", name="district")
    where = layers.Embedding(9, 4, name="where")(in_district)
    h = layers.Concatenate()([in_numbers, where])
    h = layers.Dense(64, activation="relu")(h)
    h = layers.Dense(32, activation="relu")(h)
    out = layers.Dense(1, name="price")(h)
    return keras.Model([in_numbers, in_district], out)


model = build()
steps = 35 * int(np.ceil(len(idx_train) / 64))
model.compile(
    optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
    loss="mse",
)
keep_best = keras.callbacks.EarlyStopping(monitor="val_loss", patience=12, restore_best_weights=True)

# Step 5: train.
# WATCH(model)
hist = model.fit(x_train, y_train, validation_data=(x_val, y_val), epochs=35, batch_size=64,
                 callbacks=[keep_best], verbose=0)
for e in range(0, len(hist.history["loss"]), 5):
    print(f"epoch {e + 1:2d}: loss {hist.history['loss'][e]:.4f}, val_loss {hist.history['val_loss'][e]:.4f}")

# Step 6: back to euros, and how wrong are we?
guess = model.predict(x_test, verbose=0)[:, 0] * y_std + y_mean
mae = np.abs(guess - price[idx_test]).mean()
naive = np.abs(price[idx_train].mean() - price[idx_test]).mean()
print(f"mean absolute error: {mae:,.0f} euros (always guessing the mean: {naive:,.0f})")
print(f"RESULT {mae:.1f} lower")
