"""A program full of what nobody may read in a log, for both frameworks."""

import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.paths import BIN, ROOT, environment

HEAD = '''
import os, sys
sys.path.insert(0, "/home/jane.doe/private_code")  # belongs to Jane Doe
API_KEY = "sk-proj-A1b2C3d4E5f6G7h8I9j0"
TOKEN = "hf_AbCdEfGhIjKlMnOpQrStUvWx"
db = "postgres://admin:hunter2@db.internal.example/prod"
AWS = dict(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
password: str = "correct horse battery staple"
os.environ["WANDB_API_KEY"] = "3f786850e387550fdab836ed7e6dc881de23001b"
data_path = "/home/jane.doe/confidential/patients.csv"
n_features, seed = 8, 20240117
run_name = f"jane.doe@{db}"
headers = {"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc"}

def load(path, key, note="for jane.doe only"):
    """Loads what jane.doe has sent."""
    import numpy as np
    return np.random.default_rng(seed).random((64, n_features)).astype("float32")

features = load(data_path, key=API_KEY)
'''
SECRETS = (
    *("sk-proj", "A1b2C3d4", "hf_AbCd", "postgres", "hunter2", "db.internal", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI"),
    *(
        "correct horse",
        "3f786850",
        "jane",
        "confidential",
        "patients",
        "Bearer",
        "eyJhbGci",
        "Jane",
        "private_code",
        "belongs to",
    ),
)
PROJECT = "a project of somebody"


def logged(program: str, folder: Path) -> bytes:
    """The bytes of all that a program logged that was run in `folder`, after nothing secret was found in it."""
    path = folder / PROJECT / "train.py"
    path.parent.mkdir()
    path.write_text(HEAD + program)
    given = {**environment(), "PYTHONPATH": str(ROOT), "MY_SECRET": "secret-of-the-environment"}
    command = [sys.executable, "train.py", "--api-key", "secret-of-the-command"]
    done = subprocess.run(command, cwd=path.parent, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    files = [p for p in path.parent.rglob("*") if p.is_file() and "tfevents" in p.name]
    assert files
    data = b"".join(p.read_bytes() for p in files)
    user = [getpass.getuser()] if getpass.getuser() != "root" else []
    places = [str(folder), os.path.expanduser("~"), PROJECT, "secret-of"]
    assert [word for word in [*SECRETS, *user, *places] if word.encode() in data] == []
    return data


def assert_fixes_are_of_the_disk(folder: Path) -> None:
    """`scram check` in the project proposes changes of lines as they are there, with what the log does not tell."""
    project = folder / PROJECT
    command = [str(BIN / "scram"), "check", "logs", "--format", "json"]
    done = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, check=False)
    (run,) = json.loads(done.stdout)["runs"]
    edits = [fix["edit"] for finding in run["findings"] for fix in finding["fixes"] if fix["edit"]]
    assert edits
    lines = (project / "train.py").read_text().splitlines()
    for edit in edits:
        before = edit["before"].splitlines()
        assert before == lines[edit["line"] - 1 :][: len(before)]
