"""The stop rule: nothing is rewritten but by an approved plan, and every plan can be undone or says why not."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from attribute.ingest.model import MAX_COUNT, Bucket, ClientSequence, Counts, Weights
from attribute.ingest.plans import apply as apply_module
from attribute.ingest.plans import apply_items, apply_others
from attribute.ingest.plans import rollback as rollback_module
from attribute.ingest.plans.apply import Applied, apply
from attribute.ingest.plans.archive import ArchiveReader, plan_retention
from attribute.ingest.plans.document import Plan, canonical
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.input import InputRow
from attribute.ingest.plans.make import plan_backfill, plan_correct, plan_rebuild, plan_rule
from attribute.ingest.plans.promises import refuse_unlike, refuse_unsayable
from attribute.ingest.plans.rollback import rollback
from attribute.ingest.plans.status import status
from attribute.ingest.stores import ledger
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.dump import DERIVED, dump
from attribute.ingest.stores.errors import StoreNotOpenedError
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.verify import verify
from tests.ingest_store.helpers import (
    FIRST_SLOT,
    NOW_US,
    Client,
    bucket,
    client,
    facts_of,
    sqlite_store,
    total_of,
)


def row(sender: Client, said: Bucket, line: int = 1) -> InputRow:
    return InputRow("rows", line, sender.device.device_id, said.source, said.model, said.slot, said.counts)


def backfill(store: RelationalStore, sender: Client, buckets: Sequence[Bucket]) -> Plan:
    return plan_backfill(store, [row(sender, said) for said in buckets], reason="import", now_us=NOW_US)


def correct(store: RelationalStore, sender: Client, buckets: Sequence[Bucket]) -> Plan:
    return plan_correct(store, [row(sender, said) for said in buckets], reason="typo", now_us=NOW_US)


def approved(store: RelationalStore, plan: Plan, **more: Path) -> Applied:
    return apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US, **more)  # type: ignore[arg-type]  # paths by name


def derived(store: RelationalStore) -> bytes:
    """The canonical text of facts and active rollups alone."""
    with store.reading() as tx:
        return b"".join(dump(tx, DERIVED))


def totals(store: RelationalStore) -> dict[int, int]:
    return {key[1] - FIRST_SLOT: counts.total for key, (counts, _) in facts_of(store, "user-1").items()}


# --- backfill ---------------------------------------------------------------------------------------------------------


def test_backfill_fills_what_no_client_asserted_and_lists_the_rest(database_store: RelationalStore) -> None:
    """An import never overwrites a client; what it would have overwritten is listed."""
    sender = client(database_store)
    sender.send([bucket(5, slot=1)])
    plan = backfill(database_store, sender, [bucket(10, slot=0), bucket(99, slot=1), bucket(20, slot=2)])
    assert plan.scope["conflicts"] == 1
    assert plan.scope["first_conflicts"] == [[sender.device.device_id, "codex", "gpt-5", FIRST_SLOT + 1]]
    assert [(day["before"][4], day["after"][4]) for day in plan.expect["sums"]] == [(5, 35)]
    assert totals(database_store) == {1: 5}  # made dry
    approved(database_store, plan)
    assert totals(database_store) == {0: 10, 1: 5, 2: 20}
    assert total_of(database_store) == 35
    assert verify(database_store).holds


def test_backfill_is_outranked_by_any_client_assertion(database_store: RelationalStore) -> None:
    """Epoch 0 stands before everything a client ever says."""
    sender = client(database_store)
    approved(database_store, backfill(database_store, sender, [bucket(10)]))
    sender.send([bucket(3)])
    assert totals(database_store) == {0: 3}


def test_backfill_rolled_back_leaves_facts_as_before_but_newer_client_writes(database_store: RelationalStore) -> None:
    """Undoing removes what the plan said; keys that a client asserted since are listed and keep that."""
    sender = client(database_store)
    sender.send([bucket(5, slot=1)])
    before = derived(database_store)
    done = approved(database_store, backfill(database_store, sender, [bucket(10, slot=0), bucket(20, slot=2)]))
    undone = rollback(database_store, done.plan_id, now_us=NOW_US)
    assert (undone.keys, undone.newer) == (2, ())
    assert derived(database_store) == before
    again = approved(database_store, backfill(database_store, sender, [bucket(11, slot=0), bucket(21, slot=2)]))
    sender.send([bucket(1, slot=2)])
    undone = rollback(database_store, again.plan_id, now_us=NOW_US)
    assert undone.newer == ((sender.device.device_id, "codex", "gpt-5", FIRST_SLOT + 2),)
    assert totals(database_store) == {1: 5, 2: 1}
    assert verify(database_store).holds


def test_backfill_for_unknown_device_is_refused(database_store: RelationalStore) -> None:
    """Rows belong to devices that exist."""
    lost = InputRow("rows", 7, "nobody", "codex", "gpt-5", FIRST_SLOT, Counts(0, 0, 0, 0, 0))
    with pytest.raises(PlanError, match="rows:7: there is no such device"):
        plan_backfill(database_store, [lost], reason="r", now_us=NOW_US)


# --- correct ----------------------------------------------------------------------------------------------------------


def test_correction_changes_one_fact_until_the_client_speaks_again(database_store: RelationalStore) -> None:
    """A correction is one step above the row it corrects, so any later client write still wins."""
    sender = client(database_store)
    sender.send([bucket(10), bucket(20, slot=1)])
    approved(database_store, correct(database_store, sender, [bucket(7)]))
    assert totals(database_store) == {0: 7, 1: 20}
    assert verify(database_store).holds
    sender.send([bucket(12)])
    assert totals(database_store) == {0: 12, 1: 20}


def test_correction_of_sequenced_rows_in_several_deliveries(database_store: RelationalStore) -> None:
    """The base may lie in many deliveries and epochs of several devices."""
    first, second = client(database_store), client(database_store)
    epoch = database_store.issue_epoch(first.device)
    first.send([bucket(1), bucket(2, slot=1)], place=ClientSequence(epoch, 10))
    first.send([bucket(3, slot=2)], place=ClientSequence(epoch, 20))
    second.send([bucket(4)])
    rows = [row(first, bucket(100 + n, slot=n)) for n in range(3)] + [row(second, bucket(200))]
    before = derived(database_store)
    done = approved(database_store, plan_correct(database_store, rows, reason="r", now_us=NOW_US))
    assert total_of(database_store) == 100 + 101 + 102 + 200
    assert verify(database_store).holds
    rollback(database_store, done.plan_id, now_us=NOW_US)
    assert derived(database_store) == before


def test_correction_twice_and_undone_in_any_order(database_store: RelationalStore) -> None:
    """Voiding one correction leaves the other's answer standing."""
    sender = client(database_store)
    sender.send([bucket(1)])
    first = approved(database_store, correct(database_store, sender, [bucket(2)]))
    second = approved(database_store, correct(database_store, sender, [bucket(3)]))
    rollback(database_store, first.plan_id, now_us=NOW_US)
    assert totals(database_store) == {0: 3}
    rollback(database_store, second.plan_id, now_us=NOW_US)
    assert totals(database_store) == {0: 1}
    assert verify(database_store).holds


