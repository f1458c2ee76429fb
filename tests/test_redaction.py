"""What is recorded of a program holds nothing that others may not read; and a fix is still a change of the real lines."""

import ast
import os
import re
from dataclasses import replace

import pytest

from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.heuristic import Cause, Finding, Fix
from scram_plugin.logs.curve import CurveName
from scram_plugin.redaction import HIDDEN, KNOWN, SETTING_NAMES, in_short, is_secret_name, redacted, restored
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.program import complete, has_hidden
from tests.paths import ROOT

PROGRAMS = sorted(
    path
    for folder in ("demo_logs/scenarios", "tests/controls", "tests/recorded/programs", "tests/faults")
    for path in (ROOT / folder).rglob("*.py")
)
SECRETS = [
    "sk-proj-A1b2C3d4E5f6G7h8I9j0",
    "hf_AbCdEfGhIjKlMnOpQrStUvWx",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
    "postgres://user:pw@host/db",
    "hunter2",
    "correct horse battery staple",
    "/home/jane/data",
    "jane.doe@example.org",
    "3f786850e387550fdab836ed7e6dc881de23001b",
    "MyP@ssw0rd!",
    "private_key",
]
PLACES = [
    "x = {0!r}",
    "x = f{0!r}",
    "x = f'{{name}}' {0!r}",
    "x = b'{0}'",
    "layer = Dense(10, activation={0!r})",
    "layer = Dense(10, name={0!r})",
    "model.fit(x, y, callbacks=[SCRAM({0!r})])",
    "x = load(path)  # {0}",
    'x = """\nfirst\n{0}\n"""',
    "x = [\n    1,  # {0}\n    2,\n]",
    "x = table[{0!r}]",
    "def f():\n    '''{0}'''\n    return 1",
    "x = ('a'\n     {0!r}\n     'b')",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_left_wherever_it_stands(place, secret):
    source = place.format(secret)
    hidden = redacted(source)
    if hidden is None:
        pytest.fail(f"{source!r} was not read")
    assert secret not in hidden
    assert hidden.count("\n") == source.count("\n")
    ast.parse(hidden)


@pytest.mark.parametrize("option", sorted(KNOWN))
def test_options_of_frameworks_stay(option):
    source = f"layer = Dense(10, activation={option!r}, loss='{option}')"
    assert redacted(source) == source


def test_the_name_of_a_layer_stays():
    names = {"block1_conv2", "jane"}
    source = 'layer = Dense(10, name="block1_conv2")'
    assert redacted(source, names) == source
    assert "block1_conv2" not in redacted(source)
    assert "jane" not in redacted('name = "jane"', names)
    assert "block1_conv2" not in redacted('layer = Dense(10, kind="block1_conv2")', names)


@pytest.mark.parametrize(
    "source",
    [
        "DB_PASSWORD = 4930",
        "password: int = 4930",
        "x, account_pin = 1, 4930",
        "self.token = 4930",
        "x = load(path, password=4930)",
        "x = dict(token=[4930, 4930])",
        "x = {'otp': 4930, 'a': 1}",
        "def f(a, pin=4930, *, key=-4930): pass",
        "x = (jwt := 4930)",
        "x = 4930249300",
        "x = load(493024)",
        'CERT = b"""a\n4930\nc"""',
    ],
)
def test_numbers_that_may_be_secret(source):
    hidden = redacted(source)
    assert "4930" not in hidden
    assert hidden.count("\n") == source.count("\n")
    ast.parse(hidden)


@pytest.mark.parametrize(
    "source",
    ["self.key = nn.Linear(64, 64)", "model = Net(50257, 1_000_000)", "rate = 1e-4", "DataLoader(x, 256, pin_memory=True)"],
)
def test_sizes_and_rates_stay(source):
    assert redacted(source) == source


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("mat1 and mat2 shapes cannot be multiplied (8x10 and 8x1)", None),
        ("Input 0 of layer 'dense_1' is incompatible: expected axis -1 of shape (None, 8)", None),
        ("a batch of 3/4 or 1 / 2", None),
        ("No such file: '/home/jane/data/x.csv'", "No such file: '…'"),
        ("No such file: 'C:\\Users\\jane\\x.csv'", "No such file: '…'"),
        ("cannot reach postgres://u:pw@db/x today", "cannot reach … today"),
        ("ask jane.doe@example.org", "ask …"),
        ("bad key sk-proj-A1b2C3d4E5f6G7h8I9j0", "bad key …"),
    ],
)
def test_sentences_of_exceptions(said, kept):
    assert in_short(ValueError(said)) == f"ValueError: {kept or said}"


def test_the_example_of_the_documentation_is_right():
    program, logged = re.findall(r"```python\n# [^\n]*\n(.*?)```", (ROOT / "docs/security.md").read_text(), re.DOTALL)
    lines = redacted(program, {"hidden"}).splitlines()
    assert lines == logged.splitlines()[-len(lines) :]
    assert lines[0] == f'API_KEY = "{HIDDEN}"'


