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


def edited(known, edit):
    """The texts of the files after an edit, by their names; each must be whole Python."""
    assert edit is not None, "no edit"
    texts = {}
    for file in known["source"]["files"]:
        lines = file["text"].split("\n")
        for part in sorted((edit, *edit.more), key=lambda p: -p.line):
            if part.file == file["file"]:
                before = part.before.split("\n")
                assert lines[part.line - 1 : part.line - 1 + len(before)] == before
                lines[part.line - 1 : part.line - 1 + len(before)] = part.after.split("\n")
        texts[file["file"]] = "\n".join(lines)
        ast.parse(texts[file["file"]])
    return texts


def changed(known, edit):
    """The lines that an edit removes and adds, over all files."""
    after = edited(known, edit)
    pairs = [(file["text"], after[file["file"]]) for file in known["source"]["files"]]
    return [d for old, new in pairs for d in difflib.ndiff(old.split("\n"), new.split("\n")) if d[0] in "+-"]
