# %% [markdown]
# # Routing support tickets
# Which of the four teams should get the ticket? Exported from my notebook.

# %%
import os, random, re, collections
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import numpy as np
import keras
from keras import layers
from sklearn.model_selection import train_test_split
from sklearn.metrics import classification_report

SEED = 21
random.seed(SEED)
np.random.seed(SEED)
keras.utils.set_random_seed(SEED)

# %%
teams = ["billing", "network", "hardware", "account"]

shared = """the a my please help since yesterday today again still it is not when i try to and then
on with for your service customer support hello thanks urgent issue problem called twice nobody answers
week month monday friday morning evening office home new old""".split()

topic_words = {
    "billing": """invoice charged refund payment card amount euros twice bank receipt tariff discount
        statement fee overcharged debit transfer price contract subscription""".split(),
    "network": """wifi router slow speed connection drops signal outage fibre ping download latency
        packet cable modem antenna coverage disconnected upload bandwidth""".split(),
    "hardware": """screen battery broken charger phone button overheats cracked replace keyboard warranty
        speaker camera repair device fan noise hinge dead display""".split(),
    "account": """password login reset email locked username verification code profile access delete
        register expired two-factor blocked signin settings security identity update""".split(),
}


def write_ticket(team):
    n = random.randint(12, 34)
    words = []
    for _ in range(n):
        r = random.random()
        if r < 0.17:
            words.append(random.choice(topic_words[team]))
        elif r < 0.27:
            other = random.choice(teams)      # people mention everything
            words.append(random.choice(topic_words[other]))
        else:
            words.append(random.choice(shared))
        if random.random() < 0.04:            # typos
            words[-1] = words[-1][:-1] + random.choice("aeinrst")
    return " ".join(words).capitalize() + random.choice([".", "!", "!!", ""])


texts, labels = [], []
for _ in range(4200):
    k = random.randrange(4)
    texts.append(write_ticket(teams[k]))
    # the humans who labelled this were not perfect
    labels.append(k if random.random() > 0.06 else random.randrange(4))
labels = np.array(labels)
print(texts[0], "->", teams[labels[0]])
print(np.bincount(labels))

# %%
txt_train, txt_test, y_train, y_test = train_test_split(
    texts, labels, test_size=0.2, random_state=SEED, stratify=labels)
txt_train, txt_val, y_train, y_val = train_test_split(
    txt_train, y_train, test_size=0.15, random_state=SEED, stratify=y_train)
len(txt_train), len(txt_val), len(txt_test)

# %% [markdown]
# ## Tokens

# %%
MAXLEN = 36
VOCAB = 400


def tokens(s):
    return re.findall(r"[a-z\-]+", s.lower())


def build_vocab(corpus, size=VOCAB):
    c = collections.Counter(w for s in corpus for w in tokens(s))
    return {w: i + 2 for i, (w, _) in enumerate(c.most_common(size - 2))}


def to_ids(corpus, vocab):
    out = np.zeros((len(corpus), MAXLEN), dtype="int32")
    for r, s in enumerate(corpus):
        ids = [vocab.get(w, 1) for w in tokens(s)][:MAXLEN]
        out[r, :len(ids)] = ids
    return out


vocab = build_vocab(txt_train)
X_train = to_ids(txt_train, vocab)
X_val = to_ids(txt_val, vocab)
X_test = to_ids(txt_test, vocab)
print(X_train.shape, X_val.shape, X_test.shape, len(vocab))
print(X_train[0])

# %% [markdown]
# ## Model
# Tried an LSTM first, the conv net is just as good and much faster.

# %%
model = keras.Sequential([
    keras.Input(shape=(MAXLEN,), dtype="int32"),
    layers.Embedding(VOCAB, 32),
    layers.SpatialDropout1D(0.2),
    layers.Conv1D(48, 3, padding="same", activation="relu"),
    layers.GlobalAveragePooling1D(),
    layers.Dropout(0.4),
    layers.Dense(32, activation="relu"),
    layers.Dense(len(teams), activation="softmax"),
])
model.summary()

# %%
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=3e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
stop = keras.callbacks.EarlyStopping(
    monitor="val_loss", patience=3, restore_best_weights=True)

# %%
# WATCH(model)
hist = model.fit(
    X_train, y_train,
    validation_data=(X_val, y_val),
    batch_size=64, epochs=12, shuffle=True,
    callbacks=[stop], verbose=2)

# %%
print("best val accuracy", max(hist.history["val_accuracy"]))
pred = model.predict(X_test, verbose=0).argmax(axis=1)
print(classification_report(y_test, pred, target_names=teams, zero_division=0))

# %%
acc = float((pred == y_test).mean())
print("RESULT %.4f higher" % acc)
