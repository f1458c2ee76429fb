#!/usr/bin/env python
# coding: utf-8

# # Lab 4: classifying the state of a milling machine
# Course: Neural Networks in Engineering. Work through the cells from top to bottom.

# In[1]:

import os
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import numpy as np
from keras.models import Sequential
from keras.layers import Input, Dense, Dropout
from keras.utils import set_random_seed, to_categorical
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

set_random_seed(2024)
np.random.seed(2024)


# ## 1. The data
# Five measurements: air temperature [K], process temperature [K], speed [rpm], torque [Nm] and tool wear [min].
# Four states: 0 = fine, 1 = poor cooling, 2 = power out of range, 3 = overstrain.

# In[2]:

N = 5000
air = np.random.normal(300, 2, N)
process = air + np.random.normal(9.5, 1.2, N)
speed = np.random.normal(1550, 220, N)
torque = np.random.normal(40, 10, N).clip(5, 80)
wear = np.random.uniform(0, 250, N)

power = torque * speed * 2 * np.pi / 60          # W
state = np.zeros(N, dtype=int)
state[(process - air < 9.0) & (speed < 1580)] = 1
state[(power < 4900) | (power > 8300)] = 2
state[wear * torque > 7800] = 3

X = np.column_stack([air, process, speed, torque, wear])
print('examples per state:', np.bincount(state))


# ## 2. Split and scale

# In[3]:

X_train, X_test, s_train, s_test = train_test_split(X, state, test_size=0.25, stratify=state, random_state=1)
X_train, X_val, s_train, s_val = train_test_split(X_train, s_train, test_size=0.2, stratify=s_train, random_state=1)

scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_val = scaler.transform(X_val)
X_test = scaler.transform(X_test)

y_train, y_val, y_test = to_categorical(s_train, 4), to_categorical(s_val, 4), to_categorical(s_test, 4)


# ## 3. The network

# In[4]:

net = Sequential()
net.add(Input(shape=(5,)))
net.add(Dense(64, activation='relu'))
net.add(Dense(64, activation='relu'))
net.add(Dropout(0.1))
net.add(Dense(4, activation='softmax'))
net.compile(optimizer='rmsprop', loss='categorical_crossentropy', metrics=['accuracy'])
net.summary()


# ## 4. Training

# In[5]:

# WATCH(net)
history = net.fit(X_train, y_train, batch_size=64, epochs=30, validation_data=(X_val, y_val), verbose=0)

for epoch in [0, 4, 9, 19, 29]:
    print('epoch %2d   loss %.3f   acc %.3f   val_loss %.3f   val_acc %.3f' % (
        epoch + 1, history.history['loss'][epoch], history.history['accuracy'][epoch],
        history.history['val_loss'][epoch], history.history['val_accuracy'][epoch]))


# ## 5. Test

# In[6]:

test_loss, test_acc = net.evaluate(X_test, y_test, verbose=0)
print(confusion_matrix(s_test, net.predict(X_test, verbose=0).argmax(axis=1)))
print('test loss', round(test_loss, 4))
print('RESULT', round(test_acc, 4), 'higher')
