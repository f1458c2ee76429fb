"""SCRAM in TensorBoard: the loader, the routes and the built tab."""
