"""Checks that run against a world as it is and against one with a seeded fault: a check that both pass is no check."""

from __future__ import annotations

import secrets

from attribute.ingest.messages import ROUTES, Access
from attribute.ingest.metrics import Gauges
from attribute.ingest.wire import COUNT_NAMES
from tests.ingest_http.world import INGEST, World, bucket, head

_NO_GAUGES = Gauges(in_flight=0, records_lost=0)


def revoked_are_let_in_nowhere(world: World) -> None:
    """A revoked token and a token of a revoked device are answered exactly like an unknown one, everywhere."""
    by_token, first = world.enrol()
    by_device, second = world.enrol()
    world.store.revoke_token(first.token_id, world.hand.now_us)
    world.store.revoke_device(second.device_id, world.hand.now_us)
    for path, route in ROUTES.items():
        if route.access is Access.DEVICE:
            answers = [
                world.service.handle(
                    head(route.method, path, token=token, headers={"content-type": "application/json"}), b"[]"
                )
                for token in (secrets.token_hex(32), by_token, by_device)
            ]
            assert [(answer.status, answer.body) for answer in answers] == [(401, answers[0].body)] * 3, path


def nothing_of_a_request_leaks(world: World) -> None:
    """Put a marker into everything that a request has, and find it in nothing that is logged, counted or answered."""
    token = world.token()
    for number, route in enumerate(ROUTES.values()):
        mark = f"mark{number}x{secrets.token_hex(4)}"
        for method in (route.method, "POST", "GET", f"M{mark}"):
            for path in (INGEST, f"/functions/{mark}", *[path for path, known in ROUTES.items() if known == route]):
                for body in _bodies(mark):
                    _one(world, method=method, path=path, mark=mark, token=token, body=body)


def _one(world: World, *, method: str, path: str, mark: str, token: str, body: bytes) -> None:
    headers = {
        "content-type": "application/json",
        "user-agent": mark,
        "cookie": f"token={mark}",
        "x-request-id": mark,
        "apikey": mark,
        "idempotency-key": mark,
        f"x-{mark}": mark,
    }
    asked = (
        head(method, path, token=token, query=f"source={mark}&{mark}=1", headers=headers),
        head(method, path, token=token, query=f"tz={mark}", headers={**headers, "attribute-sequence": mark}),
        head(method, path, token=mark, query=f"from={mark}", headers=headers),
    )
    before = len(world.log.getvalue())
    answers = [world.service.handle(one, body) for one in asked]
    seen = [
        world.log.getvalue()[before:],
        world.service.metrics.text(_NO_GAUGES, None).encode(),
        *map(str.encode, world.crashes),
    ]
    for text in seen:
        assert mark.encode() not in text
        assert token.encode() not in text
    for answer in answers:
        if answer.status >= 400:
            assert mark.encode() not in answer.body
            assert mark not in str(answer.headers)


def _bodies(mark: str) -> tuple[bytes, ...]:
    good = bucket(source=mark, model=mark)
    rows = (
        good,
        bucket(**{mark: 1}),
        bucket(hour_start=mark),
        bucket(source=mark * 40),
        {**good, COUNT_NAMES[0]: mark},
    )
    return (mark.encode(), *(repr([row]).replace("'", '"').encode() for row in rows))
