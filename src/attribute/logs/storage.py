"""
Objects in a store (`s3://`, `gs://`, `abfs://`, `hdfs://`): listed, and read by offset.

Nothing is imported and no connection is made unless such a URL is named. Credentials are the store's own matter: they
come from the environment, as for any other program there, and are never taken from a command line.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from attribute.logs.names import shown
from attribute.logs.raw import Fault, Problem
from attribute.m1.errors import AttributionError

if TYPE_CHECKING:
    from attribute.logs.sources import Source

__all__ = [
    "Entry",
    "RemoteFile",
    "StorageError",
    "Store",
    "is_url",
    "local_path",
    "open_remote",
    "split_url",
    "store_of",
]

_URL: Final = re.compile(r"(s3a?|gs|abfss?|hdfs)://([^/]+)(?:/(.*))?", re.DOTALL)
_PART_BYTES: Final = 8 * 2**20
_AHEAD_BYTES: Final = 4 * 2**20
_PROBE_BYTES: Final = 256 * 2**10
_PARTS_AT_ONCE: Final = 4
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT")
_RETRIES: Final = 4
_RETRY_SECONDS: Final = 30
_VARIABLES: Final = {
    "s3": "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or a role of the machine; `AWS_SKIP_SIGNATURE=true` for a"
    " public bucket; profiles in ~/.aws need `pip install boto3`",
    "gs": "`GOOGLE_APPLICATION_CREDENTIALS`, or `gcloud auth application-default login`",
    "abfs": "`AZURE_STORAGE_ACCOUNT_NAME` with `AZURE_STORAGE_ACCOUNT_KEY` or a managed identity",
    "hdfs": "`kinit`, or `HADOOP_USER_NAME`",
}


class StorageError(AttributionError):
    """A URL that leads nowhere, or that may not be read."""

    @classmethod
    def no_library(cls, url: str, *, package: str, extra: str) -> Self:
        """Word a store whose client is not installed."""
        return cls(
            f"`{shown(url)}` needs the package `{package}`, which is not installed",
            hint=f"pip install 'm1-attribute[{extra}]'",
        )

    @classmethod
    def no_bucket(cls, url: str) -> Self:
        """Word a bucket or container that is not there."""
        return cls(
            f"`{shown(url)}`: there is no such bucket", hint="spelling, region (`AWS_REGION`) and account decide"
        )

    @classmethod
    def missing(cls, url: str, near: list[str]) -> Self:
        """Word a URL under which there is no object, with the nearest ones that are there."""
        hint = f"did you mean {' or '.join(near)}?" if near else "name an object, a folder, or a glob pattern"
        return cls(f"`{shown(url)}` does not exist", hint=hint)

    @classmethod
    def unmatched(cls, url: str) -> Self:
        """Word a pattern that selects nothing."""
        return cls(
            f"`{shown(url)}` matches no object",
            hint="patterns know `*`, `?`, `[abc]` and `**` for any depth of folders",
        )

    @classmethod
    def no_credentials(cls, url: str) -> Self:
        """Word a store that was asked without credentials."""
        return cls(f"`{shown(url)}`: no credentials were found", hint=f"set {_VARIABLES[kind_of(url)]}")

    @classmethod
    def denied(cls, url: str) -> Self:
        """Word credentials that do not suffice."""
        return cls(
            f"`{shown(url)}` may not be read with these credentials",
            hint=f"they must allow listing and reading; they come from {_VARIABLES[kind_of(url)]}",
        )

    @classmethod
    def unreachable(cls, url: str, detail: str) -> Self:
        """Word a store that does not answer, or not as expected."""
        return cls(f"`{shown(url)}` cannot be reached: {detail}", hint="network, endpoint and region decide")


def is_url(path: str) -> bool:
    """
    Whether *path* names something in a store.

    >>> is_url("s3://logs/app.log"), is_url("logs/app.log"), is_url("s3:/logs")
    (True, False, False)
    """
    return _URL.fullmatch(path) is not None


def local_path(path: str) -> str:
    """
    Return *path* without the `file://` that Spark's users write before a path.

    >>> local_path("file:///mnt/logs"), local_path("/mnt/logs")
    ('/mnt/logs', '/mnt/logs')
    """
    return path.removeprefix("file://") if path.startswith("file:///") else path


def split_url(url: str) -> tuple[str, str]:
    """
    Return the bucket's own URL and the key in it.

    >>> split_url("s3://logs/2026/app.log")
    ('s3://logs', '2026/app.log')
    """
    found = _URL.fullmatch(url)
    assert found is not None, "only what `is_url` says yes to comes here"
    return f"{found[1]}://{found[2]}", found[3] or ""


def kind_of(url: str) -> str:
    """Return which store: `s3`, `gs`, `abfs` or `hdfs`."""
    scheme = url.partition("://")[0]
    return {"s3a": "s3", "abfss": "abfs"}.get(scheme, scheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One object.

    Attributes:
        key: its name in the bucket.
        size_bytes: its size.
        stamp: changes when it is written anew; empty where the store has none.
    """

    key: str
    size_bytes: int
    stamp: str


