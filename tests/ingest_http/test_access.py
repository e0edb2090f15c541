"""Who is let in: nobody but the holder of a live token, to nothing but that holder's own user."""

from __future__ import annotations

import hmac
import random
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.ingest import credentials
from attribute.ingest.messages import ROUTES, Access, Function, Head
from attribute.ingest.service import Service
from attribute.ingest.stores import access
from tests.ingest_http import checks
from tests.ingest_http.world import INGEST, World, bucket, head, said

JSON = ("content-type", "application/json")


def credential_states(world: World) -> dict[str, tuple[tuple[str, str], ...]]:
    """Every way to hold no live token."""
    live, device = world.enrol("victim")
    revoked, of_revoked = world.enrol("victim")
    world.store.revoke_token(of_revoked.token_id, world.hand.now_us)
    orphan, of_orphan = world.enrol("victim")
    world.store.revoke_device(of_orphan.device_id, world.hand.now_us)
    return {
        "none": (),
        "empty": (("authorization", ""),),
        "scheme alone": (("authorization", "Bearer"),),
        "blank": (("authorization", "Bearer    "),),
        "basic": (("authorization", f"Basic {live}"),),
        "lower case": (("authorization", f"bearer {live}"),),
        "twice": (("authorization", f"Bearer {live}"), ("authorization", f"Bearer {live}")),
        "unknown": (("authorization", f"Bearer {secrets.token_hex(32)}"),),
        "revoked": (("authorization", f"Bearer {revoked}"),),
        "revoked device": (("authorization", f"Bearer {orphan}"),),
        "upper case": (("authorization", f"Bearer {live.upper()}"),),
        "longer": (("authorization", f"Bearer {live}0"),),
        "10 kB": (("authorization", "Bearer " + "a" * 10_240),),
        "not ascii": (("authorization", "Bearer \u0661" + live[1:]),),
        "nul": (("authorization", f"Bearer {live}\0"),),
        "hash": (("authorization", f"Bearer {credentials.hash_of(live).hex()}"),),
        "device id": (("authorization", f"Bearer {device.device_id}"),),
        "cookie": (("cookie", f"authorization=Bearer {live}"),),
        "other header": (("apikey", live), ("x-authorization", f"Bearer {live}")),
    }  # fmt: skip


def test_no_credential_but_a_live_token_opens_any_route(world: World) -> None:
    """Every state of credential, every route, three methods: no 2xx, one body for all refusals of a shown token."""
    asked = 0
    for name, headers in credential_states(world).items():
        for path, route in ROUTES.items():
            if route.access is Access.ANYONE:
                continue
            for method in ("GET", "POST", "PUT"):
                answer = world.service.handle(Head(method=method, path=path, headers=(*headers, JSON)), b"{}")
                expected = {405} if method != route.method else {401}
                if route.access is Access.LINK_CODE and method == route.method:
                    expected = {400, 401}
                assert answer.status in expected, (name, path, method)
                asked += 1
    assert asked >= 300
    assert world.store.stats().last_delivery_id == 0


@pytest.mark.parametrize("query", ["token={}", "authorization=Bearer%20{}", "access_token={}"])
def test_token_in_a_query_or_a_body_is_no_token(world: World, query: str) -> None:
    """Only the header counts, so that no token ends up in somebody's access log."""
    token = world.token()
    answer = world.service.handle(head("POST", INGEST, query=query.format(token), headers=dict([JSON])), token.encode())
    assert answer.status == 401


def test_malformed_token_is_never_looked_up(world: World) -> None:
    """What cannot be a token costs no query."""
    for text in ("x", "Z" * 64, "0" * 63, "0" * 10_000):
        assert world.post(INGEST, [], token=text).status == 401
    assert [record["upstream_calls"] for record in world.records()] == [0] * 4


def test_revocation_takes_effect_with_the_next_request(world: World) -> None:
    """There is no cache that a revoked token could live on in."""
    checks.revoked_are_let_in_nowhere(world)


def test_seeded_fault_10_skipping_the_device_revocation_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lookup that forgets to ask whether the device was revoked does not survive the check above."""
    forgetful = access.FIND_TOKENS.replace(" AND d.revoked_at_us IS NULL", "")
    assert forgetful != access.FIND_TOKENS
    monkeypatch.setattr(access, "FIND_TOKENS", forgetful)
    with pytest.raises(AssertionError):
        checks.revoked_are_let_in_nowhere(world)


@pytest.mark.parametrize("at", [8, 20, 31])
def test_tokens_whose_hashes_begin_alike_are_told_apart(world: World, at: int) -> None:
    """The index decides by the first eight bytes, and the comparison of the whole hash by the rest."""
    first = credentials.hash_of(secrets.token_hex(32))
    second = bytes(byte ^ (position == at) for position, byte in enumerate(first))
    found = {}
    for user, sha256 in (("one", first), ("other", second)):
        assert world.store.find_token(sha256) is None
        world.store.issue_token(user_id=user, name="", platform="", sha256=sha256, at_us=0)
        found[user] = world.store.find_token(sha256)
    assert {user: device.user_id for user, device in found.items() if device} == {"one": "one", "other": "other"}
    assert [world.store.find_token(part) for part in (first[:8], first[:31], first + b"\0", b"")] == [None] * 4


def test_hash_is_compared_in_a_time_that_says_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What decides is `hmac.compare_digest` over whole hashes: a service without it lets nobody in."""
    token = world.token()
    assert world.ingest([], token=token).status == 200
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *both: compared.append(both))
    assert world.ingest([], token=token).status == 401
    assert compared == [(credentials.hash_of(token), credentials.hash_of(token))]


