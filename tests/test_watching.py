"""`scram watch`: what is new in live trainings, told to the terminal and to a command of the user's."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scram_plugin.cli.notify import follow, post, run_command
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.follow import Follower, News
from scram_plugin.reviews.monitor import Reviewer
from tests.event_files import curve
from tests.test_cli import scram

NAN = float("nan")


def watch(logdir, least="warning", pattern=""):
    return Follower(Reviewer(str(logdir), catalogue()), least, re.compile(pattern))


def until_news(watching, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        news = list(watching.look())
        if news:
            return news
        time.sleep(0.3)
    raise AssertionError("no news")


def test_of_old_trainings_nothing_is_told_of_live_ones_everything(tmp_path):
    curve(tmp_path / "old", "loss", [1.0, NAN], wall_time=1.0)
    curve(tmp_path / "live", "loss", [1.0, NAN], wall_time=time.time())
    (news,) = watch(tmp_path).look()
    assert (news.run, news.severity) == ("live", "error")
    assert "NaN" in news.title


def test_news_are_told_once(tmp_path):
    curve(tmp_path / "a", "loss", [1.0, 0.9], wall_time=time.time())
    watching = watch(tmp_path)
    assert list(watching.look()) == []
    assert watching.live
    curve(tmp_path / "a", "loss", [0.8, NAN], first_step=2, wall_time=time.time())
    assert [n.severity for n in until_news(watching)] == ["error"]
    time.sleep(1.2)
    assert list(watching.look()) == []


def test_a_training_that_ends_is_news(tmp_path):
    from scram_plugin.reviews.live import LIVE_SECONDS

    curve(tmp_path / "a", "loss", [1.0, 0.9], wall_time=time.time() - LIVE_SECONDS + 2)
    watching = watch(tmp_path)
    assert list(watching.look()) == []
    (news,) = until_news(watching)
    assert (news.run, news.severity) == ("a", "end")
    assert not watching.live


def test_runs_and_severities_that_nobody_asked_for_are_left_out(tmp_path):
    curve(tmp_path / "a", "loss", [1.0, NAN], wall_time=time.time())
    curve(tmp_path / "b", "loss", [1.0, NAN], wall_time=time.time())
    assert [news.run for news in watch(tmp_path, pattern="^b$").look()] == ["b"]


def test_the_command_is_given_the_news_as_data(tmp_path):
    """A name that would do harm in a shell is a value of a variable, and stays one."""
    name = "x; touch $(echo harm) `touch harm2` \"' \0"
    out = tmp_path / "out.json"
    program = (
        "import os, sys; print(repr(os.environ['SCRAM_RUN']), os.environ['SCRAM_SEVERITY']); "
        f"open({str(out)!r}, 'w').write(sys.stdin.read())"
    )
    (tmp_path / "program.py").write_text(program)
    said = []
    run_command(f"cd {tmp_path} && {sys.executable} program.py", News(name, "error", "Loss became NaN", "s"), said.append)
    assert said == []
    assert json.loads(out.read_text())["run"] == name
    assert not list(tmp_path.glob("harm*"))


def test_a_command_that_takes_too_long_is_stopped_with_all_that_it_started(tmp_path):
    said = []
    run_command(f"(sleep 5; touch {tmp_path / 'late'}) | cat", News("a", "error", "t"), said.append, seconds=0.5)
    assert said == ["the command took longer than 0 s and was stopped"]
    time.sleep(5)
    assert not (tmp_path / "late").exists()


def test_names_do_not_rewrite_the_terminal(tmp_path):
    curve(tmp_path / "esc\x1b]0;pwned\x07\nFAKE", "loss", [1.0, NAN], wall_time=time.time())
    process = subprocess.Popen(
        [sys.executable, "-m", "scram_plugin", "watch", str(tmp_path), "--every", "1"], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
    finally:
        process.kill()
        process.communicate()
    assert "NaN" in line
    assert "\x1b" not in line


def test_two_findings_of_one_check_are_both_told(tmp_path):
    for tag in ("auc", "recall"):
        curve(tmp_path / "a", f"epoch_{tag}", [0.5, NAN, 0.5], wall_time=time.time())
    curve(tmp_path / "a", "epoch_loss", [1.0, 0.9, 0.8], wall_time=time.time())
    told = [news.title for news in watch(tmp_path, least="info").look() if news.finding.heuristic == "nonfinite-metric"]
    review = Reviewer(str(tmp_path), catalogue()).review("a")
    assert len(told) == len([f for f in review.findings if f.heuristic == "nonfinite-metric"]) > 0


def test_a_run_that_is_gone_is_waited_for_no_more(tmp_path):
    curve(tmp_path / "a", "loss", [1.0, 0.9], wall_time=time.time())
    curve(tmp_path / "b", "loss", [1.0, 0.9], wall_time=1.0)
    watching = watch(tmp_path)
    list(watching.look())
    assert watching.live
    shutil.rmtree(tmp_path / "a")
    end = time.monotonic() + 10
    while watching.live and time.monotonic() < end:
        list(watching.look())
        time.sleep(0.2)
    assert watching.begun
    assert not watching.live
    only = watch(tmp_path, pattern="^new")
    list(only.look())
    assert not only.begun, "none of those that are asked for is there"


def test_a_command_that_fails_is_told_and_no_more(tmp_path):
    said = []
    run_command("exit 3", News("a", "error", "t"), said.append)
    assert said == ["the command ended with exit status 3"]


@contextlib.contextmanager
def chat_server(status=200):
    """A web server as a chat has it; yields its address and what came in."""
    came = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", came
    finally:
        server.shutdown()
        server.server_close()


def test_a_webhook_gets_each_piece_of_news(tmp_path):
    curve(tmp_path / "a\nb", "loss", [1.0, NAN], wall_time=time.time())
    with chat_server() as (address, came):
        process = subprocess.Popen(
            [sys.executable, "-m", "scram_plugin", "watch", str(tmp_path), "--every", "0.5", "--webhook", address],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            process.stdout.readline()
            end = time.monotonic() + 10
            while not came and time.monotonic() < end:
                time.sleep(0.1)
            time.sleep(1.2)  # two more looks
        finally:
            process.kill()
            process.communicate()
    (told,) = came
    assert (told["run"], told["severity"]) == ("a\nb", "error")
    assert told["text"].startswith("a b: error: Loss became NaN")
    assert told["finding"]["heuristic"] == "nonfinite-loss"


def test_a_webhook_that_fails_is_told_and_no_more():
    said, news = [], News("a", "error", "t")
    with chat_server(status=500) as (address, _):
        post(address, news, said.append)
    post(address, news, said.append)
    post("http://127.0.0.1:9", news, said.append, seconds=1)
    assert len(said) == 3
    assert all(line.startswith("the webhook failed: ") for line in said)
    post("http://[::1", news, said.append)
    assert said[-1].startswith("the webhook failed: ")
    for address in ("file:///etc/passwd", "http://[", "https://", "http://a:99999/"):
        done = scram("watch", ".", "--webhook", address)
        assert done.returncode == 2
        assert "begins with https://" in done.stderr


def test_the_command_line(tmp_path):
    curve(tmp_path / "a", "loss", [1.0, NAN], wall_time=time.time())
    out = tmp_path / "told"
    command = [sys.executable, "-m", "scram_plugin", "watch", str(tmp_path), "--every", "0.5"]
    process = subprocess.Popen(
        [*command, "--exec", f'echo "$SCRAM_RUN: $SCRAM_TITLE" >> {out}'],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that started the tests in the background has made their children deaf to Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        line = process.stdout.readline()
        assert re.search(r"^\d\d:\d\d:\d\d  a  error: .*NaN", line), line
        end = time.monotonic() + 10
        while not out.exists() or not out.read_text():
            assert time.monotonic() < end
            time.sleep(0.1)
        assert out.read_text().startswith("a: ")
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "Traceback" not in said


def test_until_finished_waits_for_a_training_to_begin_and_to_end(tmp_path):
    curve(tmp_path / "old", "loss", [1.0, 0.9], wall_time=1.0)
    told: list[str] = []
    assert not follow(watch(tmp_path), 0.1, None, None, True, told.append, patience=1.0), "none began"
    watching = watch(tmp_path)

    def train():
        time.sleep(1.0)
        curve(tmp_path / "new", "loss", [1.0, 0.9], wall_time=time.time())
        while not watching.live:
            time.sleep(0.1)
        shutil.rmtree(tmp_path / "new")

    threading.Thread(target=train, daemon=True).start()
    assert follow(watching, 0.1, None, None, True, told.append, patience=30.0)
    assert not (tmp_path / "new").exists()


def test_a_training_that_begins_and_ends_between_two_looks_has_ended(tmp_path):
    curve(tmp_path / "old", "loss", [1.0, 0.9], wall_time=1.0)
    watching = watch(tmp_path)
    list(watching.look())
    curve(tmp_path / "new", "loss", [1.0, NAN], wall_time=1.0)
    assert until_news(watching)
    assert watching.begun
    assert not watching.live


def test_what_cannot_be_read_is_told_once(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "events.out.tfevents.1.x")
    assert not follow(watch(tmp_path), 0.1, None, None, True, lambda line: None, patience=2.0)
    (line,) = capsys.readouterr().err.splitlines()
    assert "events.out.tfevents.1.x: it is not a regular file" in line


@pytest.mark.parametrize("arguments", [["no-such-dir"], [".", "--every", "0"], [".", "--run", "("]])
def test_bad_arguments_are_a_sentence(arguments):
    done = scram("watch", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("scram: ")
