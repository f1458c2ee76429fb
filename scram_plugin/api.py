"""SCRAM in Python and in a notebook: `scram_plugin.review(logdir)`, `fix(target)`, `preflight(model, data)`."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, overload

from scram_plugin.errors import BadOption
from scram_plugin.fixing.ask import Asked, FixAnswer, answer
from scram_plugin.fixing.report import in_text
from scram_plugin.heuristics.configuration import configured
from scram_plugin.heuristics.words import clean
from scram_plugin.logs.storage import listing
from scram_plugin.reports import html, text
from scram_plugin.reviews.cache import Cache
from scram_plugin.reviews.jobs import MOST_JOBS
from scram_plugin.reviews.many import review_logdir
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.policy import accept
from scram_plugin.reviews.program import complete

SECONDS = 20.0  # of a preflight


class RunReview(Review):
    """The review of one training run; a notebook shows it with its curves."""

    def __repr__(self) -> str:
        return text.plain_report([self]).rstrip()

    def _repr_html_(self) -> str:
        return html.part([self], self.name)


class Reviews(Sequence[Review]):
    """The reviews of the training runs of a log directory, by number or by name; a notebook shows them with their curves.

    Example::

        reviews = scram_plugin.review("logs")
        reviews  # in a notebook: findings, curves, causes and fixes; print(reviews) prints text
        [finding.title for finding in reviews["exp7"].findings]
    """

    def __init__(self, reviews: Sequence[Review], logdir: str) -> None:
        self._reviews, self._logdir = tuple(RunReview(**vars(review)) for review in reviews), logdir

    @property
    def names(self) -> list[str]:
        """The names of the training runs."""
        return [review.name for review in self._reviews]

    def __contains__(self, key: object) -> bool:
        return key in self._reviews or key in self.names

    def __len__(self) -> int:
        return len(self._reviews)

    def __iter__(self) -> Iterator[Review]:
        return iter(self._reviews)

    @overload
    def __getitem__(self, key: int | str) -> Review: ...
    @overload
    def __getitem__(self, key: slice) -> Reviews: ...
    def __getitem__(self, key: int | str | slice) -> Review | Reviews:
        if isinstance(key, slice):
            return Reviews(self._reviews[key], self._logdir)
        if isinstance(key, str):
            for review in self._reviews:
                if review.name == key:
                    return review
            raise KeyError(f"there is no training run {key!r} in {self._logdir}")
        return self._reviews[key]

    def __repr__(self) -> str:
        return text.plain_report(self._reviews).rstrip()

    def _repr_html_(self) -> str:
        return html.part(self._reviews, self._logdir)


def review(
    logdir: str | os.PathLike[str],
    run: str = "",
    *,
    select: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] | None = None,
    config: str | None = None,
    options: str | Sequence[str] = (),
    jobs: int = 1,
    cache: bool = True,
) -> Reviews:
    """Review the training runs below `logdir` whose names match the regular expression `run`, as `scram check` does.

    `select` and `ignore` are ids of heuristics, as a list or as text with commas. `options` are texts ``ID.OPTION=VALUE``.
    `config` names a configuration file, by default the nearest ``scram.toml`` upwards. `jobs` is the number of processes for
    many runs. `cache` stores reviews for the next call. Raises FileNotFoundError or NotADirectoryError if `logdir` is not a
    directory, OSError if its storage cannot be reached, and ValueError, with a sentence, for invalid arguments.
    """
    chosen, left = (ids if ids is None or isinstance(ids, str) else ",".join(ids) for ids in (select, ignore))
    settings = [options] if isinstance(options, str) else options
    try:
        re.compile(run)
    except re.error as error:
        raise BadOption(f"run={run!r} is not a regular expression ({error})") from None
    if not 1 <= jobs <= MOST_JOBS:
        raise BadOption(f"jobs={jobs!r}: give the number of processes, from 1 to {MOST_JOBS}")
    catalogue = configured(config, settings, chosen, left, logdirs=[os.fspath(logdir)])
    root, files, problems = listing(logdir)
    for problem in problems:
        warnings.warn(f"{problem.path!r}: {problem.sentence}", stacklevel=2)
    reviews = review_logdir(root, files, catalogue, run, jobs, cache=Cache() if cache else None)
    return Reviews([accept(complete(review), catalogue, [review.name]) for review in reviews], root)


class FoundFix(FixAnswer):
    """What `fix` found: `diff` is the patch, `good` whether there is one (with a proof: whether it helps)."""

    def __repr__(self) -> str:
        return in_text(self).rstrip()

    @property
    def diff(self) -> str:
        """The patch as `diff -u` writes it; empty if there is none."""
        return self.candidate.patch.diff() if self.candidate is not None else ""


def fix(
    target: str | os.PathLike[str],
    run: str = "",
    *,
    prove: bool = False,
    apply: bool = False,
    yes: bool = False,
    network: bool = False,
    seconds: float | None = None,
    epochs: int | None = None,
    arguments: Sequence[str] = (),
    directory: str | os.PathLike[str] = ".",
    log_dir: str | os.PathLike[str] = "logs/fix",
    select: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] | None = None,
    config: str | None = None,
    options: str | Sequence[str] = (),
) -> FoundFix:
    """Find the fixes of a training run as a patch of the program, apply it, or prove that it helps, as `scram fix` does.

    Example::

        scram_plugin.fix("logs/exp1")                 # prints the patch; nothing is written
        scram_plugin.fix("train.py", prove=True)      # runs the program with and without the fix, in a copy of its directory

    Args:
        target: a log directory, or a program (with `prove`).
        run: a regular expression for the training run, where the log directory has several.
        prove: run the program as it is and with each fix, under the same seeds, until one helps.
        apply: write the patch to the files; with `prove`, only if it helps.
        yes: run and write changes without a question. Otherwise they are shown first, and you are asked on the terminal; where
            there is none, as in a notebook, ValueError is raised.
        network: leave the runs of a proof their network, for a program that fetches its data.
        seconds: seconds of training of each run; 12 by default.
        epochs: epochs of each run, instead.
        arguments: for the program.
        directory: where the program ran.
        log_dir: where the runs of a proof are logged.
        select, ignore, config, options: as for `review`.

    Raises ValueError, with a sentence, for what cannot be done: the program has changed, or trains nothing.
    """
    chosen, left = (ids if ids is None or isinstance(ids, str) else ",".join(ids) for ids in (select, ignore))
    settings = [options] if isinstance(options, str) else options
    catalogue = configured(config, settings, chosen, left, logdirs=[os.fspath(log_dir)])
    asked = Asked(
        target=os.fspath(target),
        arguments=tuple(arguments),
        directory=Path(directory),
        log_dir=Path(log_dir),
        run=run,
        prove=prove,
        apply=apply,
        seconds=seconds,
        epochs=epochs,
        network=network,
    )

    def confirm(shown: str, question: str) -> bool:
        print(f"{clean(shown)}\n{question} ", file=sys.stderr)
        if sys.stdin is None or not sys.stdin.isatty():
            raise BadOption("nothing was run or written: look at the change above, and call again with yes=True")
        return input("[y/N] ").strip().lower() in ("y", "yes")

    def say(sentence: str) -> None:
        print(f"scram: {sentence}", file=sys.stderr)

    return FoundFix(**vars(answer(asked, catalogue, say, (lambda shown, question: True) if yes else confirm)))


def preflight(
    model: Any,
    data: Any,
    *,
    loss: Callable[[Any, Any], Any] | None = None,
    optimizer: Any = None,
    validation: Any = None,
    log_dir: str | os.PathLike[str] = "logs/preflight",
    seconds: float = SECONDS,
    memory: str | float | None = None,
    tests: str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    source: bool = True,
) -> Reviews:
    """Test a model before its training: a short recorded training, and active tests. Returns the reviews.

    Example::

        scram_plugin.preflight(model, (x_train, y_train), validation=(x_val, y_val))             # Keras, compiled
        scram_plugin.preflight(model, train_loader, loss=loss_function, optimizer=optimizer)     # PyTorch

    Args:
        model: a compiled Keras model, or a `torch.nn.Module`.
        data: the training data: arrays ``(x, y)``, a `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, or a list
            of batches. An iterator would be used up and is refused.
        loss: with PyTorch, a function of outputs and targets; None for a model that returns its loss.
        optimizer: with PyTorch, the optimizer of the training.
        validation: the validation data, in the same forms as `data`.
        log_dir: where the results are logged; the tab shows them as a training run.
        seconds: approximate time limit.
        memory: the memory that the training may use, in MiB or as "8G"; by default all that the device or machine has.
        tests: a file with your own tests: functions ``test_...`` that take ``model``, ``batch``, ``optimizer``, ``loss``.
        batch_size: the batch size for arrays, 32 by default.
        source: record the lines of the program, so that fixes can be shown in them.

    Afterwards weights, optimizer state, random states and the order of the data are restored bit for bit. Raises TypeError
    or ValueError, with a sentence, for what cannot be tested.
    """
    log_dir = os.fspath(log_dir)
    keras, torch = sys.modules.get("keras"), sys.modules.get("torch")
    from scram_plugin.training.preflight import own_tests
    from scram_plugin.training.preflight.budget import mebibytes
    from scram_plugin.training.preflight.flight import STEPS, fly

    budget, own = mebibytes(memory), own_tests.given(tests)

    if keras is not None and isinstance(model, keras.Model):
        from scram_plugin.training.preflight.keras_data import KerasData
        from scram_plugin.training.preflight.keras_subject import KerasSubject

        training = KerasData(data, batch_size=batch_size)
        subject: Any = KerasSubject(model, training, None if validation is None else KerasData(validation))
        watched = partial(subject.watched, log_dir, STEPS, source)
    elif torch is not None and isinstance(model, torch.nn.Module):
        from scram_plugin.training.preflight.torch_data import TorchData
        from scram_plugin.training.preflight.torch_subject import TorchSubject

        batches = TorchData(data, batch_size)
        subject = TorchSubject(
            model, optimizer, loss, batches, None if validation is None else TorchData(validation, batch_size)
        )
        watched = partial(subject.watched, log_dir, STEPS, seconds / 2, source)
    else:
        raise TypeError(f"model is a {type(model).__name__}: give a compiled keras.Model or a torch.nn.Module")
    fly(subject, log_dir, seconds, budget, own, watched)
    return review(log_dir, cache=False)
