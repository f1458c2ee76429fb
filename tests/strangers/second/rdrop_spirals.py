"""R-Drop regularisation on a three-armed spiral.

Every batch goes through the network twice with different dropout masks; the two predicted
distributions are pulled together by a symmetric KL term.
"""
import argparse
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf


@dataclass
class SpiralConfig:
    per_arm: int = 700
    arms: int = 3
    noise: float = 0.2
    turns: float = 1.25
    seed: int = 5


def sample_spirals(cfg: SpiralConfig):
    gen = np.random.RandomState(cfg.seed)
    points, arms = [], []
    for k in range(cfg.arms):
        radius = np.sqrt(gen.uniform(0.02, 1.0, cfg.per_arm))
        angle = 2 * np.pi * (cfg.turns * radius + k / cfg.arms) + gen.normal(0, cfg.noise, cfg.per_arm)
        points.append(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))
        arms.append(np.full(cfg.per_arm, k))
    points = np.concatenate(points).astype("float32") / 0.5
    arms = np.concatenate(arms)
    mix = gen.permutation(len(arms))
    return points[mix], np.eye(cfg.arms, dtype="float32")[arms[mix]]


class RDropNet(keras.Model):
    def __init__(self, width, depth, classes, drop, alpha, **kw):
        super().__init__(**kw)
        self.alpha = alpha
        self.hidden = [keras.layers.Dense(width, activation="swish") for _ in range(depth)]
        self.drop = keras.layers.Dropout(drop)
        self.readout = keras.layers.Dense(classes)
        self.kl_tracker = keras.metrics.Mean(name="kl")

    def call(self, x, training=False):
        for layer in self.hidden:
            x = self.drop(layer(x), training=training)
        return self.readout(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            first = self(x, training=True)
            second = self(x, training=True)
            task = 0.5 * (self.compute_loss(x, y, first) + self.compute_loss(x, y, second))
            lp, lq = tf.nn.log_softmax(first), tf.nn.log_softmax(second)
            kl = tf.reduce_mean(tf.reduce_sum((tf.exp(lp) - tf.exp(lq)) * (lp - lq), axis=-1)) / 2
            loss = task + self.alpha * kl
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        return self.report(y, first, loss, kl)

    def test_step(self, data):
        x, y = data
        out = self(x, training=False)
        return self.report(y, out, self.compute_loss(x, y, out))

    def report(self, y, out, loss, kl=None):
        shown = {}
        for m in self.metrics:
            if m.name == "loss":
                m.update_state(loss)
            elif m.name == "kl":
                if kl is None:
                    continue
                m.update_state(kl)
            else:
                m.update_state(y, out)
            shown[m.name] = m.result()
        return shown


class EveryFew(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % 5 == 0:
            print(f"epoch {epoch + 1:3d} | " + " ".join(f"{k}={float(v):.4f}" for k, v in sorted(logs.items())))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--epochs", type=int, default=30)
    ap.add_argument("--lr", type=float, default=4e-3)
    ap.add_argument("--alpha", type=float, default=0.3)
    ap.add_argument("--dropout", type=float, default=0.05)
    ap.add_argument("--batch", type=int, default=64)
    args = ap.parse_args()

    keras.utils.set_random_seed(31)
    x, y = sample_spirals(SpiralConfig())
    a, b = int(0.7 * len(x)), int(0.85 * len(x))

    model = RDropNet(width=64, depth=3, classes=3, drop=args.dropout, alpha=args.alpha)
    steps = int(np.ceil(a / args.batch)) * args.epochs
    rate = keras.optimizers.schedules.CosineDecay(args.lr, decay_steps=steps, alpha=0.02)
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-4),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.CategoricalAccuracy(name="acc")],
    )
    # WATCH(model)
    model.fit(x[:a], y[:a], validation_data=(x[a:b], y[a:b]), batch_size=args.batch,
              epochs=args.epochs, verbose=0, callbacks=[EveryFew()])
    final = model.evaluate(x[b:], y[b:], verbose=0, return_dict=True)
    print("held-out:", {k: round(float(v), 4) for k, v in final.items()})
    print(f"RESULT {float(final['acc']):.4f} higher")


if __name__ == "__main__":
    main()
