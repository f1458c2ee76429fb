"""What is found in each recorded log, in words: ``findings.txt``, which a test compares with what is found now.

    python -m tests.recorded.findings

writes it again. A change of a check or of a text shows there as a difference, to be read before it is committed.
"""

from collections.abc import Iterator

from scram_plugin.reviews.model import Review
from tests.recorded import HERE, KEPT, index
from tests.reviews import review_of

FILE = HERE / "findings.txt"


def told(review: Review) -> Iterator[str]:
    """All outcomes of one review, but for what was not checked, a line each."""
    for finding in review.findings:
        because = f", because of {finding.explained_by}" if finding.explained_by else ""
        marks = f"{finding.axis} {finding.first_step} to {finding.last_step}, bad {finding.bad_step}, best {finding.best_step}"
        yield f"  {finding.severity}, {finding.confidence}: {finding.heuristic}{because}; {marks}"
        yield f"    {finding.title}"
        yield f"    {finding.summary}"
        for cause in finding.causes:
            yield f"    - {' | '.join(filter(None, (cause.id, cause.for_, cause.against)))}"
        for fix in finding.fixes:
            if fix.edit:
                yield f"    + line {fix.edit.line}: {' '.join(fix.edit.after.split())}"
    for entry in review.inconclusive:  # how many points a check needs is the default of an option
        yield f"  {'too early' if entry.early else f'inconclusive: {entry.reason}'}: {entry.heuristic}"
    yield f"  passed: {' '.join(review.passed)}"


def whole(name: str) -> str:
    return "\n".join([name, *told(review_of(KEPT / name))])


def read() -> dict[str, str]:
    """Log -> what was found in it when the file was written."""
    entries = FILE.read_text(encoding="utf-8").rstrip("\n").split("\n\n")
    return {entry.partition("\n")[0]: entry for entry in entries}


def write() -> None:
    FILE.write_text("\n\n".join(whole(row[0]) for row in index()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
    print(FILE)
