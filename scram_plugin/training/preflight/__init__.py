"""Active tests: a model is run on purpose, before its training, on copies of all that it would change."""