def test_correction_undone_and_made_again_stands_above_the_voided_one(database_store: RelationalStore) -> None:
    """What was voided is still said, and no two rows are said at one place."""
    sender = client(database_store)
    sender.send([bucket(1), bucket(5, slot=1)])
    before = derived(database_store)
    for total in (2, 2, 3):
        plan = correct(database_store, sender, [bucket(total)])
        done = approved(database_store, plan)
        assert totals(database_store) == {0: total, 1: 5}
        rollback(database_store, done.plan_id, now_us=NOW_US)
        assert derived(database_store) == before
    approved(database_store, correct(database_store, sender, [bucket(4)]))
    ((_, order), _) = facts_of(database_store, "user-1").values()
    assert (order.fix, totals(database_store)) == (4, {0: 4, 1: 5})
    assert verify(database_store).holds


def test_correction_of_a_key_without_fact_is_refused(database_store: RelationalStore) -> None:
    """Only what holds can be corrected."""
    with pytest.raises(PlanError, match="rows:1: there is no fact under this key"):
        correct(database_store, client(database_store), [bucket(1)])


def test_plan_that_changes_nothing_is_refused_unless_allowed(database_store: RelationalStore) -> None:
    """Zero rows are more often a mistake than a wish."""
    sender = client(database_store)
    sender.send([bucket(1)])
    with pytest.raises(PlanError, match="would change nothing"):
        correct(database_store, sender, [bucket(1)])
    empty = plan_correct(database_store, [], reason="r", now_us=NOW_US, allow_empty=True)
    assert approved(database_store, empty).steps == 0


# --- what apply refuses -----------------------------------------------------------------------------------------------


def test_plan_applied_twice_is_refused(database_store: RelationalStore) -> None:
    """A plan is good for one use, also after it was undone."""
    sender = client(database_store)
    plan = backfill(database_store, sender, [bucket(1)])
    done = approved(database_store, plan)
    digest = database_store.digest()
    with pytest.raises(PlanError, match=f"plan {done.plan_id} is applied already"):
        approved(database_store, plan)
    assert database_store.digest() == digest
    rollback(database_store, done.plan_id, now_us=NOW_US)
    with pytest.raises(PlanError, match="rolled back already"):
        approved(database_store, plan)


def test_plan_gone_stale_is_refused_with_a_failed_gate(database_store: RelationalStore) -> None:
    """A key that moved since stops the plan before anything is written; growth elsewhere does not."""
    sender = client(database_store)
    sender.send([bucket(1), bucket(2, slot=1)])
    plan = correct(database_store, sender, [bucket(9)])
    sender.send([bucket(5, slot=40)])
    other = correct(database_store, sender, [bucket(8, slot=1)])
    sender.send([bucket(3, slot=1)])
    digest = database_store.digest()
    with pytest.raises(PlanError, match="the plan is stale: 1 keys") as refused:
        approved(database_store, other)
    assert refused.value.exit_code == 3
    assert database_store.digest() == digest
    approved(database_store, plan)
    assert totals(database_store) == {0: 9, 1: 3, 40: 5}


def test_backfill_stale_because_a_client_asserted_the_key_is_refused(database_store: RelationalStore) -> None:
    """A key that was free when the plan was made and is not any more is a change."""
    sender = client(database_store)
    plan = backfill(database_store, sender, [bucket(1)])
    sender.send([bucket(2)])
    with pytest.raises(PlanError, match="stale"):
        approved(database_store, plan)


def test_plan_edited_is_refused(database_store: RelationalStore) -> None:
    """The hash stands for every byte; another spelling of the same JSON is another file."""
    sender = client(database_store)
    plan = backfill(database_store, sender, [bucket(1)])
    edited = plan.to_bytes().replace(b'"reason":"import"', b'"reason":"impart"')
    with pytest.raises(PlanError, match="another one was approved"):
        apply(database_store, edited, approve=plan.sha256, now_us=NOW_US)
    spaced = json.dumps(json.loads(plan.to_bytes()), indent=1).encode()
    with pytest.raises(PlanError, match="is not as it was written"):
        apply(database_store, spaced, approve=plan.sha256, now_us=NOW_US)
    assert totals(database_store) == {}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"schema":"attribute.plan/2"}\n',
        b'{"schema":"attribute.plan/1"}\n',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_text_that_is_no_plan_is_refused(tmp_path: Path, text: bytes) -> None:
    """Whatever the file holds, the answer is a sentence."""
    with sqlite_store(tmp_path) as store, pytest.raises(PlanError):
        apply(store, text, approve="x", now_us=NOW_US)


