"""The format of SCRAM's own summaries: tags, tables, columns and version. The recorder and the reader share only this module.

SCRAM writes into the TensorBoard run ``<log_dir>/scram``, with plugin name ``scram`` and data class TENSOR:

* *tables*, in blocks of rows. A table ``T`` is three tags in one event: ``scram/T/steps`` (int64, shape ``(rows,)``),
  ``scram/T/wall_times`` (float64, ``(rows,)``, seconds since 1970) and ``scram/T/values`` (float32, ``(rows, columns)``).
  The plugin data of ``values`` are JSON, ``{"version": 1, "columns": [...]}``. They name the columns in the first block of a
  file, and again when the columns change. A reader sees column ``C`` as the series ``scram/T/C``.
* *facts*, one JSON object as a scalar string tensor ``scram/facts``, written once per fit. `watch` writes it again when more
  is known; the last one counts.
* *proof*, one JSON object as a scalar string tensor ``scram/proof``, in the log of a run that `scram fix --prove` made of a
  program as it is: what came of each fix that was tried, ``{"tried": [{"fixes": [[heuristic, cause], ...], "verdict",
  "sentence", "measure", "before", "after", "seeds", "batches", "runs"}, ...]}``. ``runs`` are the training runs that were
  compared, without the directory that all of them are in.
* *end*, the scalar string tensor ``scram/end``: how the fit ended ("finished", "stopped", or the name of an exception).
* *gap*, one JSON object as a scalar string tensor ``scram/gap``, where something could not be recorded: ``reason``, ``begin``
  and ``end`` in seconds since 1970, and ``first`` and ``last``, the missing steps as far as they are known (None otherwise).
  ``end`` is None where the recording stopped. While a gap lasts it has no end, either: a later one with the same ``begin`` says
  that the recording went on.

Tables and their columns follow. A column that a training cannot provide is left out. Tensors are named ``x0``, ``x1`` (inputs,
in the order of the structure), ``y0`` (targets) and ``y_pred0`` (outputs). Paths of layers and variables are relative to the
model:

``batches``, one row per batch: ``epoch``; ``loss``; ``<tensor>/mean``; ``<target>/min``, ``/max`` and ``/agreement`` (PyTorch:
the correlation of the outputs with this target, -1 to 1; NaN where one of them does not vary); ``weights/probe``, a sum over
weights that shows when a weight stops being finite.

``statistics``, one row per sampled batch, thinned as the training grows (``training/sampling.py``):

* ``<tensor>/min``, ``max``, ``mean``, ``std``, ``zero`` (share of zeros, 0 to 1), ``nonfinite`` (a count). Where the last axis
  has at most 64 entries, also ``min``, ``max``, ``mean`` and ``std`` of each entry: ``<tensor>/<statistic>/<channel>``.
* ``y0/count/<class>`` and ``y_pred0/count/<class>``: how many examples of the batch are labelled, and how many are predicted,
  as that class. ``count/other``: how many belong to none of the classes.
* ``layer/<path>/mean``, ``std``, ``nonfinite`` (a count) of a layer's output, after its activation. ReLU layers also have
  ``zero`` (share of zeros) and ``dead`` (share of units that were active in none of the last measured batches, at most 8).
  Layers with tanh or sigmoid also have ``saturated`` (share within 3 % of a bound). Of a large output only the first examples
  of the batch are measured.
* ``gradient/<variable>/norm``, ``weight/<variable>/norm`` (after the step) and ``update/<variable>/norm``, all Euclidean. The
  update norm of a large variable is estimated from 16,384 of its values. Gradients and weights also have ``nonfinite`` (a
  count).
* ``learning_rate``. ``gradient/kept``: 1 if the gradients of the previous step had not been cleared when the backward pass of
  this step began.

``origin``, one row for the first batch whose loss or weights were not finite: ``<thing>/nan`` and ``<thing>/infinite``
(counts) of ``x0``, ``y0``, ``layer/<path>``, ``y_pred0``, ``loss``, ``gradient/<variable>`` and ``weight/<variable>`` (after
the step), in the order of the data flow.

``process``, a row from time to time: ``step_seconds`` and ``wait_seconds`` (medians since the last row: duration of a step,
and time that the training waited for its next batch), ``memory``, ``device_memory``, ``device_peak`` (MiB).

``one_batch`` and ``rates``, of a preflight: ``loss`` of each step of the test that memorises one batch; ``rate`` and ``loss``
of each step of the learning-rate range test. The results of the other tests are in the facts, under ``preflight``.

``validation``, rows for parts of the validation data, written once per fit: the columns of ``statistics`` that describe inputs
and targets.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

PLUGIN_NAME = "scram"
VERSION = 1

RUN = "scram"
BATCHES = "batches"
STATISTICS = "statistics"
ORIGIN = "origin"
PROCESS = "process"
VALIDATION = "validation"
FACTS_TAG = "scram/facts"
END_TAG = "scram/end"
PROOF_TAG = "scram/proof"
GAP_TAG = "scram/gap"
CELL = "notebook cell"  # in the place of a file's name, with its number where that is known

MAX_CHANNELS = 64


LAYER, GRADIENT, WEIGHT, UPDATE = "layer", "gradient", "weight", "update"
WITH_PATH = (LAYER, GRADIENT, WEIGHT, UPDATE)  # kinds of things that have a path in the model


class Column(NamedTuple):
    """The name of a column in its parts; `str` writes it, `parse` reads it.

    ``x0/mean``: a tensor and a statistic. ``x0/mean/3``, ``y0/count/7``: of one channel, or class.
    ``layer/encoder/dense/dead``, ``gradient/dense/kernel/norm``: a kind, the path of a layer or variable, and a statistic.
    ``loss``: of a whole step.
    """

    kind: str  # "x0", "y_pred0", ..., one of `WITH_PATH`, or "" for what belongs to the whole step
    path: str | None  # of a layer or variable; None for anything else
    statistic: str
    part: str | None = None

    def __str__(self) -> str:
        name = column_of(thing(self.kind, self.path), self.statistic) if self.kind else self.statistic
        return name if self.part is None else f"{name}/{self.part}"

    @staticmethod
    @lru_cache(maxsize=1 << 14)
    def parse(name: str) -> Column:
        """The parts of a name. They are kept: each check asks for those of the same log again."""
        kind, slash, rest = name.partition("/")
        if not slash or not kind:
            return Column("", None, name)
        if kind in WITH_PATH and "/" in rest:
            path, _, statistic = rest.rpartition("/")
            return Column(kind, path, statistic)
        statistic, slash, part = rest.partition("/")
        return Column(kind, None, statistic, part if slash else None)


@lru_cache(maxsize=1 << 14)
def column(kind: str, path: str | None, statistic: str, part: str | None = None) -> str:
    """`Column` as text. It is kept: the recorder writes the same names again and again."""
    return str(Column(kind, path, statistic, part))


def thing(kind: str, path: str | None) -> str:
    """What the statistic of a `Column` is of: ``x0``, ``layer/encoder/dense``."""
    return kind if path is None else f"{kind}/{path}"


def column_of(thing: str, statistic: str) -> str:
    """The name of the column of one statistic of a thing: ``layer/encoder/dense/nan``, ``x0/nan``."""
    return f"{thing}/{statistic}"


def parse_tag(tag: str) -> Column | None:
    """The column of a tag, as `column_tag` writes it; None for a tag that is not SCRAM's."""
    plugin, _, rest = tag.partition("/")
    _, _, name = rest.partition("/")
    return Column.parse(name) if plugin == PLUGIN_NAME and name else None


def steps_tag(table: str) -> str:
    return f"scram/{table}/steps"


def wall_times_tag(table: str) -> str:
    return f"scram/{table}/wall_times"


def values_tag(table: str) -> str:
    return f"scram/{table}/values"


def column_tag(table: str, column: str) -> str:
    """The tag under which a reader finds one column of a table."""
    return f"scram/{table}/{column}"
