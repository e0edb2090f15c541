"""Two commands at the same plan at the same time: one of them does it, and what was undone stays undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from attribute.ingest.model import Weights
from attribute.ingest.plans import apply as apply_module
from attribute.ingest.plans.apply import apply
from attribute.ingest.plans.document import Plan
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.input import InputRow
from attribute.ingest.plans.make import plan_backfill, plan_correct, plan_rebuild, plan_rule
from attribute.ingest.plans.rollback import rollback
from attribute.ingest.plans.status import status
from attribute.ingest.stores.dump import DERIVED, dump
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.verify import verify
from tests.ingest_store.applying import KEYS_PER_STEP, applying
from tests.ingest_store.helpers import NOW_US, bucket, client, facts_of


def backfill_of_three_steps(store: RelationalStore, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr("attribute.ingest.plans.document.CHUNK", KEYS_PER_STEP)
    monkeypatch.setattr("attribute.ingest.plans.apply_items.CHUNK", KEYS_PER_STEP)
    sender = client(store)
    sender.send([bucket(1, slot=20)])
    rows = [
        InputRow("rows", n, sender.device.device_id, said.source, said.model, said.slot, said.counts)
        for n, said in enumerate(bucket(1 + slot, slot=slot) for slot in range(11))
    ]
    return plan_backfill(store, rows, reason="import", now_us=NOW_US)


def derived(store: RelationalStore) -> bytes:
    with store.reading() as tx:
        return b"".join(dump(tx, DERIVED))


def test_rollback_of_a_plan_being_applied_stops_the_apply(
    database_store: RelationalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was undone between two steps stays undone: no later step writes, and the plan never counts as applied."""
    plan = backfill_of_three_steps(database_store, monkeypatch)
    before = derived(database_store)
    with applying(database_store, plan, tmp_path) as other:
        assert rollback(database_store, 1, now_us=NOW_US).keys == KEYS_PER_STEP
        other.go_on()
        assert other.heard() == (
            "2: plan 1 is rolled back since: this `apply` stopped before its next step and wrote nothing after that"
        )
    assert derived(database_store) == before
    assert [found.state for found in status(database_store).plans] == ["rolled_back"]
    assert verify(database_store).findings == ()


@pytest.mark.parametrize("kind", ["rule", "rebuild", "correct"])
def test_rollback_before_the_last_transaction_of_an_apply_stops_it(
    database_store: RelationalStore, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Also after the last step, when all that is left to note is that the plan was applied."""
    sender = client(database_store)
    sender.send([bucket(10)])
    before = derived(database_store)
    if kind == "rule":
        plan = plan_rule(database_store, Weights(0, 0, 0, 0, 2), {}, reason="r", now_us=NOW_US)
    elif kind == "rebuild":
        plan = plan_rebuild(database_store, reason="r", now_us=NOW_US)
    else:
        ((key, _),) = facts_of(database_store, "user-1").items()
        row = InputRow("rows", 1, key[4], key[2], key[3], key[1], bucket(3).counts)
        plan = plan_correct(database_store, [row], reason="r", now_us=NOW_US)

    def undo(_done: int, _steps: int) -> None:
        rollback(database_store, 1, now_us=NOW_US)

    with pytest.raises(PlanError, match="plan 1 is rolled back since"):
        apply(database_store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US, progress=undo)
    assert derived(database_store) == before
    assert [found.state for found in status(database_store).plans] == ["rolled_back"]
    assert database_store.stats().active_generation == 1
    assert database_store.stats().rule_version == 1
    assert verify(database_store).findings == ()


def test_rollback_mends_what_an_apply_wrote_after_one(database_store: RelationalStore) -> None:
    """Releases before this one let an apply go on after a rollback: the plan is voided, and its facts hold."""
    sender = client(database_store)
    sender.send([bucket(1)])
    before = derived(database_store)
    ((key, _),) = facts_of(database_store, "user-1").items()
    row = InputRow("rows", 1, key[4], key[2], key[3], key[1], bucket(3).counts)
    plan = plan_correct(database_store, [row], reason="r", now_us=NOW_US)
    done = apply(database_store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
    with database_store.planning() as tx:
        tx.run("INSERT INTO plan_void VALUES (:plan_id, 0)", plan_id=done.plan_id)
    assert [finding.promise for finding in verify(database_store).findings] == ["I1: facts equal the ledger's answer"]
    assert rollback(database_store, done.plan_id, now_us=NOW_US).keys == 1
    assert derived(database_store) == before
    assert verify(database_store).findings == ()


def test_rollback_again_changes_nothing_and_is_no_failure(database_store: RelationalStore) -> None:
    """Whoever did not hear the answer may ask again."""
    plan = plan_rule(database_store, Weights(0, 0, 0, 0, 2), {}, reason="r", now_us=NOW_US)
    done = apply(database_store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
    assert rollback(database_store, done.plan_id, now_us=NOW_US).repeated is False
    digest = database_store.digest()
    again = rollback(database_store, done.plan_id, now_us=NOW_US + 1)
    assert (again.repeated, again.kind, again.keys, again.newer) == (True, plan.kind, 0, ())
    assert database_store.digest() == digest


def test_apply_beside_another_of_the_same_plan_is_refused(
    database_store: RelationalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is turned away at once, and the first ends well."""
    plan = backfill_of_three_steps(database_store, monkeypatch)
    with applying(database_store, plan, tmp_path) as other:
        with pytest.raises(PlanError, match="another `apply` is under way") as refused:
            apply(database_store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
        assert refused.value.exit_code == 2
        for step in (2, 3):
            other.go_on()
            assert other.heard() == f"step {step}"
        other.go_on()
        assert other.heard() == "applied"
    assert len(facts_of(database_store, "user-1")) == 12
    assert verify(database_store).findings == ()


def test_apply_that_was_killed_is_taken_up_by_the_next(
    database_store: RelationalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Being the only one ends with the process, however that ends."""
    plan = backfill_of_three_steps(database_store, monkeypatch)
    with applying(database_store, plan, tmp_path) as other:
        other.kill()
        for _ in range(1000):  # a server notices that a session is gone, and not in the same moment
            with database_store.applying() as alone:
                if alone:
                    break
        done = apply(database_store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
    assert (done.steps, done.resumed_at) == (3, 1)
    assert verify(database_store).findings == ()


def test_apply_that_ended_is_in_nobodys_way_from_that_moment(database_store: RelationalStore) -> None:
    """The lock is given back before the answer, not some time later."""
    for _ in range(200):
        with database_store.applying() as alone:
            assert alone
        with database_store.applying() as alone:
            assert alone


def test_apply_whose_lock_was_lost_does_no_step_that_another_did(
    database_store: RelationalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that was restarted forgets who is applying; the note of each step does not."""
    plan = backfill_of_three_steps(database_store, monkeypatch)

    def another(done: int, _steps: int) -> None:
        if done == 1:
            with database_store.planning() as tx:
                tx.run(apply_module.STEP_DONE, plan_id=1, done=2)

    with pytest.raises(PlanError, match="another `apply` is under way"):
        apply(database_store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US, progress=another)
