"""Groups TensorBoard runs into training runs, by the names of their directories."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from scram_plugin.logs.conventions import Meaning, names_a_part, role_of
from scram_plugin.logs.logdir import Logdir
from scram_plugin.logs.run import Run
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.logs.trainings import MOST_LOOKED_AT, apart


def training_runs(
    logs: Logdir, named: Mapping[str, str] | None = None, elsewhere: Collection[str] = (), without: Collection[str] = ()
) -> list[TrainingRun]:
    """All training runs of a log directory, sorted by name.

    ``exp/train`` and ``exp/validation`` form the training run ``exp``, together with ``exp`` itself if that holds event files.
    So do ``exp_train`` and ``exp_val``, and the sub-runs ``exp/Loss_train`` and ``exp/Loss_val`` that PyTorch's `add_scalars`
    writes. A directory with such a name but without a sibling stays a training run of its own, unless its tags are those that
    Keras writes into ``train/``. Several trainings in one directory are told apart (see `trainings.apart`).

    `named`: tag -> signal, for tags that no convention knows. `elsewhere`: TensorBoard runs of the same log directory that are
    not in `logs`, if `logs` is only a part of it. `without`: TensorBoard runs to leave out.
    """
    meanings = {tag: Meaning(signal, -1) for tag, signal in (named or {}).items()}
    alone = len(logs) == 1 and not elsewhere
    kept = [name for name in logs if name not in without and (alone or not _is_empty(logs[name]))]
    places = {name: _place(name, logs, elsewhere) for name in kept}
    siblings: dict[str, set[str]] = {}  # training run -> roles of its TensorBoard runs
    for key, role in places.values():
        siblings.setdefault(key, set()).add(role)
    parts: dict[str, dict[str, str]] = {}
    for name, (key, role) in places.items():
        paired = role and (
            role in ("scram", "hyperparameters")
            or key in logs
            or siblings[key] - {role, ""}
            or any(tag.startswith("epoch_") for tag in _tags(logs[name]))
            or _of_add_scalars(name, logs[name])
        )
        if role and not paired and any(names_a_part(tag) for tag in _tags(logs[name])):
            role = ""  # a whole training run that is called "train" or "test"
        parts.setdefault(key if paired else name, {})[name] = role
    runs = [run for name in parts for run in apart(TrainingRun(name, parts[name], logs, meanings))]
    return sorted(runs, key=lambda run: run.name)


def units(names: Iterable[str], known: Mapping[str, str] | None = None) -> list[list[str]]:
    """Groups of TensorBoard runs: those whose names say that they form one training run are in the same group.

    The logged data may show that two groups belong together: pass the result of `astray` as `known`. Otherwise each group can
    be reviewed without the others.
    """
    tree: dict[str, str] = {}  # a forest: the groups are its trees

    def top(name: str) -> str:
        while (parent := tree.setdefault(name, name)) != name:
            tree[name] = tree[parent]
            name = parent
        return name

    names = list(names)
    for name in names:
        tree[top(name)] = top(likely_key(name))
    for name, key in (known or {}).items():
        tree[top(name)] = top(key)
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(top(name), []).append(name)
    return list(groups.values())


def astray(logs: Logdir, elsewhere: Collection[str]) -> dict[str, str]:
    """TensorBoard run -> training run, for those that belong to another training run than their names say."""
    keys = {name: _place(name, logs, elsewhere)[0] for name in logs}
    return {name: key for name, key in keys.items() if key not in (name, likely_key(name))}


def above(name: str) -> str:
    """The directory that contains a TensorBoard run."""
    return name.rpartition("/")[0] or "."


def likely_key(name: str) -> str:
    """The training run that a TensorBoard run belongs to, according to its name."""
    if name == ".":
        return name
    role, rest = role_of(name)
    if role and rest:
        return rest if above(name) == "." else f"{above(name)}/{rest}"
    return above(name) if role or _timed(name) else name


def _timed(name: str) -> bool:
    """Whether the run is named after a time, as the sub-runs of PyTorch's `add_hparams` are."""
    return bool(re.fullmatch(r"\d{9,}\.\d+", name.rpartition("/")[2]))


def _place(name: str, logs: Logdir, elsewhere: Collection[str]) -> tuple[str, str]:
    """(name of the training run that this TensorBoard run may belong to, the role that it would have there)."""
    if name == ".":
        return name, ""
    parent = above(name)
    if (parent in logs or parent in elsewhere) and _of_add_hparams(name, logs[name]):
        return parent, "hyperparameters"
    role, rest = role_of(name)
    if not role:
        return name, ""
    if not rest or _of_add_scalars(name, logs[name]):
        return parent, role
    return (rest if parent == "." else f"{parent}/{rest}"), role


def _of_add_scalars(name: str, run: Run) -> bool:
    """Whether this is a sub-run of PyTorch's `add_scalars`, which is named after its tag."""
    role, rest = role_of(name)
    return bool(role and rest) and any(re.sub(r"[/ ]", "_", tag) == rest for tag in _tags(run))


def _of_add_hparams(name: str, run: Run) -> bool:
    """Whether this is a sub-run of PyTorch's `add_hparams`: named after a time, or all tags begin with ``hparam/``."""
    if next(iter(run), "").startswith("hparam/"):
        return all(tag.startswith("hparam/") for tag in _tags(run)) or _timed_results(name, run)
    return _timed_results(name, run)


def _timed_results(name: str, run: Run) -> bool:
    return _timed(name) and all(len(run[tag]) < 2 for tag in _tags(run))


def _is_empty(run: Run) -> bool:
    """Whether it is a text file without a number, as the ``trainer_state.json`` of a training without a log."""
    return not run.has_event_files and not len(run)


def _tags(run: Run) -> list[str]:
    return [tag for _, tag in zip(range(MOST_LOOKED_AT), run, strict=False)]
