"""How grave a finding is."""

SEVERITIES = ("error", "warning", "info")  # worst first


def down_to(least: str) -> tuple[str, ...]:
    """The severities from the worst to `least`; of any other word, as "never", none."""
    return SEVERITIES[: SEVERITIES.index(least) + 1] if least in SEVERITIES else ()