def test_seeded_fault_whole_comparison_left_out_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that trusts the first eight bytes does not survive the test above."""
    monkeypatch.setattr(hmac, "compare_digest", lambda *_: True)
    with pytest.raises(AssertionError):
        test_tokens_whose_hashes_begin_alike_are_told_apart(world, 20)


def test_token_revoked_between_lookup_and_write_is_refused(world: World) -> None:
    """A delivery that was on its way when its token was revoked is not written."""
    token, device = world.enrol()
    visit = world.service.admit(head("POST", INGEST, token=token, headers=dict([JSON])))
    world.store.revoke_token(device.token_id, world.hand.now_us)
    answer = world.service.finish(visit, b"[]")  # type: ignore[arg-type]  # it was admitted
    assert (answer.status, world.store.stats().last_delivery_id) == (401, 0)


def test_twenty_users_with_five_devices_read_their_own_and_nothing_else(world: World) -> None:
    """Whatever is written and asked in whatever order, a user's totals are the sum of that user's devices."""
    chance = random.Random(7)
    users = {f"user-{number}": [world.token(f"user-{number}") for _ in range(5)] for number in range(20)}
    held: dict[str, dict[tuple[str, str], int]] = {user: {} for user in users}
    for _ in range(400):
        user = chance.choice(list(users))
        device = chance.choice(users[user])
        total, model = chance.randrange(1, 10**6), f"model-{chance.randrange(3)}"
        assert world.ingest([bucket(total=total, model=model)], token=device).status == 200
        held[user][device, model] = total
    for user, devices in users.items():
        answer = world.read("usage-summary", token=chance.choice(devices))
        assert answer["totals"]["total_tokens"] == str(sum(held[user].values()))


def test_device_of_one_user_cannot_touch_a_bucket_of_another(world: World) -> None:
    """The same key of two users is two facts."""
    mine, other = world.token("user-1"), world.token("user-2")
    world.ingest([bucket(total=1)], token=mine)
    world.ingest([bucket(total=2)], token=other)
    assert (list(world.facts(mine).values()), list(world.facts(other).values())) == (["1"], ["2"])


def test_cursor_of_one_user_shows_nothing_of_another(world: World) -> None:
    """A cursor says where to go on, never whose rows they are."""
    mine, other = world.token("user-1"), world.token("user-2")
    for model in ("a", "b"):
        world.ingest([bucket(model=model, total=1)], token=mine)
        world.ingest([bucket(model=model, total=2)], token=other)
    cursor = world.read("usage-buckets", "limit=1", token=mine)["next"]
    rows = world.read("usage-buckets", f"after={cursor}", token=other)["data"]
    assert {row["total_tokens"] for row in rows} <= {"2"}


def test_only_hashes_of_secrets_are_stored(world: World) -> None:
    """Whoever reads the database file cannot speak for a device."""
    token, code = world.token(), world.link_code()
    world.ingest([bucket()], token=token)
    world.store.close()
    kept = b"".join(path.read_bytes() for path in world.store.path.parent.iterdir())
    assert token.encode() not in kept
    assert code.encode() not in kept
    assert bytes.fromhex(token) not in kept
    assert credentials.hash_of(token) in kept


def test_nothing_of_a_request_is_in_a_record_a_metric_a_refusal_or_a_crash(world: World) -> None:
    """A marker in every header, field, token, path and query leaves no trace."""
    checks.nothing_of_a_request_leaks(world)


def test_seeded_fault_11_logging_the_body_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that puts the body into its record does not survive the check above."""
    real = Service.finish

    def leaky(self: Service, visit: object, body: bytes, **more: object) -> object:
        self._log.write({"request_id": "x", "function": body[:100].decode("latin-1"), "stage": "upstream"})
        return real(self, visit, body, **more)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(Service, "finish", leaky)
    with pytest.raises(AssertionError):
        checks.nothing_of_a_request_leaks(world)


def test_records_name_functions_of_the_closed_set_only(world: World) -> None:
    """A function in a record is never a path, whatever path was asked for."""
    for path in ("/functions/=HYPERLINK(1)", "/functions/<script>", "/a\x1b[2J", "/functions/vibescore-ingest"):
        world.post(path, [], token=world.token())
    assert {record["function"] for record in world.records()} <= set(Function)


@settings(max_examples=50)
@given(link_code=st.binary(min_size=32, max_size=32), request_id=st.text(st.characters(codec="ascii"), max_size=20))
def test_derived_token_depends_on_the_key_of_the_installation(link_code: bytes, request_id: str) -> None:
    """A link code from a shell history and a request id from a log make no token without the installation's key."""
    made = [
        credentials.derived_token(key, link_code=link_code.hex(), request_id=request_id)
        for key in (b"a" * 32, b"b" * 32)
    ]
    assert made[0] != made[1]
    assert all(credentials.TOKEN.fullmatch(token) for token in made)


def test_refusal_names_the_scheme(world: World) -> None:
    """401 says how to do better, and no more."""
    answer = world.post(INGEST, [])
    assert ("WWW-Authenticate", "Bearer") in answer.headers
    assert said(answer) == {"error": "Missing bearer token", "code": "MISSING_TOKEN"}