@pytest.mark.parametrize(
    "counts", [[MAX_COUNT + 1, 0, 0, 0, 0], [-1, 0, 0, 0, 0], [1.0, 0, 0, 0, 0], [True, 0, 0, 0, 0], [1]]
)
def test_plan_with_counts_out_of_bounds_is_refused_even_if_approved(tmp_path: Path, counts: list[object]) -> None:
    """Approval of an edited file does not switch the grammar off."""
    with sqlite_store(tmp_path) as store:
        value = json.loads(backfill(store, client(store), [bucket(1)]).to_bytes())
        value["items"][0][5] = counts
        with pytest.raises(PlanError, match="is not a whole plan"):
            apply(store, canonical(value), approve="x", now_us=NOW_US)


@pytest.mark.parametrize("user_id", ["mallory", "user-2"])
def test_plan_edited_to_another_user_is_refused_even_if_approved(database_store: RelationalStore, user_id: str) -> None:
    """A device is one user's; a plan that says otherwise writes nothing, whoever approved it."""
    client(database_store, "user-2")
    sender = client(database_store)
    value = json.loads(backfill(database_store, sender, [bucket(1), bucket(2, slot=1)]).to_bytes())
    value["items"][1][0] = user_id
    edited = canonical(value)
    digest = database_store.digest()
    with pytest.raises(PlanError, match="gives 1 keys to a user who is not that of their device"):
        apply(database_store, edited, approve=sha256(edited).hexdigest(), now_us=NOW_US)
    assert database_store.digest() == digest


def _twice(value: dict[str, Any]) -> None:
    value["items"].append(value["items"][0])


def _far_future(value: dict[str, Any]) -> None:
    value["items"][0][4] = 5_000_001


def _no_name(value: dict[str, Any]) -> None:
    value["items"][0][2] = ""


def _half_a_base(value: dict[str, Any]) -> None:
    value["items"][0][6] = [0, 1, 0, 0]


def _of_a_client(value: dict[str, Any]) -> None:
    value["items"][0][6:] = [[1, 1, 0, 0], [0, 0, 0, 0, 0]]


def _without_base(value: dict[str, Any]) -> None:
    value["kind"] = "correct"


def _of_another_kind(value: dict[str, Any]) -> None:
    value["kind"] = "rule"


