"""`scram watch`: follows a log directory and reports what is new, in the terminal and to a command of the user."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from scram_plugin.heuristics.words import one_line
from scram_plugin.reviewer import Reviewer
from scram_plugin.reviews import identity, plain
from scram_plugin.severity import down_to

LONGEST = 2_000  # characters of a text in the environment of a command
POST_SECONDS = 10.0  # after which a webhook is given up
PATIENCE = 120.0  # seconds to wait for a training to begin: importing libraries and loading data takes time
COMMAND_SECONDS = 60.0  # after which a command is stopped


@dataclass(frozen=True)
class News:
    """A new finding of a training run, or (`finding` is None) the end of a live one."""

    run: str
    severity: str  # "error", "warning", "info" or "end"
    title: str
    summary: str = ""
    finding: dict[str, Any] | None = None


class Watch:
    """Reports what is new in a log directory since the last look.

    Findings of trainings that had ended before the end of the first look count as known. Of live trainings everything is
    reported.
    """

    def __init__(self, reviewer: Reviewer, least: str, pattern: re.Pattern[str]) -> None:
        self._reviewer = reviewer
        self._wanted = down_to(least)
        self._pattern = pattern
        self._cursor = ""
        self._told: set[tuple[str, str, str, str]] = set()
        self._live: set[str] = set()
        self._begun = False
        self._seen: set[str] = set()
        self._unread: set[tuple[str, str]] = set()

    def look(self) -> Iterator[News]:
        """What is new since the last look; the first one waits until everything has been reviewed."""
        first = not self._cursor
        while True:
            answer = self._reviewer.runs(patience=1.0, since="" if first else self._cursor)
            progress = answer["progress"]
            if not first or (progress["looked"] and progress["done"] == progress["total"]):
                break
            time.sleep(0.1)
        self._cursor = answer["cursor"]
        gone = set(answer["removed"] or ())
        self._live -= gone
        for shown in answer["runs"]:
            name, live = shown["name"], shown["state"] == "live"
            if not self._pattern.search(name):
                continue
            for finding in self._new(name):
                if live or not first:
                    yield News(name, finding["severity"], finding["title"], finding["summary"], finding)
            self._begun |= live or not (first or name in self._seen)  # it may have begun and ended between two looks
            self._seen.add(name)
            if live:
                self._live.add(name)
            elif name in self._live:
                self._live.discard(name)
                yield News(name, "end", f"The training ended. {shown['headline']['text']}")

    @property
    def live(self) -> bool:
        return bool(self._live)

    @property
    def begun(self) -> bool:
        """Whether a training was live, or appeared, since the first look."""
        return self._begun

    def unreadable(self) -> Iterator[str]:
        """What could not be opened or reached, each once."""
        for problem in list(self._reviewer.logs.problems):
            known = (problem.path, problem.sentence)
            if problem.byte is None and known not in self._unread:
                self._unread.add(known)
                yield f"{problem.path}: {problem.sentence}"

    def _new(self, name: str) -> list[dict[str, Any]]:
        review = self._reviewer.review(name)
        new = []
        for finding in review.alone if review is not None else []:
            key = (name, *identity(finding))
            if finding["severity"] in self._wanted and key not in self._told:
                self._told.add(key)
                new.append(finding)
        return new


def follow(
    watch: Watch,
    every: float,
    command: str | None,
    webhook: str | None,
    until_finished: bool,
    say: Callable[[str], None],
    patience: float = PATIENCE,
) -> bool:
    """Look every few seconds until interrupted; `say` gets a line for each message.

    With `until_finished`, return True when no training is live any more, or False if none began within `patience` seconds.
    """
    ends = time.monotonic() + patience
    while True:
        for news in watch.look():
            say(f"{time.strftime('%H:%M:%S')}  {one_line(news.run)}  {news.severity}: {one_line(news.title)}")
            if command:
                run_command(command, news, say)
            if webhook:
                post(webhook, news, say)
        for sentence in watch.unreadable():
            print(f"scram: {one_line(sentence)}", file=sys.stderr)
        if until_finished and not watch.live and (watch.begun or time.monotonic() > ends):
            return watch.begun
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
    return plain(vars(news))


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
