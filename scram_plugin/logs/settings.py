"""The settings of a training as its log has them: one name for what each framework calls differently, with a checked value.

Sources: the arguments and the configuration files of each framework (see `docs/logs.md`).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from scram_plugin.logs.facts import DROPPED, MOST

Value: TypeAlias = float | int | str | bool | None
Path: TypeAlias = tuple[str, ...]  # the keys that lead to a value, from the outermost one on

LARGEST_RATE = 100.0  # learning rate: no optimizer works with a larger one; by definition
LARGEST_FACTOR = 1e6  # of a coefficient, a limit or a decay; by definition
LONGEST_NAME = 60  # characters of the name of an optimizer, a schedule or a model; by definition
NAME = re.compile(r"[A-Za-z][\w+-]*")
# Parts of a path whose settings are not those of the training itself.
_ASIDE = re.compile(r"(?:val|valid|validation|eval|evaluation|test|predict|inference|tokenizer|ema)(?:_.*)?")


class Setting(NamedTuple):
    """A setting: its value (None: turned off), what the framework calls it, and where it was read ("args", "hparams.yaml")."""

    value: Value
    key: str
    source: str


Settings: TypeAlias = Mapping[str, Setting]


class Told(NamedTuple):
    """The settings that one source tells. `when`: seconds since 1970; `rank`: sources with a lower one come first.

    `others`: what has no canonical name, by its path with slashes; only numbers, truth values, short texts and short lists.
    """

    when: float
    rank: int
    source: str
    settings: dict[str, Setting]
    others: Mapping[str, Value] = MappingProxyType({})


class _Key(NamedTuple):
    """One row. `key` is the end of a path, all of it after a slash. Of several keys for one name the first one counts."""

    frameworks: str
    key: str
    name: str
    typed: Callable[[Any], Any]  # the value, or `DROPPED`


def plain(value: Any) -> Any:
    """A value as its writer meant it: the only entry of a list, and numbers, None and truth values that are written as text."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        return value
    text = value.strip().strip("\"'")
    text = text[1:-1] if re.fullmatch(r"\[[^,\[\]]*\]", text) else text
    low = text.lower()
    if low in ("", "none", "null", "~"):
        return None
    if low in ("true", "false"):
        return low == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _number(value: Any, low: float, high: float) -> Any:
    right = type(value) in (int, float) and low <= value <= high  # NaN is in no range
    return float(value) if right else DROPPED


def _rate(value: Any) -> Any:
    """A learning rate; Stable-Baselines3's zoo writes ``lin_0.0003`` for one that falls from there."""
    value = plain(value.removeprefix("lin_")) if isinstance(value, str) else value
    return _number(value, math.ulp(0.0), LARGEST_RATE)


def _positive(value: Any) -> Any:
    return _number(value, math.ulp(0.0), LARGEST_FACTOR)


def _factor(value: Any) -> Any:
    return _number(value, 0.0, LARGEST_FACTOR)


def _share(value: Any) -> Any:
    return _number(value, 0.0, 1.0)


def _limit(value: Any) -> Any:
    """A limit; None if it is turned off."""
    if value is None or value is False or _number(value, -math.inf, 0.0) is not DROPPED:
        return None
    return _number(value, 0.0, LARGEST_FACTOR)


def _whole(value: Any) -> Any:
    """A number of steps, or a seed: 0 is one."""
    number = _number(value, 0, MOST)
    return int(number) if number is not DROPPED and number == int(number) else DROPPED


def _count(value: Any) -> Any:
    return _whole(value) or DROPPED


def _size(value: Any) -> Any:
    """The larger side of an image, in pixels."""
    sides = [_count(plain(side)) for side in (value if isinstance(value, list) else [value])]
    return DROPPED if DROPPED in sides or not sides else max(sides)


def _frozen(value: Any) -> Any:
    """Whether layers are frozen, or how many."""
    return value if isinstance(value, bool) else len(value) if isinstance(value, list) else _whole(value)


def _name(value: Any) -> Any:
    """The name of a class or a choice, without the module or the directory before it."""
    value = value[0] if isinstance(value, list) and value else value
    text = re.split(r"[./\\:]", re.sub(r"\.(?:pt|yaml|py)$", "", value))[-1] if isinstance(value, str) else ""
    return text if len(text) <= LONGEST_NAME and NAME.fullmatch(text) else DROPPED


def _class(value: Any) -> Any:
    """The name of a class, which says more than that one is chosen."""
    return DROPPED if isinstance(value, dict) else _name(value)