class Store(Protocol):
    """One bucket, container or cluster of files. Every method raises StorageError, `read` raises Fault."""

    def look(self, key: str) -> Entry | None:
        """Return the object of that very name, or nothing."""
        ...

    def below(self, folder: str) -> Iterator[Entry]:
        """Yield every object below a folder, at any depth, in any order; empty: of the whole bucket."""
        ...

    def read(self, entry: Entry, start: int, end: int) -> bytes:
        """Return a range of an object, as it was when it was found; raises Fault."""
        ...


@lru_cache(maxsize=64)
def store_of(root: str) -> Store:
    """
    Return the store of a bucket's URL.

    Raises:
        StorageError: its client is not installed, or its URL cannot be used.
    """
    return _HadoopStore(root) if kind_of(root) == "hdfs" else _ObjectStore(root)


class _ObjectStore:
    """A bucket or container, through obstore."""

    def __init__(self, root: str) -> None:
        try:
            import obstore  # noqa: PLC0415 - an extra, and only for such URLs
            from obstore import store  # noqa: PLC0415 - the same
        except ModuleNotFoundError:
            raise StorageError.no_library(root, package="obstore", extra="storage") from None
        self._root = root
        self._obstore = obstore
        more: dict[str, Any] = {}
        if kind_of(root) == "s3" and (provider := _aws_profile()) is not None:
            more["credential_provider"] = provider
        retry = {"max_retries": _RETRIES, "retry_timeout": _timedelta(_RETRY_SECONDS)}
        client: dict[str, Any] = {"connect_timeout": "10 seconds", "timeout": "120 seconds"}
        if any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS):
            client["allow_http"] = True  # an endpoint without TLS is only ever somebody's own word
        with self._worded(root):
            self._store = store.from_url(root, retry_config=retry, client_options=client, **more)

    def look(self, key: str) -> Entry | None:
        """See `Store`."""
        try:
            with self._worded(f"{self._root}/{key}"):
                return _entry(self._obstore.head(self._store, key))
        except FileNotFoundError:
            return None

    def below(self, folder: str) -> Iterator[Entry]:
        """See `Store`."""
        try:
            with self._worded(f"{self._root}/{folder}"):
                for batch in self._obstore.list(self._store, prefix=folder or None, chunk_size=1000):
                    yield from map(_entry, batch)
        except FileNotFoundError:
            raise StorageError.no_bucket(self._root) from None

    def read(self, entry: Entry, start: int, end: int) -> bytes:
        """See `Store`."""
        errors = self._obstore.exceptions
        options: dict[str, Any] = {"range": (start, end)}
        if entry.stamp:
            options["if_match"] = entry.stamp
        try:
            return bytes(self._obstore.get(self._store, entry.key, options=options).bytes())
        except FileNotFoundError:
            raise Fault(Problem.VANISHED) from None
        except errors.PreconditionError:
            raise Fault(Problem.REPLACED) from None
        except (errors.PermissionDeniedError, errors.UnauthenticatedError):
            raise Fault(Problem.NO_PERMISSION) from None
        except errors.BaseError as error:
            raise Fault(Problem.READ_ERROR, _first_line(error)) from None

    @contextlib.contextmanager
    def _worded(self, url: str) -> Iterator[None]:
        errors = self._obstore.exceptions
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
                raise StorageError.no_bucket(self._root) from None
            raise
        except errors.PermissionDeniedError:
            raise StorageError.denied(url) from None
        except errors.UnauthenticatedError:
            raise StorageError.no_credentials(url) from None
        except (errors.BaseError, ValueError) as error:
            text = str(error)
            if "NoSuchBucket" in text:
                raise StorageError.no_bucket(self._root) from None
            if re.search(
                r"(?i)credential|/latest/(api|meta-data)|metadata\.google|oauth|identity|Error getting token", text
            ):
                raise StorageError.no_credentials(url) from None
            raise StorageError.unreachable(url, _first_line(error)) from None


def _entry(meta: Any) -> Entry:  # noqa: ANN401 - a dictionary of obstore's
    return Entry(key=meta["path"], size_bytes=meta["size"], stamp=meta["e_tag"] or "")


def _timedelta(seconds: int) -> object:
    from datetime import timedelta  # noqa: PLC0415 - beside its one use

    return timedelta(seconds=seconds)


