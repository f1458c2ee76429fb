"""Benign or malignant? A functional model on the Wisconsin breast cancer table."""
import keras
import numpy as np
from keras.callbacks import EarlyStopping, ReduceLROnPlateau
from keras.layers import BatchNormalization, Dense, Dropout, Input
from keras.models import Model
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from scram_plugin import SCRAM

seed = 3
keras.utils.set_random_seed(seed)

X, y = load_breast_cancer(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=y)

scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_val = scaler.transform(X_val)

inputs = Input(shape=(30,), name="features")
x = Dense(32, activation="relu")(inputs)
x = BatchNormalization()(x)
x = Dropout(0.2)(x)
x = Dense(16, activation="relu")(x)
outputs = Dense(1, activation="sigmoid", name="malignant")(x)
model = Model(inputs=inputs, outputs=outputs)

lr = 0.002
optimizer = keras.optimizers.RMSprop(learning_rate=lr)
model.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])

callbacks = [
    EarlyStopping(monitor="val_loss", patience=12, restore_best_weights=True),
    ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=5),
    SCRAM(log_dir="logs"),
]
history = model.fit(
    X_train, y_train,
    validation_data=(X_val, y_val),
    batch_size=16,
    epochs=20,
    callbacks=callbacks,
    verbose=0,
)

predictions = (model.predict(X_val, verbose=0) > 0.5).astype(int).ravel()
print(f"accuracy: {np.mean(predictions == y_val):.4f}")
