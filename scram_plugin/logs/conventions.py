"""How frameworks name what they log: tables from (role of a TensorBoard run, tag) to the signal that the tag means.

A signal is ``training`` or ``validation`` followed by a quantity (``loss``, ``accuracy``, or the metric's own words), or one
of ``batch loss``, ``learning rate``, ``epoch``, ``return``, ``adversarial loss``, ``policy loss``. ``training loss part`` is a
summand of a loss whose total was not logged (``train/box_loss``).

`known_tags.py` has the names that only one framework uses. All others are read by their words: ``Loss/train``,
``train_loss_epoch`` and ``Avg Training Loss`` mean the same.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from scram_plugin.logs.known_tags import CONVENTIONS


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words for a part of a training run, in a tag or as the name of a directory. They are in order of preference: a validation set
# that is used during the training comes before a test set.
TRAINING = ("train", "training", "trn")
VALIDATION = ("validation", "val", "valid", "dev", "eval", "evaluation", "holdout", "test", "testing")
ROLES = {**dict.fromkeys(TRAINING, "training"), **dict.fromkeys(VALIDATION, "validation"), "scram": "scram"}

LOSS = _set("loss losses nll cost objective xent ce crossentropy bce")
PLAIN_LOSS = _set("loss losses")
ADDED = _set("kl kld reg regularization penalty aux auxiliary l1 l2 commitment commit vq")  # what is added to a loss
# Words that do not change what a loss or metric means.
FILLERS = _set(
    "epoch epochs avg average mean total overall all per stats on set data dataset value values running "
    "global scalar scalars log logs curve history phase main the of and smoothed metric metrics step steps "
    "iter iters iteration iterations batch batches mini minibatch result results summary every each vs curves "
    "plot"
)
OF_BATCHES = _set("step steps iter iters iteration iterations batch batches mini minibatch")
ADVERSARIAL = _set("g d gen disc generator discriminator gan adv adversarial critic netg netd fool")
POLICY = _set("policy actor critic pg ppo entropy surrogate vf qf q q1 q2 temperature td clip curiosity baseline")
RETURN = _set("reward rewards return returns rew cumulative_reward")
# Metrics whose values are shares: 1 (or 100 percent) is all right, or for an error rate all wrong.
SCORES = _set(
    "accuracy acc f1 auprc ap map map50 map75 precision recall iou miou dice ssim jaccard specificity sensitivity bleu"
)
AREAS = _set("auc auroc")  # a half is guessing
AGREEMENTS = _set("mcc kappa pearson spearman")  # from -1 to 1; 0 is guessing
ERROR_RATES = _set("wer cer eer err error")
HIGHER_IS_BETTER = (
    SCORES
    | AREAS
    | AGREEMENTS
    | _set("rouge rouge1 rouge2 rougel rougelsum meteor cider psnr r2 score em hits mrr ndcg exact avna top1 top5 top fitness")
)
ERRORS = _set("mae mse rmse perplexity ppl fid lpips mape rmsle")
LOWER_IS_BETTER = ERROR_RATES | ERRORS | _set("exploitability")
# of these, higher values are better, whatever is trained
CLEAR = SCORES | AREAS | AGREEMENTS | _set("psnr r2 rouge rouge1 rouge2 rougel rougelsum")
# A tag with one of these words is not a learning rate, whatever else it says.
NOT_A_RATE = _set("decay multiplier scale factor loss")
NOT_A_RETURN = _set("std var variance min max margin margins chosen rejected accuracies scale clip normalized loss")
_PLAIN_RATE = _set("lr learning rate train training params param optimizer optim current 0 1")
_OF_EPISODES = _set("ep episode episodes episodic mean avg average cumulative eval rollout test train total")
_ACCURACY = _set("acc accuracy sparse categorical binary top1 1 multiclass")


# The framework of code examples, for logs of tools that are built on that framework.
CODE_OF = dict.fromkeys(
    (
        *("lightning", "hugging face", "yolo", "detectron2", "coqui", "stable-baselines3", "rllib", "basicsr", "cs285"),
        *("verl", "cleanrl", "rl_games", "rsl_rl", "ml-agents", "mmengine", "nnu-net", "megatron", "fairseq"),
    ),
    "torch",
) | {"object detection api": "keras", "estimator": "keras"}


_KNOWN = re.compile("|".join(f"(?:{row.tag.replace('?P<metric>', '?:')})" for row in CONVENTIONS))


class Meaning(NamedTuple):
    """What a tag means: the signal, its rank as a source of it (lower is better), the axis, and the framework."""

    signal: str
    rank: int
    axis: str = "step"
    framework: str = ""


def words(tag: str) -> list[str]:
    """The words of a tag, in lower case: ``TrainEpochStats/avg_loss`` has train, epoch, stats, avg and loss."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", tag.replace("mAP", "map"))
    plain = re.sub(r"[^a-z0-9]+", " ", spaced.lower())
    return re.sub(r"\bmean average precision\b", "map", plain).split()


def role_of(name: str) -> tuple[str, str]:
    """(role, rest) of a directory's name: ``exp7_val`` is the validation part of ``exp7``; ("", name) without a role."""
    last = name.rpartition("/")[2]
    if last.lower() in ROLES:
        return ROLES[last.lower()], ""
    pieces = re.split(r"([_.\\-])", last)
    for edge, rest in ((pieces[-1], pieces[:-2]), (pieces[0], pieces[2:])):
        role = ROLES.get(edge.lower(), "")
        if role in ("training", "validation") and rest:
            return role, "".join(rest)
    return "", last


