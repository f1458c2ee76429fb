import os
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'

import numpy as np
import keras
from keras import layers
from keras import regularizers
from sklearn.preprocessing import StandardScaler

keras.utils.set_random_seed(3)

# hourly power consumption in MW, predict the next hour from the last 24
hours = np.arange(24 * 150)
rng = np.random.RandomState(3)
ar = np.zeros(len(hours))
for t in range(1, len(hours)):
    ar[t] = 0.9 * ar[t - 1] + rng.randn() * 60
load = (5200
        + 900 * np.sin(2 * np.pi * (hours - 7) / 24)
        + 350 * np.sin(4 * np.pi * hours / 24)
        - 500 * ((hours // 24) % 7 >= 5)
        + ar)

look_back = 24
split = 24 * 120

scaler = StandardScaler()
train = scaler.fit_transform(load[:split].reshape(-1, 1))
test = scaler.transform(load[split:].reshape(-1, 1))


def create_dataset(dataset, look_back):
    dataX, dataY = [], []
    for i in range(len(dataset) - look_back):
        a = dataset[i:(i + look_back), 0]
        dataX.append(a)
        dataY.append(dataset[i + look_back, 0])
    return np.array(dataX), np.array(dataY)


trainX, trainY = create_dataset(train, look_back)
testX, testY = create_dataset(test, look_back)

# reshape input to be [samples, time steps, features]
trainX = np.reshape(trainX, (trainX.shape[0], trainX.shape[1], 1))
testX = np.reshape(testX, (testX.shape[0], testX.shape[1], 1))
print(trainX.shape, trainY.shape)

model = keras.Sequential()
model.add(layers.Input(shape=(look_back, 1)))
model.add(layers.LSTM(32))
model.add(layers.Dense(16, activation='relu'))
model.add(layers.Dense(1))
model.compile(loss='mean_squared_error', optimizer=keras.optimizers.Adam(learning_rate=0.003))
model.summary()

# WATCH(model)
model.fit(trainX, trainY, epochs=12, batch_size=32, validation_split=0.1, verbose=2)

pred = scaler.inverse_transform(model.predict(testX, verbose=0))
true = scaler.inverse_transform(testY.reshape(-1, 1))
print('persistence MAE: %.1f MW' % np.abs(true[1:] - true[:-1]).mean())
mae = np.abs(pred - true).mean()
print('RESULT %.2f lower' % mae)