@pytest.mark.parametrize(
    "edit", [_twice, _far_future, _no_name, _half_a_base, _of_a_client, _without_base, _of_another_kind]
)
def test_plan_edited_to_what_no_plan_says_is_refused_even_if_approved(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    """Whatever `plan` would never have written is a sentence and no crash."""
    with sqlite_store(tmp_path) as store:
        value = json.loads(backfill(store, client(store), [bucket(1)]).to_bytes())
        edit(value)
        edited = canonical(value)
        with pytest.raises(PlanError, match="plan: is not a"):
            apply(store, edited, approve=sha256(edited).hexdigest(), now_us=NOW_US)
        assert status(store).plans == ()


def _hidden_mark(value: dict[str, Any]) -> None:
    value["items"][0][2] = "codex\u200b"


def _nul(value: dict[str, Any]) -> None:
    value["items"][0][3] = "gpt\0"


def _not_canonical(value: dict[str, Any]) -> None:
    value["items"][0][3] = "GPT-5"


def _nothing(value: dict[str, Any]) -> None:
    value["items"] = []


def _more_than_told(value: dict[str, Any]) -> None:
    value["items"][0][5] = [10**12] * 5


def _other_day(value: dict[str, Any]) -> None:
    value["scope"]["last_day"] = "1999-01-01"


def _other_size(value: dict[str, Any]) -> None:
    value["scope"]["keys"] = 77


def _size_that_is_true(value: dict[str, Any]) -> None:
    value["scope"]["keys"] = True


def _no_checks(value: dict[str, Any]) -> None:
    value["checks"] = []


def _other_inverse(value: dict[str, Any]) -> None:
    value["inverse"] = "format the disk"


def _other_estimate(value: dict[str, Any]) -> None:
    value["estimate"]["steps"] = 9


def _base_that_is_none(value: dict[str, Any]) -> None:
    value["base"]["rule"] = "x"


def _weights_beside(value: dict[str, Any]) -> None:
    value["details"] = {"version": 7}


@pytest.mark.parametrize(
    ("edit", "member"),
    [
        (_hidden_mark, "items"),
        (_nul, "items"),
        (_not_canonical, "items"),
        (_nothing, "scope"),
        (_more_than_told, "expect"),
        (_other_day, "scope"),
        (_other_size, "scope"),
        (_size_that_is_true, "scope"),
        (_no_checks, "checks"),
        (_other_inverse, "inverse"),
        (_other_estimate, "estimate"),
        (_base_that_is_none, "base"),
        (_weights_beside, "details"),
    ],
)
def test_plan_that_says_what_it_does_not_do_is_refused_even_if_approved(
    database_store: RelationalStore, edit: Callable[[dict[str, Any]], None], member: str
) -> None:
    """Whoever approves a plan reads its scope, sums, checks and inverse: they follow from what it does."""
    value = json.loads(backfill(database_store, client(database_store), [bucket(1)]).to_bytes())
    edit(value)
    edited = canonical(value)
    with pytest.raises(PlanError) as refused:
        apply(database_store, edited, approve=sha256(edited).hexdigest(), now_us=NOW_US)
    assert str(refused.value) == (
        f"the plan's `{member}` is not what `plan` writes for what it does; nothing was written\n"
        "  hint: make a new plan; a plan is never edited"
    )
    assert refused.value.exit_code == 2
    assert status(database_store).plans == ()


@pytest.mark.parametrize("order", [[0, 2**63, 0, 0], [-1, 0, 0, 0], [0, 0, 0], [0, True, 0, 0]])
def test_plan_with_an_order_that_no_fact_has_is_refused_even_if_approved(tmp_path: Path, order: list[object]) -> None:
    """What the tables cannot hold is never asked of them."""
    with sqlite_store(tmp_path) as store:
        value = json.loads(backfill(store, client(store), [bucket(1)]).to_bytes())
        value["items"][0][6:] = [order, [0, 0, 0, 0, 0]]
        with pytest.raises(PlanError, match="is not a whole plan"):
            apply(store, canonical(value), approve="x", now_us=NOW_US)


@pytest.mark.parametrize("weights", [{"codex": [1, 1, 1, 1, 1]}, {"": [0, 0, 0, 0, 1], "CODEX": [1, 1, 1, 1, 1]}])
def test_rule_edited_to_weights_that_no_rule_has_is_refused_even_if_approved(
    database_store: RelationalStore, weights: dict[str, list[int]]
) -> None:
    """Every rule has weights for the sources it does not name, and names the others as they are stored."""
    plan = plan_rule(database_store, Weights(1, 1, 1, 1, 1), {}, reason="r", now_us=NOW_US)
    plan = dataclasses.replace(plan, details={**plan.details, "weights": weights})
    with pytest.raises(PlanError, match="the plan's `details` is not what `plan` writes"):
        approved(database_store, plan)
    with database_store.snapshot() as reads:
        assert reads.rule().version == 1


def test_plans_of_every_kind_say_what_they_do(database_store: RelationalStore, tmp_path: Path) -> None:
    """What is worked out of a plan file again is what `plan` wrote, after the way through the file too."""
    sender = client(database_store)
    for total in (1, 2):
        sender.send([bucket(total), bucket(total, slot=48)])
    database_store.seal()
    for plan in (
        backfill(database_store, sender, [bucket(3), bucket(4, slot=2), bucket(5, slot=90, source="other")]),
        correct(database_store, sender, [bucket(3)]),
        plan_rebuild(database_store, reason="r", now_us=NOW_US),
        plan_rule(database_store, Weights(1, 0, 0, 0, 2), {"codex": Weights(1, 1, 1, 1, 1)}, reason="r", now_us=NOW_US),
        plan_retention(database_store, tmp_path / "a.gz", before_day=2**15, reason="r", now_us=NOW_US),
    ):
        read = Plan.from_bytes(plan.to_bytes())
        refuse_unsayable(read)
        refuse_unlike(read)
        assert read == plan


def test_plan_of_another_database_is_refused(tmp_path: Path) -> None:
    """A plan names the database it was made for, even an empty one."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with sqlite_store(tmp_path / "a") as one, sqlite_store(tmp_path / "b") as other:
        sender = client(one)
        plan = backfill(one, sender, [bucket(1)])
        with pytest.raises(PlanError, match="the plan is for database"):
            approved(other, plan)


def test_second_plan_waits_until_the_first_is_finished(
    database_store: RelationalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One plan at a time; an interrupted one is finished or undone first."""
    sender = client(database_store)
    first, second = backfill(database_store, sender, [bucket(1)]), backfill(database_store, sender, [bucket(2, slot=1)])
    cut_off(database_store, first, monkeypatch, step=0)
    with pytest.raises(PlanError, match="plan 1 is being applied"):
        approved(database_store, second)
    approved(database_store, first)
    approved(database_store, second)
    assert totals(database_store) == {0: 1, 1: 2}


# --- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "searched"),
    [
        (apply_items.NOT_AS_PLANNED, {"f"}),
        (apply_items.NOT_GREATEST, {"f", "l"}),
        (apply_items.ROLLUPS_OFF, {"f", "r"}),
        (apply_others.NOT_IN_LEDGER, {"l"}),
        (apply_others.NOT_OUTRANKED, {"n"}),
        (apply_others.COUNT_ARCHIVED, {"l"}),
        (apply_others.REMOVE, {"ledger"}),
        (rollback_module.OWN_ROWS, {"l"}),
        (rollback_module.NEWER, {"f"}),
        (sql.FORGET_FACTS, {"fact"}),
        (sql.RECALL_FACTS, {"l"}),
        (sql.RECOMPUTE_GROUPS, {"f"}),
        (sql.DROP_EMPTY_GROUPS, {"rollup_day", "f"}),
    ],
)
def test_step_costs_what_its_rows_cost_however_long_the_ledger_is(
    tmp_path: Path, statement: str, searched: set[str]
) -> None:
    """No statement of a step or a rollback walks through a table, or through all that one device ever said."""
    with sqlite_store(tmp_path) as store, store.planning() as tx:
        values = {"plan_id": 1} if ":plan_id" in statement else {}
        steps = [str(found[3]).split() for found in tx.rows("EXPLAIN QUERY PLAN " + statement, **values)]
    assert {words[1] for words in steps if words[0] == "SEARCH"} >= searched
    assert not {words[1] for words in steps if words[0] == "SCAN"} & searched
    assert not [words for words in steps if "ledger_by_order" in words]


# --- interruptions ----------------------------------------------------------------------------------------------------


class Interrupted(Exception):  # noqa: N818 - stands for a process that is not there any more
    pass