def _precision(value: Any) -> Any:
    """ "fp16", "bf16" or "float32"; "amp" for mixed precision of a type that is not told."""
    if isinstance(value, bool):
        return "amp" if value else "float32"
    # a list may hold itself many times over, and a number may be longer than Python writes
    text = str(value).lower() if isinstance(value, str) or (isinstance(value, int) and value in (16, 32)) else ""
    if text == "amp":
        return "amp"
    if text in ("no", "32", "32-true", "fp32", "float32", "full"):
        return "float32"
    return "bf16" if "bf" in text else "fp16" if "16" in text else DROPPED


def _flag(yes: str, no: Any = DROPPED) -> Callable[[Any], Any]:
    """What a flag stands for; `DROPPED`: nothing is known."""
    return lambda value: yes if value is True else no if value is False else DROPPED


FROZEN = "frozen layers"
_KEYS = (
    _Key("most", "learning_rate", "learning rate", _rate),
    _Key("most", "lr", "learning rate", _rate),
    _Key("ultralytics", "lr0", "learning rate", _rate),
    _Key("detectron2, timm", "base_lr", "learning rate", _rate),
    _Key("yolox, own", "initial_lr", "learning rate", _rate),
    _Key("own", "init_lr", "learning rate", _rate),
    _Key("hugging face, diffusers", "warmup_steps", "warmup steps", _whole),
    _Key("diffusers", "lr_warmup_steps", "warmup steps", _whole),
    _Key("lightning, own", "num_warmup_steps", "warmup steps", _whole),
    _Key("fairseq", "warmup_updates", "warmup steps", _whole),
    _Key("detectron2", "solver/warmup_iters", "warmup steps", _whole),
    _Key("megatron", "lr_warmup_iters", "warmup steps", _whole),
    _Key("hugging face", "warmup_ratio", "warmup ratio", _share),
    _Key("ultralytics, timm", "warmup_epochs", "warmup epochs", _factor),
    _Key("hugging face", "fp16", "precision", _flag("fp16")),
    _Key("hugging face", "bf16", "precision", _flag("bf16")),
    _Key("ultralytics, timm", "amp", "precision", _precision),
    _Key("mmengine", "optim_wrapper/type", "precision", lambda v: "amp" if v == "AmpOptimWrapper" else DROPPED),
    _Key("accelerate, coqui, rl_games", "mixed_precision", "precision", _precision),
    _Key("lightning", "precision", "precision", _precision),  # after `mixed_precision`: coqui's is that of mixed precision
    _Key("keras", "dtype_policy", "precision", _precision),
    _Key("hugging face, stable-baselines3, cleanrl", "max_grad_norm", "gradient clipping", _limit),
    _Key("lightning", "gradient_clip_val", "gradient clipping", _limit),
    _Key("fairseq", "clip_norm", "gradient clipping", _limit),
    _Key("megatron, timm", "clip_grad", "gradient clipping", _limit),
    _Key("mmengine", "clip_grad/max_norm", "gradient clipping", _limit),
    _Key("coqui", "grad_clip", "gradient clipping", _limit),
    _Key("rl_games", "config/grad_norm", "gradient clipping", _limit),
    _Key("own", "gradient_clipping", "gradient clipping", _limit),
    _Key("hugging face", "per_device_train_batch_size", "batch size", _count),
    _Key("hugging face", "train_batch_size", "batch size", _count),
    _Key("cleanrl, rl_games", "minibatch_size", "batch size", _count),
    _Key("most", "batch_size", "batch size", _count),
    _Key("ultralytics", "/batch", "batch size", _count),
    _Key("detectron2", "ims_per_batch", "batch size", _count),
    _Key("megatron", "global_batch_size", "batch size", _count),
    _Key("hugging face", "gradient_accumulation_steps", "accumulation steps", _count),
    _Key("lightning", "accumulate_grad_batches", "accumulation steps", _count),
    _Key("fairseq", "update_freq", "accumulation steps", _count),
    _Key("mmengine", "accumulative_counts", "accumulation steps", _count),
    _Key("own", "accum_iter", "accumulation steps", _count),
    _Key("hugging face", "num_train_epochs", "epochs", _positive),
    _Key("lightning, mmengine", "max_epochs", "epochs", _positive),
    _Key("most", "epochs", "epochs", _positive),
    _Key("own", "num_epochs", "epochs", _positive),
    _Key("fairseq", "max_epoch", "epochs", _positive),
    _Key("hugging face, lightning, ml-agents", "max_steps", "max steps", _count),
    _Key("diffusers", "max_train_steps", "max steps", _count),
    _Key("fairseq", "max_update", "max steps", _count),
    _Key("mmengine, detectron2", "max_iters", "max steps", _count),
    _Key("detectron2", "solver/max_iter", "max steps", _count),
    _Key("megatron", "train_iters", "max steps", _count),
    _Key("cleanrl", "total_timesteps", "max steps", _count),
    _Key("stable-baselines3", "n_timesteps", "max steps", _count),
    _Key("most", "weight_decay", "weight decay", _factor),
    _Key("hugging face", "optim", "optimizer", _class),
    _Key("most", "optimizer", "optimizer", _class),
    _Key("hydra", "optimizer/_target_", "optimizer", _name),
    _Key("mmengine", "optimizer/type", "optimizer", _name),
    _Key("own", "optimizer/name", "optimizer", _name),
    _Key("timm", "/opt", "optimizer", _class),
    _Key("hugging face", "lr_scheduler_type", "schedule", _name),
    _Key("fairseq, coqui, diffusers", "lr_scheduler", "schedule", _class),
    _Key("hydra", "lr_scheduler/_target_", "schedule", _name),
    _Key("hydra", "scheduler/_target_", "schedule", _name),
    _Key("ml-agents", "learning_rate_schedule", "schedule", _name),
    _Key("detectron2", "lr_scheduler_name", "schedule", _name),
    _Key("timm", "/sched", "schedule", _class),
    _Key("own", "scheduler", "schedule", _class),
    _Key("ultralytics", "cos_lr", "schedule", _flag("cosine", "linear")),
    _Key("cleanrl", "anneal_lr", "schedule", _flag("linear", "constant")),
    _Key("most", "seed", "seed", _whole),
    _Key("coqui", "training_seed", "seed", _whole),
    _Key("lightning", "seed_everything", "seed", _whole),
    _Key("hugging face", "vocab_size", "vocabulary size", _count),
    _Key("hugging face", "architectures", "model class", _name),
    _Key("fairseq, timm", "arch", "model class", _class),
    _Key("hydra", "model/_target_", "model class", _name),
    _Key("mmengine", "model/type", "model class", _name),
    _Key("detectron2", "meta_architecture", "model class", _name),
    _Key("ultralytics, coqui", "/model", "model class", _class),
    _Key("stable-baselines3, cleanrl", "ent_coef", "entropy coefficient", _factor),
    _Key("rl_games, rsl_rl", "entropy_coef", "entropy coefficient", _factor),
    _Key("verl, rllib", "entropy_coeff", "entropy coefficient", _factor),
    _Key("ml-agents", "ml_agents/hyperparameters/beta", "entropy coefficient", _factor),
    _Key("stable-baselines3, cleanrl", "target_kl", "target kl", _limit),
    _Key("rsl_rl", "desired_kl", "target kl", _limit),
    _Key("rl_games", "kl_threshold", "target kl", _limit),
    _Key("trl", "/beta", "beta", _factor),
    _Key("trl", "kl_coef", "beta", _factor),
    _Key("verl", "kl_loss_coef", "beta", _factor),
    _Key("trl", "max_completion_length", "max completion length", _count),
    _Key("trl", "response_length", "max completion length", _count),
    _Key("verl", "max_response_length", "max completion length", _count),
    _Key("trl", "num_generations", "completions per group", _count),
    _Key("verl", "rollout/n", "completions per group", _count),
    _Key("ultralytics", "imgsz", "image size", _size),
    _Key("most", "img_size", "image size", _size),
    _Key("hugging face", "image_size", "image size", _size),
    _Key("diffusers", "resolution", "image size", _size),
    _Key("most", "/patience", "patience", _count),
    _Key("lightning", "early_stopping/patience", "patience", _count),
    _Key("hugging face", "early_stopping_patience", "patience", _count),
    _Key("ultralytics", "close_mosaic", "mosaic end", _whole),
    _Key("ultralytics", "/freeze", FROZEN, _frozen),
    _Key("own", "freeze_backbone", FROZEN, _frozen),
    _Key("own", "freeze_encoder", FROZEN, _frozen),
    _Key("mmengine", "frozen_stages", FROZEN, _frozen),
    _Key("detectron2", "freeze_at", FROZEN, _frozen),
    _Key("most", "dropout", "dropout", _share),
    _Key("hugging face", "hidden_dropout_prob", "dropout", _share),
    _Key("hugging face", "resid_pdrop", "dropout", _share),
    _Key("hugging face", "dropout_rate", "dropout", _share),
)
NAMES = tuple(dict.fromkeys(_row.name for _row in _KEYS))  # the canonical names, in the order in which they are told
_BY_LAST: dict[str, list[tuple[int, Path, _Key]]] = defaultdict(list)  # last part of a key -> its place, its parts, the row
for _place, _row in enumerate(_KEYS):
    _parts = tuple(_row.key.removeprefix("/").split("/"))
    _BY_LAST[_parts[-1]].append((_place, _parts, _row))


