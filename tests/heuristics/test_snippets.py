"""Every snippet of code on a page runs as it stands. All of them run in one process for each framework, one after another."""

import ast
import json
import re
import subprocess
import sys

import pytest

from scram_plugin.heuristics.catalogue import HEURISTICS
from scram_plugin.heuristics.frameworks import FIXES, in_framework
from scram_plugin.heuristics.page import FRAMEWORKS, Snippet
from scram_plugin.heuristics.remedies import REMEDIES
from tests.paths import environment, is_installed

DISTRIBUTIONS = {
    "keras": "tensorflow",
    "torch": "torch",
    "lightning": "lightning",
    "hugging face": "transformers",
    "stable-baselines3": "stable-baselines3",
}
RUN = """
import json, sys
failed = {}
for title, code in json.load(sys.stdin):
    try:
        exec(compile(code, title, "exec"), {"__name__": "__main__"})
    except Exception as error:
        failed[title] = f"{type(error).__name__}: {error}"
    if "keras" in sys.modules:  # what a snippet sets for the whole process is no matter of the next one
        sys.modules["keras"].config.set_dtype_policy("float32")
        sys.modules["keras"].backend.clear_session()
json.dump(failed, open(sys.argv[1], "w"))
"""


def snippets(framework):
    """Heuristic and cause -> code; for a framework without fences on the pages what is to be done -> code."""
    if framework not in FRAMEWORKS:
        return {remedy: code[framework] for remedy, code in REMEDIES.items() if framework in code}
    return {
        f"{heuristic.id}, {cause}": snippet.code
        for heuristic in HEURISTICS
        for cause, (_, _, fences) in heuristic.page.fixes.items()
        for snippet in fences
        if snippet.framework == framework
    }


@pytest.fixture(scope="session")
def failed(tmp_path_factory):
    """framework -> what failed of its snippets; asked for once each."""
    known = {}

    def of(framework):
        if framework not in known:
            folder = tmp_path_factory.mktemp(framework)
            known[framework] = outcome(framework, folder)
        return known[framework]

    return of


def outcome(framework, folder):
    for title, code in snippets(framework).items():  # what is not installed is compiled at least
        compile(code, title, "exec")
    if not is_installed(DISTRIBUTIONS[framework]):
        return {}
    known = [(title, code) for title, code in snippets(framework).items() if "from trl " not in code or is_installed("trl")]
    command, given = [sys.executable, "-c", RUN, "failed.json"], json.dumps(known)
    done = subprocess.run(command, input=given, capture_output=True, text=True, cwd=folder, env=environment())
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "failed.json").read_text())


CASES = [pytest.param(h, framework, id=f"{h.id}-{framework}") for framework in FRAMEWORKS for h in HEURISTICS]


@pytest.mark.parametrize(("heuristic", "framework"), CASES)
def test_the_snippets_of_a_page_run(heuristic, framework, failed):
    mine = [title for title in snippets(framework) if title.startswith(f"{heuristic.id}, ")]
    assert len(mine) == len(heuristic.page.causes)
    assert {title: error for title, error in failed(framework).items() if title in mine} == {}


DATA = re.compile(
    r"^((x|y)(_train|_val)?|predictions|labels|images)\b[^=(]*= .*\b(array|rand\w*|normal|tensor|ones|zeros|arange)\("
)


@pytest.mark.parametrize("heuristic", HEURISTICS, ids=lambda heuristic: heuristic.id)
def test_no_fix_that_is_shown_overwrites_the_users_data(heuristic):
    """Who copies it would train with a toy."""
    for _, _, fixes in heuristic.page.fixes.values():
        for snippet in fixes:
            assert snippet.shown.strip()
            compile(snippet.shown, "snippet", "exec")
            made = [line for line in snippet.shown.splitlines() if DATA.match(line)]
            assert [line for line in made if line.split("=")[0].strip() not in line.partition("=")[2]] == []


def test_samples_and_what_only_they_need_are_not_shown():
    code = "import numpy as np\nimport keras\n\nx = np.ones(3)  # sample\nx = keras.ops.relu(x)\n"
    assert Snippet("keras", code).shown == "import keras\n\nx = keras.ops.relu(x)\n"
    assert Snippet("keras", "import keras\n").shown == "import keras\n"


@pytest.mark.parametrize("framework", ["lightning", "hugging face", "stable-baselines3"])
def test_fixes_in_a_frameworks_words_run(framework, failed):
    assert len(snippets(framework)) > 2
    assert failed(framework) == {}


# of its `train`, https://docs.ultralytics.com/modes/train/
YOLO_ARGUMENTS = {
    *("amp", "batch", "cos_lr", "degrees", "dropout", "epochs", "freeze", "lr0", "lrf"),
    *("mixup", "mosaic", "optimizer", "patience", "plots", "scale", "warmup_epochs", "weight_decay"),
}


# of DPOConfig and GRPOConfig, https://huggingface.co/docs/trl, and of the TrainingArguments that both extend
TRL_ARGUMENTS = {
    *("output_dir", "num_train_epochs", "learning_rate", "eval_strategy", "eval_steps", "save_steps"),
    *("load_best_model_at_end", "beta", "label_smoothing", "loss_type", "loss_weights"),
    *("scale_rewards", "metric_for_best_model", "greater_is_better", "max_completion_length"),
}


def arguments(code):
    """The names of all arguments that are given in this code."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return {keyword.arg for call in calls for keyword in call.keywords}


def test_fixes_in_the_words_of_trl_name_its_arguments():
    """They run only where it is installed."""
    known = [code for code in snippets("hugging face").values() if "from trl " in code]
    assert known
    assert set().union(*map(arguments, known)) == TRL_ARGUMENTS


def test_fixes_in_the_words_of_ultralytics_name_its_arguments():
    """They are not run: without the network there are no weights and no data."""
    for code in snippets("yolo").values():
        assert arguments(code) - {"data"} <= YOLO_ARGUMENTS
    if is_installed("ultralytics"):
        from ultralytics.utils import DEFAULT_CFG_DICT

        assert set(DEFAULT_CFG_DICT) >= YOLO_ARGUMENTS


@pytest.mark.parametrize("fix", sorted(FIXES), ids="-".join)
def test_a_fix_in_a_frameworks_words_is_that_of_a_cause(fix):
    heuristic, cause = fix
    assert cause in next(h for h in HEURISTICS if h.id == heuristic).page.fixes
    assert FIXES[fix] in REMEDIES


def test_every_remedy_is_used_and_only_where_the_framework_is_known():
    assert set(REMEDIES) == set(FIXES.values())
    assert "EarlyStoppingCallback" in in_framework("hugging face", "overfitting", "too-long")
    assert in_framework("keras", "overfitting", "too-long") is None
    assert in_framework(None, "overfitting", "too-long") is None
    shown = in_framework("stable-baselines3", "return-collapse", "large-updates")
    assert "target_kl" in shown
    assert "gymnasium" not in shown
