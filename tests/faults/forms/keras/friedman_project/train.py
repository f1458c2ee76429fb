import keras
from sklearn.metrics import r2_score

from config import Settings
from data import load
from model import build_model
from scram_plugin import SCRAM

settings = Settings()
keras.utils.set_random_seed(settings.seed)

train, test = load(settings)
model = build_model(settings, train[0].shape[1])
model.fit(
    *train,
    batch_size=settings.batch_size,
    epochs=settings.epochs,
    validation_data=test,
    callbacks=[SCRAM(settings.log_dir)],
    verbose=2,
)

print("R2:", round(r2_score(test[1], model.predict(test[0], verbose=0).ravel()), 4))
