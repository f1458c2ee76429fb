"""Reviews in Python and in a notebook: `scram_plugin.review(logdir)`."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import overload

from scram_plugin.cache import Cache
from scram_plugin.check import MOST_JOBS
from scram_plugin.configuration import configured
from scram_plugin.errors import BadOption
from scram_plugin.logs.storage import listing
from scram_plugin.parallel import review_logdir
from scram_plugin.reports import html, text
from scram_plugin.reviews import Review
from scram_plugin.sources import complete


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
        [finding["title"] for finding in reviews["exp7"].findings]
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
    for review in reviews:
        complete(review)
    return Reviews(reviews, root)
