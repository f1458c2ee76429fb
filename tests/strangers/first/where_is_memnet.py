# Asked on the forum how to do "where is the ..." questions with a memory network in Keras 3.
# Here is a version of bAbI task 1 that works for me (with generated stories, so that you can just run it).
# Idea: every sentence is one slot of the memory, the question picks the slots that matter.

import random

import numpy as np
import keras
from keras import layers

random.seed(5)
keras.utils.set_random_seed(5)

PEOPLE = ["anna", "bruno", "chloe", "dmitri"]
PLACES = ["kitchen", "garden", "office", "bathroom", "cellar", "hallway"]
VERBS = ["went to", "moved to", "walked to", "travelled back to"]
ACTS = ["picked up", "put down", "looked for"]
THINGS = ["ball", "lamp", "newspaper"]
EXTRAS = ["", " quickly", " after lunch", " again"]

MAX_SENT = 8      # words in a sentence
MAX_STORY = 10    # sentences in a story


def tell_story(asked_about):
    where, story = {}, []
    n = random.randint(4, MAX_STORY)
    story_people = [asked_about] + random.choices(PEOPLE, k=n - 1)
    random.shuffle(story_people)
    for who in story_people:
        if who in where and random.random() < 0.35:
            story.append(f"{who} {random.choice(ACTS)} the {random.choice(THINGS)}{random.choice(EXTRAS)}")
            continue
        place = random.choice(PLACES)
        where[who] = place
        story.append(f"{who} {random.choice(VERBS)} the {place}{random.choice(EXTRAS)}")
    return story, f"where is {asked_about}", where[asked_about]


def make_part(n, who):
    return [tell_story(who) for _ in range(n)]


# one part per person, as in the files I have at home
samples = []
for person in PEOPLE:
    part = make_part(1000, person)
    samples += part
random.shuffle(samples)
test_samples = [tell_story(random.choice(PEOPLE)) for _ in range(800)]

words = set()
for story, question, answer in samples:
    for sentence in story + [question, answer]:
        words.update(sentence.split())
vocab = sorted(words)
word_id = {w: i + 1 for i, w in enumerate(vocab)}
VOCAB_SIZE = len(vocab) + 1
print("vocabulary:", VOCAB_SIZE, "training stories:", len(samples))


def encode(sentence):
    ids = [word_id.get(w, 0) for w in sentence.split()][:MAX_SENT]
    return ids + [0] * (MAX_SENT - len(ids))


def vectorize(data):
    stories = np.zeros((len(data), MAX_STORY, MAX_SENT), dtype="int32")
    questions = np.zeros((len(data), MAX_SENT), dtype="int32")
    answers = np.zeros(len(data), dtype="int32")
    for i, (story, question, answer) in enumerate(data):
        for j, sentence in enumerate(reversed(story)):     # slot 0 = the newest sentence
            stories[i, j] = encode(sentence)
        questions[i] = encode(question)
        answers[i] = word_id[answer]
    return stories, questions, answers


s_train, q_train, a_train = vectorize(samples)
s_test, q_test, a_test = vectorize(test_samples)

DIM = 32


class SlotAge(layers.Layer):
    """Adds a learned vector for the age of the sentence."""

    def build(self, shape):
        self.age = self.add_weight(shape=(1, MAX_STORY, DIM), initializer="random_normal", name="age")

    def call(self, x):
        return x + self.age


def bag_of_words(name):
    return keras.Sequential([
        layers.Embedding(VOCAB_SIZE, DIM, embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1)),
        layers.Lambda(lambda e: keras.ops.sum(e, axis=-2)),
    ], name=name)


story_in = keras.Input((MAX_STORY, MAX_SENT), dtype="int32", name="story")
question_in = keras.Input((MAX_SENT,), dtype="int32", name="question")

keys = SlotAge()(bag_of_words("keys")(story_in))
values = SlotAge()(bag_of_words("values")(story_in))
query = layers.Reshape((1, DIM))(bag_of_words("query")(question_in))

match = layers.Dot(axes=2)([keys, query])                  # (batch, slots, 1)
match = layers.Softmax(axis=1)(match)
read = layers.Dot(axes=1)([match, values])                 # (batch, 1, dim)
x = layers.Flatten()(layers.Add()([read, query]))
x = layers.Dense(64, activation="relu")(x)
answer_out = layers.Dense(VOCAB_SIZE, activation="softmax")(x)

model = keras.Model([story_in, question_in], answer_out)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=3e-3),
              loss="sparse_categorical_crossentropy",
              metrics=["accuracy"])

# WATCH(model)
model.fit([s_train, q_train], a_train, batch_size=64, epochs=12, validation_split=0.1, verbose=2)

loss, acc = model.evaluate([s_test, q_test], a_test, verbose=0)
print("most common place: %.3f" % (np.bincount(a_test).max() / len(a_test)))
print(f"RESULT {acc:.4f} higher")
