# Loom lab, exercise 4: read the weave structure off a photograph of cloth (Keras, compile/fit).
"""Classify 28x28 grey photographs of cloth into six weaves: plain, 2/2 twill (left and right),
1/4 satin, basket, herringbone.  Thread pitch, lighting, phase and rotation vary; the photographs are
8-bit like those of the camera.  Graded by the log-loss on the held-out cloths.

RESULT logloss lower
"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
from keras import layers
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

WEAVES = ["plain", "twill_left", "twill_right", "satin", "basket", "herringbone"]
ACT = "gelu"


# ---- Part A: the loom ------------------------------------------------------------------
def draft(kind, warp, weft):
    """1 where the warp thread lies on top."""
    if kind == "plain":
        return (warp + weft) % 2
    if kind == "twill_left":
        return ((warp + weft) % 4 < 2) * 1
    if kind == "twill_right":
        return ((warp - weft) % 4 < 2) * 1
    if kind == "satin":
        return ((warp * 2 + weft) % 5 > 0) * 1
    if kind == "basket":
        return (warp // 2 + weft // 2) % 2
    fold = np.abs((warp % 8) - 4)
    return ((fold + weft) % 4 < 2) * 1


def photograph(kind, rng, size=28):
    pitch, turn = rng.uniform(2.6, 3.6), rng.normal(0, .06)
    v, u = np.mgrid[:size, :size] + rng.uniform(0, 20, (2, 1, 1))
    a, b = u * np.cos(turn) - v * np.sin(turn) + 40, u * np.sin(turn) + v * np.cos(turn) + 40
    warp, weft = (a // pitch).astype(int), (b // pitch).astype(int)
    top = draft(kind, warp, weft)
    round_ = np.where(top, np.sin(np.pi * (a / pitch % 1)), np.sin(np.pi * (b / pitch % 1)))
    light = 1 + .25 * (u - u.mean()) / size * rng.normal()
    img = (70 + 70 * top * rng.uniform(.6, 1) + 50 * round_) * light + rng.normal(0, 22, (size, size))
    return img.clip(0, 255).astype("uint8")


rng = np.random.default_rng(404)
answer = rng.integers(0, len(WEAVES), 1800)
cloth = np.stack([photograph(WEAVES[k], rng) for k in answer])

# ---- Part B: preparation ---------------------------------------------------------------
cloth = cloth[..., None].astype("float32") / 255.0
x_fit, x_test, t_fit, t_test = train_test_split(cloth, answer, test_size=500, stratify=answer, random_state=1)
centre, spread = x_fit.mean(), x_fit.std()
x_fit, x_test = (x_fit - centre) / spread, (x_test - centre) / spread

# ---- Part C: the network ---------------------------------------------------------------
keras.utils.set_random_seed(9)
inputs = keras.Input((28, 28, 1), name="cloth")
h = inputs
for i, width in enumerate([12, 24, 24, 32]):
    h = layers.Conv2D(width, 3, padding="same", activation=ACT, name=f"conv{i}")(h)
    if i in (1, 2):
        h = layers.MaxPooling2D(2)(h)
h = layers.GlobalAveragePooling2D()(h)
h = layers.Dense(48, activation=ACT)(h)
h = layers.Dropout(0.1)(h)
outputs = layers.Dense(len(WEAVES), activation="softmax", name="weave")(h)
model = keras.Model(inputs, outputs)

# WATCH(model)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=4e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)

# ---- Part D: training ------------------------------------------------------------------
log = model.fit(
    x_fit, t_fit,
    batch_size=50,
    epochs=10,
    validation_split=0.1,
    verbose=0,
    callbacks=[keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=2, factor=0.4)],
)
for key in ("loss", "val_loss", "val_accuracy"):
    print(f"{key:>13}", " ".join(f"{v:.3f}" for v in log.history[key]))

# ---- Part E: grading -------------------------------------------------------------------
p = model.predict(x_test, verbose=0)
if not np.isfinite(p).all():
    p = np.full_like(p, 1 / len(WEAVES))
print("accuracy", round(accuracy_score(t_test, p.argmax(1)), 3))
print(f"RESULT logloss {log_loss(t_test, p, labels=range(len(WEAVES))):.4f}")
