"""TensorBoard's door. Whatever goes wrong in SCRAM, TensorBoard stays whole: nothing here can raise into it.

Imports only the standard library and TensorBoard's base class; the rest of SCRAM is imported inside `load`, guarded.
"""

from __future__ import annotations

import logging
from typing import Any

from tensorboard.plugins import base_plugin

logger = logging.getLogger("scram")


class ScramLoader(base_plugin.TBLoader):
    """Defines SCRAM's flags and loads the plugin."""

    def define_flags(self, parser: Any) -> None:
        try:
            group = parser.add_argument_group("SCRAM")
            group.add_argument("--scram_config", metavar="FILE", default=None, help="scram.toml or pyproject.toml to use")
            group.add_argument(
                "--scram_set",
                metavar="ID.OPTION=VALUE",
                action="append",
                default=[],
                help="set an option of a heuristic, for example overfitting.strict=true; may be given several times",
            )
            group.add_argument("--scram_select", metavar="IDS", default=None, help="apply only these heuristics")
            group.add_argument("--scram_ignore", metavar="IDS", default=None, help="leave these heuristics out")
        except Exception:
            logger.warning("SCRAM's flags could not be defined", exc_info=True)

    def load(self, context: base_plugin.TBContext) -> base_plugin.TBPlugin | None:
        try:
            from scram_plugin.tensorboard.plugin import ScramPlugin

            return ScramPlugin(context)
        except Exception as error:
            logger.warning("SCRAM could not be loaded, its tab is missing: %s: %s", type(error).__name__, error)
            return None
