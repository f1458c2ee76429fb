"""Source text as it may be recorded: without what a text or a comment of the program may hold.

A log is copied, shared and shown. What is recorded of a program must therefore hold no key, password, address, path or name of
a person. Texts in quotes stay only if they are an option that frameworks know (``"relu"``), or the name of a layer.
"""

from __future__ import annotations

import ast
import functools
import io
import itertools
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

HIDDEN = "…"  # stands for the text in quotes, or the comment, that was there
COMMENT = f"# {HIDDEN}"

# Options of Keras and PyTorch that a fix may change or that tell what a program does. They are no secret: everybody knows them.
_OPTIONS = """
relu relu6 leaky_relu elu selu gelu silu swish mish softplus softsign tanh sigmoid hard_sigmoid hard_swish hard_silu celu glu
softmax log_softmax log_sigmoid exponential linear prelu
mse mae mape msle mean_squared_error mean_absolute_error mean_absolute_percentage_error mean_squared_logarithmic_error
binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy categorical_focal_crossentropy
binary_focal_crossentropy kl_divergence kld poisson hinge squared_hinge categorical_hinge log_cosh huber huber_loss
cosine_similarity ctc dice tversky
adam adamw adamax adagrad adadelta adafactor sgd rmsprop nadam ftrl lion lamb muon radam
accuracy acc binary_accuracy categorical_accuracy sparse_categorical_accuracy sparse_top_k_categorical_accuracy
top_k_categorical_accuracy auc precision recall f1 f1_score r2_score root_mean_squared_error
loss val_loss val_accuracy val_acc train validation test
glorot_uniform glorot_normal he_uniform he_normal lecun_uniform lecun_normal uniform normal zeros ones constant orthogonal
random_uniform random_normal truncated_normal variance_scaling identity fan_in fan_out fan_avg l1 l2 l1_l2 xavier_uniform
xavier_normal kaiming_uniform kaiming_normal
same valid causal full channels_last channels_first replicate reflect circular nearest bilinear bicubic area trilinear
none mean sum sum_over_batch_size batchmean auto min max batch epoch step steps no yes cosine constant_with_warmup
cpu cuda mps xpu gpu tpu float16 bfloat16 float32 float64 mixed_float16 mixed_bfloat16 int8 int16 int32 int64 uint8 bool fp16
bf16 reduce-overhead max-autotune default inductor eager high highest medium concat ave mul
"""
# Names of settings, as in `config["lr"]` or `add_argument("--lr")`, and of what is logged: a fix may have to find them.
_SETTINGS = """
lr learning_rate lr0 rate batch_size bs epochs optimizer activation act hidden hidden_size hidden_dim hidden_units width depth
dropout dropout_rate weight_decay momentum patience units n_units filters layers num_layers n_layers steps max_steps clip
grad_clip clip_norm max_grad_norm gradient_clip_val warmup warmup_steps scheduler gamma beta1 beta2 betas eps l2 l1 reg
num_epochs n_epochs max_epochs shuffle num_workers num_classes n_classes input_dim input_size output_dim output_size embed_dim
lr_scheduler interval frequency monitor val_mae val_mse val_auc val_precision val_recall val_iou val_dice eval_f1 wer cer
params valid_loss train_loss val/loss valid/loss train/loss eval_loss test_loss val_f1 val/acc val/accuracy eval_accuracy
"""
KNOWN = frozenset(_OPTIONS.split())
SETTING_NAMES = frozenset(_SETTINGS.split())
# words of names that may hold a credential; a plural alone may not ("tokens" of a text), but "access_tokens" may
_SECRET_WORDS = frozenset(
    (
        *("key", "apikey", "token", "secret", "secrets", "password", "passwords", "passwd", "pwd", "pw", "pass", "passcode"),
        *("passphrase", "credential", "credentials", "creds", "auth", "bearer", "jwt", "otp", "ssn", "pin", "account"),
    )
)
_JOINED = re.compile(
    r"(?:^|_)(api|secret|access|auth|private|db|aws|user|refresh|session)_?(keys?|tokens?|pass(word|wd)?s?|pwds?|secrets?)(?=_|$)"
)
# what a text itself may say of being one
_SECRET = re.compile(
    r"key|token|secret|passw|pwd|credential|bearer|auth|private|api|://|@|(?=\w*\d)(?=\w*[A-Za-z])\w{16,}", re.I
)
_ENTERS = re.compile(r"\b(log_?in|connect|auth\w*|sign_?in|credentials?|secrets?)\b", re.I)  # functions that take credentials
_LONGEST_RESTORED = 80  # characters of a text or a comment
_LONGEST_NUMBER = 5  # digits other than zeros at the end: what is longer may be the number of an account
# what the sentence of an exception may hold: texts with a path or an address, paths, addresses, and words that mix letters with
# digits, as keys do
_PLACE = re.compile(
    r"(?<=')[^']*[/\\\\@][^']*(?=')|(?<=\")[^\"]*[/\\\\@][^\"]*(?=\")"
    r"|\b[a-z][a-z0-9+.-]*://\S+|(?<![\w.])~?(?:/[^\s/'\",:;()]+){2,}/?|\b[A-Za-z]:\\[^\s'\",;]+|\S+@\S+\.\w+"
    r"|(?=[A-Za-z_=-]*\d)(?=[\d_=-]*[A-Za-z])[\w=-]{20,}"
)
_OPENS = {getattr(tokenize, name, -2) for name in ("FSTRING_START", "TSTRING_START")}  # from Python 3.12 and 3.14 on
_CLOSES = {getattr(tokenize, name, -2) for name in ("FSTRING_END", "TSTRING_END")}
_NO_TEXT = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


