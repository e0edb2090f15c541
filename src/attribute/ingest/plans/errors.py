"""Why a plan is not made, not applied or not undone. Each sentence stands here once."""

from __future__ import annotations

from typing import Self

from attribute.m1.errors import AttributionError

GATE = 3
"""Exit code of a gate that failed: a plan that went stale, a check that did not hold."""


class PlanError(AttributionError):
    """The plan cannot be used as it is. Nothing was written, unless the sentence says otherwise."""

    @classmethod
    def unreadable(cls, where: str, what: str) -> Self:
        """Not a plan file."""
        return cls(f"{where}: {what}", hint="make it with `attribute ingest plan`; a plan is never edited")

    @classmethod
    def bad_weights(cls, where: str, what: str) -> Self:
        """Not a file of weights."""
        return cls(f"{where}: {what}", hint="`attribute ingest plan rule --help` shows a whole file")

    @classmethod
    def no_export(cls, where: str, what: str) -> Self:
        """Not an export, or not all of it."""
        return cls(f"{where}: {what}", hint="make it again with `attribute ingest export`, and keep every line of it")

    @classmethod
    def not_approved(cls, seen: str) -> Self:
        """Another hash was approved than the file has."""
        return cls(
            f"the plan's hash is {seen}, another one was approved",
            hint="read the plan again, and approve the hash that `plan` printed",
        )

    @classmethod
    def other_lineage(cls, planned: str, here: str) -> Self:
        """Made for another database."""
        return cls(f"the plan is for database {planned}, this is {here}", hint="apply it where it was made")

    @classmethod
    def already(cls, plan_id: int, state: str) -> Self:
        """A plan is good for one use."""
        return cls(f"plan {plan_id} is {state} already", hint="plans are single-use: make a new one")

    @classmethod
    def another_under_way(cls, plan_id: int) -> Self:
        """One plan at a time."""
        return cls(f"plan {plan_id} is being applied", hint="finish it with `apply`, or undo it with `rollback`")

    @classmethod
    def applied_elsewhere(cls) -> Self:
        """Another process is at it this moment."""
        return cls("another `apply` is under way here", hint="wait until it has ended; `rollback` makes it stop")

    @classmethod
    def stopped(cls, plan_id: int, state: str) -> Self:
        """Somebody ended the plan while it was being applied."""
        return cls(
            f"plan {plan_id} is {state} since: this `apply` stopped before its next step and wrote nothing after that",
            hint="`attribute ingest status` says where it stands",
        )

    @classmethod
    def copy_behind(cls, plan_id: int, state: str, why: str) -> Self:
        """Done here, and not known elsewhere yet."""
        return cls(
            f"plan {plan_id} is {state} here, but {why}",
            hint="the same command again sends what is missing; so do later deliveries",
        )

    @classmethod
    def replayed_here(cls, why: str) -> Self:
        """Said here, and not known elsewhere yet."""
        return cls(f"the history is replayed here, but {why}", hint="later deliveries send what is missing")

    @classmethod
    def stale(cls, count: int, what: str) -> Self:
        """The database has moved on in the plan's scope."""
        return cls(
            f"the plan is stale: {count} {what} changed since it was made; nothing was written",
            hint="make a new plan",
            exit_code=GATE,
        )

    @classmethod
    def foreign_keys(cls, count: int) -> Self:
        """Only an edited plan names a device together with somebody else than its user."""
        return cls(
            f"the plan gives {count} keys to a user who is not that of their device; nothing was written",
            hint="make a new plan; a plan is never edited",
        )

    @classmethod
    def not_of_its_make(cls, member: str) -> Self:
        """Only an edited plan says of itself what does not follow from what it does."""
        return cls(
            f"the plan's `{member}` is not what `plan` writes for what it does; nothing was written",
            hint="make a new plan; a plan is never edited",
        )

    @classmethod
    def check_failed(cls, check: str, count: int) -> Self:
        """A check before the end of a step did not hold."""
        return cls(
            f"{check} does not hold for {count} keys; the step was undone",
            hint="`attribute ingest rollback` undoes the steps before it; `verify` says more",
            exit_code=GATE,
        )

    @classmethod
    def empty(cls) -> Self:
        """Nothing to do is more often a mistake than a wish."""
        return cls("the plan would change nothing", hint="check the rows, or give --allow-empty")

    @classmethod
    def same_rule(cls) -> Self:
        """These weights are in force."""
        return cls("the plan would change nothing: the rule in force has these weights", hint="change the weights")

    @classmethod
    def no_steps(cls) -> Self:
        """The schema is the one of this release."""
        return cls(
            "the plan would change nothing: the database has every schema step of this release",
            hint="no plan is needed",
        )

    @classmethod
    def nothing_to_archive(cls, before: str) -> Self:
        """Every row of those days may still be needed, or there is none."""
        return cls(
            f"the plan would change nothing: no sealed row before {before} is outranked by a client's later one",
            hint="name a later day with --before",
        )

    @classmethod
    def bad_line(cls, where: str, number: int, what: str) -> Self:
        """A line of an input file."""
        return cls(f"{where}:{number}: {what}", hint="`attribute ingest plan backfill --help` shows a whole line")

    @classmethod
    def bad_export_line(cls, where: str, number: int, what: str) -> Self:
        """A line of an export that was damaged or is none."""
        return cls(
            f"{where}:{number}: {what}",
            hint="make it again with `attribute ingest export`, and keep every line of it",
        )

    @classmethod
    def unknown_device(cls, where: str, number: int) -> Self:
        """Rows can only be imported for devices that exist."""
        return cls(f"{where}:{number}: there is no such device", hint="issue it a token first")

    @classmethod
    def no_fact(cls, where: str, number: int) -> Self:
        """Only what holds can be corrected."""
        return cls(f"{where}:{number}: there is no fact under this key", hint="use `plan backfill` for new keys")

    @classmethod
    def no_such_plan(cls, plan_id: int) -> Self:
        """No plan of that number was applied here."""
        return cls(f"there is no plan {plan_id}", hint="`attribute ingest status` lists them")

    @classmethod
    def not_undone(cls, plan_id: int, why: str, *, hint: str) -> Self:
        """This plan has no inverse, or not any more."""
        return cls(f"plan {plan_id} cannot be rolled back: {why}", hint=hint)

    @classmethod
    def needs_archive(cls, why: str) -> Self:
        """The archive file is missing or is not the one planned."""
        return cls(f"the archive {why}", hint="give the file that `plan retention` wrote with --archive")

    @classmethod
    def not_empty(cls) -> Self:
        """Replay goes into an empty store alone."""
        return cls("the store is not empty", hint="replay into a new one")

    @classmethod
    def digest_differs(cls, expected: str, seen: str) -> Self:
        """The replayed store is not the exported one."""
        return cls(
            f"digest after replay is {seen}, the export says {expected}",
            hint="the export is damaged or incomplete; the new store was left as it is",
            exit_code=GATE,
        )

    @classmethod
    def plan_under_way(cls, plan_id: int) -> Self:
        """An export in the middle of a plan would export half of it."""
        return cls(f"plan {plan_id} is being applied", hint="finish it with `apply`, or undo it with `rollback`, first")
