from keras import Sequential, layers, optimizers


def build_model(settings, n_features):
    model = Sequential(
        [
            layers.Input((n_features,)),
            layers.Dense(settings.hidden, activation="relu"),
            layers.Dense(settings.hidden, activation="relu"),
            layers.Dropout(settings.dropout),
            layers.Dense(1),
        ],
        name="friedman",
    )
    model.compile(
        loss="mse",
        optimizer=optimizers.Adam(settings.learning_rate),
        metrics=["mae"],
    )
    return model
