"""Object storage: the same names, rules and bytes as on a disk, over a real S3 protocol on loopback."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attribute.cli.main import run
from attribute.engines import cluster, local
from attribute.logs.chunks import ChunkReader
from attribute.logs.raw import Fault, Problem
from attribute.logs.remote_search import search
from attribute.logs.sources import SkipReason, discover
from attribute.logs.storage import (
    Entry,
    RemoteFile,
    StorageError,
    _HadoopStore,
    is_url,
    kind_of,
    split_url,
    store_of,
)
from tests.cluster.logs import write
from tests.cluster.parity import assert_same, options
from tests.cluster.test_splits import Shuffled
from tests.needs import module

module("obstore", reason="obstore is not installed: it is in requirements/test.txt")
moto_server = module("moto.server", reason="moto is not installed: it is in requirements/test.txt")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 server on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def environ(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Credentials and endpoint as a user sets them; nothing here can reach another address."""
    for name in ("AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    store_of.cache_clear()
    yield
    store_of.cache_clear()


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - a store of obstore's
    """A new bucket: its name, and what to put objects with."""
    import obstore
    from obstore.store import from_url

    name = "b" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:40]
    urllib.request.urlopen(
        urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/{name}", method="PUT"), timeout=10
    ).close()
    store = from_url(f"s3://{name}")

    def put(key: str, data: bytes) -> None:
        obstore.put(store, key, data)

    put.root = f"s3://{name}"  # type: ignore[attr-defined]  # the one thing a test needs beside it
    return put


def upload(put: Any, folder: Path) -> None:  # noqa: ANN401 - see `bucket`
    """Put every file of *folder* into the bucket."""
    for path in folder.rglob("*"):
        if path.is_file():
            put(f"logs/{path.relative_to(folder)}", path.read_bytes())


def test_storage_answers_as_a_disk_does(bucket: Any, tmp_path: Path) -> None:  # noqa: ANN401 - see `bucket`
    """The same logs on a disk and in a bucket: same lines, counts, verdicts and fingerprint, here and on a cluster."""
    folder = tmp_path / "logs"
    folder.mkdir()
    write(folder, 4, count=1500)
    upload(bucket, folder)
    disk = local.analyse(options(folder, fingerprint=True))
    for store in (
        local.analyse(options(f"{bucket.root}/logs", fingerprint=True, chunk_bytes=30_000)),
        cluster.analyse(options(f"{bucket.root}/logs/", fingerprint=True), Shuffled(), split_bytes=40_000),
    ):
        assert store.rollup == disk.rollup
        assert store.verdicts.collect().equals(disk.verdicts.collect())
        for name in ("files", "bytes", "fingerprint", "lines", "records", "rejected_by_reason", "unknown_fields"):
            assert getattr(store.account, name) == getattr(disk.account, name)
        here, there = (
            [(each.file.rsplit("logs/", 1)[1], each.reason) for each in account.incomplete_files]
            for account in (disk.account, store.account)
        )
        assert there == here


TREE = (
    "a.log",
    "b.jsonl.gz",
    "deep/c.log",
    "deep/er/d.log",
    ".hid.log",
    "deep/.git/e.log",
    "notes.txt",
    "odd name%20é.log",
)


