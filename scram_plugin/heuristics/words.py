"""Numbers and places as people read them."""

from __future__ import annotations

import math

WRITTEN_OUT = (1e-4, 1e6)  # sizes of numbers that are written without an exponent; by definition


def number(value: float) -> str:
    """Three significant digits; thousands separated; exponents short: 0.001, 1,230, 1e10, 4.4e32."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "infinity" if value > 0 else "-infinity"
    if value == 0 or WRITTEN_OUT[0] <= abs(value) < WRITTEN_OUT[1]:
        rounded = float(f"{value:.3g}")
        return f"{rounded:,.0f}" if rounded == int(rounded) and abs(rounded) >= 1 else f"{rounded:,.10g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{int(exponent)}"


def percent(share: float, digits: int = 0) -> str:
    """A share of 1 as 38 %."""
    return f"{100 * share:.{digits}f} %"


def clean(text: str, kept: str = "\n\t", instead: str = "\ufffd") -> str:
    """Untrusted text without control and bidirectional characters, which could rewrite a terminal or show other code."""
    return text if text.isprintable() else "".join(c if c.isprintable() or c in kept else instead for c in text)


def one_line(text: str) -> str:
    """Untrusted text as `clean` gives it, without line breaks."""
    return clean(text, "", " ")


def counted(count: int, noun: str) -> str:
    """1 check, 2 checks, 1,000 batches."""
    return f"{count:,} {noun}{('es' if noun.endswith('tch') else 's') * (count != 1)}"


def place(axis: str, step: int) -> str:
    """A point of an axis. Keras counts epochs and batches from 0 in its logs, but from 1 on the screen, as this does."""
    return f"{axis} {step + 1 if axis in ('epoch', 'batch') else step:,}"
