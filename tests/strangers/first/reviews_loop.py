"""Writing a training loop from scratch: sentiment of toy reviews, with gradient accumulation.

fit() is convenient, yet here we want to control when the optimiser is called: the gradients of
a few small batches are summed up before one update is made.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import random

import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(77)

MICRO = 16          # examples per forward pass
ACCUM = 4           # forward passes per update
EPOCHS = 8
MAX_LEN = 16

# --- a little grammar of reviews --------------------------------------------------------------

THINGS = "plot acting music ending camera story dialogue cast pacing script".split()
GOOD = "great lovely brilliant moving clever charming superb warm".split()
BAD = "dull awful clumsy boring weak silly tiresome flat".split()
FILL = "really quite rather truly".split()
gen = random.Random(77)


def clause(positive):
    negated = gen.random() < 0.35
    words = ["the", gen.choice(THINGS), "was"]
    if negated:
        words.append("not")
    if gen.random() < 0.4:
        words.append(gen.choice(FILL))
    words.append(gen.choice(GOOD if positive != negated else BAD))
    return words


def review():
    label = gen.randint(0, 1)
    if gen.random() < 0.4:      # the second half of a "but" is what counts
        words = clause(not label) + ["but"] + clause(bool(label))
    else:
        words = clause(bool(label))
    if gen.random() < 0.03:     # people click on the wrong button
        label = 1 - label
    return words, label


corpus = [review() for _ in range(4000)]
vocab = {w: i + 1 for i, w in enumerate(sorted({w for words, _ in corpus for w in words}))}
x = np.zeros((len(corpus), MAX_LEN), "int32")
for row, (words, _) in zip(x, corpus):
    row[: len(words)] = [vocab[w] for w in words]
y = np.array([label for _, label in corpus], "float32")

x_train, y_train = x[:2800], y[:2800]
x_val, y_val = x[2800:3400], y[2800:3400]
x_test, y_test = x[3400:], y[3400:]

train_ds = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(2800, seed=7).batch(MICRO, drop_remainder=True)

# --- model --------------------------------------------------------------------------------------

inputs = keras.Input((MAX_LEN,), dtype="int32")
h = keras.layers.Embedding(len(vocab) + 1, 24)(inputs)
h = keras.layers.Conv1D(48, 5, padding="same", activation="relu")(h)
h = keras.layers.GlobalMaxPooling1D()(h)
h = keras.layers.Dropout(0.2)(h)
outputs = keras.layers.Dense(1)(h)
model = keras.Model(inputs, outputs)

updates = EPOCHS * (len(x_train) // MICRO) // ACCUM
optimizer = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.2, updates), momentum=0.9)
optimizer.build(model.trainable_variables)
loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)
train_loss = keras.metrics.Mean()
val_acc = keras.metrics.BinaryAccuracy(threshold=0.0)      # on logits

sums = [tf.Variable(tf.zeros_like(v), trainable=False) for v in model.trainable_variables]


@tf.function
def micro_step(xb, yb):
    with tf.GradientTape() as tape:
        logits = model(xb, training=True)
        loss = loss_fn(yb[:, None], logits)
    grads = tape.gradient(loss, model.trainable_variables)
    for s, g in zip(sums, grads):
        s.assign_add(tf.convert_to_tensor(g) / ACCUM)
    train_loss.update_state(loss)


@tf.function
def update():
    optimizer.apply(sums, model.trainable_variables)
    for s in sums:
        s.assign(tf.zeros_like(s))


@tf.function
def predict(xb):
    return model(xb, training=False)


# --- the loop -----------------------------------------------------------------------------------

seen = 0
# WATCH(model)
for epoch in range(EPOCHS):
    train_loss.reset_state()
    for xb, yb in train_ds:
        micro_step(xb, yb)
        seen += 1
        if seen % ACCUM == 0:
            update()
    val_acc.reset_state()
    logits = predict(x_val)
    val_acc.update_state(y_val[:, None], logits)
    print("epoch %2d  train loss %.4f  val loss %.4f  val acc %.4f" % (
        epoch + 1, float(train_loss.result()), float(loss_fn(y_val[:, None], logits)), float(val_acc.result())))

correct = (predict(x_test).numpy()[:, 0] > 0) == (y_test > 0.5)
print("test accuracy %.4f" % correct.mean())
print("RESULT %.4f higher" % correct.mean())
