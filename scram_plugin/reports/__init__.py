"""Reviews to text and JSON."""
