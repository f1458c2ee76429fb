"""Damaged records whose checksums are right: what somebody writes on purpose reaches the parsers, which random damage does not.

One record of a real file is damaged. Reading must end without an exception; every point before the record must be there, and if
one behind it is not, the reader must say so.
"""

import io
import random
from collections import Counter

from scram_plugin.logs.event_file import EventFile
from tests.attacks import held
from tests.event_files import ENCODINGS, event, payloads, record, scalar_tensor, tensor_event
from tests.paths import DEMO_LOGS
from tests.recorded import recorded
from tests.sizes import size

LONGEST = 200_000  # bytes of a file; longer ones only take longer
BAD = (b"\x00", b"\x7f", b"\x80", b"\xff", b"\xff" * 9 + b"\x01", b"\x08", b"\x12", b"\x2a", b"scram/", b"\xc0\xaf")


def originals():
    roots = (DEMO_LOGS, recorded("torch_faults", "sorted data"), recorded("keras_preflight", "large within"))
    files = sorted(path for root in roots for path in root.rglob("*tfevents*") if path.stat().st_size < LONGEST)
    encodings = [tensor_event(i, "loss", scalar_tensor(kind, i % 100)) for i, kind in enumerate([*ENCODINGS] * 5)]
    simple = [event(i, float(i), loss=1 / (i + 1), accuracy=0.5) for i in range(200)]
    written = [[e.SerializeToString() for e in events] for events in (encodings, simple)]
    return [payloads(path.read_bytes()) for path in files] + written


def damaged(rng, payload, others):
    """A payload with flipped bits, odd bytes over it or in it, a part cut out or doubled, or the end of another one."""
    out = bytearray(payload)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at, kind = rng.randrange(len(out) + 1), rng.randrange(6)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            bad = rng.choice(BAD)
            out[at : at + len(bad)] = bad
        elif kind == 2:
            out[at:at] = rng.choice(BAD)
        elif kind == 3:
            del out[at : at + rng.choice([1, 1, 2, 8, 100])]
        elif kind == 4:
            out[at:at] = out[max(0, at - rng.randrange(50)) : at]
        else:
            other = rng.choice(others)
            out[at:] = other[rng.randrange(len(other) + 1) :]
    return bytes(out)


def points(data):
    """How often each point of each scalar stands in a file, and whether the reader says that something was left out.

    Tables of SCRAM are not counted: one record may name another's columns.
    """
    file = EventFile()
    while file.read(io.BytesIO(data), len(data)):
        pass
    found = Counter()
    for tag, column in file.scalars.items():
        if not tag.startswith("scram/"):
            found.update((tag, int(s), float(w).hex(), float(v).hex()) for s, w, v in zip(*column.arrays(), strict=True))
    return found, file.problem is not None or bool(file.own.remarks)


def test_damaged_payloads_cost_no_point_silently(record_property):
    rng, files, tried, broken = random.Random(4), originals(), size(10_000, 1_000), []
    for number in range(tried):
        whole = rng.choice(files)
        at = rng.randrange(len(whole))
        first = max(0, at - 40)  # the records around it are enough
        before, after = whole[first:at], whole[at + 1 : at + 40]
        odd = damaged(rng, whole[at], whole)
        try:
            (earlier, _), (later, _) = points(b"".join(map(record, before))), points(b"".join(map(record, after)))
            found, told = points(b"".join(map(record, [*before, odd, *after])))
        except Exception as error:
            broken.append(f"payload {number}, {odd[:60]!r}: {error!r}")
            continue
        if missing := earlier - found:
            broken.append(f"payload {number}, {odd[:60]!r}: {len(missing)} points before it are missing")
        if not told and (missing := earlier + later - found):
            broken.append(f"payload {number}, {odd[:60]!r}: {len(missing)} points behind it are missing, without a word")
    held(record_property, "damaged payloads with right checksums", tried, broken)