def settings_of(pairs: Iterable[tuple[Path, Any]], source: str) -> dict[str, Setting]:
    """The settings among the entries of a configuration, by their canonical names.

    Of several entries for one name the one nearest to the top counts, then the first one in the table; none if two of equal
    rank contradict each other, as the learning rates of two models do. Values of a wrong type or range are left out.
    """
    found: dict[str, tuple[tuple[int, int], Setting]] = {}
    unsure: dict[str, tuple[int, int]] = {}
    entries: dict[Path, Any] = {}
    for path, value in pairs:
        entries[path] = value
        fitting = [row for row in _BY_LAST.get(path[-1], ()) if _fits(path, *row[1:])]
        if not fitting or is_aside(path):
            continue
        place, _, row = max(fitting, key=lambda row: len(row[1]))
        try:
            typed = row.typed(value if row.name == FROZEN else plain(value))
        except (ValueError, TypeError, OverflowError, RecursionError):  # of anybody's making
            continue
        if typed is DROPPED:
            continue
        rank, setting = (len(path), place), Setting(typed, row.key.rpartition("/")[2], source)
        before = found.get(row.name)
        if before is None or rank < before[0]:
            found[row.name] = rank, setting
        elif rank == before[0] and before[1].value != typed:
            unsure[row.name] = rank
    known = {name: setting for name, (rank, setting) in found.items() if unsure.get(name) != rank}
    if plain(entries.get(("optimizer",))) == "auto" and ("lr0",) in entries:
        # Ultralytics then chooses the optimizer and its learning rate itself
        known = {name: setting for name, setting in known.items() if name not in ("optimizer", "learning rate")}
    return known


