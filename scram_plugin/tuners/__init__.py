"""Tuners of hyper-parameters stop what can no longer become good: Optuna, Ray Tune, Keras Tuner."""
