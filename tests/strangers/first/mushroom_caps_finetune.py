"""Fine-tuning a small convolutional base from ten textures to five mushrooms, everything by hand."""
import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import numpy as np, tensorflow as tf
from tensorflow.keras import layers, models, optimizers, losses, metrics

tf.keras.utils.set_random_seed(19)
S = 16
yy, xx = np.mgrid[:S, :S] / S - 0.5


def texture(k, r):
    """Ten textures: gratings of five directions, two frequencies. Colours at random. uint8 like from a camera."""
    a, f = (k % 5) * np.pi / 5 + r.normal(0, 0.08), (2.0, 4.0)[k // 5]
    wave = np.sin(2 * np.pi * f * (xx * np.cos(a) + yy * np.sin(a)) + r.uniform(0, 6.28))
    return paint(wave, r)


def mushroom(k, r):
    """Caps seen from above: rings, spots, gills, cracked, smooth."""
    cx, cy = r.uniform(-0.1, 0.1, 2)
    d, ang = np.hypot(xx - cx, yy - cy), np.arctan2(yy - cy, xx - cx)
    ph = r.uniform(0, 6.28)
    wave = [np.sin(2 * np.pi * 5 * d + ph), np.sin(2 * np.pi * 3 * xx + ph) * np.sin(2 * np.pi * 3 * yy + ph),
            np.sin(7 * ang + ph), np.sin(2 * np.pi * 4 * (xx + yy) + ph), 1 - 4 * d + 0 * ph][k]
    return paint(np.where(d < 0.42, wave, -1), r)


def paint(wave, r):
    c0, c1 = r.uniform(40, 215, (2, 3))
    if abs(c0 - c1).sum() < 120: c1 = (c0 + 128) % 255
    img = c0 + (c1 - c0) * (wave[..., None] + 1) / 2 + r.normal(0, 12, (S, S, 3))
    return np.clip(img, 0, 255).astype('uint8')


def folder(draw, classes, per_class, seed):
    """As image_dataset_from_directory lists it: class by class."""
    r = np.random.RandomState(seed)
    y = np.repeat(np.arange(classes), per_class)
    return np.stack([draw(k, r) for k in y]), y.astype('int32')


def prepare(x):
    x = x / 127.5 - 1
    return x.astype('float32')


def pipeline(x, y, train=False):
    ds = tf.data.Dataset.from_tensor_slices((prepare(x), y))
    if train:
        ds = ds.shuffle(len(y), seed=3)
    ds = ds.batch(50)
    return ds.prefetch(2)


ce = losses.SparseCategoricalCrossentropy(from_logits=True)


def make_step(model, opt):
    variables = model.trainable_variables
    opt.build(variables)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = ce(y, model(x, training=True))
        opt.apply(tape.gradient(loss, variables), variables)
        return loss
    return step


def run(model, opt, ds, epochs, check=None):
    step = make_step(model, opt)
    for e in range(epochs):
        loss = metrics.Mean()
        for x, y in ds:
            loss(step(x, y))
        print(f'  {e + 1}/{epochs} loss {loss.result():.3f}', '' if check is None else f'val acc {accuracy(model, check):.3f}')


def accuracy(model, ds):
    acc = metrics.SparseCategoricalAccuracy()
    for x, y in ds:
        acc.update_state(y, model(x, training=False))
    return float(acc.result())


base = models.Sequential([tf.keras.Input((S, S, 3)),
                          layers.Conv2D(16, 3, strides=2, activation='relu', padding='same'),
                          layers.Conv2D(32, 3, strides=2, activation='relu', padding='same'),
                          layers.Conv2D(48, 3, activation='relu', padding='same'),
                          layers.GlobalAveragePooling2D()], name='base')

print('1. the base learns textures')
source = models.Sequential([base, layers.Dense(10)])
run(source, optimizers.Adam(3e-3), pipeline(*folder(texture, 10, 120, 0), train=True), 5)

print('2. mushrooms: the head alone, then everything')
train = pipeline(*folder(mushroom, 5, 200, 1), train=True)
val, test = pipeline(*folder(mushroom, 5, 60, 2)), pipeline(*folder(mushroom, 5, 200, 3))
model = models.Sequential([base, layers.Dense(32, activation='relu'), layers.Dropout(0.2), layers.Dense(5)])
base.trainable = False
run(model, optimizers.Adam(3e-3), train, 2, val)
base.trainable = True
optimizer = optimizers.Adam(2e-3)
# WATCH(model, optimizer)
run(model, optimizer, train, 10, val)

print(f'RESULT {accuracy(model, test):.4f} higher')
