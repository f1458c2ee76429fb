"""Inverse kinematics of a three-joint plotter arm with a mixture density network (Keras, GradientTape).

One pen position is reached by several postures, so the network returns a mixture of four Gaussians
over the three joint angles.  Besides the likelihood, a small penalty wants the pen of the
likeliest component at the wished place.  Micro-batches are accumulated, two per update.

Judged by the distance (in arm lengths) between wished and drawn points, elbow errors included.

RESULT reach_error lower
"""
import os
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import keras

hp = dict(k=4, hidden=64, micro=100, accumulate=2, epochs=10, rate=4e-3, pen=0.5, seed=2)
LINKS = tf.constant([0.45, 0.35, 0.20])

keras.utils.set_random_seed(hp["seed"])
rng = np.random.default_rng(hp["seed"])


def pen(angles):
    """forward kinematics, (..., 3) -> (..., 2)"""
    total = tf.cumsum(angles, axis=-1)
    return tf.stack([tf.reduce_sum(LINKS * tf.cos(total), -1), tf.reduce_sum(LINKS * tf.sin(total), -1)], -1)


def postures(n):
    shoulder = rng.uniform(-1.2, 1.2, n)
    side = rng.choice([-1, 1], n)
    elbow = side * rng.uniform(0.4, 2.2, n)
    wrist = 0.3 * elbow + rng.normal(0, 0.05, n)
    return np.stack([shoulder, elbow, wrist], 1).astype("float32")


q_fit, q_test = postures(4000), postures(1000)
xy_fit, xy_test = pen(q_fit).numpy(), pen(q_test).numpy()
m, s = xy_fit.mean(0), xy_fit.std(0)


def build(k, hidden):
    wish = keras.Input((2,))
    h = keras.layers.Dense(hidden, activation="tanh")((wish - m) / s)
    h = keras.layers.Dense(hidden, activation="swish")(h)
    h = keras.layers.Dense(hidden, activation="swish")(h)
    mix = keras.layers.Dense(k, name="mix")(h)
    mu = keras.layers.Dense(3 * k, name="mu")(h)
    mu = keras.layers.Reshape((k, 3))(mu)
    log_sigma = keras.layers.Dense(k, name="log_sigma")(h)
    return keras.Model(wish, [mix, mu, log_sigma])


def nll(mix, mu, log_sigma, q):
    log_sigma = tf.clip_by_value(log_sigma, -4.5, 2.0)
    z = tf.reduce_sum(tf.square(q[:, None] - mu), -1) * tf.exp(-2 * log_sigma)
    logp = -0.5 * z - 3 * log_sigma - 1.5 * np.log(2 * np.pi)
    return -tf.reduce_logsumexp(tf.nn.log_softmax(mix) + logp, axis=1)


def likeliest(mix, mu):
    return tf.gather(mu, tf.argmax(mix, 1), batch_dims=1)


net = build(hp["k"], hp["hidden"])
opt = keras.optimizers.Adam(hp["rate"])
opt.build(net.trainable_variables)
# WATCH(net, opt)


@tf.function
def micro_step(xy, q):
    with tf.GradientTape() as tape:
        mix, mu, log_sigma = net(xy, training=True)
        miss = tf.square(pen(likeliest(mix, mu)) - xy)
        fit = tf.reduce_mean(nll(mix, mu, log_sigma, q))
        loss = fit + hp["pen"] * tf.reduce_mean(miss)
    return fit, tape.gradient(loss, net.trainable_variables)


def reach(xy):
    mix, mu, _ = net(xy, training=False)
    return float(tf.reduce_mean(tf.norm(pen(likeliest(mix, mu)) - xy, axis=-1)))


train = tf.data.Dataset.from_tensor_slices((xy_fit, q_fit)).shuffle(4000, seed=3).batch(hp["micro"])
for epoch in range(hp["epochs"]):
    opt.learning_rate = hp["rate"] * (1 - epoch / hp["epochs"]) + 1e-5
    seen, pool = [], None
    for i, (xy, q) in enumerate(train):
        fit, grads = micro_step(xy, q)
        pool = grads if pool is None else [a + g for a, g in zip(pool, grads)]
        if (i + 1) % hp["accumulate"] == 0:
            opt.apply_gradients(zip([g / hp["accumulate"] for g in pool], net.trainable_variables))
            pool = None
        seen.append(float(fit))
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: nll {np.mean(seen):.3f}, reach error {reach(xy_test):.4f}")

mix, mu, log_sigma = net(xy_test, training=False)
print("held-out nll", float(tf.reduce_mean(nll(mix, mu, log_sigma, q_test))))
print(f"RESULT reach_error {reach(xy_test):.5f}")
