import keras
from keras import layers


class DigitClassifier(keras.Model):
    """Two convolutions and two dense layers; returns probabilities."""

    def __init__(self, filters=16, hidden=64, dropout=0.2, num_classes=10):
        super().__init__()
        self.conv1 = layers.Conv2D(filters, 3, padding="same", activation="relu")
        self.conv2 = layers.Conv2D(filters, 3, padding="same", activation="relu")
        self.pool = layers.MaxPooling2D()
        self.flatten = layers.Flatten()
        self.fc1 = layers.Dense(hidden, activation="relu")
        self.dropout = layers.Dropout(dropout)
        self.classifier = layers.Dense(num_classes, activation="softmax")

    def call(self, x, training=False):
        x = self.conv1(x)
        x = self.conv2(x)
        x = self.pool(x)
        x = self.flatten(x)
        x = self.fc1(x)
        x = self.dropout(x, training=training)
        return self.classifier(x)