def is_named(path: Path, known: Settings) -> bool:
    """Whether an entry is one of those that were read as a setting."""
    names = {row.name for _, parts, row in _BY_LAST.get(path[-1], ()) if _fits(path, parts, row)}
    return bool(names & known.keys())


def is_aside(path: Path) -> bool:
    """Whether an entry is not one of the training itself."""
    return any(map(_ASIDE.fullmatch, path[:-1]))


def _fits(path: Path, parts: Path, row: _Key) -> bool:
    return path == parts if row.key.startswith("/") else path[-len(parts) :] == parts


def chosen(told: Iterable[Told], begin: float, is_last: bool) -> tuple[dict[str, Setting], dict[str, Value]]:
    """The settings of one training, and those without a canonical name: from each source the last ones, or those written
    before it began.

    `begin`: seconds since 1970, minus infinity for the first training of a directory; `is_last`: no other one follows there.
    """
    by_source: dict[tuple[int, str], list[Told]] = {}
    for one in told:
        by_source.setdefault((one.rank, one.source), []).append(one)
    known: dict[str, Setting] = {}
    others: dict[str, Value] = {}
    for _, several in sorted(by_source.items()):
        several.sort(key=lambda one: one.when)
        before = [one for one in several if one.when <= begin]
        one = several[-1] if is_last else (before or several[:1])[-1]
        known = {**one.settings, **known}
        others = {**one.others, **others}
    return {name: known[name] for name in NAMES if name in known}, others


def common(told: Iterable[Told]) -> list[Told]:
    """One for each source: what the trainings that it names have in common."""
    by_source: dict[tuple[int, str], list[Told]] = {}
    for one in told:
        by_source.setdefault((one.rank, one.source), []).append(one)
    return [_same(several) for several in by_source.values()]


def _same(several: list[Told]) -> Told:
    first = several[0]
    same = {n: s for n, s in first.settings.items() if all(n in o.settings and o.settings[n].value == s.value for o in several)}
    alike = {n: v for n, v in first.others.items() if all(n in o.others and o.others[n] == v for o in several)}
    return first._replace(settings=same, others=alike)
