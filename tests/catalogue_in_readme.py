"""The table of heuristics in the README is made from the catalogue: `python tests/catalogue_in_readme.py [--check]`."""

import sys
from pathlib import Path

from scram_plugin.heuristics.catalogue import HEURISTICS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- heuristics: made by `python tests/catalogue_in_readme.py` -->", "<!-- end of heuristics -->"


def table() -> str:
    rows = ["| id | finds | needs | options (default) |", "| --- | --- | --- | --- |"]
    for h in HEURISTICS:
        options = ", ".join(f"`{o.name}` ({str(o.default).lower()})" for o in h.options)
        page = f"scram_plugin/heuristics/{h.group}/{h.id.replace('-', '_')}.md"
        rows.append(f"| [`{h.id}`]({page}) | {h.page.title} | {'; '.join(h.needs)} | {options} |")
    return "\n".join(rows)


def main() -> int:
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if "--check" in sys.argv:
        if made != text:
            print("README.md: the table of heuristics is not that of the catalogue; run python tests/catalogue_in_readme.py")
        return int(made != text)
    README.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
