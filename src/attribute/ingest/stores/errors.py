"""Why a store is not opened. Each sentence stands here once."""

from __future__ import annotations

from typing import Self

from attribute.m1.errors import AttributionError


class StoreNotOpenedError(AttributionError):
    """The store at this address is not one that we may or can write to. It was not touched."""

    @classmethod
    def symbolic_link(cls, path: str) -> Self:
        """The path is a link."""
        return cls(f"{path}: is a symbolic link, expected the database file itself", hint="name the link's target")

    @classmethod
    def not_a_file(cls, path: str) -> Self:
        """The path is a folder, a pipe, a device."""
        return cls(f"{path}: is not a regular file", hint="name a file, or a path where none is yet")

    @classmethod
    def far_away(cls, path: str, kind: str) -> Self:
        """The folder is another machine's, over a network."""
        return cls(
            f"{path}: lies on a file system of kind `{kind}`, where locks cannot be relied on",
            hint="keep the file on a disk of this machine, or use PostgreSQL",
        )

    @classmethod
    def writable_by_others(cls, path: str, mode: int) -> Self:
        """Anybody on this machine may change the file."""
        return cls(f"{path}: has mode {mode:04o}, expected 0600", hint=f"chmod 600 {path}")

    @classmethod
    def no_folder(cls, path: str) -> Self:
        """The folder is missing or closed to us."""
        return cls(f"{path}: the folder is missing or not writable", hint="make the folder first")

    @classmethod
    def cannot_be_read(cls, path: str, reason: str) -> Self:
        """The file is closed to us."""
        return cls(f"{path}: cannot be read: {reason.lower()}", hint="run as the user whose file it is")

    @classmethod
    def cannot_be_locked(cls, path: str, reason: str) -> Self:
        """No lock file can be opened beside the database."""
        return cls(
            f"{path}: cannot be opened for writing: {reason.lower()}",
            hint="every command holds a lock beside the store, also to read: work on a copy where you can write, made "
            "with `VACUUM INTO`",
        )

    @classmethod
    def not_sqlite(cls, path: str) -> Self:
        """Something else than an SQLite database."""
        return cls(f"{path}: is not an SQLite database", hint="name another path; nothing was written")

    @classmethod
    def foreign(cls, path: str, application_id: int) -> Self:
        """An SQLite database of another program."""
        return cls(
            f"{path}: belongs to another program (application_id {application_id:#010x}, expected 0x41545452)",
            hint="name another path; nothing was written",
        )

    @classmethod
    def truncated(cls, path: str, size: int, expected: int) -> Self:
        """Pages are missing."""
        return cls(f"{path}: has {size} bytes, its header says {expected}", hint="restore it from a backup")

    @classmethod
    def newer(cls, where: str, version: int, known: int) -> Self:
        """Made or migrated by a newer release."""
        return cls(f"{where}: has schema version {version}, this release knows {known}", hint="use the newer release")

    @classmethod
    def changed_migration(cls, where: str, number: int) -> Self:
        """The text of an applied migration is not the one shipped."""
        return cls(
            f"{where}: migration {number} was applied with another text than this release has",
            hint="use the release that made it, or restore a backup",
        )

    @classmethod
    def behind(cls, where: str, version: int, known: int) -> Self:
        """Schema steps are missing; only a plan applies them."""
        return cls(
            f"{where}: has schema version {version}, this release needs {known}",
            hint="run `attribute ingest plan schema`, then `attribute ingest apply`",
        )

    @classmethod
    def damaged(cls, where: str) -> Self:
        """SQLite finds the file malformed."""
        return cls(f"{where}: is damaged", hint="restore it from a backup")

    @classmethod
    def backup_exists(cls, path: str) -> Self:
        """A copy is never written over another file."""
        return cls(
            f"{path}: is there already, and a copy of the database never overwrites another file",
            hint="name a new file with --backup, or move this one away",
        )

    @classmethod
    def already_served(cls, path: str) -> Self:
        """Another process serves this file."""
        return cls(f"{path}: is served by another process", hint="one service per file; stop the other one first")

    @classmethod
    def not_there(cls, path: str) -> Self:
        """Nothing to open where something must be."""
        return cls(f"{path}: there is no database", hint="`attribute ingest serve` or `token issue` makes one")

    @classmethod
    def unreachable(cls, where: str) -> Self:
        """PostgreSQL does not let us in."""
        return cls(f"{where}: cannot be reached or refuses the login", hint="see the server's own log")

    @classmethod
    def not_durable(cls, where: str, setting: str, seen: str) -> Self:
        """A setting under which an answer could be given for what a power cut takes back."""
        return cls(f"{where}: {setting} is `{seen}`, which may lose what was confirmed", hint=f"set {setting} to on")

    @classmethod
    def unknown_address(cls, url: str) -> Self:
        """Neither a path nor PostgreSQL."""
        return cls(f"{url.split(':', 1)[0]}: is no kind of store", hint="give a path, or postgresql://...")

    @classmethod
    def no_vendor_address(cls) -> Self:
        """Nothing could ever be sent there. The address is not repeated: it may hold a password."""
        return cls(
            "the vendor's URL is no address", hint="give http://HOST, or https://HOST, with port and path if any"
        )

    @classmethod
    def vendor_needs_sqlite(cls) -> Self:
        """The vendor's rows come from a local ledger."""
        return cls("a records vendor needs an SQLite file as its durable ledger", hint="give a path as the store")