class _Part(NamedTuple):
    """A text in quotes, a comment, or a number of a source: where it is (offsets), and what may stand for it."""

    start: int
    end: int
    instead: str
    name: str | None = None  # the text, if it is given as `name=` and so may be the name of a layer


def is_secret_name(name: str) -> bool:
    """Whether a variable with this name may hold a credential: `api_key`, but not `tokens`, `keypoints` or `pin_memory`."""
    words = [word for word in re.split(r"[_\d]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) if word]
    known = {word for word in words if word != "pin" or word == words[-1]}
    return not _SECRET_WORDS.isdisjoint(known) or _JOINED.search("_".join(words)) is not None


def redacted(source: str, names: Collection[str] = ()) -> str | None:
    """Python source with the same lines, in which texts in quotes, comments, and numbers that may be secret are hidden.

    `names` are those of the model's layers, which stay where they are given as `name=`. None if it is no Python.
    """
    hidden = _hidden(source, names)
    return None if hidden is None else _with(source, 0, len(source), hidden)


def settings(config: Mapping[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
    """The settings that may be recorded: numbers, and options that frameworks know, of names that hold no credential."""
    plain = {k: v for k, v in config.items() if isinstance(v, bool | int | float) or (isinstance(v, str) and v in KNOWN)}
    return {name: value for name, value in plain.items() if name not in without and not is_secret_name(name)}


def in_short(error: BaseException) -> str:
    """The sentence of an exception as it may be recorded: at most 300 characters, without paths, addresses and keys."""
    return _PLACE.sub(HIDDEN, f"{type(error).__name__}: {error}"[:300])


def restored(source: str, line: int, before: str, after: str) -> tuple[str, str] | None:
    """`before` and `after` of a change of the lines from `line` (from 1) on, with what was hidden in them, taken from the
    present source. None if the lines are others now, or if what was hidden may be a secret.

    The log may come from somebody who wants to learn what these lines hold, so only short plain texts are given.
    """
    lines = _lines(source)
    here = lines[line - 1 : line + before.count("\n")]
    start = sum(map(len, lines[: line - 1]))
    now = "".join(here).rstrip("\r\n")
    names = frozenset(re.findall(r"""name=["']([\w./-]+)["']""", before))
    hidden = [part for part in _hidden(source, names) or () if start <= part.start and part.end <= start + len(now)]
    if not here or _with(source, start, start + len(now), hidden) != before:
        return None
    if _ENTERS.search(before) or any(map(is_secret_name, re.findall(r"[^\W\d]\w*", before))):
        return None
    whole, at = [], 0
    for part in hidden:
        text = source[part.start : part.end]
        found = after.find(part.instead, at)
        if found < 0 or len(text) > _LONGEST_RESTORED or text[:1].isdigit() or _SECRET.search(text):
            return None
        whole += [after[at:found], text]
        at = found + len(part.instead)
    return None if HIDDEN in after[at:] else (now, "".join([*whole, after[at:]]))


def _lines(source: str) -> list[str]:
    """The lines as Python counts them: other signs that `splitlines` splits at may stand within one."""
    return io.StringIO(source).readlines()


def _with(source: str, start: int, end: int, hidden: Iterable[_Part]) -> str:
    """A part of a source in which all this is hidden."""
    pieces, at = [], start
    for part in hidden:
        pieces += [source[at : part.start], part.instead]
        at = part.end
    return "".join([*pieces, source[at:end]])


def _hidden(source: str, names: Collection[str]) -> list[_Part] | None:
    """What is hidden in a source, in its order; None if it is no Python."""
    parts = _parts(source)
    return None if parts is None else [part for part in parts if part.name is None or part.name not in names]


@functools.lru_cache(maxsize=32)  # a program has several files, and is recorded again with each of its trainings
def _parts(source: str) -> Sequence[_Part] | None:
    """All that is hidden unless it is the name of a layer; None if the source is no Python."""
    lines = _lines(source)
    begins = [0, *itertools.accumulate(map(len, lines))]
    found: list[_Part] = []
    opened: list[int] = []  # where f-strings begin
    last = second = ""  # the two tokens before
    around: list[str] = []  # the brackets that are open
    try:
        secret = _secret_numbers(ast.parse(source), lines)
        for kind, text, (row, column), (last_row, last_column), _ in tokenize.generate_tokens(io.StringIO(source).readline):
            start = begins[row - 1] + column
            end = begins[last_row - 1] + last_column if last_row <= len(begins) else len(source)
            if kind in _OPENS:
                opened.append(start)
            elif kind in _CLOSES:
                start = opened.pop()
            if not opened and kind in (tokenize.STRING, tokenize.COMMENT, *_CLOSES):
                named = second == "name" and last == "=" and around[-1:] == ["("]
                found += _part(source[start:end], start, kind, named)
            elif not opened and kind == tokenize.NUMBER and ((row, column) in secret or _is_long(text)):
                found.append(_Part(start, end, f'"{HIDDEN}"'))
            if kind == tokenize.OP and text in "([{":
                around.append(text)
            elif kind == tokenize.OP and text in ")]}" and around:
                around.pop()
            if kind not in _NO_TEXT:
                last, second = text, last
    except (tokenize.TokenError, SyntaxError, IndexError, ValueError, RecursionError):
        return None
    return found


def _part(written: str, start: int, kind: int, named: bool) -> Iterator[_Part]:
    """What stands for a text in quotes or a comment; nothing for an option; `named`: it is given as `name=`."""
    end = start + len(written)
    if kind == tokenize.COMMENT:
        yield _Part(start, end, COMMENT)
        return
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError):  # an f-string
        value = None
    if isinstance(value, str) and (value == "" or value in KNOWN or value.lstrip("-").replace("-", "_") in SETTING_NAMES):
        return
    breaks = written.count("\n")
    instead = f'"""{HIDDEN}' + "\n" * breaks + '"""' if breaks else f'"{HIDDEN}"'
    yield _Part(start, end, instead, value if named and isinstance(value, str) else None)


def _secret_numbers(tree: ast.AST, lines: Sequence[str]) -> set[tuple[int, int]]:
    """Line and column of the numbers that are given to a name which may hold a credential."""
    given: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and is_secret_name(node.arg or ""):
            given.append(node.value)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                given += _given_to_secrets(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            given += _given_to_secrets(node.target, node.value)
        elif isinstance(node, ast.Dict):
            texts = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
            given += [v for text, v in zip(texts, node.values, strict=True) if isinstance(text, str) and is_secret_name(text)]
        elif isinstance(node, ast.arguments):
            named = [*node.posonlyargs, *node.args][-len(node.defaults) :] if node.defaults else []
            pairs = [*zip(named, node.defaults, strict=True), *zip(node.kwonlyargs, node.kw_defaults, strict=True)]
            given += [default for argument, default in pairs if is_secret_name(argument.arg)]
    constants = [c for value in given if value is not None for c in _constants(value)]
    return {(c.lineno, len(lines[c.lineno - 1].encode()[: c.col_offset].decode())) for c in constants}


def _given_to_secrets(target: ast.expr, value: ast.expr | None) -> list[ast.expr | None]:
    if isinstance(target, ast.Tuple | ast.List):
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
            return [g for t, v in zip(target.elts, value.elts, strict=True) for g in _given_to_secrets(t, v)]
        return []
    name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
    return [value] if is_secret_name(name) else []


def _constants(value: ast.expr) -> Iterator[ast.Constant]:
    """The constants that a value is, or that it is made of: not those of a call in it, such as the sizes of a layer."""
    if isinstance(value, ast.Constant):
        yield value
    elif not isinstance(value, ast.Call):
        for part in ast.iter_child_nodes(value):
            if isinstance(part, ast.expr):
                yield from _constants(part)


def _is_long(number: str) -> bool:
    """Whether a number may be that of an account: a whole number with many digits that is not round."""
    return number.replace("_", "").isdigit() and len(number.replace("_", "").strip("0")) > _LONGEST_NUMBER
