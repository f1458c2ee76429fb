"""Small U-Net with a custom train_step (cross entropy + soft dice + smoothness).

Synthetic microscopy: nuclei, rods and (rare) vesicles on an uneven background.
"""
import argparse
import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

CLASSES = ("background", "nucleus", "rod", "vesicle")


@dataclasses.dataclass
class Config:
    size: int = 32
    n_train: int = 640
    n_val: int = 160
    width: int = 12
    batch: int = 32
    epochs: int = 9
    lr: float = 4e-3
    w_dice: float = 0.5
    w_smooth: float = 0.05
    seed: int = 5


class Microscope:
    """Draws images and their masks."""

    def __init__(self, size, seed):
        self.size = size
        self.rng = np.random.default_rng(seed)
        self.yy, self.xx = np.mgrid[0:size, 0:size].astype("float32")

    def _put(self, img, mask, where, intensity, label):
        img[where] = intensity + self.rng.normal(0, 4, size=where.sum())
        mask[where] = label

    def one(self):
        rng, s = self.rng, self.size
        slope = rng.uniform(-0.8, 0.8, size=2)
        img = 70 + slope[0] * self.xx + slope[1] * self.yy
        mask = np.zeros((s, s), dtype="int32")
        for _ in range(rng.integers(1, 4)):
            cx, cy, r = *rng.uniform(4, s - 4, size=2), rng.uniform(3.0, 5.5)
            inside = (self.xx - cx) ** 2 + (self.yy - cy) ** 2 < r**2
            self._put(img, mask, inside, rng.uniform(125, 175), 1)
        for _ in range(rng.integers(1, 3)):
            cx, cy, a = *rng.uniform(4, s - 4, size=2), rng.uniform(0, np.pi)
            u = (self.xx - cx) * np.cos(a) + (self.yy - cy) * np.sin(a)
            v = -(self.xx - cx) * np.sin(a) + (self.yy - cy) * np.cos(a)
            self._put(img, mask, (abs(u) < 8) & (abs(v) < 1.3), rng.uniform(125, 175), 2)
        for _ in range(rng.integers(0, 3)):
            cx, cy = rng.uniform(3, s - 3, size=2)
            inside = (self.xx - cx) ** 2 + (self.yy - cy) ** 2 < 1.8**2
            self._put(img, mask, inside, rng.uniform(120, 170), 3)
        img = img + rng.normal(0, 9, size=img.shape)
        return np.clip(img, 0, 255).astype("uint8")[..., None], mask

    def collect(self, n):
        images, masks = zip(*(self.one() for _ in range(n)))
        return np.stack(images), np.stack(masks)


def prepare(image, mask):
    image = (tf.cast(image, tf.float32) - 100.0) / 45.0
    return image, tf.one_hot(mask, len(CLASSES))


def block(x, filters):
    for _ in range(2):
        x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.Activation("relu")(x)
    return x


def unet(size, width):
    inputs = keras.Input((size, size, 1))
    a = block(inputs, width)
    b = block(keras.layers.MaxPooling2D()(a), width * 2)
    c = block(keras.layers.MaxPooling2D()(b), width * 3)
    x = keras.layers.concatenate([keras.layers.UpSampling2D()(c), b])
    x = block(x, width * 2)
    x = keras.layers.concatenate([keras.layers.UpSampling2D()(x), a])
    x = block(x, width)
    logits = keras.layers.Conv2D(len(CLASSES), 1, name="head")(x)
    return keras.Model(inputs, logits, name="unet")


class Segmenter(keras.Model):
    def __init__(self, cfg, class_weights):
        super().__init__()
        self.cfg = cfg
        self.net = unet(cfg.size, cfg.width)
        self.class_weights = tf.constant(class_weights, tf.float32)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.iou = keras.metrics.MeanIoU(len(CLASSES), name="iou")

    @property
    def metrics(self):
        return [self.loss_tracker, self.iou]

    def call(self, x, training=False):
        return tf.nn.softmax(self.net(x, training=training), axis=-1)

    def objective(self, y, p):
        logp = tf.math.log(tf.clip_by_value(p, 1e-6, 1.0))
        ce = -tf.reduce_mean(tf.reduce_sum(self.class_weights * y * logp, axis=-1))
        inter = tf.reduce_sum(y * p, axis=(1, 2))
        total = tf.reduce_sum(y + p, axis=(1, 2))
        dice = 1.0 - tf.reduce_mean((2 * inter + 1.0) / (total + 1.0))
        dy = tf.abs(p[:, 1:] - p[:, :-1])
        dx = tf.abs(p[:, :, 1:] - p[:, :, :-1])
        smooth = tf.reduce_mean(dy) + tf.reduce_mean(dx)
        return ce + self.cfg.w_dice * dice + self.cfg.w_smooth * smooth

    def _update(self, loss, y, p):
        self.loss_tracker.update_state(loss)
        self.iou.update_state(tf.argmax(y, -1), tf.argmax(p, -1))
        return {m.name: m.result() for m in self.metrics}

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            p = self(x, training=True)
            loss = self.objective(y, p)
        variables = self.trainable_variables
        grads = tape.gradient(loss, variables)
        self.optimizer.apply(grads, variables)
        return self._update(loss, y, p)

    def test_step(self, data):
        x, y = data
        p = self(x, training=False)
        return self._update(self.objective(y, p), y, p)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=Config.epochs)
    cfg = Config(epochs=parser.parse_args().epochs)
    keras.utils.set_random_seed(cfg.seed)

    scope = Microscope(cfg.size, cfg.seed)
    x_tr, m_tr = scope.collect(cfg.n_train)
    x_va, m_va = scope.collect(cfg.n_val)
    train = (tf.data.Dataset.from_tensor_slices((x_tr, m_tr))
             .shuffle(cfg.n_train, seed=cfg.seed).batch(cfg.batch, drop_remainder=True).map(prepare))
    val = tf.data.Dataset.from_tensor_slices((x_va, m_va)).batch(cfg.batch).map(prepare)

    freq = np.bincount(m_tr.ravel(), minlength=len(CLASSES)) / m_tr.size
    weights = 1.0 / np.sqrt(freq)
    weights = weights / np.sum(weights * freq)
    print("class frequencies", freq.round(3), "weights", weights.round(2))

    segmenter = Segmenter(cfg, weights)
    schedule = keras.optimizers.schedules.CosineDecay(
        cfg.lr, cfg.epochs * (cfg.n_train // cfg.batch), alpha=0.05)
    segmenter.compile(optimizer=keras.optimizers.Adam(schedule))
    # WATCH(segmenter)
    segmenter.fit(train, validation_data=val, epochs=cfg.epochs, verbose=2)

    scores = segmenter.evaluate(val, verbose=0, return_dict=True)
    print("held-out", scores)
    print(f"RESULT {float(scores['iou']):.4f} higher")


if __name__ == "__main__":
    main()
