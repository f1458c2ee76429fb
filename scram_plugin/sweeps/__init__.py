"""Many training runs at once: which settings separate those that failed from the others, and whether a difference is real."""
