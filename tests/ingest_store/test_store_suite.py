"""What every store promises, asked of each of the three."""

from __future__ import annotations

from hashlib import sha256

import pytest

from attribute.ingest.model import (
    Bucket,
    ClientSequence,
    Counts,
    DeviceRevoked,
    FactKey,
    IdempotencyConflict,
    LinkCodeRefused,
    Narrowing,
    Order,
    Ping,
    Redeemed,
    SequenceMismatch,
    StaleEpoch,
)
from attribute.ingest.stores.relational import RelationalStore
from tests.ingest_store.helpers import (
    FIRST_SLOT,
    NOW_US,
    Oracle,
    bucket,
    client,
    day_row,
    facts_of,
    rollups_of,
    total_of,
)

MINUTE_US = 60_000_000


def counts_of(store: RelationalStore) -> tuple[int, int]:
    stats = store.stats()
    return stats.last_delivery_id, stats.last_ledger_id


def test_delivery_first_of_its_keys_becomes_facts_and_rollups(store: RelationalStore) -> None:
    """What is sent is what is read, per bucket and per UTC day."""
    sender = client(store)
    sent = [bucket(10, slot=0), bucket(20, slot=47), bucket(40, slot=48), bucket(80, slot=1, model="o3")]
    outcome = sender.send(sent)
    assert (outcome.inserted, outcome.skipped, outcome.late, outcome.replayed) == (4, 0, 0, False)
    assert outcome.upstream.status in (200, 201)
    oracle = Oracle()
    oracle.heard(sender.device, sent, 1, 1)
    assert facts_of(store, "user-1") == oracle.facts()
    assert rollups_of(store, "user-1") == oracle.rollups()


def test_delivery_repeated_changes_no_fact(store: RelationalStore) -> None:
    """A retry counts nothing twice."""
    sender = client(store)
    sender.send([bucket(10), bucket(20, slot=1)])
    sender.send([bucket(10), bucket(20, slot=1)])
    assert total_of(store) == 30


