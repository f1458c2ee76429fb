import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def load(settings):
    """Standardised features and targets; the scalers have seen the training part only."""
    X, y = make_friedman1(n_samples=settings.samples, n_features=10, noise=0.5, random_state=settings.seed)
    X = X * np.array([1, 10, 100, 1, 1000, 1, 50, 1, 5, 1])  # every column in a unit of its own
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=settings.seed)

    x_scaler = StandardScaler().fit(X_train)
    X_train, X_test = x_scaler.transform(X_train), x_scaler.transform(X_test)

    y_scaler = StandardScaler().fit(y_train.reshape(-1, 1))
    y_train = y_scaler.transform(y_train.reshape(-1, 1)).ravel()
    y_test = y_scaler.transform(y_test.reshape(-1, 1)).ravel()
    return (X_train, y_train), (X_test, y_test)
