#!/usr/bin/env python
"""Phase labelling of three-component local seismograms.

Every sample of a trace is labelled 0 (noise), 1 (P coda) or 2 (S coda) by a small 1-D U-Net.
Traces come from a toy simulator that mimics our digitisers (integer counts, coloured noise,
station gain between 1e2 and 1e4).
"""
import argparse

import keras
import numpy as np
import tensorflow as tf
from keras import layers

CHANNELS = 3
CLASSES = 3


def simulate(n, length, rng):
    """Returns counts (n, length, 3) int16 and labels (n, length) int32."""
    counts = np.zeros((n, length, CHANNELS), dtype=np.int16)
    labels = np.zeros((n, length), dtype=np.int32)
    t = np.arange(length)
    for i in range(n):
        noise = rng.normal(size=(length, CHANNELS))
        for k in range(1, length):
            noise[k] += 0.7 * noise[k - 1]
        trace = noise / noise.std()
        p = rng.integers(length // 8, length // 2)
        s = p + rng.integers(length // 10, length // 3)
        snr = np.exp(rng.uniform(np.log(1.5), np.log(8.0)))
        polar_p = np.array([0.3, 0.3, 1.0]) * rng.normal(1, 0.25, 3)
        polar_s = np.array([1.0, 1.0, 0.35]) * rng.normal(1, 0.25, 3)
        for onset, freq, tau, amp, polar in (
            (p, rng.uniform(0.16, 0.24), rng.uniform(25, 60), snr, polar_p),
            (s, rng.uniform(0.07, 0.12), rng.uniform(40, 90), 1.7 * snr, polar_s),
        ):
            dt = np.clip(t - onset, 0, None)
            env = (t >= onset) * (1 - np.exp(-dt / 3.0)) * np.exp(-dt / tau)
            for c in range(CHANNELS):
                phase = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.12, length))
                trace[:, c] += amp * polar[c] * env * np.sin(2 * np.pi * freq * dt + phase)
        gain = np.exp(rng.uniform(np.log(1e2), np.log(1e3)))
        counts[i] = np.clip(trace * gain, -32767, 32767)
        labels[i, p:] = 1
        labels[i, s:] = 2
    return counts, labels


def preprocess(counts):
    x = counts.astype("float32")
    x = x - x.mean(axis=1, keepdims=True)
    x = x / np.abs(x).max(axis=(1, 2), keepdims=True)
    return x


def conv_block(filters, kernel, weight_decay, strides=1):
    return keras.Sequential(
        [
            layers.Conv1D(
                filters,
                kernel,
                strides=strides,
                padding="same",
                use_bias=False,
                kernel_regularizer=keras.regularizers.L2(weight_decay),
            ),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
        ]
    )


class PhaseNet1D(keras.Model):
    def __init__(self, width=12, weight_decay=1e-5, dropout=0.1, **kw):
        super().__init__(**kw)
        self.enter = conv_block(width, 7, weight_decay)
        self.down1 = conv_block(width * 2, 7, weight_decay, strides=4)
        self.down2 = conv_block(width * 4, 7, weight_decay, strides=4)
        self.middle = conv_block(width * 4, 7, weight_decay)
        self.drop = layers.Dropout(dropout)
        self.up1 = conv_block(width * 2, 7, weight_decay)
        self.up2 = conv_block(width, 7, weight_decay)
        self.upsample = layers.UpSampling1D(4)
        self.head = layers.Conv1D(CLASSES, 1)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.acc = keras.metrics.SparseCategoricalAccuracy(name="acc")

    @property
    def metrics(self):
        return [self.loss_tracker, self.acc]

    def call(self, x, training=None):
        a = self.enter(x, training=training)
        b = self.down1(a, training=training)
        c = self.down2(b, training=training)
        c = self.drop(self.middle(c, training=training), training=training)
        d = self.up1(tf.concat([self.upsample(c), b], axis=-1), training=training)
        e = self.up2(tf.concat([self.upsample(d), a], axis=-1), training=training)
        return self.head(e)

    def compute_ce(self, y, logits):
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        return tf.reduce_mean(ce)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = self.compute_ce(y, logits) + tf.add_n(self.losses)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.loss_tracker.update_state(loss)
        self.acc.update_state(y, logits)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        logits = self(x, training=False)
        self.loss_tracker.update_state(self.compute_ce(y, logits))
        self.acc.update_state(y, logits)
        return {m.name: m.result() for m in self.metrics}


def mean_iou(y, pred):
    scores = []
    for c in range(CLASSES):
        inter = np.sum((y == c) & (pred == c))
        union = np.sum((y == c) | (pred == c))
        scores.append(inter / max(union, 1))
    return float(np.mean(scores))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--traces", type=int, default=1400)
    ap.add_argument("--length", type=int, default=256)
    ap.add_argument("--batch-size", type=int, default=32)
    ap.add_argument("--epochs", type=int, default=7)
    ap.add_argument("--lr", type=float, default=3e-3)
    ap.add_argument("--weight-decay", type=float, default=1e-5)
    ap.add_argument("--seed", type=int, default=11)
    args = ap.parse_args()

    keras.utils.set_random_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    counts, labels = simulate(args.traces, args.length, rng)
    x = preprocess(counts)
    n_test = args.traces // 7
    x_test, y_test = x[:n_test], labels[:n_test]
    x_val, y_val = x[n_test : 2 * n_test], labels[n_test : 2 * n_test]
    x_train, y_train = x[2 * n_test :], labels[2 * n_test :]
    print(f"train {x_train.shape}, val {x_val.shape}, test {x_test.shape}")

    model = PhaseNet1D(weight_decay=args.weight_decay)
    model.build((None, args.length, CHANNELS))
    model.compile(optimizer=keras.optimizers.Adam(args.lr))
    # WATCH(model)
    model.fit(
        x_train,
        y_train,
        validation_data=(x_val, y_val),
        batch_size=args.batch_size,
        epochs=args.epochs,
        verbose=2,
    )

    pred = model.predict(x_test, verbose=0).argmax(-1)
    print("RESULT %.4f higher" % mean_iou(y_test, pred))


if __name__ == "__main__":
    main()
