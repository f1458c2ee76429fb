# Breast cancer, after a blog post of 2017
import numpy
from keras.callbacks import ModelCheckpoint
from keras.layers import Dense, Dropout
from keras.models import Sequential
from keras.optimizers import SGD
from keras.utils import set_random_seed
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from scram_plugin import SCRAM

seed = 7
set_random_seed(seed)

# load dataset and shuffle it
dataset = load_breast_cancer()
order = numpy.random.permutation(len(dataset.target))
X = dataset.data[order]
Y = dataset.target[order]

# split into train and test
train_size = int(len(X) * 0.7)
X_train, X_test = X[:train_size], X[train_size:]
Y_train, Y_test = Y[:train_size], Y[train_size:]

# standardize
sc = StandardScaler()
X_train = sc.fit_transform(X_train)
X_test = sc.transform(X_test)

# create model
model = Sequential()
model.add(Dense(16, input_dim=30, activation='relu'))
model.add(Dropout(0.3))
model.add(Dense(8, activation='relu'))
model.add(Dense(1, activation='sigmoid'))

# compile model
sgd = SGD(0.02, momentum=0.9, nesterov=True)
model.compile(loss='binary_crossentropy', optimizer=sgd, metrics=['accuracy'])

# fit the model
checkpoint = ModelCheckpoint('weights.best.keras', monitor='val_accuracy', save_best_only=True, mode='max')
model.fit(X_train, Y_train, validation_data=(X_test, Y_test), epochs=8, batch_size=16,
          callbacks=[checkpoint, SCRAM('logs')], verbose=0)

# evaluate the model
scores = model.evaluate(X_test, Y_test, verbose=0)
print("accuracy: %.4f" % scores[1])
