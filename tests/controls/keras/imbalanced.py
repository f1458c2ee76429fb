"""Finding rare fraud among card payments, with class weights."""
import keras
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(1)

features, targets = make_classification(
    n_samples=90_000,
    n_features=24,
    n_informative=10,
    n_redundant=4,
    n_clusters_per_class=2,
    weights=[0.97],
    class_sep=1.1,
    flip_y=0.002,
    random_state=1,
)
# amounts, counts, durations: columns of very different scales
features = features * np.random.uniform(0.5, 200, features.shape[1]) + np.random.uniform(-50, 50, features.shape[1])

x_train, x_test, y_train, y_test = train_test_split(
    features, targets, test_size=0.2, stratify=targets, random_state=1
)
x_train, x_val, y_train, y_val = train_test_split(
    x_train, y_train, test_size=0.2, stratify=y_train, random_state=1
)

# standardise, with statistics of the training set only
mean, std = x_train.mean(axis=0), x_train.std(axis=0)
x_train, x_val, x_test = (((a - mean) / std).astype("float32") for a in (x_train, x_val, x_test))

counts = np.bincount(y_train)
print(f"{counts[1]} of {len(y_train)} training samples are positive ({100 * counts[1] / len(y_train):.2f} %)")
class_weight = {0: len(y_train) / (2 * counts[0]), 1: len(y_train) / (2 * counts[1])}

model = keras.Sequential(
    [
        keras.layers.Input(shape=(x_train.shape[1],)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss="binary_crossentropy",
    metrics=[
        keras.metrics.Precision(name="precision"),
        keras.metrics.Recall(name="recall"),
        keras.metrics.AUC(name="prc", curve="PR"),
    ],
)
model.fit(
    x_train,
    y_train,
    batch_size=256,
    epochs=45,
    verbose=2,
    validation_data=(x_val, y_val),
    class_weight=class_weight,
    callbacks=[
        keras.callbacks.EarlyStopping(monitor="val_prc", mode="max", patience=8, restore_best_weights=True)
    ],
)
scores = model.predict(x_test, batch_size=1024, verbose=0)[:, 0]
flagged = scores > 0.5
print(
    f"test: average precision {average_precision_score(y_test, scores):.3f} (chance {y_test.mean():.3f}), "
    f"recall {flagged[y_test == 1].mean():.3f}, precision {y_test[flagged].mean():.3f}"
)
