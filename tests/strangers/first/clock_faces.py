"""
Title: Reading analogue clocks with a two-headed convnet
Date created: 2023/05/14
Description: A functional model with one classification head (hour) and one regression head (minute).
Accelerator: None
"""

"""
## Setup
"""

import numpy as np
import keras
from keras import layers, ops
from PIL import Image, ImageDraw

keras.utils.set_random_seed(812)
rng = np.random.default_rng(812)

IMAGE_SIZE = 40
CLOCKS_PER_HOUR = 230

"""
## Draw the clocks

The hour hand moves on with the minutes, as it does on real clocks. The minute is described by
the sine and the cosine of the angle, so that 59 and 0 are neighbours.
"""


def draw_clock(hour, minute):
    big = IMAGE_SIZE * 2
    dark = bool(rng.random() < 0.3)
    paper, ink = (60, 230) if dark else (225, 30)
    image = Image.new("L", (big, big), int(np.clip(128 + rng.normal(0, 30), 0, 255)))
    pen = ImageDraw.Draw(image)
    cx, cy = big / 2 + rng.normal(0, 1.5, 2)
    radius = big * rng.uniform(0.40, 0.46)
    pen.ellipse([cx - radius, cy - radius, cx + radius, cy + radius], fill=paper, outline=ink, width=2)
    tilt = rng.normal(0, 0.03)
    for k in range(12):
        a = 2 * np.pi * k / 12 + tilt
        pen.line(
            [cx + 0.88 * radius * np.sin(a), cy - 0.88 * radius * np.cos(a),
             cx + radius * np.sin(a), cy - radius * np.cos(a)],
            fill=ink, width=4 if k == 0 else 1,
        )
    for angle, length, width in (
        (2 * np.pi * (hour + minute / 60) / 12 + tilt, rng.uniform(0.42, 0.52), rng.integers(5, 8)),
        (2 * np.pi * minute / 60 + tilt, rng.uniform(0.76, 0.86), rng.integers(2, 5)),
    ):
        pen.line(
            [cx, cy, cx + length * radius * np.sin(angle), cy - length * radius * np.cos(angle)],
            fill=ink, width=int(width),
        )
    small = np.asarray(image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.BILINEAR), dtype="float32")
    return small + rng.normal(0, 10, small.shape)


images, minutes = [], []
for hour in range(12):
    for _ in range(CLOCKS_PER_HOUR):
        minute = int(rng.integers(0, 60))
        images.append(draw_clock(hour, minute))
        minutes.append(minute)
images = np.clip(np.stack(images), 0, 255)[..., None].astype("float32")
minutes = np.array(minutes)
hours = np.repeat(np.arange(12), CLOCKS_PER_HOUR)
hands = np.stack([np.sin(2 * np.pi * minutes / 60), np.cos(2 * np.pi * minutes / 60)], axis=1).astype("float32")

fold = np.arange(len(images)) % 10
train, val, test = fold < 8, fold == 8, fold == 9
print("training clocks:", train.sum(), "validation:", val.sum(), "test:", test.sum())

"""
## The model
"""

encoder = keras.Sequential(
    [
        keras.Input((IMAGE_SIZE, IMAGE_SIZE, 1)),
        layers.Rescaling(1 / 127.5, offset=-1),
        layers.Conv2D(16, 5, strides=2, padding="same", activation="relu"),
        layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(48, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
    ],
    name="encoder",
)

inputs = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 1))
features = encoder(inputs)
features = layers.Dropout(0.2)(features)
x = layers.Dense(96, activation="relu")(features)
hour_output = layers.Dense(12, activation="softmax", name="hour")(x)
z = layers.Dense(96, activation="relu")(features)
hand_output = layers.Dense(2, name="hand")(z)
model = keras.Model(inputs, {"hour": hour_output, "hand": hand_output}, name="clock_reader")
model.summary()

"""
## Train
"""

model.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss={"hour": "sparse_categorical_crossentropy", "hand": "mse"},
    loss_weights={"hour": 1.0, "hand": 2.0},
    metrics={"hour": ["accuracy"]},
)
# WATCH(model)
model.fit(
    images[train],
    {"hour": hours[train], "hand": hands[train]},
    validation_data=(images[val], {"hour": hours[val], "hand": hands[val]}),
    batch_size=32,
    epochs=12,
    shuffle=True,
    verbose=2,
)

"""
## How far off are we on the dial?
"""

out = model.predict(images[test], verbose=0)
read_minute = (np.arctan2(out["hand"][:, 0], out["hand"][:, 1]) * 60 / (2 * np.pi)) % 60
read_hour = ops.convert_to_numpy(ops.argmax(out["hour"], axis=-1))
true_time = hours[test] * 60 + minutes[test]
off = np.abs(read_hour * 60 + read_minute - true_time)
off = np.minimum(off, 720 - off)
print("hour accuracy: %.3f" % np.mean(read_hour == hours[test]))
print("RESULT %.2f lower" % off.mean())
