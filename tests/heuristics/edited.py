"""Programs as logs hold them, and what an edit changes in them."""

import ast
import difflib


def layers(*entries):
    """Facts of layers, from (path, class, settings)."""
    return {"layers": [{"path": path, "name": path, "class": kind, **more} for path, kind, more in entries]}


def facts(*files, line=0, **more):
    """Facts of a program, from its texts; the first file has the training."""
    named = [{"file": name, "text": text} for name, text in zip(("train.py", "model.py", "config.py"), files, strict=False)]
    return {"framework": "keras", "source": {"file": "train.py", "line": line, "statements": [], "files": named}, **more}


def changed(known, edit):
    """The lines that an edit removes and adds, over all files; each file must be whole Python afterwards."""
    assert edit is not None, "no edit"
    told = []
    for file in known["source"]["files"]:
        lines = file["text"].split("\n")
        for part in sorted((edit, *edit.more), key=lambda p: -p.line):
            if part.file == file["file"]:
                before = part.before.split("\n")
                assert lines[part.line - 1 : part.line - 1 + len(before)] == before
                lines[part.line - 1 : part.line - 1 + len(before)] = part.after.split("\n")
        after = "\n".join(lines)
        ast.parse(after)
        told += [d for d in difflib.ndiff(file["text"].split("\n"), lines) if d[0] in "+-"]
    return told
