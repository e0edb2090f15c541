"""
The days on which zones change, read through the service and worked out a second time without it.

The plain code knows nothing of ranges, rollups or first half hours: it asks for the local date of every half hour, one
by one, and adds up. A transition is where the offset of two neighbouring half hours differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from attribute.ingest.credentials import hash_of
from attribute.ingest.model import Bucket, Delivery
from attribute.ingest.visits import Settings
from tests.ingest_http.world import World, make_world

HALF_HOUR = 1800


def check(folder: Path, zones: Sequence[str], years: Iterable[int]) -> int:
    """Compare what the service says of every day on which a zone changes, and of its neighbours; how many were seen."""
    folder.mkdir(exist_ok=True)
    world = make_world(folder, settings=Settings(usage_max_days=5000), busy_s=60.0)
    try:
        token = world.token()
        checked = 0
        for year in years:
            first = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) // HALF_HOUR - 96
            held = {slot: 1 + slot * 7919 % 10_007 for slot in range(first, first + 368 * 48 + 96)}
            _put(world, token, held)
            checked += sum(_check_day(world, token, held, zone, day) for zone in zones for day in changes(zone, year))
        return checked
    finally:
        world.store.close()


@cache
def changes(zone: str, year: int) -> tuple[date, ...]:
    """The local days of a year on which the zone's offset changes."""
    info, found = ZoneInfo(zone), []
    start = int(datetime(year, 1, 2, tzinfo=UTC).timestamp())
    before = datetime.fromtimestamp(start, info).utcoffset()
    for at in range(start + HALF_HOUR, start + 362 * 86_400, HALF_HOUR):
        now = datetime.fromtimestamp(at, info).utcoffset()
        if now != before:
            found.append(datetime.fromtimestamp(at, info).date())
            before = now
    return tuple(found)


def _check_day(world: World, token: str, held: dict[int, int], zone: str, middle: date) -> int:
    info = ZoneInfo(zone)
    days = [middle + timedelta(days=offset) for offset in (-1, 0, 1)]
    noon = int(datetime(middle.year, middle.month, middle.day, 12, tzinfo=UTC).timestamp()) // HALF_HOUR
    of_day: dict[date, list[int]] = {day: [] for day in days}
    today = date.min
    for slot in range(noon - 150, noon + 150):
        # where clocks go back over midnight, the day that had begun goes on
        today = max(today, datetime.fromtimestamp(slot * HALF_HOUR, info).date())
        if today in of_day:
            of_day[today].append(slot)
    query = f"from={days[0]}&to={days[-1]}&tz={zone.replace('+', '%2B')}"
    daily = world.read("usage-daily", query, token=token)["data"]
    expected = {str(day): sum(held[slot] for slot in of_day[day]) for day in days}
    assert {row["day"]: int(row["total_tokens"]) for row in daily} == expected, (zone, middle)
    hourly = world.read("usage-hourly", f"day={middle}&tz={zone.replace('+', '%2B')}", token=token)["data"]
    assert [(row["hour_start"], int(row["total_tokens"])) for row in hourly] == [
        (f"{datetime.fromtimestamp(slot * HALF_HOUR, UTC):%Y-%m-%dT%H:%M:%S}.000Z", held[slot])
        for slot in of_day[middle]
    ], (zone, middle)
    return 1


def _put(world: World, token: str, held: dict[int, int]) -> None:
    device = world.store.find_token(hash_of(token))
    assert device is not None
    rows = [Bucket("codex", "m", slot, 0, 0, 0, 0, total) for slot, total in held.items()]
    for start in range(0, len(rows), 500):
        place = world.store.next_ticket(device)
        world.store.write(
            Delivery(
                request_id=f"transition-{place.seq}",
                device=device,
                buckets=tuple(rows[start : start + 500]),
                place=place,
                body_sha256=b"\0" * 32,
                received_at_us=world.hand.now_us,
            )
        )
