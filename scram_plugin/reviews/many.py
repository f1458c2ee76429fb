"""Reviews of a whole log directory: in this process, in several, or by an executor; the results are the same."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from scram_plugin.errors import BadOption
from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.logs.listed import Listed
from scram_plugin.logs.logdir import MEMORY, Logdir
from scram_plugin.logs.pairing import above, astray, likely_key, training_runs, units
from scram_plugin.reviews.cache import Cache, key_of, settings_of
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.run import file_notes, review
from scram_plugin.reviews.sketches import sketches

# The cost of a file in addition to its bytes (opening it, its share of a review), in bytes that are read in the same time.
COST_OF_A_FILE = 50_000
ONE_TASK = 8_000_000  # cost of a task: large enough that sending it is cheap, small enough that workers finish together
WORTH_PROCESSES = 64_000_000  # cost: less than this is done before other processes have started
TRIES = 3  # process pools that may break before this process does the rest

Progress = Callable[[int, int], None]  # called with (TensorBoard runs reviewed, their total)

logger = logging.getLogger("scram")


@dataclass(frozen=True)
class Group:
    """TensorBoard runs that are reviewed independently of the others.

    `known` gives the training run of those whose names do not show it.
    """

    files: Mapping[str, Sequence[Listed]]
    known: Mapping[str, str]

    @property
    def cost(self) -> int:
        return sum(file.size + COST_OF_A_FILE for files in self.files.values() for file in files)


@dataclass
class Outcome:
    """The result for a group: its reviews, or none if some of its runs belong to training runs of another group."""

    reviews: list[Review] = field(default_factory=list)
    astray: dict[str, str] = field(default_factory=dict)  # TensorBoard run -> training run
    lasting: bool = True  # whether it holds as long as the files do not change


@dataclass(frozen=True)
class Task:
    """Groups to review. It is sent to other processes and machines."""

    root: str
    groups: Sequence[Group]
    elsewhere: Collection[str]  # directories above them that are TensorBoard runs themselves
    catalogue: Catalogue
    memory: int


def work(task: Task) -> list[Outcome]:
    """Read and review the groups of a task; one outcome for each."""
    listed = {name: list(files) for group in task.groups for name, files in group.files.items()}
    logs = Logdir.of(task.root, listed, task.memory)
    logs.refresh()
    strays = astray(logs, task.elsewhere)
    outcomes: list[Outcome] = []
    outcome_of: dict[str, Outcome] = {}
    without: set[str] = set()
    for group in task.groups:
        away = {name: strays[name] for name in group.files if strays.get(name) not in (None, group.known.get(name))}
        outcomes.append(Outcome([], away))
        outcome_of.update(dict.fromkeys(group.files, outcomes[-1]))
        without |= away.keys()  # they may belong to a group that happens to be in the same task
    for run in training_runs(logs, task.catalogue.signals, task.elsewhere, without):
        outcome = outcome_of[run.tensorboard_runs[0]]
        if not outcome.astray:
            done = review(run, task.catalogue, file_notes(run, logs))
            whole = not any(file.unreadable for name in run.parts for file in logs[name].files.values())
            outcome.reviews.append(replace(done, sketches=tuple(sketches(run, done)), complete=whole))
            outcome.lasting &= whole
    return outcomes


def review_logdir(
    root: str,
    listed: Mapping[str, Sequence[Listed]],
    catalogue: Catalogue,
    pattern: str = "",
    jobs: int = 1,
    executor: Executor | None = None,
    cache: Cache | None = None,
    progress: Progress = lambda done, total: None,
) -> list[Review]:
    """The reviews of the training runs below `root` whose names match `pattern`, sorted by name; `listed` are its files.

    If there is enough work, `jobs` processes or an `executor` do it. `cache` holds earlier reviews. Raises OSError if the
    storage cannot be reached.
    """
    wanted = re.compile(pattern)
    engine = _Engine(root, listed.keys(), catalogue, jobs, executor, cache)
    outcomes: dict[tuple[str, ...], Outcome] = {}
    known: dict[str, str] = {}
    while True:
        groups = {}
        for names in units(listed, known):
            told = {name: known[name] for name in names if name in known}
            if any(map(wanted.search, {*names, *told.values(), *map(likely_key, names), *map(above, names)})):
                groups[(*names, *told)] = Group({name: listed[name] for name in names}, told)
        todo = [key for key in groups if key not in outcomes]
        if not todo:
            break
        done, total = 0, sum(len(groups[key].files) for key in todo)
        for i, outcome in engine.run([groups[key] for key in todo]):
            outcomes[todo[i]] = outcome
            known |= outcome.astray
            done += len(groups[todo[i]].files)
            progress(done, total)
    found = [review for key in groups for review in outcomes[key].reviews if wanted.search(review.name)]
    return sorted(found, key=lambda review: review.name)


@dataclass
class _Engine:
    """Turns groups of one log directory into outcomes."""

    root: str
    names: Collection[str]  # all TensorBoard runs of the log directory
    catalogue: Catalogue
    jobs: int
    executor: Executor | None
    cache: Cache | None

    def run(self, groups: Sequence[Group]) -> Iterator[tuple[int, Outcome]]:
        """(position, outcome) of each group, in the order in which they are completed."""
        left = set(range(len(groups)))
        keys: dict[int, str] = {}
        fresh: dict[str, list[Any]] = {}
        if self.cache is not None:
            settings = settings_of(self.catalogue)
            keys = {i: key for i, group in enumerate(groups) if (key := self._key(settings, group))}
            known = self.cache.get(keys.values())
            for i, key in keys.items():
                if (outcome := _unpacked(known.get(key))) is not None:
                    left.discard(i)
                    yield i, outcome
        try:
            for numbers, outcomes in self._tasks(groups, sorted(left)):
                for i, outcome in zip(numbers, outcomes, strict=True):
                    if i in keys and outcome.lasting and (packed := _packed(outcome)) is not None:
                        fresh[keys[i]] = packed
                    yield i, outcome
        finally:
            if self.cache is not None:
                self.cache.put(fresh)

    def _key(self, settings: str, group: Group) -> str:
        return key_of(settings, self.root, group.files, [group.known, sorted(self._elsewhere([group]))])

    def _elsewhere(self, groups: Iterable[Group]) -> frozenset[str]:
        return frozenset(parent for group in groups for name in group.files if (parent := above(name)) in self.names)

    def _tasks(self, groups: Sequence[Group], numbers: Sequence[int]) -> Iterator[tuple[list[int], list[Outcome]]]:
        total = sum(groups[i].cost for i in numbers)
        processes = self.jobs if self.executor is None and total > WORTH_PROCESSES else 1
        tasks: list[tuple[list[int], Task]] = []
        batch: list[int] = []
        cost = 0
        for i in numbers:
            batch.append(i)
            cost += groups[i].cost
            if cost >= ONE_TASK or i == numbers[-1]:
                chosen = [groups[j] for j in batch]
                task = Task(self.root, chosen, self._elsewhere(chosen), self.catalogue, MEMORY // processes)
                tasks.append((batch, task))
                batch, cost = [], 0
        if self.executor is not None:
            yield from _by(self.executor, tasks)
        elif processes > 1:
            yield from _by_processes(min(processes, len(tasks)), tasks)
        else:
            yield from ((batch, work(task)) for batch, task in tasks)


def _by_processes(count: int, tasks: list[tuple[list[int], Task]]) -> Iterator[tuple[list[int], list[Outcome]]]:
    """A killed process breaks its pool: the remaining tasks go to another pool, and in the end are done in this process."""
    from loky import ProcessPoolExecutor  # slow to import; its processes do not run the user's program again

    left = {numbers[0]: (numbers, task) for numbers, task in tasks}
    for _ in range(TRIES):
        pool = ProcessPoolExecutor(count, initializer=partial(signal.signal, signal.SIGINT, signal.SIG_IGN))
        try:
            for numbers, outcomes in _by(pool, list(left.values()), (BrokenExecutor, BadOption, OSError)):
                del left[numbers[0]]
                yield numbers, outcomes
            return
        except BrokenExecutor:
            continue
        finally:
            pool.shutdown(kill_workers=True)  # after Ctrl-C, for example, running tasks are not waited for
    logger.warning("worker processes were killed repeatedly; this process does the rest")
    yield from ((numbers, work(task)) for numbers, task in left.values())


def _by(
    executor: Executor,
    tasks: Sequence[tuple[list[int], Task]],
    fatal: tuple[type[Exception], ...] = (BadOption, OSError),
) -> Iterator[tuple[list[int], list[Outcome]]]:
    """Run tasks on an executor. A task that fails there is done here; exceptions of the kinds `fatal` are raised."""
    futures = {executor.submit(work, task): (numbers, task) for numbers, task in tasks}
    for future in as_completed(futures):
        numbers, task = futures.pop(future)
        try:
            outcomes = future.result()
        except fatal:
            raise
        except Exception as error:
            logger.warning("a worker failed (%s: %s); its task is done in this process", type(error).__name__, error)
            outcomes = work(task)
        yield numbers, outcomes


def _packed(outcome: Outcome) -> Any:
    """An outcome as values that JSON can hold, for the cache; None where there is something else in it."""
    try:
        return [msgspec.to_builtins(outcome.reviews, enc_hook=lambda number: number.item()), outcome.astray]
    except (TypeError, ValueError, AttributeError):
        return None


def _unpacked(value: Any) -> Outcome | None:
    """An outcome from the cache; None for anything else."""
    try:
        kept, away = value
        return Outcome(msgspec.convert(kept, list[Review]), dict(away))
    except (TypeError, ValueError):  # msgspec's errors are ValueErrors
        return None