def test_bucket_sent_again_as_zero_is_retracted(store: RelationalStore) -> None:
    """Counts are absolute and may fall: the newer assertion holds, not the greater one."""
    sender = client(store)
    sender.send([bucket(100, model="unknown")])
    sender.send([bucket(0, model="unknown"), bucket(100, model="gpt-5")])
    assert rollups_of(store, "user-1") == {
        ("user-1", FIRST_SLOT // 48, "codex", "unknown"): Counts(0, 0, 0, 0, 0),
        ("user-1", FIRST_SLOT // 48, "codex", "gpt-5"): bucket(100).counts,
    }


def test_request_stalled_past_a_newer_one_does_not_overwrite_it(store: RelationalStore) -> None:
    """The place in line is taken at receipt: a request that commits late still loses, and is counted as late."""
    sender = client(store)
    stalled = sender.delivery([bucket(1), bucket(5, slot=1)])
    sender.send([bucket(2)])
    outcome = store.write(stalled)
    assert (outcome.inserted, outcome.late) == (2, 1)
    assert {key[1]: counts.total for key, (counts, _) in facts_of(store, "user-1").items()} == {
        FIRST_SLOT: 2,
        FIRST_SLOT + 1: 5,
    }


def test_names_with_separators_stay_apart(store: RelationalStore) -> None:
    """A key is a tuple: names that would collide when joined are two buckets."""
    client(store).send([bucket(1, source="a::b", model="c"), bucket(2, source="a", model="b::c")])
    assert {(key[2], key[3]): counts.total for key, (counts, _) in facts_of(store, "user-1").items()} == {
        ("a::b", "c"): 1,
        ("a", "b::c"): 2,
    }


def test_names_with_quotes_and_placeholders_are_stored_literally(store: RelationalStore) -> None:
    """Values are bound, never pasted into a statement."""
    hostile = [
        "'; drop table ledger;--",
        '" OR 1=1',
        "%",
        "_",
        "\\",
        "$1",
        "?",
        "{0}",
        ":source",
        "%(user_id)s",
        "\U0001f600",
    ]
    client(store).send([bucket(1, source=name, model=name) for name in hostile])
    assert {key[2] for key in facts_of(store, "user-1")} == set(hostile)
    with store.snapshot() as reads:
        found = reads.slots("user-1", FIRST_SLOT, FIRST_SLOT + 1, Narrowing(source="'; drop table ledger;--"))
    assert [row.model for row in found] == ["'; drop table ledger;--"]


def test_counts_at_the_bound_add_up(store: RelationalStore) -> None:
    """Sums of the greatest counts do not overflow."""
    greatest = Bucket("codex", "gpt-5", FIRST_SLOT, *[10**12] * 5)
    client(store).send([greatest, greatest._replace(slot=FIRST_SLOT + 1)])
    client(store).send([greatest])
    with store.snapshot() as reads:
        assert [row.counts for row in reads.daily("user-1", 0, 2**20)] == [Counts(*[3 * 10**12] * 5)]


def test_empty_delivery_leaves_its_row_and_no_more(store: RelationalStore) -> None:
    """Every answer of success has its delivery, even one that said nothing."""
    outcome = client(store).send([])
    assert (outcome.inserted, outcome.skipped) == (0, 0)
    assert counts_of(store) == (1, 0)


def test_delivery_over_the_cap_or_with_double_keys_is_a_bug(store: RelationalStore) -> None:
    """The wire grammar sorts these out; one that gets through is a mistake of ours."""
    sender = client(store)
    for buckets in ([bucket(1, slot=n) for n in range(501)], [bucket(1), bucket(2)]):
        with pytest.raises(ValueError, match="at most 500"):
            sender.send(buckets)
    assert counts_of(store) == (0, 0)


# --- client sequences -------------------------------------------------------------------------------------------------


def test_sequence_repeated_exactly_is_skipped(store: RelationalStore) -> None:
    """The ledger's own key is the memory of what was said."""
    sender = client(store)
    place = ClientSequence(store.issue_epoch(sender.device), 7)
    sender.send([bucket(1), bucket(2, slot=1)], place=place)
    outcome = sender.send([bucket(1), bucket(2, slot=1)], place=place)
    assert (outcome.inserted, outcome.skipped, outcome.late) == (0, 2, 0)
    assert counts_of(store) == (2, 2)


def test_sequence_extended_adds_only_what_is_new(store: RelationalStore) -> None:
    """A batch cut differently under one sequence loses nothing."""
    sender = client(store)
    place = ClientSequence(store.issue_epoch(sender.device), 7)
    sender.send([bucket(1)], place=place)
    outcome = sender.send([bucket(1), bucket(2, slot=1)], place=place)
    assert (outcome.inserted, outcome.skipped) == (1, 1)
    assert total_of(store) == 3


def test_sequence_with_other_content_writes_nothing(store: RelationalStore) -> None:
    """One sequence says one thing."""
    sender = client(store)
    place = ClientSequence(store.issue_epoch(sender.device), 7)
    sender.send([bucket(1), bucket(2, slot=1)], place=place)
    with pytest.raises(SequenceMismatch):
        sender.send([bucket(1), bucket(3, slot=1), bucket(4, slot=2)], place=place)
    assert counts_of(store) == (1, 2)
    assert total_of(store) == 3


def test_sequence_with_gap_or_older_is_recorded_and_the_greatest_holds(store: RelationalStore) -> None:
    """Nobody demands contiguity; an older assertion is kept in the ledger and changes no fact."""
    sender = client(store)
    epoch = store.issue_epoch(sender.device)
    sender.send([bucket(1)], place=ClientSequence(epoch, 5))
    sender.send([bucket(9)], place=ClientSequence(epoch, 2**53 - 1))
    outcome = sender.send([bucket(4)], place=ClientSequence(epoch, 4))
    assert (outcome.inserted, outcome.late) == (1, 1)
    assert total_of(store) == 9
    assert counts_of(store)[1] == 3


@pytest.mark.parametrize("offset", [-2, -1, 1, 2, 100])
def test_epoch_other_than_the_current_is_refused_and_told(store: RelationalStore, offset: int) -> None:
    """A stale, a future and a never issued epoch are told the current one; nothing is written."""
    sender = client(store)
    store.issue_epoch(sender.device)
    epoch = store.issue_epoch(sender.device)
    with pytest.raises(StaleEpoch) as refused:
        sender.send([bucket(1)], place=ClientSequence(epoch + offset, 1))
    assert refused.value.current == epoch
    assert counts_of(store) == (0, 0)


def test_client_without_sequence_after_one_with_takes_over(store: RelationalStore) -> None:
    """Neither mode can strand the other: a plain request moves the epoch on, and the sequenced client is told."""
    sender = client(store)
    epoch = store.issue_epoch(sender.device)
    sender.send([bucket(1)], place=ClientSequence(epoch, 10**9))
    sender.send([bucket(2)])
    assert total_of(store) == 2
    with pytest.raises(StaleEpoch) as refused:
        sender.send([bucket(3)], place=ClientSequence(epoch, 10**9 + 1))
    assert refused.value.current == epoch + 1
    renewed = store.issue_epoch(sender.device)
    sender.send([bucket(4)], place=ClientSequence(renewed, 1))
    assert total_of(store) == 4


def test_plain_request_stalled_past_a_new_epoch_stays_behind_it(store: RelationalStore) -> None:
    """A request received before a client learned to count does not outrank what that client says afterwards."""
    sender = client(store)
    stalled = sender.delivery([bucket(1)])
    sender.send([bucket(2)], place=ClientSequence(store.issue_epoch(sender.device), 1))
    outcome = store.write(stalled)
    assert outcome.late == 1
    assert total_of(store) == 2


# --- idempotency keys -------------------------------------------------------------------------------------------------


def test_idempotency_key_replayed_gives_the_first_answer(store: RelationalStore) -> None:
    """The same key and body are applied once, and answered alike."""
    sender = client(store)
    first = sender.send([bucket(1), bucket(2, slot=1)], key="k", body=b"a")
    sender.send([bucket(7)])
    again = sender.send([bucket(1), bucket(2, slot=1)], key="k", body=b"a")
    assert again.replayed
    assert (again.delivery_id, again.inserted, again.skipped) == (first.delivery_id, 2, 0)
    assert total_of(store) == 9


def test_idempotency_key_with_another_body_is_refused(store: RelationalStore) -> None:
    """A key stands for one body."""
    sender = client(store)
    sender.send([bucket(1)], key="k", body=b"a")
    with pytest.raises(IdempotencyConflict) as refused:
        sender.send([bucket(2)], key="k", body=b"b")
    assert not refused.value.in_flight
    assert total_of(store) == 1


def test_idempotency_key_of_another_device_is_another_key(store: RelationalStore) -> None:
    """Keys are scoped to the device, so nobody can guess another's."""
    client(store).send([bucket(1)], key="k", body=b"a")
    assert not client(store).send([bucket(2)], key="k", body=b"b").replayed
    assert total_of(store) == 3


# --- who may speak ----------------------------------------------------------------------------------------------------


def test_token_is_found_by_its_hash_alone(store: RelationalStore) -> None:
    """A token's hash names user and device; anything else names nobody."""
    device = store.issue_token(user_id="user-9", name="n", platform="p", sha256=sha256(b"t").digest(), at_us=1)
    assert store.find_token(sha256(b"t").digest()) == device
    assert store.find_token(sha256(b"T").digest()) is None
    assert store.find_token(b"") is None


def test_token_revoked_speaks_for_nobody_and_its_device_goes_on_with_others(store: RelationalStore) -> None:
    """Revoking is by token or by device, once, and shows in the list."""
    device = store.issue_token(user_id="user-9", name="n", platform="p", sha256=sha256(b"t").digest(), at_us=1)
    assert store.revoke_token(device.token_id, 5)
    assert not store.revoke_token(device.token_id, 6)
    assert store.find_token(sha256(b"t").digest()) is None
    assert [(row.token_revoked_at_us, row.device_revoked_at_us) for row in store.tokens()] == [(5, None)]


def test_device_revoked_silences_its_tokens(store: RelationalStore) -> None:
    """A revoked device is revoked whatever its tokens say."""
    device = store.issue_token(user_id="user-9", name="n", platform="p", sha256=sha256(b"t").digest(), at_us=1)
    assert store.revoke_device(device.device_id, 5)
    assert not store.revoke_device(device.device_id, 6)
    assert not store.revoke_device("nobody", 6)
    assert store.find_token(sha256(b"t").digest()) is None


@pytest.mark.parametrize("what", ["token", "device"])
def test_revocation_between_lookup_and_write_is_honoured(store: RelationalStore, what: str) -> None:
    """The write looks again, inside its own transaction."""
    sender = client(store)
    delivery = sender.delivery([bucket(1)])
    if what == "token":
        store.revoke_token(sender.device.token_id, 5)
    else:
        store.revoke_device(sender.device.device_id, 5)
    with pytest.raises(DeviceRevoked):
        store.write(delivery)
    assert counts_of(store) == (0, 0)


def test_link_code_turns_into_one_device(store: RelationalStore) -> None:
    """A code works once; the request that used it may ask again while the code lasts, another may not."""
    code = sha256(b"code").digest()
    store.issue_link_code(user_id="user-3", sha256=code, expires_at_us=100)

    def redeem(request_id: str, at_us: int = 50) -> Redeemed:
        return store.redeem_link_code(
            sha256=code,
            request_id=request_id,
            token_sha256=sha256(b"secret").digest(),
            name="n",
            platform="p",
            at_us=at_us,
        )

    first = redeem("r1")
    assert (first.user_id, first.replayed, first.created_at_us) == ("user-3", False, 50)
    assert redeem("r1", at_us=99) == first._replace(replayed=True)
    for request_id, at_us, why in (("r2", 50, "used"), ("r1", 100, "expired")):
        with pytest.raises(LinkCodeRefused) as refused:
            redeem(request_id, at_us)
        assert refused.value.why == why
    found = store.find_token(sha256(b"secret").digest())
    assert found is not None
    assert (found.user_id, found.device_id) == first[:2]
    store.revoke_token(found.token_id, 60)
    with pytest.raises(LinkCodeRefused) as refused:
        redeem("r1")
    assert refused.value.why == "used"


@pytest.mark.parametrize(("code", "why"), [(b"late", "expired"), (b"other", "unknown")])
def test_link_code_unknown_or_expired_makes_nothing(store: RelationalStore, code: bytes, why: str) -> None:
    """A refusal leaves no device behind."""
    store.issue_link_code(user_id="user-3", sha256=sha256(b"late").digest(), expires_at_us=100)
    with pytest.raises(LinkCodeRefused) as refused:
        store.redeem_link_code(
            sha256=sha256(code).digest(),
            request_id="r",
            token_sha256=sha256(b"s").digest(),
            name="n",
            platform="p",
            at_us=100,
        )
    assert refused.value.why == why
    assert store.tokens() == []


def test_ping_within_the_interval_is_not_recorded(store: RelationalStore) -> None:
    """One conditional update decides."""
    sender = client(store)
    assert store.ping(sender.device, at_us=NOW_US, min_interval_us=30 * MINUTE_US) == Ping(True, NOW_US)
    soon = NOW_US + 29 * MINUTE_US
    assert store.ping(sender.device, at_us=soon, min_interval_us=30 * MINUTE_US) == Ping(False, NOW_US)
    later = NOW_US + 30 * MINUTE_US
    assert store.ping(sender.device, at_us=later, min_interval_us=30 * MINUTE_US) == Ping(True, later)
    with store.snapshot() as reads:
        assert reads.last_sync_at_us("user-1") == later
        assert reads.last_sync_at_us("user-2") is None


# --- reads ------------------------------------------------------------------------------------------------------------


def test_reads_see_one_user_only(store: RelationalStore) -> None:
    """Nobody's rows appear in another's."""
    client(store, "user-1").send([bucket(1)])
    client(store, "user-2").send([bucket(2)])
    with store.snapshot() as reads:
        assert reads.daily("user-1", 0, 2**20) == [day_row(1)]
        assert [row.counts.total for row in reads.slots("user-2", 0, 2**22)] == [2]
        assert [fact.counts.total for fact in reads.page("user-2", 0, 2**22)] == [2]
        assert reads.daily("user-3", 0, 2**20) == []


def test_reads_take_the_first_and_leave_the_end(store: RelationalStore) -> None:
    """Ranges are half-open, in days and in slots."""
    client(store).send([bucket(1, slot=0), bucket(2, slot=48), bucket(4, slot=96)])
    day = FIRST_SLOT // 48
    with store.snapshot() as reads:
        assert [row.counts.total for row in reads.daily("user-1", day, day + 2)] == [1, 2]
        assert [row.counts.total for row in reads.slots("user-1", FIRST_SLOT + 48, FIRST_SLOT + 96)] == [2]


def test_reads_narrowed_by_source_and_model(store: RelationalStore) -> None:
    """Filters are exact."""
    client(store).send(
        [bucket(1), bucket(2, model="o3"), bucket(4, source="claude"), bucket(8, source="claude", model="o3")]
    )
    with store.snapshot() as reads:
        found = [
            sum(row.counts.total for row in reads.daily("user-1", 0, 2**20, Narrowing(source=source, model=model)))
            for source, model in [(None, None), ("codex", None), (None, "o3"), ("claude", "o3"), ("cod", None)]
        ]
    assert found == [15, 3, 10, 8, 0]


def test_canary_rows_are_hidden_unless_asked_for(store: RelationalStore) -> None:
    """A row is a canary if its source or its model is; asking for one by name shows them."""
    client(store).send(
        [bucket(1), bucket(2, source="canary"), bucket(4, model="canary"), bucket(8, source="canary", model="canary")]
    )
    with store.snapshot() as reads:
        found = [
            sum(row.counts.total for row in reads.daily("user-1", 0, 2**20, only))
            for only in (Narrowing(), Narrowing(canary=True), Narrowing(source="canary"), Narrowing(model="canary"))
        ]
    assert found == [1, 15, 10, 12]


def test_pages_cut_anywhere_hold_every_fact_once(store: RelationalStore) -> None:
    """Paging by key neither skips nor repeats, whatever is written between two pages before the cut."""
    first, second = client(store), client(store)
    first.send([bucket(n, slot=n // 3, model=f"m{n % 3}") for n in range(20)])
    second.send([bucket(n, slot=n // 3, model=f"m{n % 3}") for n in range(20)])
    whole = list(facts_of(store, "user-1"))
    seen: list[FactKey] = []
    after = None
    while True:
        with store.snapshot() as reads:
            page = reads.page("user-1", 0, 2**22, after=after, limit=7)
        if not page:
            break
        seen += [fact.key for fact in page]
        after = page[-1].key
        first.send([bucket(99, slot=0, model="a-new-one")])
    assert [("user-1", *key) for key in seen] == whole


def test_snapshot_stays_as_it_was_while_others_write(store: RelationalStore) -> None:
    """What is read through one snapshot fits together."""
    sender = client(store)
    sender.send([bucket(1)])
    with store.snapshot() as reads:
        assert len(reads.daily("user-1", 0, 2**20)) == 1
        sender.send([bucket(5), bucket(2, model="o3")])
        assert reads.daily("user-1", 0, 2**20) == [day_row(1)]
        assert [row.counts.total for row in reads.slots("user-1", 0, 2**22)] == [1]


def test_rule_in_force_is_the_first(store: RelationalStore) -> None:
    """Billable totals of version 1, per source, from the five counters."""
    with store.snapshot() as reads:
        rule = reads.rule()
    counts = Counts(1, 10, 100, 1000, 10000)
    assert rule.version == 1
    assert {name: rule.billable(name, counts) for name in ("codex", "every-code", "claude", "opencode", "gemini")} == {
        "codex": 1101,
        "every-code": 1101,
        "claude": 1111,
        "opencode": 1111,
        "gemini": 10000,
    }


def test_order_of_facts_is_the_one_that_was_said(store: RelationalStore) -> None:
    """A fact says which assertion it is."""
    sender = client(store)
    sender.send([bucket(1), bucket(2, slot=1)], place=ClientSequence(store.issue_epoch(sender.device), 9))
    assert [order for _, order in facts_of(store, "user-1").values()] == [Order(2, 9, 0, 0), Order(2, 9, 1, 0)]


def test_check_of_a_store_that_can_write_says_nothing(store: RelationalStore) -> None:
    """Readiness is a write transaction that could be had."""
    store.check()
    assert store.stats().kind == store.kind


def test_close_twice_is_once(store: RelationalStore) -> None:
    """Closing is idempotent."""
    store.close()
    store.close()
