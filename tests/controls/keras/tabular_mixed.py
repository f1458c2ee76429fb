"""Structured data with numerical and categorical features: will a subscriber leave?

The table is synthetic; the preprocessing lives in the model, as is good for serving.
"""
import numpy as np
import tensorflow as tf
import keras
from keras import layers
from sklearn.metrics import roc_auc_score

keras.utils.set_random_seed(11)
rng = np.random.default_rng(11)
N = 50_000

PLANS = ["basic", "family", "premium", "student"]
REGIONS = ["north", "south", "east", "west", "centre", "islands", "abroad"]
PAYMENT = ["card", "invoice", "direct debit"]

table = {
    "tenure_months": rng.gamma(2.0, 14.0, N).astype("float32"),
    "monthly_fee": rng.normal(42.0, 11.0, N).clip(8).astype("float32"),
    "support_calls": rng.poisson(1.4, N).astype("float32"),
    "data_gb": np.exp(rng.normal(2.2, 0.8, N)).astype("float32"),
    "plan": rng.choice(PLANS, N, p=[0.45, 0.25, 0.2, 0.1]),
    "region": rng.choice(REGIONS, N),
    "payment": rng.choice(PAYMENT, N, p=[0.5, 0.2, 0.3]),
}
plan_effect = dict(zip(PLANS, [0.4, -0.7, -0.3, 0.9]))
region_effect = dict(zip(REGIONS, [0.0, 0.3, -0.4, 0.1, -0.2, 0.6, 1.0]))
payment_effect = dict(zip(PAYMENT, [0.0, 0.8, -0.5]))
true_logit = (
    -0.6
    - 0.045 * (table["tenure_months"] - 28)
    + 0.055 * (table["monthly_fee"] - 42)
    + 0.55 * (table["support_calls"] - 1.4)
    - 0.4 * (np.log(table["data_gb"]) - 2.2)
    + np.array([plan_effect[p] for p in table["plan"]])
    + np.array([region_effect[r] for r in table["region"]])
    + np.array([payment_effect[p] for p in table["payment"]])
    + 0.5 * (table["plan"] == "basic") * (table["support_calls"] > 2)
)
churned = (rng.random(N) < 1 / (1 + np.exp(-true_logit))).astype("float32")

# 70 / 15 / 15 split; the rows are already in random order
cuts = [slice(0, int(0.7 * N)), slice(int(0.7 * N), int(0.85 * N)), slice(int(0.85 * N), N)]


def dataframe_to_dataset(part, shuffle=False, batch_size=64):
    features = {name: column[part].reshape(-1, 1) for name, column in table.items()}
    ds = tf.data.Dataset.from_tensor_slices((features, churned[part].reshape(-1, 1)))
    if shuffle:
        ds = ds.shuffle(buffer_size=N)
    return ds.batch(batch_size).prefetch(tf.data.AUTOTUNE)


train_ds = dataframe_to_dataset(cuts[0], shuffle=True)
val_ds = dataframe_to_dataset(cuts[1], batch_size=512)
test_ds = dataframe_to_dataset(cuts[2], batch_size=512)

inputs, encoded = {}, []
for name in ["tenure_months", "monthly_fee", "support_calls", "data_gb"]:
    inputs[name] = keras.Input((1,), name=name, dtype="float32")
    norm = layers.Normalization()
    norm.adapt(table[name][cuts[0]].reshape(-1, 1))
    encoded.append(norm(inputs[name]))
for name, vocabulary, dim in [("plan", PLANS, 3), ("region", REGIONS, 4), ("payment", PAYMENT, 2)]:
    inputs[name] = keras.Input((1,), name=name, dtype="string")
    index = layers.StringLookup(vocabulary=vocabulary, num_oov_indices=1)(inputs[name])
    embedding = layers.Embedding(len(vocabulary) + 1, dim, name=f"{name}_embedding")(index)
    encoded.append(layers.Flatten()(embedding))

x = layers.Concatenate()(encoded)
x = layers.Dense(32, activation="relu")(x)
x = layers.Dropout(0.2)(x)
x = layers.Dense(16, activation="relu")(x)
output = layers.Dense(1, activation="sigmoid", name="churn")(x)
model = keras.Model(inputs, output)

model.compile(
    optimizer=keras.optimizers.Adam(2e-4),
    loss="binary_crossentropy",
    metrics=["accuracy", keras.metrics.AUC(name="auc")],
)
model.fit(
    train_ds,
    validation_data=val_ds,
    epochs=20,
    verbose=2,
    callbacks=[keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)],
)
result = model.evaluate(test_ds, return_dict=True, verbose=0)
best = roc_auc_score(churned[cuts[2]], true_logit[cuts[2]])
print(f"test AUC {result['auc']:.3f} (the true model's: {best:.3f}), accuracy {result['accuracy']:.3f}")
