"""Kaggle-style kernel: what broke the lift?

Fault reports of lifts (elevators), a few words of a caretaker each, are given
  * a cause (9 of them), and
  * a downtime in hours (predicted as standardised log-hours).
The wording is loose: synonyms, filler, misleading mentions, and in one report in
twelve the mechanic ticked the wrong box.  Two-headed Keras model.  The score
on the held-out reports is   log loss of the cause + MAE of the log-hours.

RESULT score lower
"""
import os
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import keras
from keras import layers
from sklearn.metrics import log_loss, mean_absolute_error
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(2024)
rs = np.random.RandomState(2024)

CAUSES = {
    "door sensor": "door curtain beam edge reopens light-ray",
    "door motor": "door slow hums half-open drags roller",
    "brake": "jerk drops squeal landing judder hot",
    "levelling": "step uneven floor off trip landing",
    "relay": "click dead panel random resets smell",
    "rope": "vibration strand slip rust top hum",
    "guide shoe": "knock rattle scrape ride middle oil",
    "power supply": "dark lights fuse trip storm dead",
    "vandalism": "button burnt sticker mirror broken panel",
}
FILLER = ("the lift again please come since monday tenants angry third second floor car stuck "
          "noise people reported seems maybe not sure urgent caretaker called twice").split()
TYPICAL = np.array([1.5, 6, 9, 3, 4, 30, 12, 5, 2.0])
NAMES = list(CAUSES)


def report(c):
    own = CAUSES[NAMES[c]].split()
    other = CAUSES[NAMES[rs.randint(len(NAMES))]].split()
    words = list(rs.choice(own, rs.randint(1, 4))) + list(rs.choice(FILLER, rs.randint(3, 10)))
    if rs.rand() < 0.5:                                   # "it is not the ... this time"
        words += ["not", "the", rs.choice(other)]
    hours = TYPICAL[c] * np.exp(0.35 * rs.randn())
    if rs.rand() < 0.25:
        words += [rs.choice(["weekend", "holiday"])]
        hours *= 4
    words.append(f"lift-{rs.randint(700)}")
    rs.shuffle(words)
    return " ".join(words), hours


cause = rs.randint(0, len(NAMES), 5200)
texts, hours = map(list, zip(*[report(c) for c in cause]))
ticked = np.where(rs.rand(len(cause)) < 1 / 12, rs.randint(0, len(NAMES), len(cause)), cause)
log_hours = np.log(hours)

tr_text, te_text, tr_c, te_c, tr_h, te_h = train_test_split(texts, ticked, log_hours, test_size=0.25, random_state=0)
tr_text, va_text, tr_c, va_c, tr_h, va_h = train_test_split(tr_text, tr_c, tr_h, test_size=0.15, random_state=0)
tr_h, va_h, te_h = [(h - h_mean) / h_std for h_mean, h_std in [(np.mean(tr_h), np.std(tr_h))] for h in (tr_h, va_h, te_h)]

# ---- words to numbers
vocab = {w: i + 2 for i, w in enumerate(sorted({w for t in tr_text for w in t.split()}))}


def encode(docs, length=18):
    ids = np.zeros((len(docs), length), "int32")
    for row, doc in zip(ids, docs):
        w = [vocab.get(t, 1) for t in doc.split()][:length]
        row[:len(w)] = w
    return ids


X_tr = encode(tr_text)
X_va, X_te = encode(va_text), encode(te_text)

# ---- model
inp = layers.Input((18,), dtype="int32")
h = layers.Embedding(len(vocab) + 2, 48, mask_zero=True)(inp)
h = layers.GlobalAveragePooling1D()(h)
h = layers.Dense(256, activation="relu")(h)
h = layers.Dropout(0.3)(h)
out_c = layers.Dense(len(NAMES), name="cause")(h)
out_h = layers.Dense(1, name="hours")(layers.Dense(32, activation="relu")(h))
model = keras.Model(inp, {"cause": out_c, "hours": out_h})
# WATCH(model)

model.compile(
    optimizer=keras.optimizers.Adam(2e-3),
    loss={"cause": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "hours": "mse"},
)
stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
hist = model.fit(
    X_tr, {"cause": tr_c, "hours": tr_h},
    validation_data=(X_va, {"cause": va_c, "hours": va_h}),
    batch_size=64, epochs=30, callbacks=[stop], verbose=2,
)

# ---- score
pred = model.predict(X_te, batch_size=256, verbose=0)
prob = keras.ops.convert_to_numpy(keras.ops.softmax(pred["cause"], axis=-1)).astype("float64")
prob /= prob.sum(1, keepdims=True)
ll = log_loss(te_c, prob, labels=np.arange(len(NAMES)))
mae = mean_absolute_error(te_h, pred["hours"][:, 0])
print(f"log loss {ll:.3f}  accuracy {(prob.argmax(1) == te_c).mean():.3f}  hours {mae:.3f}")
print(f"RESULT score {ll + mae:.4f}")
