"""Names and version of SCRAM's own summaries: the one thing that the writer and the reader share.

SCRAM writes into the TensorBoard run ``<log_dir>/scram``, with plugin name ``scram`` and data class TENSOR:

* *tables*, in blocks of rows. A table ``T`` is three tags in one event: ``scram/T/steps`` (int64, shape ``(rows,)``),
  ``scram/T/wall_times`` (float64, ``(rows,)``, seconds since 1970) and ``scram/T/values`` (float32, ``(rows, columns)``).
  The plugin data of ``values`` is JSON, ``{"version": 1, "columns": [...]}``; it stands in the first block of a file and
  wherever the columns change. A reader sees column ``C`` as the series ``scram/T/C``.
* *facts*, one JSON object as a scalar string tensor ``scram/facts``, written once a fit.
* *end*, the scalar string tensor ``scram/end``: how the fit ended ("finished", "stopped" or the name of an exception).

Tables and their columns (what a training cannot know is left out). Tensors are ``x0``, ``x1`` (inputs in the order of
the structure), ``y0`` (targets) and ``y_pred0`` (outputs); paths of layers and variables are those within the model:

``batches``, a row for every batch: ``epoch``; ``loss``; ``<tensor>/mean``; ``<target>/min`` and ``/max``; ``weights/probe``,
a sum that is not finite from the batch on that made a weight so.

``statistics``, a row for sampled batches, thinned as the training grows (``training/sampling.py``):

* ``<tensor>/min``, ``max``, ``mean``, ``std``, ``zero`` (a fraction), ``nonfinite`` (a count); where the last axis has at
  most 64 entries also ``min``, ``max``, ``mean`` and ``std`` of each: ``<tensor>/<statistic>/<channel>``.
* ``y0/count/<class>`` and ``y_pred0/count/<class>``: how many examples of the batch are labelled, and how many are predicted,
  as that class; ``count/other``: as none.
* ``layer/<path>/mean``, ``std``, ``nonfinite`` (a count) of a layer's output, after its activation; of ReLU ``zero``
  (fraction of zeros) and ``dead`` (fraction of units that were active in none of the last measured batches, at most 8); of
  tanh and sigmoid ``saturated`` (fraction within 3 % of a bound). Of large outputs the first examples of the batch are taken.
* ``gradient/<variable>/norm``, ``weight/<variable>/norm`` (after the step), ``update/<variable>/norm`` (Euclidean; that
  of the change of a large variable is estimated from 16,384 of its values); of gradients and weights ``nonfinite`` (a count).
  ``learning_rate``. ``gradient/kept``: 1 if the gradients of the step before were still there when this one's way back began.

``origin``, one row for the first batch whose loss or weights were not finite: ``<thing>/nan`` and ``<thing>/infinite``
(counts) of ``x0``, ``y0``, ``layer/<path>``, ``y_pred0``, ``loss``, ``gradient/<variable>`` and ``weight/<variable>`` (after
the step), in the order in which data flow.

``process``, a row now and then: ``step_seconds`` and ``wait_seconds`` (medians since the last row, of a step and of the time
for which the training waited for its next batch), ``memory``, ``device_memory``, ``device_peak`` (MiB).

``one_batch`` and ``rates``, of a preflight: ``loss`` of each step in which one batch was to be learned by heart; ``rate`` and
``loss`` of each step of the learning-rate range test. What the other tests found stands in the facts, under ``preflight``.

``validation``, rows for parts of the validation data, once a fit: as ``statistics``, of inputs and targets alone.
"""

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
