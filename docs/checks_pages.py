"""Adds the page of each check to the site, as `docs/checks.md` links to it (a hook of mkdocs)."""

import re

from mkdocs.structure.files import File

from scram_plugin.heuristics.catalogue import HEURISTICS

TITLES = {"keras": "Keras", "torch": "PyTorch"}


def on_files(files, config):
    for heuristic in HEURISTICS:
        text = re.sub(
            r"^```python (\w+)$", lambda m: f'```python title="{TITLES[m[1]]}"', heuristic.page.for_any_run, flags=re.M
        )
        options = "".join(
            f"- `{o.name}` (default `{str(o.default).lower()}`): {o.help}. Source: {o.source}.\n" for o in heuristic.options
        )
        text += f"\n## Options\n\n{options}" if options else ""
        files.append(File.generated(config, f"checks/{heuristic.id}.md", content=text))
    return files