def _aws_profile() -> Any | None:  # noqa: ANN401 - a provider of obstore's
    """Return what reads profiles in ~/.aws, where there are some, nothing nearer is set and boto3 is installed."""
    if os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_SKIP_SIGNATURE"):
        return None
    named = [os.environ.get(name) for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")]
    files = [Path(name) for name in named if name] or [Path.home() / ".aws/credentials", Path.home() / ".aws/config"]
    if not any(file.is_file() for file in files):
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415 - needs boto3, which few have
    except ImportError:
        return None
    try:
        return Boto3CredentialProvider()
    except ValueError:  # profiles that hold no credentials
        return None


class _HadoopStore:
    """A cluster of files, through the Hadoop client that pyarrow finds on the machine."""

    def __init__(self, root: str, *, files: Any | None = None) -> None:  # noqa: ANN401 - a file system of pyarrow's
        self._root = root
        if files is not None:
            self._files = files
            return
        try:
            from pyarrow import fs  # noqa: PLC0415 - an extra, and only for such URLs
        except ModuleNotFoundError:
            raise StorageError.no_library(root, package="pyarrow", extra="hdfs") from None
        try:
            self._files, _ = fs.FileSystem.from_uri(root)
        except (OSError, ValueError) as error:
            raise StorageError.unreachable(root, _first_line(error)) from None

    def look(self, key: str) -> Entry | None:
        """See `Store`."""
        with self._worded(key):
            (info,) = self._files.get_file_info([f"/{key}"])
        return _hadoop_entry(info) if info.is_file else None

    def below(self, folder: str) -> Iterator[Entry]:
        """See `Store`."""
        from pyarrow import fs  # noqa: PLC0415 - here, it is installed

        with self._worded(folder):
            found = self._files.get_file_info(fs.FileSelector(f"/{folder}", allow_not_found=True, recursive=True))
        yield from (_hadoop_entry(info) for info in found if info.is_file)

    def read(self, entry: Entry, start: int, end: int) -> bytes:
        """See `Store`."""
        try:
            with self._files.open_input_file(f"/{entry.key}") as file:
                (info,) = self._files.get_file_info([f"/{entry.key}"])
                if _hadoop_entry(info) != entry:
                    raise Fault(Problem.REPLACED)
                return bytes(file.read_at(end - start, start))
        except OSError as error:
            raise Fault.of(error) from None

    @contextlib.contextmanager
    def _worded(self, key: str) -> Iterator[None]:
        url = f"{self._root}/{key}"
        try:
            yield
        except PermissionError:
            raise StorageError.denied(url) from None
        except OSError as error:
            raise StorageError.unreachable(url, _first_line(error)) from None


def _hadoop_entry(info: Any) -> Entry:  # noqa: ANN401 - an object of pyarrow's
    return Entry(key=info.path.lstrip("/"), size_bytes=info.size or 0, stamp=str(info.mtime_ns))


def _first_line(error: Exception) -> str:
    """Return the gist of a client's message, printable."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return shown(line.strip()[:200])


class RemoteFile:
    """
    An object as it was when it was found.

    Large reads go out as a few requests side by side; small ones that follow each other are served from what was read
    ahead.

    Args:
        store: where it lies.
        entry: which object.
    """

    def __init__(self, store: Store, entry: Entry) -> None:
        self._store = store
        self._entry = entry
        self._window = b""
        self._window_at = 0
        self._pool: ThreadPoolExecutor | None = None
        self.size_bytes = entry.size_bytes

    def read_at(self, offset: int, count: int) -> bytes:
        """See `attribute.logs.raw.Readable`."""
        end = min(offset + count, self.size_bytes)
        if end <= offset:
            return b""
        window_end = self._window_at + len(self._window)
        if self._window_at <= offset and end <= window_end:
            return self._window[offset - self._window_at : end - self._window_at]
        if end - offset > _PROBE_BYTES:
            return self._parts(offset, end)
        ahead = _AHEAD_BYTES if self._window and self._window_at <= offset <= window_end else _PROBE_BYTES
        self._window = self._store.read(self._entry, offset, min(max(end, offset + ahead), self.size_bytes))
        self._window_at = offset
        return self._window[: end - offset]

    def _parts(self, start: int, end: int) -> bytes:
        if end - start <= _PART_BYTES:
            return self._store.read(self._entry, start, end)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_PARTS_AT_ONCE)
        ranges = [(at, min(at + _PART_BYTES, end)) for at in range(start, end, _PART_BYTES)]
        return b"".join(self._pool.map(lambda each: self._store.read(self._entry, *each), ranges))

    def data_at(self, offset: int) -> int:
        """Return *offset*: a store tells of no holes."""
        return offset

    def verify(self) -> None:
        """Do nothing: every single read asks for the object that was found."""

    def close(self) -> None:
        """End the requests."""
        if self._pool is not None:
            self._pool.shutdown()


def open_remote(source: Source) -> RemoteFile:
    """Return what to read an object from; raises Fault."""
    assert source.path is not None
    root, key = split_url(source.path)
    try:
        store = store_of(root)
    except StorageError as error:  # on a worker that lacks what the driver has
        raise Fault(Problem.READ_ERROR, error.message) from None
    return RemoteFile(store, Entry(key=key, size_bytes=source.size_bytes, stamp=source.stamp))
