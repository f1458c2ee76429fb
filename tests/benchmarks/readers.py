"""One way of reading all points of a log directory, as a process of its own: ``python readers.py NAME LOGDIR``.

Each holds all points of all series at its end and prints their number and sum. Imports are inside: none pays for another.
"""

import os
import sys
import time


def total(series) -> None:
    """Prints what every reader must agree on."""
    count, value = 0, 0.0
    for values in series:
        count += len(values)
        value += float(sum(values)) if isinstance(values, list) else float(values.sum())
    print(count, f"{value:.6g}")


def read_with_scram(logdir: str) -> None:
    import scram_plugin

    logs = scram_plugin.read(logdir)
    total(run[tag].values for run in logs.values() for tag in run)


def read_with_event_accumulator(logdir: str) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    values = []
    for run in sorted(os.listdir(logdir)):
        accumulator = EventAccumulator(
            os.path.join(logdir, run), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False
        )
        accumulator.Reload()
        for tag in accumulator.Tags()["scalars"]:
            values.append([e.value for e in accumulator.Scalars(tag)])
        for tag in accumulator.Tags()["tensors"]:
            values.append([float(tensor_util.make_ndarray(e.tensor_proto)) for e in accumulator.Tensors(tag)])
    total(values)


def read_with_data_server(logdir: str) -> None:
    from tensorboard import context
    from tensorboard.data import server_ingester

    ingester = server_ingester.SubprocessServerDataIngester(
        server_binary=server_ingester.get_server_binary(),
        logdir=logdir,
        reload_interval=0,
        channel_creds_type=_local_channel(),
        samples_per_plugin={"scalars": 0},
    )
    ingester.start()  # returns before anything was read
    provider, ctx = ingester.data_provider, context.RequestContext()
    while True:
        listed = provider.list_scalars(ctx, experiment_id="", plugin_name="scalars")
        series = [s for run in listed.values() for s in run.values()]
        if len(series) == int(os.environ["SERIES"]) and all(s.max_step == int(os.environ["LAST_STEP"]) for s in series):
            break
        time.sleep(0.02)
    values = []
    found = provider.read_scalars(ctx, experiment_id="", plugin_name="scalars", downsample=1 << 30)
    for run in found.values():
        values += [[point.value for point in points] for points in run.values()]
    total(values)


def _local_channel():
    from tensorboard.data import grpc_provider  # noqa: F401  (its import tells early that grpc is missing)
    from tensorboard.util import grpc_util

    return grpc_util.ChannelCredsType.LOCAL


def read_with_tbparse(logdir: str) -> None:
    import tbparse

    reader = tbparse.SummaryReader(logdir)
    frames = [f for f in (reader.scalars, reader.tensors) if len(f)]  # TensorFlow 2's scalars are tensors to it
    total([frame["value"].to_numpy(float) for frame in frames])


READERS = {
    "scram_plugin.read": read_with_scram,
    "EventAccumulator": read_with_event_accumulator,
    "data server": read_with_data_server,
    "tbparse": read_with_tbparse,
}

if __name__ == "__main__":
    READERS[sys.argv[1]](sys.argv[2])
