"""The severity of a finding."""

SEVERITIES = ("error", "warning", "info")  # worst first


def down_to(least: str) -> tuple[str, ...]:
    """The severities from the worst to `least`; none for any other word, such as "never"."""
    return SEVERITIES[: SEVERITIES.index(least) + 1] if least in SEVERITIES else ()
