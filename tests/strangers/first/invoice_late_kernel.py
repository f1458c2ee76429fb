# %% [markdown]
# # Late invoices - a plain TF baseline (custom loop, no fit)
# Which invoices are paid after the due date? ~25% positives, AUC is the score of the competition.

# %%
import os
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers as L

SEED, EPOCHS, BATCH_SIZE, LR = 2021, 10, 128, 1e-3
tf.keras.utils.set_random_seed(SEED)

# %% the "csv"
def read_invoices(n):
    r = np.random.RandomState(SEED)
    df = {}
    df['amount'] = np.exp(r.normal(6.5, 1.2, n))
    df['terms_days'] = r.choice([14, 30, 30, 60], n).astype(float)
    df['n_previous'] = r.poisson(4, n).astype(float)
    rate = r.beta(1.5, 4, n)
    df['n_previous_late'] = r.binomial(df['n_previous'].astype(int), rate).astype(float)
    df['credit_score'] = r.normal(600, 80, n) - 150 * rate
    df['reminders'] = r.poisson(1 + 3 * rate)
    df['is_foreign'] = (r.rand(n) < 0.3).astype(float)
    df['sector'] = r.randint(0, 6, n)
    z = (-2.4 + 5.0 * rate + 0.5 * (np.log(df['amount']) - 6.5) - 0.03 * (df['terms_days'] - 30)
         + 0.9 * df['is_foreign'] * (df['sector'] > 2) + 0.35 * (df['reminders'] - 1.8))
    late = (r.rand(n) < 1 / (1 + np.exp(-1.4 * z))).astype('float32')
    df['credit_score'][r.rand(n) < 0.12] = np.nan      # not every client has been scored
    return df, late

df, late = read_invoices(9000)

# %% features
def features(df):
    cols = [np.log1p(df['amount']), df['terms_days'], df['n_previous'], df['reminders'], df['is_foreign']]
    # share of late ones among the previous invoices (new client: 0)
    cols.append(df['n_previous_late'] / np.maximum(df['n_previous'], 1))
    score = df['credit_score'].copy()
    cols.append(np.isnan(score).astype(float))
    score[np.isnan(score)] = np.nanmedian(score)
    cols.append(score)
    return np.column_stack(cols + [df['sector'] == k for k in range(6)]).astype('float32')

X = features(df)
order = np.random.RandomState(0).permutation(len(X))
tr, va, te = order[:6000], order[6000:7500], order[7500:]
mu, sd = X[tr].mean(0), X[tr].std(0)
X = (X - mu) / sd

ds_tr = tf.data.Dataset.from_tensor_slices((X[tr], late[tr])).shuffle(len(tr), seed=SEED).batch(BATCH_SIZE, drop_remainder=True)

# %% model
net = keras.Sequential([
    keras.Input((X.shape[1],)),
    L.Dense(64, activation='relu'), L.BatchNormalization(), L.Dropout(0.4),
    L.Dense(32, activation='relu'), L.BatchNormalization(), L.Dropout(0.4),
    L.Dense(1),
])
lr = LR * BATCH_SIZE / 64       # linear scaling rule, 1e-3 is for batches of 64
opt = keras.optimizers.Adam(lr)
# WATCH(net, opt)

@tf.function
def step(xb, yb):
    with tf.GradientTape() as t:
        logit = tf.squeeze(net(xb, training=True), -1)
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=yb, logits=logit))
    g = t.gradient(loss, net.trainable_variables)
    opt.apply_gradients(zip(g, net.trainable_variables))
    return loss

@tf.function
def score_batch(xb):
    return tf.sigmoid(net(xb, training=False))[:, 0]

def score(idx):
    return np.concatenate([score_batch(xb).numpy() for xb in tf.data.Dataset.from_tensor_slices(X[idx]).batch(250)])

def auc(y, s):
    rank = np.empty(len(s)); rank[np.argsort(s, kind='stable')] = np.arange(1, len(s) + 1)
    pos = y > 0.5
    return (rank[pos].sum() - pos.sum() * (pos.sum() + 1) / 2) / (pos.sum() * (~pos).sum())

# %% go
for ep in range(EPOCHS):
    losses = [float(step(xb, yb)) for xb, yb in ds_tr]
    print('ep %02d  loss %.4f  val auc %.4f' % (ep, np.mean(losses), auc(late[va], score(va))))

p = score(te)
logloss = -np.mean(np.log(np.clip(np.where(late[te] > 0.5, p, 1 - p), 1e-7, 1)))
print('test auc %.4f  log loss %.4f' % (auc(late[te], p), logloss))
print('RESULT %.4f lower' % logloss)
