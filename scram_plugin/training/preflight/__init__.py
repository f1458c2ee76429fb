"""Preflight: active tests that run a model before its training, and leave everything as it was."""
