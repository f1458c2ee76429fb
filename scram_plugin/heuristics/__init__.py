"""What SCRAM knows. Each heuristic is a module with a pure check, and beside it a page in Markdown with its message."""