@lru_cache(65536)
def meaning(role: str, tag: str) -> Meaning | None:
    """What `tag` means in a TensorBoard run with this role; None if that is not known."""
    for row in CONVENTIONS if _KNOWN.fullmatch(tag) else ():
        found = re.fullmatch(row.tag, tag) if row.role in ("*", role) else None
        if found is not None:
            if row.signal == "-":
                return Meaning("", 0, framework=row.framework)
            metric = (found.groupdict().get("metric") or "").lower()
            return Meaning(row.signal.format(metric=quantity(words(metric)) if metric else ""), 0, row.axis, row.framework)
    return _by_words(role, tag)


def _by_words(role: str, tag: str) -> Meaning | None:
    said = words(tag)
    if not said:
        return None
    have = set(said)
    if have & {"lr", "lrs"} or ("learning", "rate") in pairwise(said):
        plain = have <= _PLAIN_RATE
        return None if have & NOT_A_RATE else Meaning("learning rate", 1 if plain else 2)
    if said[-1] == "epoch" and have <= {"epoch", "train", "training", "trainer", "current", "progress"}:
        return Meaning("epoch", 1)
    if have & RETURN and have & _OF_EPISODES and not have & NOT_A_RETURN:
        return Meaning("return", 1 + len(have))
    part, known = _part(said)
    rest = [w for w in said if w not in known and w not in FILLERS and w not in LOSS and not (w == "1" and w is said[-1])]
    part = part or role
    is_loss = bool(have & LOSS) or {"cross", "entropy"} <= have
    if is_loss:
        if "cross" in have:
            rest = [w for w in rest if w not in ("cross", "entropy")]
        if set(rest) & {"gan", "adv", "adversarial", "generator", "discriminator", "gen", "disc"} or (
            rest and set(rest) <= ADVERSARIAL | {"real", "fake", "a", "b"}
        ):
            return Meaning("adversarial loss", 1)
        if set(rest) & POLICY - {"entropy", "q", "clip", "td", "temperature"}:
            return Meaning("policy loss", 1)
        side = "validation" if part == "validation" else "training"
        batches = bool(have & OF_BATCHES) and not have & {"epoch", "epochs"} and side == "training"
        order = VALIDATION.index(known[0]) if side == "validation" and known else 0
        if rest:
            return Meaning(f"{side} loss part", 10 * order + len(rest))
        kind = 2 * bool(have & LOSS - PLAIN_LOSS and have & PLAIN_LOSS)  # train/ce_loss is only a part if train/loss exists
        doubt = kind if "total" in have or have & {"epoch", "epochs"} else kind + 1
        repeated = 5 * (len(known) > 1 and len(set(known)) == 1)  # train/train_loss is a summary in some frameworks
        return Meaning("batch loss" if batches else f"{side} loss", 10 * order + doubt + repeated + 2 * (not known))
    metric = [w for w in rest if w in HIGHER_IS_BETTER or w in LOWER_IS_BETTER]
    if not metric or len(rest) > 4:
        return None
    side = "validation" if part == "validation" else "training"
    order = VALIDATION.index(known[0]) if side == "validation" and known else 0
    return Meaning(f"{side} {quantity(rest)}", 10 * order + len(rest))


def _part(said: list[str]) -> tuple[str, list[str]]:
    """(the role that the words of a tag name, those words). A tag that names two roles counts as naming none."""
    known = [w for w in said if w in TRAINING or w in VALIDATION]
    parts = {ROLES[w] for w in known}
    return (parts.pop() if len(parts) == 1 else ""), known


def names_a_part(tag: str) -> bool:
    """Whether the tag itself says that it belongs to the training or the validation data."""
    return bool(_part(words(tag))[0])


def kind_of_loss(tag: str) -> str:
    """What is left of the name of a loss without its data set: ``val/ctc_loss`` and ``train_ctc_loss`` are "ctc loss"."""
    return " ".join(w for w in words(tag) if w not in ROLES and w not in FILLERS)


def quantity(said: list[str]) -> str:
    """The common name of a metric: every kind of accuracy is "accuracy"."""
    if ("acc" in said or "accuracy" in said) and set(said) <= _ACCURACY:
        return "accuracy"
    return " ".join(said)


def higher_is_better(metric: str) -> bool | None:
    """Whether higher values of a metric are better, according to its words; None if that is not known."""
    said = set(metric.split())
    if said & LOWER_IS_BETTER or said & LOSS:
        return False
    return True if said & HIGHER_IS_BETTER else None


def clearly_better(tag: str) -> bool | None:
    """Whether higher values of a metric are better, if each word of its name is known; None if there is any doubt.

    A sign or "1 -" may turn it over, and "error accuracy" may be the accuracy of an output that is called "error".
    """
    rest = [w for w in words(tag) if w not in ROLES and w not in FILLERS]
    lower = [w for w in rest if w in PLAIN_LOSS | ERROR_RATES | ERRORS]
    higher = [w for w in rest if w in CLEAR]
    others = set(rest) - {*lower, *higher} - (_ACCURACY if higher else {"rate"} if lower else set())
    turned = "1" in rest or re.search(r"(^|[^a-z0-9])[-\u2212]|\binverse|\bneg", tag.lower())
    return None if turned or others or bool(lower) == bool(higher) else bool(higher)
