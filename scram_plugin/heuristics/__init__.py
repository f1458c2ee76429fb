"""SCRAM's heuristics. Each is a module with a pure check, next to a page in Markdown that explains the problem."""
