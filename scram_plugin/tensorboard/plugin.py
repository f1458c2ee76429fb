"""SCRAM's tab in TensorBoard: thin HTTP routes over the reviewer. No judgement is made here."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import math
import os
import re
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from tensorboard import plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers
from werkzeug.datastructures import Headers

from scram_plugin import __version__
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.catalogue import Catalogue, catalogue
from scram_plugin.heuristics.configuration import configured
from scram_plugin.heuristics.examples import examples
from scram_plugin.heuristics.heuristic import Heuristic
from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.curve import CurveName, decimate
from scram_plugin.reports import markdown
from scram_plugin.reviews.as_json import ReviewJson, review_as_json
from scram_plugin.reviews.model import Reviewed
from scram_plugin.reviews.monitor import Reviewer
from scram_plugin.reviews.pictures import first_view, wants_log
from scram_plugin.reviews.plain import plain
from scram_plugin.reviews.run import LONGEST_NOTE, judged
from scram_plugin.tensorboard.answers import (
    CurveJson,
    ExampleCurveJson,
    ExampleJson,
    HeuristicsJson,
    JudgedJson,
    ReportJson,
    RunsJson,
    ThresholdsJson,
)
from scram_plugin.views.comparison import compare
from scram_plugin.views.inside import InsideJson, LayerMapJson, inside, layer_map
from scram_plugin.views.several import MOST, several
from scram_plugin.views.sweep import Sweeps
from scram_plugin.views.why.answer import AnswersJson
from scram_plugin.views.why.questions import questions
from scram_plugin.views.why.thresholds import margins, movable

logger = logging.getLogger("scram")

STATIC = Path(__file__).parent / "static"
ASSETS = {"/index.js": "text/javascript; charset=utf-8"}
SHOWN_SECTIONS = ("Why it matters", "How sure is SCRAM", "When it is not a problem", "Learn more")
MOST_POINTS = 4_000
DEFAULT_POINTS = 800


_shortened = reprlib.Repr()
_shortened.maxstring = 200  # characters of what was asked for, in the sentence that there is none
_quoted = _shortened.repr


class BadRequest(Exception):
    """The request makes no sense; the text is a sentence for the user. Status 400."""


class NotFound(Exception):
    """There is no such run or curve. Status 404."""


def _route(answer: Callable[[wrappers.Request], Any]) -> Any:
    """A WSGI application that answers GET; errors become a status and a sentence, never a traceback."""

    @wrappers.Request.application
    def serve(request: wrappers.Request) -> wrappers.Response:
        if request.method not in ("GET", "HEAD"):
            return _respond(request, {"error": "Only GET is answered here."}, 405)
        try:
            found = answer(request)
            return found if isinstance(found, wrappers.Response) else _respond(request, found)
        except BadRequest as error:
            return _respond(request, {"error": str(error)}, 400)
        except NotFound as error:
            return _respond(request, {"error": str(error)}, 404)
        except TimeoutError:
            return _respond(request, {"error": "The review takes longer than expected; ask again."}, 503)
        except Exception:
            logger.exception("SCRAM could not answer %s", request.path)
            return _respond(request, {"error": "SCRAM could not answer; TensorBoard's log says why."}, 503)

    return serve


def _respond(request: wrappers.Request, content: Any, code: int = 200, kind: str = "application/json") -> wrappers.Response:
    body = content if isinstance(content, bytes) else json.dumps(plain(content), allow_nan=False).encode()
    response: wrappers.Response = http_util.Respond(request, body, kind, code=code)
    if code == 200:
        response.set_etag(hashlib.sha1(body).hexdigest()[:20])
        response.headers["Cache-Control"] = "no-cache"
        response.make_conditional(request.environ)
        if response.status_code == 304:
            return _NotModified(status=304, headers=response.headers)
    return response


class _NotModified(wrappers.Response):
    """A 304 that keeps its Content-Type, which Werkzeug takes away: TensorBoard warns of every answer that has none."""

    def get_wsgi_headers(self, environ: Any) -> Headers:
        headers = super().get_wsgi_headers(environ)
        headers["Content-Type"] = self.headers["Content-Type"]
        return headers


class ScramPlugin(base_plugin.TBPlugin):
    """The TensorBoard plugin. `context` is TensorBoard's."""

    plugin_name = "scram"

    def __init__(self, context: base_plugin.TBContext) -> None:
        self._logdir = context.logdir or ""
        roots = _roots(context)
        self._catalogue, self._notes = _catalogue(
            context.flags, [roots] if isinstance(roots, str) else [path for _, path in roots]
        )
        self._reviewer = Reviewer(roots, self._catalogue)
        self._sweeps = Sweeps({heuristic.id: heuristic.page.title for heuristic in self._catalogue.heuristics})
        self._reviewer.runs()  # begin to look before the first page asks

    def get_plugin_apps(self) -> dict[str, Any]:
        routes: dict[str, Any] = {
            "/runs": _route(self._runs),
            "/review": _route(self._review),
            "/compare": _route(self._compare),
            "/several": _route(self._several),
            "/sweep": _route(self._sweep),
            "/curve": _route(self._curve),
            "/heuristics": _route(self._heuristics),
            "/example": _route(self._example),
            "/inside": _route(self._inside),
            "/layer_map": _route(self._layer_map),
            "/report": _route(self._report),
            "/thresholds": _route(self._thresholds),
            "/judge": _route(self._judge),
            "/why": _route(self._why),
        }
        for name in ASSETS:
            routes[name] = _route(functools.partial(self._asset, name))
        return routes

    def is_active(self) -> bool:
        try:
            known = self._reviewer.runs()["progress"]
            return bool(known["total"]) or not known["looked"]
        except Exception:
            return False

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="SCRAM")

    def _runs(self, request: wrappers.Request) -> RunsJson:
        """`runs?since=`: all training runs reviewed so far (counts, outcomes, state, fingerprint), or what changed since."""
        known = self._reviewer.runs(patience=0.25, since=request.args.get("since", ""))
        left_out = [f"{one_line(p.path)}: {one_line(p.sentence)}." for p in self._reviewer.logs.not_listed[:LONGEST_NOTE]]
        return {**known, "logdir": self._logdir, "version": __version__, "notes": [*self._notes, *left_out]}

    def _review(self, request: wrappers.Request) -> ReviewJson:
        """`review?run=NAME`: the complete review of one training run."""
        return review_as_json(self._reviewed(_argument(request, "run")).review)

    def _compare(self, request: wrappers.Request) -> dict[str, Any]:
        """`compare?run=NAME&with=NAME`: what became of the first run's findings in the second, and what differs."""
        before, after = (self._reviewed(_argument(request, name)) for name in ("run", "with"))
        return plain(msgspec.to_builtins(compare(before, after)))

    def _several(self, request: wrappers.Request) -> dict[str, Any]:
        """`several?run=NAME&run=NAME`: up to eight runs side by side, with their findings, curves, and settings that differ."""
        names = list(dict.fromkeys(filter(None, request.args.getlist("run"))))
        if not 2 <= len(names) <= MOST:
            raise BadRequest(f"{len(names)} runs were named: name 2 to {MOST}, each with run=.")
        return plain(msgspec.to_builtins(several([self._reviewed(name) for name in names])))

    def _sweep(self, request: wrappers.Request) -> wrappers.Response:
        """`sweep?program=`: the runs of one program with their settings, and what separates good ones from bad ones."""
        changes, reviews = self._reviewer.all()
        return _respond(request, self._sweeps.answer(changes, reviews, request.args.get("program", "")))

    def _why(self, request: wrappers.Request) -> AnswersJson:
        """`why?run=NAME`: the questions that a training run raises, with their answers."""
        reviewed = self._reviewed(_argument(request, "run"))
        answers = questions(reviewed.run, reviewed.review, self._catalogue)
        return {"questions": [answer.as_json(reviewed.run) for answer in answers]}

    def _inside(self, request: wrappers.Request) -> InsideJson:
        """`inside?run=NAME`: the layers of the model, which maps of them there are, and the data in numbers."""
        return inside(self._reviewed(_argument(request, "run")))

    def _layer_map(self, request: wrappers.Request) -> LayerMapJson:
        """`layer_map?run=NAME&quantity=ID`: one statistic of all layers over the steps."""
        quantity = _argument(request, "quantity")
        found = layer_map(self._reviewed(_argument(request, "run")), quantity)
        if found is None:
            raise NotFound(f"There is no quantity {_quoted(quantity)}.")
        return found

    def _report(self, request: wrappers.Request) -> ReportJson:
        """`report?run=NAME`: the review as Markdown, for an issue or a report."""
        return {"markdown": markdown.report([self._reviewed(_argument(request, "run")).review])}

    def _thresholds(self, request: wrappers.Request) -> ThresholdsJson:
        """`thresholds?run=NAME&heuristic=ID`: at which value of each threshold the outcome of a check would be another."""
        reviewed, heuristic = self._reviewed(_argument(request, "run")), self._heuristic(_argument(request, "heuristic"))
        options = self._catalogue.options_of(heuristic)
        turns = {margin.option: margin.turns_at for margin in margins(reviewed.run, heuristic, options)}
        known = movable(heuristic, options)
        names = [*turns, *(name for name in known if name not in turns)]
        return {"thresholds": [{"option": name, "value": known[name], "turns_at": turns.get(name)} for name in names]}

    def _judge(self, request: wrappers.Request) -> JudgedJson:
        """`judge?run=NAME&heuristic=ID&option=NAME&value=NUMBER`: what a check says with another threshold; nothing is kept."""
        reviewed, heuristic = self._reviewed(_argument(request, "run")), self._heuristic(_argument(request, "heuristic"))
        option, given = _argument(request, "option"), _argument(request, "value")
        options = self._catalogue.options_of(heuristic)
        if option not in movable(heuristic, options):
            raise NotFound(f"{heuristic.id} has no threshold {_quoted(option)}.")
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise BadRequest(f"value={_quoted(given)} is not a number above 0.")
        outcome = judged(heuristic, {**options, option: value}, reviewed.run)
        if isinstance(outcome, list):
            return {"titles": [f"{finding.severity}: {finding.title}" for finding in outcome], "undecided": ""}
        return {"titles": [], "undecided": outcome.reason}

    def _heuristic(self, id_: str) -> Heuristic:
        try:
            return self._catalogue[id_]
        except KeyError:
            raise NotFound(f"There is no heuristic {_quoted(id_)}.") from None

    def _reviewed(self, name: str) -> Reviewed:
        found = self._reviewer.reviewed(name)
        if found is None:
            raise NotFound(f"There is no training run {_quoted(name)} in this log directory.")
        return found

    def _curve(self, request: wrappers.Request) -> CurveJson:
        """`curve?run=&tb_run=&tag=&from=&to=&points=`: one curve, decimated so that no spike and no NaN is lost."""
        run, tag = _argument(request, "tb_run"), _argument(request, "tag")
        curve = self._reviewer.curve(request.args.get("run", ""), CurveName(run, tag))
        if curve is None:
            raise NotFound(f"There is no tag {_quoted(tag)} in the TensorBoard run {_quoted(run)}.")
        low = _number(request, "from", int(curve.steps[0]) if len(curve) else 0)
        high = _number(request, "to", int(curve.steps[-1]) if len(curve) else 0)
        points = _number(request, "points", DEFAULT_POINTS)
        if not 2 <= points <= MOST_POINTS:
            raise BadRequest(f"points={points}: ask for 2 to {MOST_POINTS} points.")
        inside = np.flatnonzero((curve.steps >= low) & (curve.steps <= high))
        kept = inside[decimate(curve.values[inside], points)]
        return {
            "steps": curve.steps[kept].tolist(),
            "wall_times": curve.wall_times[kept].tolist(),
            "values": curve.values[kept].tolist(),
            "total": len(inside),
            "decimated": len(kept) < len(inside),
            "log": wants_log([curve.values[kept]]),
        }

    def _heuristics(self, request: wrappers.Request) -> HeuristicsJson:
        """`heuristics`: the catalogue, each page as safe HTML."""
        return {
            "heuristics": [
                {
                    "id": h.id,
                    "group": h.group,
                    "title": h.page.title,
                    "title_passed": h.title_passed,
                    "needs": list(h.needs),
                    "options": [
                        {
                            "name": o.name,
                            "value": self._catalogue.options_of(h)[o.name],
                            "default": o.default,
                            "help": o.help,
                            "source": o.source,
                        }
                        for o in h.options
                    ],
                    "sections": {
                        heading: plugin_util.markdown_to_safe_html(text)
                        for heading, text in h.page.sections.items()
                        if heading in SHOWN_SECTIONS
                    },
                    "causes": [
                        {"id": cause, "title": title, "text": plugin_util.markdown_to_safe_html(text)}
                        for cause, (title, text) in h.page.causes.items()
                    ],
                    "fixes": [
                        {
                            "cause": cause,
                            "title": title,
                            "text": text,
                            "snippets": [{"framework": s.framework, "code": s.shown} for s in snippets],
                        }
                        for cause, (title, text, snippets) in h.page.fixes.items()
                    ],
                }
                for h in self._catalogue.heuristics
            ]
        }

    def _example(self, request: wrappers.Request) -> ExampleJson:
        """`example?heuristic=ID`: curves of a training with the fault and of its healthy twin."""
        id_ = _argument(request, "heuristic")
        found = examples().get(id_)
        if found is None:
            raise NotFound(f"There is no example of {_quoted(id_)}.")
        shown = first_view(found["faulty"][0]["steps"], found["bad_step"] if found["best_step"] is None else None)
        return {
            "title": found["title"],
            "summary": found["summary"],
            "measured": found["measured"],
            "axis": found["axis"],
            "span": found["span"],
            "bad_step": found["bad_step"],
            "best_step": found["best_step"],
            "part": None if shown is None else list(shown),
            "faulty": [_with_scale(curve) for curve in found["faulty"]],
            "healthy": [_with_scale(curve) for curve in found["healthy"]],
        }

    def _asset(self, name: str, request: wrappers.Request) -> wrappers.Response:
        """The built tab, from a fixed table of names."""
        try:
            content = (STATIC / name.lstrip("/")).read_bytes()
        except OSError:
            raise NotFound("The tab was not built. In a clone: make install.") from None
        return _respond(request, content, 200, ASSETS[name])


