"""Configurations as logs carry them, as entries (path, value): JSON, YAML, Python, a command line, a table, the plugin hparams.

They come from anybody: nothing is executed, nothing is imported, no object is made but numbers, texts, lists and mappings.
Size, depth and number of entries are bounded; `Garbled` is raised for what cannot be read.
"""

from __future__ import annotations

import ast
import json
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.logs.settings import Path

LARGEST_TEXT = 1 << 20  # bytes of a text or a file; configurations take a few thousand
LARGEST_CODE = 1 << 17  # bytes of a configuration that is Python
MOST_VALUES = 20_000  # of one configuration, with those that are named again
DEEPEST_VALUE = 20  # levels of one configuration
TEXT = "/text_summary"  # how PyTorch's writer and others end the tags of texts
# Texts under other tags hold no settings, but predictions, for example.
TEXTS = frozenset(
    name + TEXT
    for name in ("args", "model_config", "model-config", "sys.argv", "config", "hparams", "hyperparameters", "Hyperparameters")
)
HPARAMS = "_hparams_/session_start_info"  # of TensorBoard's plugin hparams; PyTorch, Keras and Lightning write it
ORDERED = "tag:yaml.org,2002:python/object/apply:collections.OrderedDict"  # as Stable-Baselines3's zoo writes: pairs
_NO_VALUE = object()
_PARSING = threading.Lock()


class Garbled(ValueError):
    """A configuration that cannot be read; the message says why."""


def of_text(tag: str, text: str) -> Iterator[tuple[Path, Any]]:
    """The entries of a text that was logged under one of the tags of `TEXTS`. Raises Garbled."""
    body = re.sub(r"^\s*<pre>|</pre>\s*$", "", text)
    if tag == f"sys.argv{TEXT}":
        return flat(_of_arguments(body.split()))
    if body.lstrip().startswith("{"):
        try:
            return of_json(body)
        except Garbled:
            return flat(_of_code(body))  # a dictionary as Python prints it
    if body.lstrip().startswith("|"):
        return flat(_of_table(body))
    if body.startswith("\t"):  # ML-Agents: YAML with tabs
        return flat({"ml_agents": _of_yaml(re.sub(r"^\t", "", body, flags=re.M).replace(":\t", ": "))})
    return flat(_of_code(body)) if tag == f"config{TEXT}" or "(" in body.partition("\n")[0] else of_yaml(body)


def of_json(text: str | bytes) -> Iterator[tuple[Path, Any]]:
    """The entries of a document in JSON. Raises Garbled."""
    try:
        return flat(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Garbled(f"it is not JSON ({type(error).__name__})") from None


def of_yaml(text: str) -> Iterator[tuple[Path, Any]]:
    """The entries of a document in YAML. Raises Garbled."""
    return flat(_of_yaml(text))


def of_hparams(content: bytes) -> Iterator[tuple[Path, Any]]:
    """The entries of what the plugin hparams knows of a training: the content of its plugin data. Raises Garbled."""
    from google.protobuf.message import DecodeError
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    try:
        told = HParamsPluginData.FromString(content).session_start_info.hparams
        # a map of protocol buffers has another order in each process
        values = {key: getattr(value, kind) for key, value in sorted(told.items()) if (kind := value.WhichOneof("kind"))}
    except (DecodeError, ValueError):
        raise Garbled("it is not of the plugin hparams") from None
    return flat({key: value for key, value in values.items() if isinstance(value, str | float | bool)})


def flat(document: Any) -> Iterator[tuple[Path, Any]]:
    """(path, value) of the entries of nested mappings; keys are in lower case, and split at dots and slashes."""
    left = MOST_VALUES
    todo: list[tuple[Path, Any]] = [((), document)]
    while todo:
        path, value = todo.pop()
        left -= 1
        if left < 0 or len(path) > DEEPEST_VALUE:
            raise Garbled(f"it has more than {MOST_VALUES:,} entries, or more than {DEEPEST_VALUE} levels")
        if path:
            yield path, value
        if isinstance(value, Mapping):
            below = [((*path, *_parts(str(key))), inner) for key, inner in value.items()]
            todo += reversed(below)


def _parts(key: str) -> list[str]:
    return re.split(r"[./]", key.strip().lower().replace("-", "_"))


def _of_arguments(words: list[str]) -> dict[str, Any]:
    """``--lr 0.1``, ``--lr=0.1``, ``--fp16``, and Hydra's ``optimizer.lr=0.1``."""
    found: dict[str, Any] = {}
    name = ""
    for word in words[1:]:
        key, equals, value = word.lstrip("-").lstrip("+").partition("=")
        if word.startswith("--") or (equals and re.fullmatch(r"[\w.+]+", key)):
            name = key if not equals else ""
            found[key] = value if equals else True
        elif name:
            found[name], name = word, ""
    return found


def _of_table(text: str) -> dict[str, Any]:
    """A table in Markdown with a name and a value in each row."""
    rows = (line.strip().strip("|").split("|", 1) for line in text.splitlines())
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


def _of_code(text: str) -> dict[str, Any]:
    """The values that a configuration in Python names: ``lr = 0.1``, ``optimizer = dict(lr=0.1)``, ``Namespace(lr=0.1)``."""
    if len(text) > LARGEST_CODE:
        raise Garbled(f"it is longer than {LARGEST_CODE:,} bytes")
    found: dict[str, Any] = {}
    try:
        # the reader need not see warnings about escapes; neither their filters nor Python's parser are safe with threads
        with _PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = ast.parse(text.strip())
        for statement in program.body:
            if isinstance(statement, ast.Expr) and isinstance(value := _literal(statement.value), dict):
                found.update(value)
            elif isinstance(statement, ast.Assign) and isinstance(target := statement.targets[0], ast.Name):
                found[target.id] = _literal(statement.value)
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError) as error:
        raise Garbled(f"it is neither JSON nor Python ({type(error).__name__})") from None
    return {key: value for key, value in found.items() if value is not _NO_VALUE}


