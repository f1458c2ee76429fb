"""`scram watch`: follows a log directory and reports what is new."""

from __future__ import annotations

import argparse
import sys
import urllib.parse
from pathlib import Path

from scram_plugin.cli.arguments import Commands, add_choices, add_command, add_goal, check_goal, chosen, pattern
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.words import one_line
from scram_plugin.severity import SEVERITIES
from scram_plugin.sweeps.risks import RISKS

DESCRIPTION = """\
Follow a log directory while trainings write to it. Report each new finding and the end of each training.

A command given with --exec runs for each message. It gets SCRAM_RUN, SCRAM_SEVERITY (error, warning, info, end
or stop), SCRAM_TITLE and SCRAM_SUMMARY as environment variables, and everything as JSON on its standard input.

A command given with --stop runs, in the same way, once for each training that diverged, or is so much slower than those
that reached the goal that hardly any such training has ever reached one. SCRAM itself stops nothing.
"""
EXAMPLES = """\
examples:
  scram watch logs                                                 lines in this terminal
  scram watch logs --exec 'mail -s "$SCRAM_RUN: $SCRAM_TITLE" me@example.org'
  scram watch logs --on error --webhook https://chat.example.org/hooks/abc
  scram watch logs --goal 0.9 --stop './cancel "$SCRAM_RUN"'        end what cannot reach 0.9 any more
  scram watch logs --until-finished && shutdown -h now             wait until all trainings have ended
"""


def add(commands: Commands) -> None:
    parser = add_command(
        commands, "watch", "follow trainings and report what is new, also to your own command", DESCRIPTION, EXAMPLES
    )
    parser.add_argument("logdir", metavar="LOGDIR", help="a directory that holds event files, or will hold some")
    parser.add_argument("--exec", metavar="COMMAND", dest="command_line", help="shell command to run for each message")
    parser.add_argument("--webhook", metavar="URL", help="gets each message as JSON, with a line for a chat in `text`")
    parser.add_argument("--on", choices=SEVERITIES, default="warning", help="the lowest severity to report (default: warning)")
    parser.add_argument("--every", type=float, default=10.0, metavar="SECONDS", help="how often to read the logs (default: 10)")
    parser.add_argument(
        "--until-finished",
        action="store_true",
        help="end when no training is running (status 1 if none starts within 2 min)",
    )
    parser.add_argument(
        "--stop",
        metavar="COMMAND",
        help="shell command to run for each training of a sweep that can no longer become good (see --goal)",
    )
    add_goal(parser)
    parser.add_argument("--run", metavar="REGEX", help="only training runs whose name matches REGEX")
    add_choices(parser)
    parser.set_defaults(command=watch)


def watch(options: argparse.Namespace) -> int:
    if not Path(options.logdir).is_dir() and "://" not in options.logdir:
        raise BadOption(f"{options.logdir}: there is no such directory; create it, or give the one that your training logs to")
    if not 0.1 <= options.every <= 86_400:
        raise BadOption("--every takes seconds, from 0.1 to 86400")
    if options.webhook and not _is_address(options.webhook):
        raise BadOption(f"--webhook takes an address that begins with https:// or http://, not {options.webhook!r}")
    check_goal(options)
    if not options.stop and (options.goal is not None or options.metric or options.risk != RISKS[0]):
        raise BadOption("--goal, --metric and --risk say which runs --stop is for; give --stop, too")
    from rich.console import Console

    from scram_plugin.cli.notify import follow
    from scram_plugin.reviews.follow import Follower
    from scram_plugin.reviews.monitor import Reviewer
    from scram_plugin.sweeps.stopper import Stopper

    reviewer = Reviewer(options.logdir, chosen(options))
    follower = Follower(reviewer, options.on, pattern(options))
    stopper = Stopper(reviewer, options.metric, options.goal, options.risk)
    console = Console(highlight=False, soft_wrap=True)
    print(f"scram: watching {one_line(options.logdir)}; press Ctrl-C to stop", file=sys.stderr)
    ended = follow(
        follower,
        options.every,
        options.command_line,
        options.webhook,
        options.until_finished,
        lambda line: console.print(line, markup=False),
        stops=(stopper, options.stop) if options.stop else None,
    )
    if not ended:
        print("scram: no training was running, and none started", file=sys.stderr)
    return 0 if ended else 1


def _is_address(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
