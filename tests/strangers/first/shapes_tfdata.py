# Shapes in noise :: tf.data + callbacks baseline
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
import keras
from keras import layers, regularizers, callbacks as cb


class CFG:
    seed = 42
    size = 20
    per_class = 450
    classes = ["disc", "square", "cross", "ring"]
    bs = 32
    epochs = 16
    lr = 2e-3
    l2 = 1e-4
    drop = 0.2


keras.utils.set_random_seed(CFG.seed)
rng = np.random.default_rng(CFG.seed)
AUTO = tf.data.AUTOTUNE


def draw(kind):
    c = rng.uniform(7, 13, 2)
    r = rng.uniform(3.5, 6)
    yy, xx = np.mgrid[:CFG.size, :CFG.size]
    dy, dx = yy - c[0], xx - c[1]
    dist = np.hypot(dy, dx)
    if kind == "disc":
        m = dist < r
    elif kind == "square":
        m = np.maximum(abs(dy), abs(dx)) < 0.9 * r
    elif kind == "cross":
        m = (np.minimum(abs(dy), abs(dx)) < 1.3) & (np.maximum(abs(dy), abs(dx)) < r)
    else:
        m = abs(dist - r) < 1.2
    img = 90 + 70 * m * rng.uniform(0.7, 1.3) + rng.normal(0, 18, m.shape)
    return img.clip(0, 255).astype("uint8")


# --------------------------------------------------------------------- data
X, y = [], []
for k, name in enumerate(CFG.classes):
    for _ in range(CFG.per_class):
        X.append(draw(name))
        y.append(k)
X = np.array(X)[..., None]
y = np.array(y)

fold = np.arange(len(X)) % 5          # 0,1,2 -> train   3 -> valid   4 -> test


def prep(img, label):
    return (tf.cast(img, tf.float32) - 110.0) / 40.0, label


def flip(img, label):
    return tf.image.random_flip_left_right(tf.image.random_flip_up_down(img, seed=1), seed=2), label


def make_ds(mask, train=False):
    ds = tf.data.Dataset.from_tensor_slices((X[mask], y[mask]))
    if train:
        ds = ds.shuffle(int(mask.sum()), seed=CFG.seed)
    ds = ds.map(prep, num_parallel_calls=AUTO)
    if train:
        ds = ds.map(flip)
    return ds.batch(CFG.bs).prefetch(AUTO)


train_ds, valid_ds, test_ds = make_ds(fold < 3, True), make_ds(fold == 3), make_ds(fold == 4)


# -------------------------------------------------------------------- model
def block(x, filters):
    x = layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal",
                      kernel_regularizer=regularizers.l2(CFG.l2))(x)
    return layers.MaxPooling2D()(x)


inp = keras.Input((CFG.size, CFG.size, 1))
x = block(inp, 12)
x = block(x, 24)
x = layers.Flatten()(x)
x = layers.Dropout(CFG.drop)(x)
x = layers.Dense(48, activation="relu", kernel_regularizer=regularizers.l2(CFG.l2))(x)
out = layers.Dense(len(CFG.classes), activation="softmax")(x)
model = keras.Model(inp, out)
model.compile(keras.optimizers.Adam(CFG.lr), "sparse_categorical_crossentropy", metrics=["accuracy"])

cbs = [
    cb.ReduceLROnPlateau(monitor="val_loss", factor=0.4, patience=3, min_lr=1e-5, verbose=1),
    cb.EarlyStopping(monitor="val_loss", patience=6, restore_best_weights=True),
    cb.LambdaCallback(on_epoch_end=lambda e, l: print(
        f"[{e + 1:02d}] loss={l['loss']:.4f} acc={l['accuracy']:.4f} "
        f"val_loss={l['val_loss']:.4f} val_acc={l['val_accuracy']:.4f}")),
]

# WATCH(model)
model.fit(train_ds, validation_data=valid_ds, epochs=CFG.epochs, callbacks=cbs, verbose=0)

loss, acc = model.evaluate(test_ds, verbose=0)
print(f"test: loss={loss:.4f} acc={acc:.4f}")
print(f"RESULT {acc:.4f} higher")
