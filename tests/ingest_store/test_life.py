"""A life of each store, step by step in any order: after every step each promise holds and the reference agrees."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from attribute.ingest.model import Bucket, ClientSequence, Counts, Delivery, DeviceRevoked, Order, StaleEpoch
from attribute.ingest.plans.apply import apply
from attribute.ingest.plans.document import Plan
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.input import InputRow
from attribute.ingest.plans.make import plan_backfill, plan_correct, plan_rebuild
from attribute.ingest.plans.rollback import rollback
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.transfer import export, replay
from attribute.ingest.verify import verify
from tests.ingest_store.helpers import FIRST_SLOT, NOW_US, Client, client, facts_of
from tests.ingest_store.homes import Home, PostgresHome, SqliteHome, VendorHome

WHO = st.integers(0, 2)
SAID = st.lists(
    st.builds(
        lambda slot, model, total: Bucket("codex", model, FIRST_SLOT + slot, *[total] * 5),
        st.integers(0, 60),
        st.sampled_from(["a", "b"]),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda said: said.key,
)
Key = tuple[str, int, str, str, str]


class Life(RuleBasedStateMachine):
    """Keeps a list of everything that was said, with its order and its plan, and asks the store for the same answer."""

    def __init__(self, settle: Callable[[ExitStack], Home] = SqliteHome) -> None:
        super().__init__()
        self.settle = settle

    @initialize()
    def begin(self) -> None:
        self.ends = ExitStack()
        self.home = self.settle(self.ends)
        self.store: RelationalStore = self.home.open()
        self.clients = [client(self.store, f"user-{n % 2}") for n in range(3)]
        self.said: list[tuple[Key, Counts, Order, int | None]] = []
        self.voided: set[int] = set()
        self.stalled: list[Delivery] = []
        self.plans: list[Plan] = []
        self.applied: list[int] = []
        self.seq = 0

    def hear(self, sender: Client, buckets: Any, epoch: int, seq: int) -> None:  # noqa: ANN401 - a list of buckets
        for sub, said in enumerate(buckets):
            self.say(sender, said, Order(epoch, seq, sub, 0), None)

    def say(self, sender: Client, said: Any, order: Order, plan_id: int | None) -> None:  # noqa: ANN401 - a bucket or row
        key = (sender.device.user_id, said.slot, said.source, said.model, sender.device.device_id)
        self.said.append((key, said.counts, order, plan_id))

    @rule(who=WHO, buckets=SAID)
    def send(self, who: int, buckets: list[Bucket]) -> None:
        sender = self.clients[who]
        sent = sender.delivery(buckets)
        self.store.write(sent)
        self.hear(sender, buckets, sent.place.epoch, sent.place.seq)

    @rule(who=WHO, buckets=SAID)
    def stall(self, who: int, buckets: list[Bucket]) -> None:
        self.stalled.append(self.clients[who].delivery(buckets))

    @precondition(lambda self: self.stalled)
    @rule(which=st.integers(0, 10))
    def arrive_late(self, which: int) -> None:
        sent = self.stalled.pop(which % len(self.stalled))
        self.store.write(sent)
        self.hear(Client(self.store, sent.device), sent.buckets, sent.place.epoch, sent.place.seq)

    @rule(who=WHO, buckets=SAID, twice=st.booleans())
    def send_sequenced(self, who: int, buckets: list[Bucket], twice: bool) -> None:
        sender = self.clients[who]
        place = ClientSequence(self.store.issue_epoch(sender.device), self.seq)
        self.seq += 1
        sender.send(buckets, place=place)
        if twice:
            assert sender.send(buckets, place=place).skipped == len(buckets)
        self.hear(sender, buckets, *place)
        try:
            sender.send(buckets, place=place._replace(epoch=place.epoch + 2))
        except StaleEpoch as stale:
            assert stale.current == place.epoch  # noqa: PT017 - the refusal carries the answer
        else:
            raise AssertionError("an epoch that was never issued was taken")

    @rule(who=WHO, buckets=SAID, backfill=st.booleans())
    def plan(self, who: int, buckets: list[Bucket], backfill: bool) -> None:
        make = plan_backfill if backfill else plan_correct
        rows = [InputRow("rows", 1, self.clients[who].device.device_id, *said[:3], said.counts) for said in buckets]
        try:
            self.plans.append(make(self.store, rows, reason=f"plan {len(self.plans)}", now_us=NOW_US))
        except PlanError as error:
            assert "change nothing" in error.message or "no fact" in error.message  # noqa: PT017 - both are right here

    @precondition(lambda self: self.plans)
    @rule(which=st.integers(0, 10))
    def apply_plan(self, which: int) -> None:
        plan = self.plans.pop(which % len(self.plans))
        before = self.facts()
        try:
            done = apply(self.store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
        except PlanError as error:
            assert error.exit_code == 3 or "already" in error.message  # noqa: PT017 - stale, or the same plan made twice
            assert self.facts() == before
            return
        self.applied.append(done.plan_id)
        for place, item in enumerate(plan.items):
            if plan.kind.value == "backfill":
                order = Order(0, done.plan_id, place, 0)
            else:
                assert item.base_order is not None
                base = item.base_order[:3]
                fixes = [said.fix for key, _, said, _ in self.said if key[4] == item.device_id and said[:3] == base]
                order = item.base_order._replace(fix=max(fixes) + 1)
            sender = next(each for each in self.clients if each.device.device_id == item.device_id)
            self.say(sender, item, order, done.plan_id)

    @precondition(lambda self: self.applied)
    @rule(which=st.integers(0, 10))
    def undo(self, which: int) -> None:
        plan_id = self.applied.pop(which % len(self.applied))
        rollback(self.store, plan_id, now_us=NOW_US)
        self.voided.add(plan_id)

    @rule()
    def rebuild(self) -> None:
        plan = plan_rebuild(self.store, reason=f"rebuild {len(self.said)} {self.seq}", now_us=NOW_US + self.seq)
        self.seq += 1
        apply(self.store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)

    @rule()
    def seal(self) -> None:
        self.store.seal()

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.stalled = []  # a request under way does not outlive its process
        self.store = self.home.open()
        self.clients = [Client(self.store, each.device) for each in self.clients]

    @rule()
    def revoke_a_visitor(self) -> None:
        visitor = client(self.store, "visitor")
        sent = visitor.delivery([Bucket("codex", "a", FIRST_SLOT, 1, 1, 1, 1, 1)])
        self.store.revoke_device(visitor.device.device_id, NOW_US)
        try:
            self.store.write(sent)
        except DeviceRevoked:
            return
        raise AssertionError("a revoked device was let in")

    @rule()
    def replay_elsewhere(self) -> None:
        with tempfile.TemporaryDirectory(prefix="attribute-life-") as other:
            copy = SqliteStore(Path(other) / "usage.db")
            assert replay(copy, export(self.store)) == self.store.digest()
            copy.close()

    def facts(self) -> dict[Key, tuple[Counts, Order]]:
        return facts_of(self.store, "user-0", "user-1", "visitor")

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "store"):
            return
        best: dict[Key, tuple[Counts, Order]] = {}
        for key, counts, order, plan_id in self.said:
            if plan_id not in self.voided and (key not in best or order > best[key][1]):
                best[key] = (counts, order)
        assert self.facts() == dict(sorted(best.items()))
        assert verify(self.store).findings == ()
        self.home.look({key: counts for key, (counts, _) in best.items()})

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.ends.close()


def live(settle: Callable[[ExitStack], Home], *, lives: int, steps: int) -> None:
    """So many lives of a store, each of so many steps at most."""
    run_state_machine_as_test(
        lambda: Life(settle),  # type: ignore[arg-type]  # anything that makes a machine will do
        settings=settings(
            max_examples=lives, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.parametrize(("store", "lives"), [("sqlite", 20), ("postgres", 8), ("vendor", 8)])
def test_life_of_a_store_keeps_every_promise_after_every_step(
    request: pytest.FixtureRequest, store: str, lives: int
) -> None:
    """Deliveries on time, late and twice, plans, rollbacks, rebuilds, seals, restarts, a copy elsewhere: all agree."""
    if store == "postgres":
        dsn = request.getfixturevalue("postgres_dsn")
        live(lambda ends: PostgresHome(ends, dsn), lives=lives, steps=30)
    else:
        live(SqliteHome if store == "sqlite" else VendorHome, lives=lives, steps=30)
