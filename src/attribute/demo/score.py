"""Hold every verdict against what was injected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from attribute.demo.play import Sent
from attribute.demo.scenario import Act
from attribute.engines.analysis import AnalysisOptions
from attribute.engines.local import analyse
from attribute.rules.catalogue import builtin
from attribute.rules.words import Class


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """
    What became of one act's requests.

    Attributes:
        act: what was injected.
        right: requests that were attributed to whoever was made to fail; of the healthy ones, those without a verdict.
        unknown: requests that the evidence did not decide; of the healthy ones, those that the machine made slow.
        wrong: requests that were blamed on somebody who did not do it.
        missing: requests that the log knows nothing of.
        reasons: how often each verdict and reason was given; `none` where there was none.
    """

    act: Act
    right: int
    unknown: int
    wrong: int
    missing: int
    reasons: Mapping[str, int]


Verdict = tuple[str, str]


def score(sent: Sequence[Sent], verdicts: Mapping[str, Verdict], logged: frozenset[str]) -> list[Score]:
    """
    Compare verdicts with injections, act by act.

    Args:
        sent: every request, with its act.
        verdicts: class and reason of every incident request, by request id.
        logged: ids of all requests that the log holds.
    """
    acts = list(dict.fromkeys(request.act for request in sent))
    return [
        _score_of(act, [request.request_id for request in sent if request.act == act], verdicts, logged) for act in acts
    ]


def _score_of(act: Act, ids: list[str], verdicts: Mapping[str, Verdict], logged: frozenset[str]) -> Score:
    found = [verdicts.get(request_id) for request_id in ids]
    classes = [None if verdict is None else verdict[0] for verdict in found]
    right = sum(class_ == act.expected for class_ in classes)
    # A healthy request that a busy machine made slow is slow; that is no blame for a failure that did not happen.
    undecided = (Class.UNKNOWN, Class.BOTTLENECK) if act.expected is None else (Class.UNKNOWN,)
    unknown = sum(class_ in undecided for class_ in classes)
    return Score(
        act=act,
        right=right,
        unknown=unknown,
        wrong=len(ids) - right - unknown,
        missing=sum(request_id not in logged for request_id in ids),
        reasons=Counter("none" if verdict is None else f"{verdict[0]} {verdict[1]}" for verdict in found),
    )


def verdicts_of(logs: Path) -> tuple[dict[str, Verdict], frozenset[str]]:
    """Run the main job on a folder of logs: verdicts by request id, and the ids of all requests."""
    analysis = analyse(AnalysisOptions(paths=(str(logs),), catalogue=builtin()))
    rows = analysis.verdicts.select("request_id", pl.col("class").cast(pl.String), pl.col("reason").cast(pl.String))
    verdicts = {request_id: (class_, reason) for request_id, class_, reason in rows.collect().iter_rows()}
    lines = pl.concat([pl.read_ndjson(path, schema={"request_id": pl.String}) for path in sorted(logs.iterdir())])
    return verdicts, frozenset(lines["request_id"])


def unknown_share(scores: Sequence[Score]) -> float:
    """Return how much of what was injected stayed UNKNOWN, by design or not: 0 to 1."""
    injected = [score for score in scores if score.act.expected is not None]
    requests = sum(score.act.requests for score in injected)
    return sum(score.unknown for score in injected) / requests if requests else 0.0


def undecided(scores: Sequence[Score]) -> int:
    """Return how many injected requests stayed UNKNOWN though there was evidence."""
    return sum(score.unknown for score in scores if score.act.expected is not None and score.act.by_design is None)
