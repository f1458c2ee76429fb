"""The table of heuristics in docs/checks.md is made from the catalogue: `python tests/catalogue_in_docs.py [--check]`."""

import sys
from pathlib import Path

from scram_plugin.heuristics.catalogue import HEURISTICS

PAGE = Path(__file__).parent.parent / "docs" / "checks.md"
BEGIN, END = "<!-- heuristics: made by `python tests/catalogue_in_docs.py` -->", "<!-- end of heuristics -->"


def table() -> str:
    rows = ["| id | finds | needs | options (default) |", "| --- | --- | --- | --- |"]
    for h in HEURISTICS:
        options = ", ".join(f"`{o.name}` ({str(o.default).lower()})" for o in h.options)
        rows.append(f"| [`{h.id}`](checks/{h.id}.md) | {h.page.title} | {'; '.join(h.needs)} | {options} |")
    return "\n".join(rows)


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"
    if "--check" in sys.argv:
        if made != text:
            print("docs/checks.md: the table of heuristics is not that of the catalogue; run python tests/catalogue_in_docs.py")
        return int(made != text)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
