"""Tells the news of a log directory: in the terminal, to a command of the user's, and to a web address."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from scram_plugin.heuristics.words import one_line
from scram_plugin.reviews.as_json import finding_as_json
from scram_plugin.reviews.follow import Follower, News
from scram_plugin.sweeps.stopper import Stopper

LONGEST = 2_000  # characters of a text in the environment of a command
POST_SECONDS = 10.0  # after which a webhook is given up
PATIENCE = 120.0  # seconds to wait for a training to begin: importing libraries and loading data takes time
COMMAND_SECONDS = 60.0  # after which a command is stopped


def follow(
    follower: Follower,
    every: float,
    command: str | None,
    webhook: str | None,
    until_finished: bool,
    say: Callable[[str], None],
    patience: float = PATIENCE,
    stops: tuple[Stopper, str] | None = None,
) -> bool:
    """Look every few seconds until interrupted; `say` gets a line for each message. `stops`: what tells which runs can be
    stopped, and the command for those.

    With `until_finished`, return True when no training is live any more, or False if none began within `patience` seconds.
    """
    ends = time.monotonic() + patience
    while True:
        told = list(follower.look())
        stopped = list(stops[0].look(follower.seen, follower.live)) if stops else []
        for news in (*told, *stopped):
            why = f" {news.summary}" if news.severity == "stop" else ""
            say(f"{time.strftime('%H:%M:%S')}  {one_line(news.run)}  {news.severity}: {one_line(news.title + why)}")
            if stops and news.severity == "stop":
                run_command(stops[1], news, say)
            if command:
                run_command(command, news, say)
            if webhook:
                post(webhook, news, say)
        for sentence in follower.unreadable():
            print(f"scram: {one_line(sentence)}", file=sys.stderr)
        if until_finished and not follower.live and (follower.begun or time.monotonic() > ends):
            return follower.begun
        time.sleep(every)


def post(address: str, news: News, say: Callable[[str], None], seconds: float = POST_SECONDS) -> None:
    """Send a message to a web address as JSON: the fields of `message`, and `text`, a line that chat servers show."""
    content = {**message(news), "text": one_line(f"{news.run}: {news.severity}: {news.title}")}
    body = json.dumps(content).encode()
    try:
        request = urllib.request.Request(address, body, {"Content-Type": "application/json", "User-Agent": "SCRAM"})
        with urllib.request.urlopen(request, timeout=seconds):
            pass
    except (OSError, ValueError, http.client.HTTPException) as error:
        say(f"the webhook failed: {one_line(str(error))}")


def message(news: News) -> dict[str, Any]:
    """A message as values for JSON: run, severity, title, summary, and the finding as in `scram check --format json`."""
    finding = None if news.finding is None else finding_as_json(news.finding)
    return {"run": news.run, "severity": news.severity, "title": news.title, "summary": news.summary, "finding": finding}


def run_command(command: str, news: News, say: Callable[[str], None], seconds: float = COMMAND_SECONDS) -> None:
    """Run a command of the user. It gets the message in variables SCRAM_..., and as JSON on its standard input.

    Names in a log are untrusted: they are never a part of the command itself.
    """
    texts = {"RUN": news.run, "SEVERITY": news.severity, "TITLE": news.title, "SUMMARY": news.summary}
    environment = {f"SCRAM_{key}": _safe(text) for key, text in texts.items()}
    try:
        process = subprocess.Popen(
            command,
            shell=True,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        say(f"the command failed: {error}")
        return
    try:
        process.communicate(json.dumps(message(news)), timeout=seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)  # with all processes that it has started
        process.communicate()
        say(f"the command took longer than {seconds:.0f} s and was stopped")
        return
    if process.returncode:
        say(f"the command ended with exit status {process.returncode}")


def _safe(text: str) -> str:
    """A text that an environment variable can hold."""
    return one_line(text)[:LONGEST].encode(errors="replace").decode()
