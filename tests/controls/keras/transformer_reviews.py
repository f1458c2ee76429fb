"""Sentiment of movie reviews with a single small Transformer block."""
import os

import gzip
import json

import numpy as np
import tensorflow as tf
import keras
from keras import layers, ops

keras.utils.set_random_seed(2024)

VOCAB = 5000
MAXLEN = 120
LONGEST = 400
EMBED = 24
HEADS = 2
FF = 48

with gzip.open(os.environ["SCRAM_DATA"] + "/movie_reviews.json.gz", "rt") as fh:
    corpus = json.load(fh)


def to_arrays(rows):
    labels = np.array([r[0] for r in rows], dtype="float32")
    texts = np.array([r[1].replace("<br />", " ") for r in rows], dtype=object)
    return texts, labels


train_text, train_y = to_arrays(corpus["train"])
test_text, test_y = to_arrays(corpus["test"])

order = np.random.permutation(len(train_text))
train_text, train_y = train_text[order], train_y[order]
val_text, val_y = train_text[-500:], train_y[-500:]
train_text, train_y = train_text[:-500], train_y[:-500]

vectorize = layers.TextVectorization(max_tokens=VOCAB, output_sequence_length=LONGEST)
vectorize.adapt(tf.constant(train_text.tolist()))


def random_excerpt(tokens, label):
    """A window of MAXLEN tokens from anywhere in the review, with a few words blanked out."""
    length = tf.math.count_nonzero(tokens, dtype=tf.int32)
    start = tf.random.uniform((), 0, tf.maximum(length - MAXLEN, 0) + 1, dtype=tf.int32)
    excerpt = tf.cast(tokens[start : start + MAXLEN], tf.int32)
    blank = (tf.random.uniform((MAXLEN,)) < 0.1) & (excerpt > 0)
    return tf.where(blank, 1, excerpt), label


def opening(tokens, label):
    return tf.cast(tokens[:MAXLEN], tf.int32), label


def make_dataset(texts, y, shuffle=False):
    tokens = vectorize(tf.constant(texts.tolist()))
    ds = tf.data.Dataset.from_tensor_slices((tokens, y[:, None]))
    if shuffle:
        ds = ds.shuffle(len(texts), reshuffle_each_iteration=True)
    ds = ds.map(random_excerpt if shuffle else opening, num_parallel_calls=tf.data.AUTOTUNE)
    return ds.batch(32).prefetch(tf.data.AUTOTUNE)


train_ds = make_dataset(train_text, train_y, shuffle=True)
val_ds = make_dataset(val_text, val_y)
test_ds = make_dataset(test_text, test_y)


class TokenAndPositionEmbedding(layers.Layer):
    def __init__(self, maxlen, vocab_size, embed_dim):
        super().__init__()
        self.token_emb = layers.Embedding(vocab_size, embed_dim, mask_zero=True)
        self.pos_emb = layers.Embedding(maxlen, embed_dim)
        self.maxlen = maxlen

    def call(self, x):
        return self.token_emb(x) + self.pos_emb(ops.arange(self.maxlen))

    def compute_mask(self, x, mask=None):
        return self.token_emb.compute_mask(x)


class TransformerBlock(layers.Layer):
    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.3):
        super().__init__()
        self.supports_masking = True
        self.att = layers.MultiHeadAttention(num_heads, key_dim=embed_dim // num_heads, dropout=rate)
        self.ffn = keras.Sequential([layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)])
        self.norm1 = layers.LayerNormalization(epsilon=1e-6)
        self.norm2 = layers.LayerNormalization(epsilon=1e-6)
        self.drop1 = layers.Dropout(rate)
        self.drop2 = layers.Dropout(rate)

    def call(self, x, training=None):
        x = self.norm1(x + self.drop1(self.att(x, x, training=training), training=training))
        return self.norm2(x + self.drop2(self.ffn(x), training=training))


inputs = keras.Input(shape=(MAXLEN,), dtype="int32")
x = TokenAndPositionEmbedding(MAXLEN, VOCAB, EMBED)(inputs)
x = layers.Dropout(0.3)(x)
x = TransformerBlock(EMBED, HEADS, FF)(x)
x = layers.GlobalAveragePooling1D()(x)
x = layers.Dropout(0.5)(x)
outputs = layers.Dense(1, activation="sigmoid")(x)
model = keras.Model(inputs, outputs)

EPOCHS = 7
schedule = keras.optimizers.schedules.CosineDecay(5e-4, EPOCHS * len(train_ds), alpha=0.05)
model.compile(
    optimizer=keras.optimizers.AdamW(learning_rate=schedule, weight_decay=0.05),
    loss="binary_crossentropy",
    metrics=["accuracy"],
)
model.fit(
    train_ds,
    validation_data=val_ds,
    epochs=EPOCHS,
    callbacks=[keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)],
    verbose=2,
)
loss, acc = model.evaluate(test_ds, verbose=0)
print(f"test accuracy {acc:.3f}, test loss {loss:.3f}")
