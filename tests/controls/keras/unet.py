"""U-Net that labels each pixel of a noisy picture: background, disc, box or triangle."""
import numpy as np
import keras
from keras import layers

SIZE = 32
CLASSES = 4
rng = np.random.default_rng(3)
keras.utils.set_random_seed(3)


def draw_scene():
    yy, xx = np.mgrid[0:SIZE, 0:SIZE]
    mask = np.zeros((SIZE, SIZE), np.uint8)
    # smooth backdrop, with a colour gradient
    g = rng.uniform(-0.3, 0.3, (2, 3))
    img = rng.uniform(0.2, 0.8, 3) + (xx[..., None] / SIZE - 0.5) * g[0] + (yy[..., None] / SIZE - 0.5) * g[1]
    for _ in range(rng.integers(1, 4)):
        kind = rng.integers(1, CLASSES)
        cx, cy = rng.uniform(6, SIZE - 6, 2)
        r = rng.uniform(4, 8)
        if kind == 1:
            inside = (xx - cx) ** 2 + (yy - cy) ** 2 < r**2
        elif kind == 2:
            inside = (abs(xx - cx) < r * 0.9) & (abs(yy - cy) < r * 0.9)
        else:
            inside = (yy < cy + r * 0.8) & (yy - (cy - r) > 1.8 * abs(xx - cx))
        mask[inside] = kind
        img[inside] = rng.uniform(0, 1, 3)
    img = img + rng.normal(0, 0.06, img.shape)
    return (np.clip(img, 0, 1) * 255).astype(np.uint8), mask


def draw_scenes(n):
    images, masks = zip(*(draw_scene() for _ in range(n)))
    return np.stack(images), np.stack(masks)


def double_conv(x, filters):
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    return x


def get_unet(widths=(12, 24, 48)):
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    skips = []
    for w in widths[:-1]:
        x = double_conv(x, w)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = double_conv(x, widths[-1])
    for w, skip in zip(widths[-2::-1], skips[::-1]):
        x = layers.Conv2DTranspose(w, 2, strides=2)(x)
        x = layers.Concatenate()([x, skip])
        x = double_conv(x, w)
    outputs = layers.Conv2D(CLASSES, 1, activation="softmax")(x)
    return keras.Model(inputs, outputs, name="unet")


x_train, y_train = draw_scenes(2400)
x_val, y_val = draw_scenes(300)

model = get_unet()
model.compile(
    optimizer=keras.optimizers.Adam(2e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy", keras.metrics.MeanIoU(CLASSES, sparse_y_pred=False, name="miou")],
)
model.fit(
    x_train,
    y_train,
    batch_size=32,
    epochs=8,
    validation_data=(x_val, y_val),
    callbacks=[keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2)],
    verbose=2,
)
results = model.evaluate(x_val, y_val, verbose=0, return_dict=True)
print(f"validation mean IoU {results['miou']:.3f}, pixel accuracy {results['accuracy']:.3f}")
print(f"(all background would give an accuracy of {np.mean(y_val == 0):.3f})")
