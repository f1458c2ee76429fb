# Is this guest happy? Classifying cafe reviews from raw strings with Keras
#
# In this post we go from plain strings to a trained classifier. Since I cannot share our real guest book,
# we first write a tiny "review generator" -- and then pretend that we had never seen its rules.

import random

import keras
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(99)

# --- Step 1: a guest book -------------------------------------------------------------------------------

NICE = ("lovely great tasty friendly cosy fresh generous delicious charming quick warm excellent superb "
        "wonderful attentive crispy creamy bright honest perfect delightful fair splendid fluffy").split()
SOUR = ("awful bland rude cold noisy stale stingy burnt dirty slow sticky terrible greasy watery careless "
        "soggy bitter gloomy pricey chaotic horrible shabby lukewarm dreadful").split()
THINGS = ("coffee cake service staff terrace soup breakfast music bread espresso waiter menu room salad "
          "pancake juice tea sandwich counter window queue sugar cup table garden").split()
OPENERS = ["came here on monday", "my second visit", "we met friends here", "stopped by after work",
           "had lunch with my sister", "a colleague sent me", "found it by chance", "sunday morning", ""]
ENDERS = ["will see about next time", "the bus stops nearby", "we paid by card", "that is all", "more next week", ""]


def write_review(rnd):
    happy = rnd.random() < 0.5
    parts = [rnd.choice(OPENERS)]
    for _ in range(rnd.choice([2, 3, 3, 4])):
        # guests are seldom of one mind: one remark in six goes against the verdict
        mood = happy if rnd.random() < 0.83 else not happy
        word = rnd.choice(NICE if mood else SOUR)
        parts.append(rnd.choice(["the {t} was {w}", "{w} {t}", "really {w} {t}", "{t} rather {w}"])
                     .format(t=rnd.choice(THINGS), w=word))
    parts.append(rnd.choice(ENDERS))
    return ", ".join(p for p in parts if p) + ".", int(happy)


rnd = random.Random(7)
book = [write_review(rnd) for _ in range(5200)]
train, val, test = book[:4000], book[4000:4600], book[4600:]
print("An example:", train[0])

# --- Step 2: strings to integers -----------------------------------------------------------------------

BATCH = 32
vectorize = layers.TextVectorization(max_tokens=400, output_sequence_length=28)
vectorize.adapt([t for t, _ in train])
print("Vocabulary size:", vectorize.vocabulary_size())


def dataset(pairs, shuffle=False):
    texts, marks = zip(*pairs)
    codes = vectorize(tf.constant(texts))
    ds = tf.data.Dataset.from_tensor_slices((codes, tf.constant(marks, tf.float32)))
    if shuffle:
        ds = ds.shuffle(len(pairs), seed=3).repeat()
    return ds.batch(BATCH).prefetch(2)


train_ds = dataset(train, shuffle=True)
val_ds = dataset(val)

# --- Step 3: the network -------------------------------------------------------------------------------

model = keras.Sequential([
    keras.Input((28,), dtype="int64"),
    layers.Embedding(vectorize.vocabulary_size(), 16, mask_zero=True),
    layers.GlobalAveragePooling1D(),
    layers.Dropout(0.2),
    layers.Dense(16, activation="relu"),
    layers.Dense(1, activation="sigmoid"),
])
model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="binary_crossentropy", metrics=["accuracy"])

# --- Step 4: train and look ----------------------------------------------------------------------------

# WATCH(model)
model.fit(train_ds, steps_per_epoch=100, epochs=8, validation_data=val_ds, verbose=2)

test_ds = dataset(test)
test_loss, test_acc = model.evaluate(test_ds, verbose=0)
print(f"On {len(test)} reviews never seen: loss {test_loss:.4f}, accuracy {test_acc:.3f}")
print(f"RESULT {test_acc:.4f} higher")
