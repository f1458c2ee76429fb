# Character-level GPT on Python's own standard library.
import pathlib
import sysconfig

import numpy as np
import tensorflow as tf
from tensorflow import keras

layers = keras.layers
keras.utils.set_random_seed(0)

CONTEXT = 64
BATCH = 32
STEPS_PER_EPOCH = 100
EPOCHS = 6
D_MODEL, N_HEADS, N_LAYERS = 80, 4, 2

# ---------------------------------------------------------------- data
stdlib = pathlib.Path(sysconfig.get_paths()["stdlib"])
train_files = ["argparse", "ast", "inspect", "pathlib", "subprocess", "tarfile", "typing",
               "zipfile", "difflib", "doctest", "enum", "functools", "dataclasses", "pickle",
               "random", "shutil", "socket", "statistics", "threading", "uuid"]
valid_files = ["configparser", "csv", "optparse", "textwrap"]


def read(names):
    chunks = []
    for name in names:
        path = stdlib / f"{name}.py"
        if not path.exists():  # a package in newer versions
            path = stdlib / name / "__init__.py"
        chunks.append(path.read_text(encoding="utf-8"))
    return "\n".join(chunks)


train_text, valid_text = read(train_files), read(valid_files)
chars = sorted(c for c in set(train_text) if c.isascii())
stoi = {c: i + 1 for i, c in enumerate(chars)}  # 0 stands for anything else
itos = {i: c for c, i in stoi.items()}
vocab_size = len(stoi) + 1
encode = lambda s: np.array([stoi.get(c, 0) for c in s], dtype=np.int32)
train_ids, valid_ids = encode(train_text), encode(valid_text)
print(f"{len(train_ids):,} training characters, {len(valid_ids):,} for validation, vocabulary {vocab_size}")


def windows(ids, training):
    n = len(ids) // (CONTEXT + 1)
    ds = tf.data.Dataset.from_tensor_slices(ids[: n * (CONTEXT + 1)].reshape(n, CONTEXT + 1))
    if training:
        ds = ds.shuffle(n).repeat()
    ds = ds.map(lambda w: (w[:-1], w[1:]), num_parallel_calls=tf.data.AUTOTUNE)
    return ds.batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


# ---------------------------------------------------------------- model
class PositionalEmbedding(layers.Layer):
    def __init__(self, vocab, length, dim, **kw):
        super().__init__(**kw)
        init = keras.initializers.RandomNormal(stddev=0.02)
        self.tok = layers.Embedding(vocab, dim, embeddings_initializer=init)
        self.pos = layers.Embedding(length, dim, embeddings_initializer=init)

    def call(self, ids):
        return self.tok(ids) + self.pos(tf.range(tf.shape(ids)[1]))


def block(x, i):
    h = layers.LayerNormalization(epsilon=1e-5, name=f"ln1_{i}")(x)
    h = layers.MultiHeadAttention(N_HEADS, D_MODEL // N_HEADS, name=f"attn_{i}")(h, h, use_causal_mask=True)
    x = x + layers.Dropout(0.05)(h)
    h = layers.LayerNormalization(epsilon=1e-5, name=f"ln2_{i}")(x)
    h = layers.Dense(4 * D_MODEL, activation="gelu", name=f"up_{i}")(h)
    h = layers.Dense(D_MODEL, name=f"down_{i}")(h)
    return x + layers.Dropout(0.05)(h)


ids = keras.Input((CONTEXT,), dtype="int32")
x = PositionalEmbedding(vocab_size, CONTEXT, D_MODEL)(ids)
for i in range(N_LAYERS):
    x = block(x, i)
x = layers.LayerNormalization(epsilon=1e-5, name="ln_f")(x)
logits = layers.Dense(vocab_size, name="lm_head")(x)
gpt = keras.Model(ids, logits, name="mini_gpt")

schedule = keras.optimizers.schedules.CosineDecay(
    initial_learning_rate=1e-4,
    decay_steps=EPOCHS * STEPS_PER_EPOCH,
    alpha=0.05,
    warmup_target=3e-3,
    warmup_steps=60,
)
gpt.compile(
    optimizer=keras.optimizers.AdamW(schedule, weight_decay=0.05, beta_2=0.98, clipnorm=1.0),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)


class Sample(keras.callbacks.Callback):
    def on_train_end(self, logs=None):
        rng = np.random.default_rng(1)
        out = "    def __init__(self, "
        for _ in range(80):
            ctx = encode(out)[-CONTEXT:]
            padded = np.zeros((1, CONTEXT), np.int32)
            padded[0, : len(ctx)] = ctx
            p = self.model(padded, training=False).numpy()[0, len(ctx) - 1] / 0.7
            p = np.exp(p - p.max())
            out += itos.get(int(rng.choice(vocab_size, p=p / p.sum())), "?")
        print(out)


history = gpt.fit(
    windows(train_ids, True),
    validation_data=windows(valid_ids, False).take(20),
    epochs=EPOCHS,
    steps_per_epoch=STEPS_PER_EPOCH,
    callbacks=[Sample()],
    verbose=2,
)
nats = history.history["val_loss"][-1]
print(f"validation: {nats:.3f} nats per character ({nats / np.log(2):.2f} bits; uniform {np.log(vocab_size):.2f} nats)")