def test_names_of_variables_that_may_hold_a_credential():
    secret = [
        "api_keys",
        "access_tokens",
        "db_pass",
        "secretkey",
        "accesskey",
        "dbpassword",
        "account_id",
        "creds",
        "jwt",
        "PIN",
    ]
    secret += ["API_KEY", "apiKey", "hf_token", "TOKEN", "db_password", "awsSecretKey2", "PASSWORD", "auth"]
    assert [name for name in secret if not is_secret_name(name)] == []
    sound = [
        "tokens",
        "tokenizer",
        "keypoints",
        "num_tokens",
        "author",
        "keras",
        "model",
        "x_train",
        "monkey",
        "pin_memory",
        "passes",
    ]
    assert [name for name in sound if is_secret_name(name)] == []


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_real_programs_keep_their_lines_and_can_be_restored(path):
    source = path.read_text(encoding="utf-8")
    hidden = redacted(source)
    tree = ast.parse(hidden)
    texts = {n.value.strip("\n") for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    left = {text.replace(HIDDEN, "").strip() for text in texts} - KNOWN - {""}
    assert {text.lstrip("-").replace("-", "_") for text in left} <= SETTING_NAMES, "several texts side by side are one"
    assert ast.dump(_without_texts(tree)) == ast.dump(_without_texts(ast.parse(source))), "nothing else has changed"
    lines, shown = source.split("\n"), hidden.split("\n")
    assert len(shown) == len(lines)
    for number, (line, said) in list(enumerate(zip(lines, shown, strict=True), 1))[::7]:
        if line != said and not re.search("key|secret|token|auth|api|passw|pwd|private|credential|bearer", line, re.IGNORECASE):
            assert restored(source, number, said, f"{said}  ") in (None, (line, f"{line}  ")), number
    some = [n for n, (line, said) in enumerate(zip(lines, shown, strict=True), 1) if line != said and f'"{HIDDEN}"' in said]
    some = [n for n in some if not re.search(r"""\bf["']""", lines[n - 1])]  # a line with an f-string holds more than a text
    assert len(some) < 3 or any(restored(source, n, shown[n - 1], f"{shown[n - 1]}  ") for n in some)


class _without_texts(ast.NodeTransformer):
    def __new__(cls, tree):
        return super().__new__(cls).visit(tree)

    def visit_Constant(self, node):
        return ast.Constant(0) if isinstance(node.value, str | bytes | int) else node

    def visit_JoinedStr(self, node):
        return ast.Constant(0)


def completed(edit):
    """The edit of a review's only fix, after the program on the disk was read."""
    fix = Fix("cause", "title", "text", "keras", "code", edit)
    found = Finding("error", "certain", "title", {}, 0, 1, "step", [CurveName(".", "loss")], [Cause("cause")], fixes=(fix,))
    review = Review("a", (), None, (), findings=(found,))
    assert has_hidden(review)
    return complete(review).findings[0].fixes[0].edit


def test_a_file_of_an_odd_encoding_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("# coding: rot13\nx = 1\n")
    edit = Edit("train.py", 2, f'x = "{HIDDEN}"', f'y = "{HIDDEN}"')
    assert completed(edit) == edit


def test_a_fix_of_hidden_lines_is_restored_from_the_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text('import keras\nmodel.fit(x, y, callbacks=[SCRAM("logs/exp1")])  # see notes\n')
    before = f'model.fit(x, y, callbacks=[SCRAM("{HIDDEN}")])  # {HIDDEN}'

    def fixed(**how):
        return completed(replace(Edit("train.py", 2, before, before.replace("y,", "y, epochs=3,")), **how))

    done = fixed()
    assert done.before == 'model.fit(x, y, callbacks=[SCRAM("logs/exp1")])  # see notes'
    assert done.after == 'model.fit(x, y, epochs=3, callbacks=[SCRAM("logs/exp1")])  # see notes'
    assert HIDDEN in fixed(line=1).before, "other lines"
    assert HIDDEN in fixed(file=str(tmp_path / "train.py")).before, "only names below the working directory"
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert HIDDEN in fixed(file="../train.py").before
    os.symlink("../train.py", "train.py")
    assert HIDDEN in fixed().before, "a link out of the working directory"


@pytest.mark.parametrize(
    ("line", "before"),
    [
        ('x = load("my api key is 1234")', 'x = load("…")'),
        ('wandb.login(key="0123456789abcdef0123456789abcdef01234567", relogin=True)', 'wandb.login(key="…", relogin=True)'),
        ('x = f("hf_AbCdEfGhIjKlMnOpQrStUvWx12")', 'x = f("…")'),
        ('x = f("0123456789abcdef0123")', 'x = f("…")'),
        ('x = f("postgres://admin:hunter2@db")', 'x = f("…")'),
        ('x = f("jane@example.org")', 'x = f("…")'),
        ('password = "hunter2"', 'password = "…"'),
        ('login("jane")', 'login("…")'),
        ("x = f(493021)", 'x = f("…")'),
        ('x = f(b"bytes and a secret")', 'x = f("…")'),
        (f'x = f("{"very " * 40}long")', 'x = f("…")'),
    ],
)
def test_a_secret_on_the_disk_is_not_brought_into_a_report(line, before, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(f"{line}\n")
    assert completed(Edit("train.py", 1, before, before + "  ")).before == before
