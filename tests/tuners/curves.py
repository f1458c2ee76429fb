"""Trials that get nearer to a level, at a pace."""

import math

STEPS = 40


def accuracy(step, pace, level=0.9):
    return level * (1 - math.exp(-pace * step / 8))


# pace and level of each trial: good ones, then slow, low, and good again
TRIALS = [(1.0, 0.9), (1.1, 0.91), (0.9, 0.89), (1.2, 0.9), (0.05, 0.9), (1.0, 0.3), (1.0, 0.9), (1.0, 0.9), (0.8, 0.92)]
HOPELESS = {4, 5}
