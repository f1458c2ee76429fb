import keras, numpy as np
from keras import layers, ops
from sklearn.datasets import load_digits

CFG = {
    "seed": 17,
    "code": 12,
    "widths": [96, 64],
    "act": "gelu",
    "out_act": None,
    "sigma": 0.35,
    "epochs": 36,
    "batch": 48,
    "lr": 2e-3,
}

keras.utils.set_random_seed(CFG["seed"])

# pixels go to about zero mean, unit variance (one mean and one deviation for the whole training set)
pix = load_digits().data.astype("float32")
np.random.default_rng(CFG["seed"]).shuffle(pix)
tr, va, te = pix[:1250], pix[1250:1500], pix[1500:]
mu, sd = tr.mean(), tr.std()
tr, va, te = (tr - mu) / sd, (va - mu) / sd, (te - mu) / sd


def stack(x, widths):
    for w in widths:
        x = layers.Dense(w, activation=CFG["act"])(x)
    return x


def make_autoencoder(d):
    x = keras.Input((d,))
    noisy = layers.GaussianNoise(CFG["sigma"])(x)
    z = layers.Dense(CFG["code"], name="code")(stack(noisy, CFG["widths"]))
    r = layers.Dense(d, activation=CFG["out_act"])(stack(z, CFG["widths"][::-1]))
    return keras.Model(x, r, name="dae"), keras.Model(x, z, name="encoder")


dae, encoder = make_autoencoder(tr.shape[1])
n_steps = CFG["epochs"] * -(-len(tr) // CFG["batch"])
dae.compile(
    optimizer=keras.optimizers.Nadam(keras.optimizers.schedules.CosineDecay(CFG["lr"], n_steps)),
    loss="mse",
)

# WATCH(dae)
log = dae.fit(tr, tr, validation_data=(va, va), epochs=CFG["epochs"], batch_size=CFG["batch"], shuffle=True, verbose=0)
for e in range(3, CFG["epochs"], 4):
    print("epoch", e + 1, "mse %.4f val %.4f" % (log.history["loss"][e], log.history["val_loss"][e]))

# reconstruction error of unseen digits, as a share of their variance
rec = dae.predict(te, verbose=0)
err = float(ops.mean(ops.square(rec - te)))
share = err / float(((te - tr.mean(0)) ** 2).mean())
print("test mse %.4f, unexplained variance %.3f" % (err, share))
codes = encoder.predict(te[:200], verbose=0)
print("spread of the code units:", np.round(codes.std(0), 2))
print("RESULT %.4f lower" % share)