def test_storage_follows_the_rules_for_names(bucket: Any) -> None:  # noqa: ANN401 - see `bucket`
    """Folders, hidden names, other names, patterns and exclusions mean what they mean on a disk."""
    root = bucket.root
    for key in TREE:
        bucket(f"logs/{key}", b"{}\n")
    bucket("logs-of-others/z.log", b"{}\n")

    def names(*urls: str, exclude: tuple[str, ...] = ()) -> list[str]:
        return [source.name.removeprefix(f"{root}/logs/") for source in discover(urls, exclude=exclude).sources]

    every = ["a.log", "b.jsonl.gz", "deep/c.log", "deep/er/d.log", "odd name%20é.log"]
    assert names(f"{root}/logs") == names(f"{root}/logs/") == every
    assert names(f"{root}/logs", f"{root}/logs/a.log", f"{root}/logs/*.log") == every
    assert names(f"{root}/logs/notes.txt") == ["notes.txt"]
    assert names(f"{root}/logs/*.log") == ["a.log", "odd name%20é.log"]
    assert names(f"{root}/logs/**/*.log") == [name for name in every if name.endswith(".log")]
    assert names(f"{root}/logs/d*") == names(f"{root}/logs/deep/**") == ["deep/c.log", "deep/er/d.log"]
    assert names(f"{root}/logs", exclude=("er", "*/a.*")) == ["b.jsonl.gz", "deep/c.log", "odd name%20é.log"]
    assert names(f"{root}/logs/.hid*") == [".hid.log"]
    found = discover([f"{root}/logs"], exclude=("er",))
    assert {(each.name.removeprefix(root), each.reason) for each in found.skipped} == {
        ("/logs/.hid.log", SkipReason.HIDDEN),
        ("/logs/deep/.git", SkipReason.HIDDEN),
        ("/logs", "1 file not named like a log"),
        ("/logs", "1 file or folder excluded"),
    }
    assert len(discover([root]).sources) == 6


