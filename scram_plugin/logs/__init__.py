"""Event files to training runs. Knows no heuristic."""