def _with_scale(curve: dict[str, Any]) -> ExampleCurveJson:
    """The curve of an example, and whether a logarithmic axis shows more."""
    log = wants_log([np.array([float(value) for value in curve["values"]])])
    return {"label": curve["label"], "steps": curve["steps"], "values": curve["values"], "log": log}


def _argument(request: wrappers.Request, name: str) -> str:
    value = request.args.get(name)
    if not value:
        raise BadRequest(f"The question lacks {name}=.")
    return value


def _number(request: wrappers.Request, name: str, default: int) -> int:
    value = request.args.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except ValueError:
        raise BadRequest(f"{name}={_quoted(value)} is not a whole number.") from None


def _roots(context: base_plugin.TBContext) -> str | list[tuple[str, str]]:
    """One directory, or those of `--logdir_spec`, by TensorBoard's own rules: `name:path,path`, `~` for the home directory."""
    spec = getattr(context.flags, "logdir_spec", "") if context.flags is not None else ""
    if not spec:
        return os.path.expanduser(context.logdir or "")
    roots = []
    for part in filter(None, spec.split(",")):
        is_uri = re.match(r"[a-zA-Z][0-9a-zA-Z.]*://", part)
        named = not is_uri and ":" in part and part[0] != "/" and not os.path.splitdrive(part)[0]
        name, path = part.split(":", 1) if named else ("", part)
        roots.append((name, os.path.expanduser(path)))
    return roots


def _catalogue(flags: Any, logdirs: list[str]) -> tuple[Catalogue, list[str]]:
    """What the flags and the configuration file ask for; if that makes no sense, the defaults and a note that says so."""
    given = {name: getattr(flags, f"scram_{name}", None) for name in ("config", "set", "select", "ignore")}
    try:
        return configured(given["config"], given["set"] or [], given["select"], given["ignore"], logdirs=logdirs), []
    except BadOption as error:
        logger.warning("SCRAM uses its defaults: %s", error)
        return catalogue(), [f"SCRAM uses its defaults, because {error}."]
