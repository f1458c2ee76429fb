"""Which mode does the plate sing?  Chladni figures, TensorFlow, own training loop.

Sand on a vibrating square plate gathers along the nodal lines of a mode (m, n).
28x28 photographs of the sand (uneven illumination, spilled grains, plate a bit
turned and shifted) are classified into 18 modes.  Few photographs, so they are
turned, mirrored and shifted anew in every epoch.  Judged by the mean negative log-likelihood
(bits) of the true mode on photographs from other sessions.

RESULT bits lower
"""
import itertools, math, sys

import numpy as np
import tensorflow as tf

tf.keras.utils.set_random_seed(5)
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

S = 28
MODES = [(m, n, s) for m, n in itertools.combinations(range(1, 6), 2) for s in (-1, 1)][:18]
PER_MODE_TRAIN, PER_MODE_TEST, EPOCHS, BATCH = 24, 40, 30, 48


def photograph(mode, g, canvas):
    """Draw one figure onto the canvas (bytes), as the camera would see it."""
    m, n, sign = mode
    turn, dx, dy, zoom = g.normal(0, 0.10), *g.normal(0, 0.05, 2), g.normal(1, 0.05)
    v, u = np.meshgrid(np.linspace(-1, 1, S), np.linspace(-1, 1, S))
    x = (zoom * (u * math.cos(turn) - v * math.sin(turn)) + dx + 1) / 2 * math.pi
    y = (zoom * (u * math.sin(turn) + v * math.cos(turn)) + dy + 1) / 2 * math.pi
    amp = np.cos(m * x) * np.cos(n * y) + sign * np.cos(n * x) * np.cos(m * y)
    sand = np.exp(-(amp / g.uniform(0.15, 0.4)) ** 2) * (g.random((S, S)) < 0.8)
    light = 0.7 + 0.2 * g.normal() * u + 0.2 * g.normal() * v
    noise = 0.2 * g.normal(size=(S, S)) + (g.random((S, S)) < 0.06)
    canvas[:] = np.clip((0.15 + 0.6 * sand * light + 0.5 * noise) * 255, 0, 255)


def session(per_mode, seed):
    g = np.random.default_rng(seed)
    canvas, shots, labels = np.zeros((S, S), np.uint8), [], []
    for k in g.permutation(np.repeat(np.arange(len(MODES)), per_mode)):
        photograph(MODES[k], g, canvas)
        shots.append(canvas.copy())
        labels.append(k)
    return np.stack(shots)[..., None], np.array(labels, np.int32)


def to_float(img, lab):
    return tf.image.per_image_standardization(img), lab


def another_view(img, lab):
    if tf.random.uniform(()) < 0.5:                       # the figures do not change by
        img = tf.image.rot90(img, 2)                      # half a turn ...
    if tf.random.uniform(()) < 0.5:
        img = tf.image.transpose(img)                     # ... nor at the diagonal
    img = tf.image.random_crop(tf.image.resize_with_crop_or_pad(img, S + 4, S + 4), (S, S, 1))
    return img + tf.random.normal((S, S, 1), stddev=0.3), lab


photos, modes = session(PER_MODE_TRAIN, 1)
train = tf.data.Dataset.zip((tf.data.Dataset.from_tensor_slices(photos), tf.data.Dataset.from_tensor_slices(modes)))
train = train.map(to_float).cache().shuffle(len(modes)).repeat()
stream = iter(train.map(another_view).batch(BATCH))
test = tf.data.Dataset.from_tensor_slices(session(PER_MODE_TEST, 2)).map(to_float).batch(240).cache()

model = tf.keras.Sequential([
    tf.keras.layers.Input((S, S, 1)),
    tf.keras.layers.Conv2D(16, 5, activation="relu", padding="same"), tf.keras.layers.MaxPool2D(),
    tf.keras.layers.Conv2D(32, 3, activation="relu", padding="same"), tf.keras.layers.MaxPool2D(),
    tf.keras.layers.Conv2D(48, 3, activation="relu"), tf.keras.layers.Flatten(),
    tf.keras.layers.Dropout(0.5),
    tf.keras.layers.Dense(len(MODES)),
])
optimizer = tf.keras.optimizers.Adam(2e-3)
# WATCH(model, optimizer)


@tf.function
def learn(img, lab):
    with tf.GradientTape() as tape:
        scores = model(img, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=lab, logits=scores))
    grads = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(grads, model.trainable_variables))
    return loss


def exam():
    bits, right = tf.keras.metrics.Mean(), tf.keras.metrics.SparseCategoricalAccuracy()
    for img, lab in test:
        scores = model(img, training=False)
        bits.update_state(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=lab, logits=scores) / math.log(2))
        right.update_state(lab, scores)
    return float(bits.result()), float(right.result())


for epoch in range(EPOCHS):
    losses = [learn(*next(stream)) for _ in range(len(modes) // BATCH)]
    if epoch % 5 == 0 or epoch == EPOCHS - 1:
        b, r = exam()
        print(f"epoch {epoch:3d}  loss {np.mean(losses):.3f}  test {b:.3f} bits, {r:.1%} right")
        sys.stdout.flush()

print("RESULT bits", round(exam()[0], 4))