def cut_off(store: RelationalStore, plan: Plan, monkeypatch: pytest.MonkeyPatch, *, step: int, **more: Path) -> None:
    """Apply, and die in the middle of a step, after its rows were written and before it commits."""
    real = apply_module._step

    def dying(work: object, tx: object, number: int) -> None:
        real(work, tx, number)  # type: ignore[arg-type]  # handed through
        if number == step:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(apply_module, "_step", dying)
        with pytest.raises(Interrupted):
            approved(store, plan, **more)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_apply_cut_off_at_a_step_is_taken_up_there(
    database_store: RelationalStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """A step and the note that it is done are one: nothing is applied twice or left out."""
    monkeypatch.setattr("attribute.ingest.plans.document.CHUNK", 4)
    monkeypatch.setattr("attribute.ingest.plans.apply_items.CHUNK", 4)
    sender = client(database_store)
    plan = backfill(database_store, sender, [bucket(1 + n, slot=n) for n in range(11)])
    cut_off(database_store, plan, monkeypatch, step=step)
    assert len(totals(database_store)) == 4 * step
    sender.send([bucket(50, slot=0), bucket(60, slot=10)])
    done = approved(database_store, plan)
    assert (done.steps, done.resumed_at) == (3, step)
    assert totals(database_store) == {0: 50, **{n: 1 + n for n in range(1, 10)}, 10: 60}
    assert verify(database_store).holds
    assert [(found.state, found.steps_done) for found in status(database_store).plans] == [("applied", 3)]


def test_apply_cut_off_is_undone_by_rollback(database_store: RelationalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a plan can be taken back."""
    monkeypatch.setattr("attribute.ingest.plans.document.CHUNK", 4)
    monkeypatch.setattr("attribute.ingest.plans.apply_items.CHUNK", 4)
    sender = client(database_store)
    sender.send([bucket(1, slot=20)])
    before = derived(database_store)
    plan = backfill(database_store, sender, [bucket(1 + n, slot=n) for n in range(11)])
    cut_off(database_store, plan, monkeypatch, step=2)
    assert rollback(database_store, 1, now_us=NOW_US).keys == 8
    assert derived(database_store) == before
    assert verify(database_store).holds


def test_step_that_does_not_hold_is_undone(database_store: RelationalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step checks itself before it commits."""
    sender = client(database_store)
    sender.send([bucket(1)])
    plan = correct(database_store, sender, [bucket(2)])
    real = ledger.append

    def forgetful(tx: object, appending: object, rows: object) -> object:
        told = real(tx, appending, rows)  # type: ignore[arg-type]  # handed through
        tx.run("UPDATE rollup_day SET t_total = t_total + 1")  # type: ignore[attr-defined]  # a transaction
        return told

    with monkeypatch.context() as patch:
        patch.setattr("attribute.ingest.plans.apply_items.append", forgetful)
        with pytest.raises(PlanError, match="rollups equal the facts does not hold") as failed:
            approved(database_store, plan)
    assert failed.value.exit_code == 3
    assert totals(database_store) == {0: 1}
    assert verify(database_store).holds


# --- generations ------------------------------------------------------------------------------------------------------


def spoil_rollups(store: RelationalStore) -> None:
    with store.planning() as tx:
        tx.run("UPDATE rollup_day SET t_total = t_total + 7")


def test_rebuild_mends_spoiled_rollups_and_can_be_undone(database_store: RelationalStore) -> None:
    """A new generation is computed beside the old one, proved, and switched to; undoing proves again."""
    for user in ("user-1", "user-2"):
        client(database_store, user).send([bucket(10, slot=n) for n in range(0, 400, 7)])
    good = derived(database_store)
    spoil_rollups(database_store)
    assert [finding.promise for finding in verify(database_store).findings] == ["I2: rollups equal the facts"]
    done = approved(database_store, plan_rebuild(database_store, reason="r", now_us=NOW_US))
    assert verify(database_store).holds
    assert derived(database_store) == good
    assert database_store.stats().active_generation == 2
    client(database_store).send([bucket(1)])
    later = derived(database_store)
    rollback(database_store, done.plan_id, now_us=NOW_US)
    assert database_store.stats().active_generation == 1
    assert derived(database_store) == later
    assert verify(database_store).holds


def test_rebuild_interrupted_is_kept_up_by_writers_and_finished(
    database_store: RelationalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a generation is being built every delivery maintains both."""
    monkeypatch.setattr("attribute.ingest.plans.apply_others.USERS_PER_STEP", 1)
    senders = [client(database_store, f"user-{n}") for n in range(3)]
    for sender in senders:
        sender.send([bucket(10)])
    plan = plan_rebuild(database_store, reason="r", now_us=NOW_US)
    cut_off(database_store, plan, monkeypatch, step=1)
    senders[0].send([bucket(20)])
    senders[2].send([bucket(30, slot=99)])
    client(database_store, "a-new-user").send([bucket(40)])
    approved(database_store, plan)
    assert verify(database_store).holds
    assert total_of(database_store, "user-0") == 20
    assert total_of(database_store, "a-new-user") == 40


def test_rebuild_interrupted_can_be_undone(database_store: RelationalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generation that never came into force leaves nothing behind."""
    client(database_store).send([bucket(10)])
    before = derived(database_store)
    cut_off(database_store, plan_rebuild(database_store, reason="r", now_us=NOW_US), monkeypatch, step=0)
    rollback(database_store, 1, now_us=NOW_US)
    assert derived(database_store) == before
    assert database_store.stats().active_generation == 1


# --- rules ------------------------------------------------------------------------------------------------------------


def test_rule_changes_billable_totals_and_rewrites_no_row(database_store: RelationalStore) -> None:
    """Billable totals are computed when they are read; a new version is a pointer, and so is going back."""
    sender = client(database_store)
    sender.send([bucket(60)])
    before = derived(database_store)
    plan = plan_rule(
        database_store, Weights(0, 0, 0, 0, 2), {"codex": Weights(0, 0, 0, 0, 3)}, reason="r", now_us=NOW_US
    )
    assert [(day["source"], day["before"], day["after"]) for day in plan.expect["billable"]] == [("codex", "62", "180")]
    done = approved(database_store, plan)
    with database_store.snapshot() as reads:
        rule = reads.rule()
        assert (rule.version, rule.billable("codex", bucket(60).counts), rule.billable("x", bucket(1).counts)) == (
            2,
            180,
            2,
        )
    assert derived(database_store) == before
    rollback(database_store, done.plan_id, now_us=NOW_US)
    with database_store.snapshot() as reads:
        assert reads.rule().version == 1
    assert derived(database_store) == before


def test_rule_equal_to_the_one_in_force_is_refused(database_store: RelationalStore) -> None:
    """Nothing would change."""
    with database_store.snapshot() as reads:
        rule = reads.rule()
    with pytest.raises(PlanError, match="would change nothing"):
        plan_rule(database_store, rule.default, rule.by_source, reason="r", now_us=NOW_US)


def test_rule_planned_before_another_came_into_force_is_stale(database_store: RelationalStore) -> None:
    """What the operator compared with is not in force any more."""
    first = plan_rule(database_store, Weights(0, 0, 0, 0, 2), {}, reason="r", now_us=NOW_US)
    second = plan_rule(database_store, Weights(0, 0, 0, 0, 3), {}, reason="r", now_us=NOW_US)
    approved(database_store, first)
    with pytest.raises(PlanError, match="stale"):
        approved(database_store, second)


def test_rule_planned_before_another_came_and_went_is_stale(database_store: RelationalStore) -> None:
    """Its version is taken, though the rule in force is again the one that it was planned against."""
    first = plan_rule(database_store, Weights(0, 0, 0, 0, 2), {}, reason="r", now_us=NOW_US)
    second = plan_rule(database_store, Weights(0, 0, 0, 0, 3), {}, reason="r", now_us=NOW_US)
    rollback(database_store, approved(database_store, first).plan_id, now_us=NOW_US)
    with pytest.raises(PlanError, match="stale: 1 version of the billable rule") as refused:
        approved(database_store, second)
    assert refused.value.exit_code == 3
    again = plan_rule(database_store, Weights(0, 0, 0, 0, 3), {}, reason="r", now_us=NOW_US)
    approved(database_store, again)
    assert database_store.stats().rule_version == 3


def test_rule_that_another_replaced_cannot_be_undone(database_store: RelationalStore) -> None:
    """Going back would take away what came after."""
    first = approved(database_store, plan_rule(database_store, Weights(0, 0, 0, 0, 2), {}, reason="r", now_us=NOW_US))
    approved(database_store, plan_rule(database_store, Weights(0, 0, 0, 0, 3), {}, reason="r", now_us=NOW_US))
    with pytest.raises(PlanError, match="version 3 of the rule is in force by now"):
        rollback(database_store, first.plan_id, now_us=NOW_US)


# --- retention --------------------------------------------------------------------------------------------------------


def test_retention_moves_outranked_rows_and_puts_them_back(database_store: RelationalStore, tmp_path: Path) -> None:
    """What decides nothing any more goes into a file that proves itself; undoing gives the same digest."""
    sender = client(database_store)
    for total in (1, 2, 3):
        sender.send([bucket(total), bucket(total, slot=48)])
    database_store.seal()
    before, facts = database_store.digest(), derived(database_store)
    archive = tmp_path / "archive.gz"
    plan = plan_retention(database_store, archive, before_day=FIRST_SLOT // 48 + 1, reason="r", now_us=NOW_US)
    assert plan.details["rows"] == 2
    with pytest.raises(PlanError, match="the archive is not given"):
        approved(database_store, plan)
    done = approved(database_store, plan, archive=archive)
    found = verify(database_store)
    assert (found.holds, found.ledger_rows, found.archived) == (True, 4, 2)
    assert derived(database_store) == facts
    with database_store.planning() as tx:
        tx.run("UPDATE archived SET row_count = row_count + 1 WHERE delivery_id = 1")
    assert [(wrong.promise, wrong.examples) for wrong in verify(database_store).findings] == [
        ("I3: deliveries count their rows", ("1",)),
        ("I3: what is archived is what retention plans removed", (f"plan {done.plan_id}",)),
    ]
    with database_store.planning() as tx:
        tx.run("UPDATE archived SET row_count = row_count - 1 WHERE delivery_id = 1")
    with pytest.raises(PlanError, match="the archive is not given"):
        rollback(database_store, done.plan_id, now_us=NOW_US)
    assert rollback(database_store, done.plan_id, now_us=NOW_US, archive=archive).keys == 2
    with database_store.planning() as tx:
        tx.run("DELETE FROM plan")
    assert database_store.digest() == before


def test_retention_keeps_rows_that_a_rollback_may_need(database_store: RelationalStore, tmp_path: Path) -> None:
    """A row that only a correction outranks stays: voiding the correction must find it."""
    sender = client(database_store)
    sender.send([bucket(1)])
    done = approved(database_store, correct(database_store, sender, [bucket(2)]))
    database_store.seal()
    with pytest.raises(PlanError, match="would change nothing"):
        plan_retention(database_store, tmp_path / "a.gz", before_day=2**15, reason="r", now_us=NOW_US)
    assert not (tmp_path / "a.gz").exists()
    rollback(database_store, done.plan_id, now_us=NOW_US)
    assert totals(database_store) == {0: 1}


def test_retention_with_another_archive_is_refused(database_store: RelationalStore, tmp_path: Path) -> None:
    """The plan names the archive by its hash."""
    sender = client(database_store)
    sender.send([bucket(1)])
    sender.send([bucket(2)])
    database_store.seal()
    plan = plan_retention(database_store, tmp_path / "a.gz", before_day=2**15, reason="r", now_us=NOW_US)
    (tmp_path / "b.gz").write_bytes((tmp_path / "a.gz").read_bytes() + b"x")
    with pytest.raises(PlanError, match="is not the one that was planned"):
        approved(database_store, plan, archive=tmp_path / "b.gz")


def test_retention_taken_up_with_another_archive_is_refused(
    database_store: RelationalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was approved is one file: an apply that goes on removes rows of no other."""
    for module in ("document", "apply_others", "archive"):
        monkeypatch.setattr(f"attribute.ingest.plans.{module}.CHUNK", 1)
    sender = client(database_store)
    for total in (1, 2, 3):
        sender.send([bucket(total), bucket(total, slot=48)])
    database_store.seal()
    day = FIRST_SLOT // 48 + 1
    wider = plan_retention(database_store, tmp_path / "wider.gz", before_day=day + 1, reason="r", now_us=NOW_US)
    plan = plan_retention(database_store, tmp_path / "a.gz", before_day=day, reason="r", now_us=NOW_US)
    assert (plan.details["rows"], wider.details["rows"]) == (2, 4)
    cut_off(database_store, plan, monkeypatch, step=1, archive=tmp_path / "a.gz")
    assert verify(database_store).findings == ()
    digest = database_store.digest()
    with pytest.raises(PlanError, match="is not the one that was planned"):
        approved(database_store, plan, archive=tmp_path / "wider.gz")
    with pytest.raises(PlanError, match="is not given"):
        approved(database_store, plan)
    assert database_store.digest() == digest
    assert approved(database_store, plan, archive=tmp_path / "a.gz").resumed_at == 1
    found = verify(database_store)
    assert (found.holds, found.ledger_rows, found.archived) == (True, 4, 2)


def _spoiled_archives(whole: bytes) -> dict[str, tuple[bytes, str]]:
    lines = gzip.decompress(whole).splitlines(keepends=True)
    row = orjson.loads(lines[0])
    none = "holds something else than ledger rows"
    return {
        "cut off": (whole[:-9], "is cut off"),
        "not compressed": (b"plain bytes", "is cut off, or is not compressed"),
        "spoiled": (whole[:12] + b"\xff\xff\xff" + whole[15:], "is cut off"),
        "no JSON": (gzip.compress(b"not json\n"), none),
        "a number": (gzip.compress(b"7\n"), none),
        "no row": (gzip.compress(b'["ledger"]\n'), none),
        "no number": (gzip.compress(orjson.dumps([*row[:6], "x", *row[7:]]) + b"\n"), none),
        "too great": (gzip.compress(orjson.dumps([*row[:7], 2**63, *row[8:]]) + b"\n"), none),
        "no plan": (gzip.compress(orjson.dumps([*row[:16], 1.5, row[17]]) + b"\n"), none),
        "nothing": (gzip.compress(b""), "holds 0 rows, and 1 were planned"),
        "twice": (gzip.compress(b"".join(lines * 2)), "holds 2 rows, and 1 were planned"),
    }


@pytest.mark.parametrize("how", sorted(_spoiled_archives(gzip.compress(b'["ledger"' + b",0" * 17 + b"]\n"))))
def test_retention_edited_to_a_broken_archive_is_refused_even_if_approved(
    database_store: RelationalStore, tmp_path: Path, how: str
) -> None:
    """Nothing is begun with an archive that cannot be read to its end."""
    sender = client(database_store)
    sender.send([bucket(1)])
    sender.send([bucket(2)])
    database_store.seal()
    plan = plan_retention(database_store, tmp_path / "a.gz", before_day=2**15, reason="r", now_us=NOW_US)
    spoiled, sentence = _spoiled_archives((tmp_path / "a.gz").read_bytes())[how]
    (tmp_path / "b.gz").write_bytes(spoiled)
    plan = dataclasses.replace(plan, details={**plan.details, "sha256": sha256(spoiled).hexdigest()})
    with pytest.raises(PlanError, match=sentence):
        approved(database_store, plan, archive=tmp_path / "b.gz")
    assert status(database_store).plans == ()


def test_retention_that_did_no_step_is_undone_without_its_archive(
    database_store: RelationalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was removed nothing has to be put back, and the next plan can begin."""
    sender = client(database_store)
    sender.send([bucket(1)])
    sender.send([bucket(2)])
    database_store.seal()
    before = database_store.digest()
    plan = plan_retention(database_store, tmp_path / "a.gz", before_day=2**15, reason="r", now_us=NOW_US)
    cut_off(database_store, plan, monkeypatch, step=0, archive=tmp_path / "a.gz")
    (plan_id,) = (row.plan_id for row in status(database_store).plans)
    assert rollback(database_store, plan_id, now_us=NOW_US).keys == 0
    with database_store.planning() as tx:
        tx.run("DELETE FROM plan")
    assert database_store.digest() == before


def test_archive_is_read_from_the_file_that_was_hashed(tmp_path: Path) -> None:
    """Whatever comes to stand under its name afterwards is not looked at."""
    with sqlite_store(tmp_path) as store:
        sender = client(store)
        for total in (1, 2):
            sender.send([bucket(total)])
        store.seal()
        archive = tmp_path / "a.gz"
        plan = plan_retention(store, archive, before_day=2**15, reason="r", now_us=NOW_US)
        with ArchiveReader(archive) as reader:
            archive.rename(tmp_path / "away.gz")
            archive.write_bytes(b"something else")
            assert (reader.sha256, len(reader.chunk(0)), len(list(reader.rows()))) == (plan.details["sha256"], 1, 1)


@pytest.mark.parametrize(
    ("before", "rows", "sentence"),
    [
        ("2025-11-09", 3, "every archived row lies before the day does not hold for 1 keys"),
        ("2059-09-19", 2, "the archive holds 3 rows, and 2 were planned"),
    ],
)
def test_retention_edited_and_approved_anew_still_has_to_pass_the_checks(
    database_store: RelationalStore, tmp_path: Path, before: str, rows: int, sentence: str
) -> None:
    """The day and the number of rows are held against what the archive holds."""
    sender = client(database_store)
    for total in (1, 2, 3):
        sender.send([bucket(total)])
    sender.send([bucket(9, slot=48)])
    sender.send([bucket(8, slot=48)])
    database_store.seal()
    plan = plan_retention(database_store, tmp_path / "a.gz", before_day=2**15, reason="r", now_us=NOW_US)
    assert plan.details["rows"] == 3
    plan = dataclasses.replace(
        plan,
        scope={**plan.scope, "before": before, "rows": rows},
        details={**plan.details, "rows": rows},
        expect={"ledger_rows_removed": rows},
        estimate={**plan.estimate, "bytes": rows * 300},
    )
    with pytest.raises(PlanError, match=sentence) as failed:
        approved(database_store, plan, archive=tmp_path / "a.gz")
    assert failed.value.exit_code == (3 if rows == 3 else 2)
    assert verify(database_store).ledger_rows == 5


def test_retention_whose_rows_came_again_is_left_as_it_is(database_store: RelationalStore, tmp_path: Path) -> None:
    """The hint names no backup: there may be none, and nothing depends on these rows."""
    sender = client(database_store)
    place = ClientSequence(database_store.issue_epoch(sender.device), 1)
    sender.send([bucket(1)], place=place)
    sender.send([bucket(2)], place=place._replace(seq=2))
    database_store.seal()
    plan = plan_retention(database_store, tmp_path / "a.gz", before_day=2**15, reason="r", now_us=NOW_US)
    done = approved(database_store, plan, archive=tmp_path / "a.gz")
    sender.send([bucket(1)], place=place)
    with pytest.raises(PlanError) as refused:
        rollback(database_store, done.plan_id, now_us=NOW_US, archive=tmp_path / "a.gz")
    assert str(refused.value) == (
        "plan 1 cannot be rolled back: some of its rows were sent again since\n"
        "  hint: no fact and no total depends on these rows: keep the archive, and leave the plan as it is"
    )
    assert verify(database_store).holds


# --- the file ---------------------------------------------------------------------------------------------------------


def test_plan_file_read_back_is_the_same_plan(tmp_path: Path) -> None:
    """The canonical form is a fixed point, and equal plans have equal hashes."""
    with sqlite_store(tmp_path) as store:
        sender = client(store)
        sender.send([bucket(1)])
        plan = correct(store, sender, [bucket(2)])
        again = Plan.from_bytes(plan.to_bytes())
        assert again == plan
        assert again.sha256 == plan.sha256
        assert dataclasses.replace(plan, reason="another").sha256 != plan.sha256


def test_apply_makes_a_backup_that_opens(tmp_path: Path) -> None:
    """The copy from before is a whole store with the facts from before."""
    with sqlite_store(tmp_path) as store:
        sender = client(store)
        sender.send([bucket(1)])
        plan = correct(store, sender, [bucket(2)])
        (tmp_path / "copy").mkdir()
        done = approved(store, plan, backup=tmp_path / "copy" / "usage.db")
        assert done.backup == tmp_path / "copy" / "usage.db"
        assert (tmp_path / "copy" / "usage.db").stat().st_mode & 0o777 == 0o600
        assert totals(store) == {0: 2}
    with sqlite_store(tmp_path / "copy") as copy:
        assert totals(copy) == {0: 1}
        assert verify(copy).holds


def test_backup_never_overwrites_and_leaves_no_half_of_one(tmp_path: Path) -> None:
    """An existing file is named in a sentence that says what to do; what a killed process left is written anew."""
    with sqlite_store(tmp_path) as store:
        sender = client(store)
        sender.send([bucket(1)])
        plan = correct(store, sender, [bucket(2)])
        copy = tmp_path / "copy.db"
        copy.write_bytes(b"mine")
        with pytest.raises(StoreNotOpenedError, match="is there already") as refused:
            approved(store, plan, backup=copy)
        assert (refused.value.exit_code, copy.read_bytes(), status(store).plans) == (2, b"mine", ())
        assert refused.value.hint == "name a new file with --backup, or move this one away"
        (tmp_path / "other.db.part").write_bytes(b"half")
        assert approved(store, plan, backup=tmp_path / "other.db").backup == tmp_path / "other.db"
        assert not list(tmp_path.glob("*.part"))


def test_plan_that_is_refused_costs_no_copy(tmp_path: Path) -> None:
    """A copy takes as long as the database is large; a stale plan is known before it."""
    with sqlite_store(tmp_path) as store:
        sender = client(store)
        sender.send([bucket(1)])
        plan = correct(store, sender, [bucket(2)])
        sender.send([bucket(3)])
        with pytest.raises(PlanError, match="stale"):
            approved(store, plan, backup=tmp_path / "copy.db")
        assert not (tmp_path / "copy.db").exists()