def test_storage_search_selects_what_a_disk_selects(bucket: Any, tmp_path: Path) -> None:  # noqa: ANN401 - see `bucket`
    """Every pattern, held against the same tree on a disk."""
    for key in TREE:
        (tmp_path / "logs" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "logs" / key).write_bytes(b"{}\n")
        bucket(f"logs/{key}", b"{}\n")
    for pattern in ("*", "**", "?.log", "*/*", "**/d*", "**/er", "*/er/*.log", "[ab]*", ".*", "deep/.*/*", "**/*"):
        there = discover([f"{bucket.root}/logs/{pattern}"])
        here = discover([f"{tmp_path}/logs/{pattern}"])
        ours, theirs = (
            [source.path.rsplit("/logs/", 1)[1] for source in each.sources if source.path] for each in (there, here)
        )
        assert ours == theirs, pattern
        assert there.other_names == here.other_names, pattern


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("/logs/ap.log", "does not exist", "did you mean `"),
        ("/nothing/", "does not exist", "name an object"),
        ("/logs/*.gz", "matches no object", "patterns know"),
    ],
)
def test_storage_url_that_leads_nowhere_is_worded(
    bucket: Any,  # noqa: ANN401 - see `bucket`
    path: str,
    message: str,
    hint: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Where, what was seen, what next; exit code 2."""
    bucket("logs/app.log", b"{}\n")
    assert run([f"{bucket.root}{path}", "--isolated"]) == 2
    err = capfd.readouterr().err
    assert f"`{bucket.root}{path}` {message}" in err
    assert f"hint: {hint}" in err


def test_storage_bucket_that_is_not_there_is_worded() -> None:
    """No such bucket is told apart from no such object."""
    with pytest.raises(StorageError, match="there is no such bucket"):
        discover(["s3://no-such-bucket-here/logs"])


def test_storage_without_credentials_is_worded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no role, nobody to ask for one: the variables are named."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr("attribute.logs.storage._RETRIES", 0)
    with pytest.raises(StorageError, match="no credentials were found") as raised:
        discover(["s3://logs/app.log"])
    assert "AWS_ACCESS_KEY_ID" in (raised.value.hint or "")


def test_storage_that_does_not_answer_is_worded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint where nobody listens."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr("attribute.logs.storage._RETRIES", 0)
    with pytest.raises(StorageError, match="cannot be reached"):
        discover(["s3://logs/app.log"])


def test_storage_profile_of_a_user_is_found_through_boto3(
    bucket: Any,  # noqa: ANN401 - see `bucket`
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Credentials in ~/.aws are used where boto3 is there to read them."""
    bucket("a.log", b"{}\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("[default]\naws_access_key_id = me\naws_secret_access_key = mine\n")
    store_of.cache_clear()
    assert len(discover([f"{bucket.root}/a.log"]).sources) == 1


def test_storage_object_written_anew_is_noticed(bucket: Any) -> None:  # noqa: ANN401 - see `bucket`
    """An object that is replaced between the search and the read is said to be, and not half read."""
    bucket("a.log", b"{}\n" * 10)
    (source,) = discover([bucket.root]).sources
    bucket("a.log", b"[]\n" * 10)
    reader = ChunkReader(source)
    assert list(reader) == []
    assert reader.outcome.problem is Problem.REPLACED


class Counting:
    """A store in memory that counts what is asked of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[int] = []

    def look(self, key: str) -> Entry | None:
        """See `Store`."""
        return Entry(key=key, size_bytes=len(self.data), stamp="1")

    def below(self, folder: str) -> Iterator[Entry]:
        """See `Store`."""
        yield Entry(key=f"{folder}/a.log", size_bytes=len(self.data), stamp="1")

    def read(self, entry: Entry, start: int, end: int) -> bytes:
        """See `Store`."""
        self.reads.append(end - start)
        assert threading.active_count() < 20
        return self.data[start:end]


def test_remote_file_reads_the_same_bytes_in_few_and_bounded_requests() -> None:
    """Any sequence of reads gives the object's bytes; small ones in a row are served from what was read ahead."""
    data = bytes(range(251)) * 120_000
    store = Counting(data)
    file = RemoteFile(store, Entry(key="a", size_bytes=len(data), stamp="1"))
    at = 0
    while block := file.read_at(at, 60_000):
        assert block == data[at : at + 60_000]
        at += len(block)
    assert at == len(data)
    assert len(store.reads) < 12
    assert file.read_at(5, 2**25) == data[5:]
    assert file.read_at(len(data), 1) == b""
    assert max(store.reads) <= 8 * 2**20
    file.close()


def test_hadoop_store_follows_the_same_rules(tmp_path: Path) -> None:
    """The adapter of pyarrow's file systems, over the one of this machine: HDFS itself needs a Hadoop client."""
    fs = module("pyarrow.fs", reason="pyarrow is not installed: .ci/run adds requirements/spark.txt")
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    (tmp_path / "logs" / "deep" / "a.log").write_text("one\ntwo\n")
    store = _HadoopStore("hdfs://name", files=fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()))
    found = search("hdfs://name/logs", store=store)
    ((url, entry),) = found.objects.items()
    assert url == "hdfs://name/logs/deep/a.log"
    assert store.read(entry, 4, 7) == b"two"
    assert store.look("logs") is None
    (tmp_path / "logs" / "deep" / "a.log").write_text("other\n")
    with pytest.raises(Fault) as raised:
        store.read(entry, 0, 3)
    assert raised.value.problem is Problem.REPLACED


def test_storage_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL of a store whose client is missing says what to install; a worker without it says so as well."""
    import sys

    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for url, extra in (("s3://b/a.log", "storage"), ("gs://b/a", "storage"), ("hdfs://n/a", "hdfs")):
        with pytest.raises(StorageError, match="which is not installed") as raised:
            discover([url])
        assert raised.value.hint == f"pip install 'm1-attribute[{extra}]'"


def test_urls_are_told_from_paths(tmp_path: Path) -> None:
    """A folder called `s3:` is a folder; `file://` is a path as Spark's users write it."""
    assert all(map(is_url, ("s3://b/k", "s3a://b", "gs://b/", "abfss://c@a.dfs.core.windows.net/k", "hdfs://n:9000/k")))
    assert not any(map(is_url, ("s3:/b", "x://y", "logs/a.log", "-")))
    assert split_url("abfss://c@a.dfs.core.windows.net/x/y") == ("abfss://c@a.dfs.core.windows.net", "x/y")
    assert [kind_of(each) for each in ("s3a://b", "abfss://c", "gs://b", "hdfs://n")] == ["s3", "abfs", "gs", "hdfs"]
    (tmp_path / "a.log").write_text("{}\n")
    assert_same(local.analyse(options(f"file://{tmp_path}/a.log")), local.analyse(options(tmp_path / "a.log")))
