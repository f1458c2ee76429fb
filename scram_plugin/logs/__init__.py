"""Reads event files and groups them into training runs. It does not depend on the heuristics."""
