"""Questions made from the published description, to every operation, with tokens that are good."""

from __future__ import annotations

import random
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import BaseSchema, Case
from schemathesis.checks import CHECKS, load_all_checks

from attribute.ingest.app import build
from attribute.ingest.messages import ROUTES, SLUGS, Access
from tests.ingest_http.world import World, bucket

load_all_checks()
NOT_ASKED: list[Any] = [
    # What the grammar of a schema cannot say is refused on purpose: half hours outside the window, days that are none,
    # link codes that nobody issued.
    CHECKS.get_one("positive_data_acceptance"),
]
PATHS = sorted(ROUTES)


def described(world: World) -> BaseSchema:
    """The description as the service gives it."""
    return schemathesis.openapi.from_asgi("/openapi.json", build(world.service))


def ask(schema: BaseSchema, world: World, path: str, *, examples: int) -> None:
    """So many questions to one operation, good and bad; every answer is held against the description."""
    route = ROUTES[path]

    @settings(
        max_examples=examples, deadline=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck), derandomize=True, database=None,
    )  # fmt: skip
    @given(case=schema[path][route.method].as_strategy())
    def holds(case: Case[Any]) -> None:
        case.call_and_validate(headers=_bearer(world, path), excluded_checks=NOT_ASKED)

    holds()


def walk(schema: BaseSchema, world: World, *, walks: int) -> None:
    """Along the links of the description: an epoch leads to deliveries that carry it, a page to the next one."""
    chance = random.Random(walks)
    for _ in range(walks):
        bearer = {"Authorization": f"Bearer {world.token(f'user-{chance.randrange(3)}')}"}
        slug = chance.choice(SLUGS)

        def asked(
            method: str,
            name: str,
            slug: str = slug,
            bearer: dict[str, str] = bearer,
            **parts: Any,  # noqa: ANN401 - any part of a question
        ) -> Any:  # noqa: ANN401 - JSON
            case = schema[f"/functions/{slug}-{name}"][method].Case(**parts)
            answer = case.call_and_validate(headers={**bearer, **parts.get("headers", {})}, excluded_checks=NOT_ASKED)
            assert answer.status_code == 200
            return answer.json()

        epoch = asked("POST", "epoch")["epoch"]
        totals = [chance.randrange(10**12) for _ in range(chance.randrange(1, 9))]
        sent = [bucket(model=f"m{number}", total=total) for number, total in enumerate(totals)]
        for skipped in (0, len(sent)):
            said = asked(
                "POST", "ingest", body=sent, media_type="application/json",
                headers={"Attribute-Sequence": f"{epoch}.1"},
            )  # fmt: skip
            assert said["skipped"] == skipped
        seen, query = 0, {"limit": chance.randrange(1, 4)}
        while query:
            page = asked("GET", "usage-buckets", query=query)
            seen += len(page["data"])
            query = {"limit": query["limit"], "after": page["next"]} if page["next"] else {}
        assert seen >= len(sent)


def _bearer(world: World, path: str) -> dict[str, str]:
    token = world.link_code() if ROUTES[path].access is Access.LINK_CODE else world.token()
    return {"Authorization": f"Bearer {token}"}
