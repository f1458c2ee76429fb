"""Listwise learning to rank, Keras with a GradientTape loop (exercise 7: 'search results').

Each query has 12 documents with graded relevance 0-4. Two small networks - one for the query,
one for the documents - give a score; the loss is the ListNet cross-entropy between the softmax
of the scores and that of the grades. Evaluated by NDCG@5 on queries not trained on.
RESULT ndcg5 higher
"""
import os
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(5)
DOCS, QDIM, DDIM, LATENT = 12, 8, 14, 24
EPOCHS, BATCH = 30, 64


# --- (a) queries, documents, grades -------------------------------------------------------
def make_world(n_queries, rng, proj):
    q = rng.normal(size=(n_queries, QDIM))
    d = rng.normal(size=(n_queries, DOCS, DDIM))
    match = np.einsum("nq,qd,nld->nl", q, proj, d) / np.sqrt(QDIM * DDIM)
    quality = np.sin(1.5 * d[..., 0]) + 0.6 * np.abs(d[..., 1])
    raw = match + quality + 0.2 * rng.normal(size=match.shape)
    grade = np.digitize(raw, [-0.3, 0.5, 1.2, 2.0])
    d = d * np.linspace(0.5, 20, DDIM) + np.linspace(-10, 10, DDIM)      # raw units
    return q.astype("float32"), d.astype("float32"), grade.astype("float32")


rng = np.random.default_rng(5)
proj = rng.normal(size=(QDIM, DDIM))
train, test = make_world(2400, rng, proj), make_world(500, rng, proj)
mean, std = train[1].mean((0, 1)), train[1].std((0, 1))
standardise = lambda d: (d - mean) / std


# --- (b) networks -------------------------------------------------------------------------
def tower(in_dim, depth, name):
    net = keras.Sequential(name=name)
    net.add(keras.Input((in_dim,)))
    for _ in range(depth):
        net.add(keras.layers.Dense(64, activation="relu"))
    net.add(keras.layers.Dense(LATENT))
    return net


class Ranker(keras.Model):
    def __init__(self):
        super().__init__()
        self.query_net = tower(QDIM, 1, "query")
        self.doc_net = tower(DDIM, 2, "doc")
        self.drop = keras.layers.Dropout(0.1)
        self.quality = keras.layers.Dense(1)

    def call(self, inputs, training=False):
        q, d = inputs
        zq = self.query_net(q)                                            # n, latent
        zd = self.doc_net(tf.reshape(d, (-1, DDIM)))
        zd = self.drop(zd, training=training)
        match = tf.einsum("nk,nlk->nl", zq, tf.reshape(zd, (-1, DOCS, LATENT)))
        bonus = tf.reshape(self.quality(zd), (-1, DOCS))
        return match / LATENT ** 0.5 + bonus


ranker = Ranker()
ranker((train[0][:2], train[1][:2]))
optimizer = keras.optimizers.Adam(2e-3)
# WATCH(ranker, optimizer)


# --- (c) loss and one step ----------------------------------------------------------------
def listnet(scores, grades):
    target = tf.nn.softmax(grades, axis=1)
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=target, logits=scores))


@tf.function
def train_step(q, d, grades):
    with tf.GradientTape() as tape:
        scores = ranker((q, d), training=True)
        loss = listnet(scores, grades)
    weights = ranker.trainable_variables
    grads = tape.gradient(loss, weights)
    optimizer.apply_gradients(zip(grads, weights))
    return loss


# --- (d) NDCG -----------------------------------------------------------------------------
def ndcg(scores, grades, k=5):
    gain, discount = 2.0 ** grades - 1, 1 / np.log2(np.arange(k) + 2)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = -np.sort(-gain, axis=1)[:, :k]
    dcg = (np.take_along_axis(gain, order, 1) * discount).sum(1)
    ideal = (best * discount).sum(1)
    return float(np.mean(dcg[ideal > 0] / ideal[ideal > 0]))


def evaluate():
    scores = ranker((test[0], standardise(test[1])), training=False).numpy()
    return ndcg(scores, test[2])


print(f"random order: {ndcg(rng.normal(size=test[2].shape), test[2]):.3f}")
batches = tf.data.Dataset.from_tensor_slices((train[0], standardise(train[1]), train[2]))
batches = batches.shuffle(2400, seed=1).batch(BATCH, drop_remainder=True)
for epoch in range(EPOCHS):
    losses = [float(train_step(q, d, g)) for q, d, g in batches]
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1:2d}  listnet {np.mean(losses):.4f}  ndcg@5 {evaluate():.4f}")
print("RESULT ndcg5", round(evaluate(), 4))
