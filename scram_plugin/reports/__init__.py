"""Reviews as text, HTML, Markdown, JSON and other formats."""
