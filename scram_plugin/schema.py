"""Names and version of SCRAM's own summaries: the one thing that the writer and the reader share.

SCRAM writes into the TensorBoard run ``<log_dir>/scram``, with plugin name ``scram`` and data class TENSOR:

* *tables*, in blocks of rows. A table ``T`` is three tags in one event: ``scram/T/steps`` (int64, shape ``(rows,)``),
  ``scram/T/wall_times`` (float64, ``(rows,)``, seconds since 1970) and ``scram/T/values`` (float32, ``(rows, columns)``).
  The plugin data of ``values`` is JSON, ``{"version": 1, "columns": [...]}``; it stands in the first block of a file and
  wherever the columns change. A reader sees column ``C`` as the series ``scram/T/C``.
* *facts*, one JSON object as a scalar string tensor ``scram/facts``, written once a fit.
* *end*, the scalar string tensor ``scram/end``: how the fit ended ("finished", "stopped" or the name of an exception).

Table ``batches`` has a row for every batch (``epoch``, ``loss``, ``mean`` of each tensor, ``min`` and ``max`` of targets);
table ``statistics`` a row for every sampled one (``min``, ``max``, ``mean``, ``std``, ``zero`` (a fraction), ``nonfinite``
(a count), channels, label counts). Columns are named
``<tensor>/<statistic>``: tensors are ``x0``, ``x1`` (inputs in the order of the structure), ``y0`` (targets) and
``y_pred0`` (outputs); a statistic of one channel is ``<tensor>/<statistic>/<channel>``.
"""

PLUGIN_NAME = "scram"
VERSION = 1

RUN = "scram"
BATCHES = "batches"
STATISTICS = "statistics"
FACTS_TAG = "scram/facts"
END_TAG = "scram/end"

MAX_CHANNELS = 64


def steps_tag(table: str) -> str:
    return f"scram/{table}/steps"


def wall_times_tag(table: str) -> str:
    return f"scram/{table}/wall_times"


def values_tag(table: str) -> str:
    return f"scram/{table}/values"


def column_tag(table: str, column: str) -> str:
    """The tag under which a reader finds one column of a table."""
    return f"scram/{table}/{column}"
