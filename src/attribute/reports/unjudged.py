"""Why nothing can be judged, and what would help."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from attribute.engines.analysis import InputAccount
from attribute.reports.asked import Typed
from attribute.reports.wording import and_more, count, most_first, plural

__all__ = ["why_unjudged"]


def why_unjudged(account: InputAccount, typed: Typed, others: Sequence[str], total: int) -> tuple[str, str] | None:
    """
    Return why nothing can be judged, and what would help; nothing where there is enough to judge.

    Args:
        account: where every line went.
        typed: what was asked for.
        others: functions in the window, where none of them was asked for.
        total: how many requests were.
    """
    if account.rejected > account.records:
        reasons = and_more([f"{name} {count(n)}" for name, n in most_first(account.rejected_by_reason)], 3)
        claim = (
            f"{count(account.rejected)} of {count(account.rejected + account.records)} records were rejected "
            f"({reasons}): too many to judge the rest"
        )
        return claim, "fewer rejected lines; `--rejects FILE` names each of them"
    if total:
        return None
    if not account.records:
        return f"{_nothing(account)}: there is nothing to judge", "logs that hold M1 records"
    return _nothing_of_it(account, typed, others)


def _nothing(account: InputAccount) -> str:
    if not account.files and not account.lines:
        return "No log file was found"
    return f"No M1 record was found in {plural(account.lines, 'line')}" if account.lines else "The input is empty"


def _nothing_of_it(account: InputAccount, typed: Typed, others: Sequence[str]) -> tuple[str, str]:
    """Return why no record is among what was asked for."""
    untimed, outside = account.untimed, account.outside_window
    if others:
        near = dict.fromkeys(name for glob in typed.functions for name in get_close_matches(glob, others))
        where = "" if typed.window.is_open else " in the window"
        claim = f"No request{where} is of the functions asked for ({and_more(typed.functions, 3)})"
        return claim, f"other functions, such as {and_more(list(near) or others, 3)}"
    if not typed.window.is_open and untimed == account.records:
        claim = f"No request lies in the window, for none of {plural(untimed, 'record')} has a time"
        return claim, "records with a time; without a window they have verdicts as they are"
    if outside:
        lie = "lies" if outside == 1 else "lie"
        claim = f"No request lies in the window; {plural(outside, 'record')} {lie} outside of it"
        return claim + (f", and {count(untimed)} without a time in none" if untimed else ""), "a wider window"
    claim = f"None of {plural(account.records, 'record')} is in the window and of the functions asked for"
    return claim, "a wider window, or other functions"