def _literal(node: ast.expr) -> Any:
    """What an expression is if that is plain without running it: a literal, or a call with named arguments as a mapping."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str | int | float | None) else _NO_VALUE
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        return -value if isinstance(value, int | float) else _NO_VALUE
    if isinstance(node, ast.List | ast.Tuple):
        return [value for item in node.elts if (value := _literal(item)) is not _NO_VALUE]
    pairs: list[tuple[Any, ast.expr]] = []
    if isinstance(node, ast.Dict):
        pairs = [(key.value, v) for key, v in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)]
    elif isinstance(node, ast.Call) and not node.args:
        pairs = [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg]
    else:
        return _NO_VALUE
    return {str(key): value for key, item in pairs if (value := _literal(item)) is not _NO_VALUE}


def _of_yaml(text: str) -> Any:
    """A document in YAML as mappings, lists and texts: its tags are ignored, so no object is ever made of it."""
    import yaml  # imported late: most logs have none

    try:
        loader = yaml.SafeLoader(text)
        loader.get_event()  # the start of the stream
        if loader.check_event(yaml.StreamEndEvent):
            return {}
        loader.get_event()  # and of the document
        return _Document(loader).node(0)
    except (yaml.YAMLError, RecursionError) as error:
        raise Garbled(f"it is not YAML ({type(error).__name__})") from None


class _Document:
    """Turns the events of PyYAML's parser into plain values. An alias names the same object; copies count as entries."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._anchors: dict[str, Any] = {}
        self._left = MOST_VALUES

    def node(self, depth: int) -> Any:
        import yaml

        self._left -= 1
        if self._left < 0 or depth > DEEPEST_VALUE:
            raise Garbled(f"it has more than {MOST_VALUES:,} entries, or more than {DEEPEST_VALUE} levels")
        event = self._loader.get_event()
        if isinstance(event, yaml.AliasEvent):
            return self._anchors.get(event.anchor)
        if isinstance(event, yaml.ScalarEvent):
            value: Any = event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
            while not self._loader.check_event(yaml.SequenceEndEvent):
                value.append(self.node(depth + 1))
            self._loader.get_event()
            value = _paired(value) if event.tag == ORDERED else value
        else:
            value = {}
            while not self._loader.check_event(yaml.MappingEndEvent):
                key, inner = self.node(depth + 1), self.node(depth + 1)
                if key == "<<" and isinstance(inner, dict):
                    self._left -= len(inner)  # which are copied
                    value = {**inner, **value}
                elif isinstance(key, str):
                    value[key] = inner
            self._loader.get_event()
        if event.anchor:
            self._anchors[event.anchor] = value
        return value


def _paired(value: list[Any]) -> dict[str, Any]:
    """The mapping that an ordered dictionary was made of: a list with a list of pairs."""
    pairs = value[0] if value and isinstance(value[0], list) else []
    return {pair[0]: pair[1] for pair in pairs if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)}
