"""The vendor that fails as it is told, and the service in front of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from attribute.cli.main import run
from attribute.ingest import faults, vendor
from attribute.ingest.faults import Fault, FaultError, FaultKind, Schedule
from attribute.ingest.vendor import Records, Vendor

PATH = "/api/database/records/usage?on_conflict=user_id,slot&select=slot"
PREFER = {"Prefer": "return=representation,resolution=merge-duplicates"}
ROW = {"user_id": "u", "slot": 1, "total": 5}


@pytest.fixture
def schedule() -> Schedule:
    return Schedule()


@pytest.fixture
def client(schedule: Schedule) -> Iterator[httpx.Client]:
    records = Records()
    with (
        vendor.running(Vendor(records, schedule)) as url,
        httpx.Client(base_url=url, timeout=5, trust_env=False) as found,
    ):
        yield found
    records.close()


def rows(client: httpx.Client, query: str = "") -> list[dict[str, object]]:
    found: list[dict[str, object]] = client.get(f"/api/database/records/usage?{query}").json()
    return found


def test_upsert_inserts_merges_and_returns_what_was_asked_for(client: httpx.Client) -> None:
    """The same key again replaces the row, and members that are not sent stay."""
    first = client.post(PATH, json=[ROW, {**ROW, "slot": 2}], headers=PREFER)
    assert (first.status_code, first.json()) == (201, [{"slot": 1}, {"slot": 2}])
    assert client.post(PATH, json={"user_id": "u", "slot": 1, "other": 7}).content == b""
    assert rows(client) == [{**ROW, "other": 7}, {**ROW, "slot": 2}]
    assert rows(client, "slot=eq.2&select=total") == [{"total": 5}]
    assert rows(client, "limit=1&offset=1") == [{**ROW, "slot": 2}]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, b"{"),
        (PATH, b"[1]"),
        (PATH, b'[{"user_id":"u"}]'),
        (PATH.split("?", maxsplit=1)[0], json.dumps([ROW]).encode()),
        (PATH.replace("usage", "us-age"), json.dumps([ROW]).encode()),
        (PATH, b'[{"user_id":"u","slot":1},{"slot":2}]'),
    ],
)
def test_request_that_is_no_upsert_is_400(client: httpx.Client, path: str, body: bytes) -> None:
    """Key columns are named and present, and all rows have the same members."""
    assert client.post(path, content=body).status_code == 400
    assert rows(client) == []


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429, 500, 502, 503, 504])
def test_status_fault_answers_it_and_writes_nothing(client: httpx.Client, schedule: Schedule, status: int) -> None:
    """The second call alone goes wrong."""
    schedule.replace([Fault(kind=FaultKind.STATUS, status=status, first=2, last=2)])
    assert [client.post(PATH, json=[{**ROW, "slot": number}]).status_code for number in (1, 2, 3)] == [201, status, 201]
    schedule.replace([])
    assert [row["slot"] for row in rows(client)] == [1, 3]


def test_fault_after_the_write_loses_the_answer_only(client: httpx.Client, schedule: Schedule) -> None:
    """The row is there, though the caller was told otherwise: an acknowledgement that got lost."""
    schedule.replace([Fault(kind=FaultKind.STATUS, after_write=True)])
    assert client.post(PATH, json=[ROW]).status_code == 503
    schedule.replace([])
    assert rows(client) == [ROW]


def test_rate_limit_says_when_to_come_back(client: httpx.Client, schedule: Schedule) -> None:
    """429 with Retry-After."""
    schedule.replace([Fault(kind=FaultKind.RATE_LIMIT, retry_after_s=7)])
    answer = client.post(PATH, json=[ROW])
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.RESET, httpx.ReadError),
        (FaultKind.CUT, httpx.RemoteProtocolError),
        (FaultKind.HANG, httpx.ReadTimeout),
    ],
)
def test_broken_connection_is_what_the_client_sees(
    client: httpx.Client, schedule: Schedule, kind: FaultKind, error: type[httpx.HTTPError]
) -> None:
    """A reset, half an answer, and silence past the deadline are three different things, and none is an answer."""
    schedule.replace([Fault(kind=kind)])
    with pytest.raises(error):
        client.post(PATH, json=[ROW], timeout=0.3)
    schedule.replace([])
    assert rows(client) == []


def test_delay_fault_answers_all_the_same(client: httpx.Client, schedule: Schedule) -> None:
    """Slow is not wrong."""
    schedule.replace([Fault(kind=FaultKind.DELAY, delay_ms=120)])
    answer = client.post(PATH, json=[ROW])
    assert (answer.status_code, answer.elapsed.total_seconds() >= 0.12) == (201, True)


def test_control_endpoint_replaces_the_schedule_and_counts_anew(client: httpx.Client) -> None:
    """A demonstration turns faults on and off while everything runs."""
    assert client.put("/control/faults", json={"fault": [{"kind": "status", "status": 500}]}).json() == {"faults": 1}
    assert client.post(PATH, json=[ROW]).status_code == 500
    assert client.get("/control/calls").json() == {"calls": 1}
    assert client.put("/control/faults", content=b"{").status_code == 400
    assert client.put("/control/faults", json={"fault": []}).json() == {"faults": 0}
    assert client.post(PATH, json=[ROW]).status_code == 201


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[fault]]\nkind = "reset"\n', (Fault(kind=FaultKind.RESET),)),
        (
            '[[fault]]\nkind = "status"\nstatus = 500\nfirst = 3\nlast = 9\ndelay_ms = 20\nafter_write = true\n',
            (Fault(kind=FaultKind.STATUS, status=500, first=3, last=9, delay_ms=20, after_write=True),),
        ),
        ("fault = []\n", ()),
    ],
)
def test_schedule_file_says_what_goes_wrong(tmp_path: Path, text: str, expected: tuple[Fault, ...]) -> None:
    """One table per fault."""
    path = tmp_path / "faults.toml"
    path.write_text(text)
    assert faults.load(path) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1",
        "fault = 1",
        "fault = [1]",
        '[[fault]]\nkind = "explode"',
        '[[fault]]\nkind = "status"\nstatus = 42',
        '[[fault]]\nkind = "status"\nstatus = true',
        '[[fault]]\nkind = "delay"\ndelay_ms = -1',
        "[[fault]",
        '[[fault]]\nkind = "reset"\nafter_write = 1',
        '[[fault]]\nkind = "reset"\nextra = 1',
        "\udcff",
    ],
)
def test_schedule_that_says_something_else_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    """A typo in a schedule is found before the demonstration, not in it."""
    path = tmp_path / "faults.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FaultError, match=r"faults\.toml"):
        faults.load(path)


def test_schedule_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Where, what, and what would do."""
    with pytest.raises(FaultError, match=r"none\.json.*No such file"):
        faults.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere/records.db", "unable to open database file"),
        ("text.db", "file is not a database"),
        (".", "unable to open database file"),
    ],
)
def test_records_that_no_file_can_hold_are_refused_before_anybody_calls(
    name: str, why: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who is told that the vendor listens can rely on it: its file is opened first."""
    path = tmp_path / name
    (tmp_path / "text.db").write_text("no database, and longer than its header would be: " * 4)
    assert run(["ingest", "vendor", "--port", "0", "--records", str(path)]) == 2
    assert capfd.readouterr().err.splitlines() == [
        f"attribute: error: {path}: cannot hold the vendor's records: {why}",
        "  hint: name an SQLite file, or a new one in a folder that is there; `:memory:` keeps nothing",
    ]
