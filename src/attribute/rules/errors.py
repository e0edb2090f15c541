"""What a rule file may get wrong: one sentence each, with its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from attribute.m1.errors import AttributionError

FIELDS_HINT = "`attribute rules fields` lists them all"
EXAMPLE_HINT = "`attribute rules check --help` shows a whole rule file"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a rule file."""

    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.name}:{self.line}"


class RuleFileError(AttributionError):
    """A rule file that cannot be used."""

    @classmethod
    def not_toml(cls, place: Place, detail: str) -> RuleFileError:
        """Say where the text stops being TOML."""
        return cls(f"{place}: not TOML: {detail}", hint=EXAMPLE_HINT)

    @classmethod
    def too_large(cls, place: Place, what: str, count: int, maximum: int) -> RuleFileError:
        """Say which bound a file breaks."""
        return cls(f"{place}: {count} {what}, expected at most {maximum}", hint="split the catalogue by team or vendor")

    @classmethod
    def unknown_key(cls, place: Place, where: str, key: str, known: Iterable[str]) -> RuleFileError:
        """Say which key has no meaning there."""
        return cls(f"{place}: {where} has the unknown key {_quoted(key)}", hint=_did_you_mean(key, known))

    @classmethod
    def missing_key(cls, place: Place, where: str, key: str) -> RuleFileError:
        """Say which key is needed."""
        return cls(f"{place}: {where} has no `{key}`", hint=f"add `{key} = ...`; {EXAMPLE_HINT}")

    @classmethod
    def wrong_type(cls, place: Place, where: str, key: str, value: object, expected: str) -> RuleFileError:
        """Say which value is of the wrong kind."""
        return cls(f"{place}: {where} has {key} = {_short(value)}, expected {expected}")

    @classmethod
    def unknown_word(cls, place: Place, where: str, key: str, word: object, known: Iterable[str]) -> RuleFileError:
        """Say which word of a closed list is not in it."""
        known = tuple(known)
        return cls(
            f"{place}: {where} has {key} = {_short(word)}, expected one of {', '.join(known)}",
            hint=_did_you_mean(str(word), known, otherwise=None),
        )

    @classmethod
    def not_a_field(cls, place: Place, rule: str, key: str, known: Iterable[str]) -> RuleFileError:
        """Say which key of `when` is no M1 field."""
        return cls(
            f"{place}: rule {rule} tests {_quoted(key)}, which is not an M1 field",
            hint=_did_you_mean(key, known, otherwise=FIELDS_HINT, more=FIELDS_HINT),
        )

    @classmethod
    def field_not_testable(cls, place: Place, rule: str, key: str) -> RuleFileError:
        """Say which M1 field rules cannot look at."""
        return cls(
            f"{place}: rule {rule} tests `{key}`, which no rule can look at",
            hint=f"a verdict may not depend on when or for whom it is asked; {FIELDS_HINT}",
        )

    @classmethod
    def not_a_pattern(
        cls, place: Place, rule: str, key: str, pattern: object, *, expected: str, words: Iterable[str]
    ) -> RuleFileError:
        """Say which pattern a field does not know."""
        return cls(
            f"{place}: rule {rule} tests `{key}` for {_short(pattern)}, expected {expected}",
            hint=_did_you_mean(str(pattern), words, otherwise=FIELDS_HINT),
        )

    @classmethod
    def id_in_use(cls, place: Place, rule: str, owner: str, *, retired: bool) -> RuleFileError:
        """Say that an id is taken, for ever."""
        state = "retired" if retired else "in use"
        return cls(
            f"{place}: rule id {rule} is {state} in {owner}, expected a new id",
            hint=f'to change a rule, give yours an id of its own and `replaces = "{rule}"`',
        )

    @classmethod
    def reserved_id(cls, place: Place, rule: str) -> RuleFileError:
        """Say that a prefix belongs to the built-in rules."""
        return cls(
            f"{place}: rule id {rule} starts with `M1-`, which is kept for built-in rules",
            hint="use a prefix of your own, as in `ACME-1`",
        )

    @classmethod
    def no_such_rule(cls, place: Place, rule: str, key: str, target: str, known: Iterable[str]) -> RuleFileError:
        """Say that a rule points at another one that is not there."""
        return cls(
            f"{place}: rule {rule} has {key} = {_short(target)}, and no such rule is evaluated before this line",
            hint=_did_you_mean(target, known),
        )

    @classmethod
    def first_rule_stays_first(cls, place: Place, rule: str, key: str, first: str) -> RuleFileError:
        """Say that the rule against blame without evidence is not open to change."""
        return cls(
            f'{place}: rule {rule} has {key} = "{first}", and nothing may stand before that rule or in its place',
            hint="no evidence, no blame: a request whose upstream status was not seen stays UNKNOWN",
        )

    @classmethod
    def matches_everything(cls, place: Place, rule: str) -> RuleFileError:
        """Say that a rule has no condition."""
        return cls(f"{place}: rule {rule} has an empty `when`, expected at least one condition", hint=FIELDS_HINT)

    @classmethod
    def no_evidence(cls, place: Place, rule: str, class_: str, lacks: str, example: str) -> RuleFileError:
        """Say what a rule that convicts must have looked at."""
        return cls(
            f"{place}: rule {rule} says {class_} without evidence: {lacks}",
            hint=f"no evidence, no blame: add {example} to its `when`",
        )

    @classmethod
    def reason_of_other_class(cls, place: Place, rule: str, class_: str, reason: str, own: str) -> RuleFileError:
        """Say that a reason argues for another class."""
        return cls(
            f"{place}: rule {rule} says {class_} with the reason {reason}, which is a reason for {own}",
            hint="`user-rule` goes with every class",
        )

    @classmethod
    def example_not_a_record(cls, place: Place, where: str, field: str, why: str) -> RuleFileError:
        """Say which field of an example breaks the M1 record."""
        return cls(
            f"{place}: {where} is no M1 record: `{field}` is refused ({why})",
            hint="`attribute schema` prints the type and bounds of every field",
        )

    @classmethod
    def reasons_not_total(cls, place: Place, rule: str) -> RuleFileError:
        """Say that a match could be left without a reason."""
        return cls(
            f"{place}: rule {rule} has a condition on its last reason, so that a match could have none",
            hint="leave `when` out of the last reason",
        )


def shown(value: object) -> str:
    """Return a value of a file as it may stand in a message: one line of printable characters, at most 60."""
    text = "".join(character if character.isprintable() else "\ufffd" for character in str(value))
    return text if len(text) <= 60 else f"{text[:59]}…"


def _short(value: object) -> str:
    return shown(f'"{value}"' if isinstance(value, str) else value)


def _quoted(key: str) -> str:
    return "`" + _short(key).strip('"') + "`"


def _did_you_mean(
    word: str, known: Iterable[str], *, otherwise: str | None = "", more: str | None = None
) -> str | None:
    known = tuple(known)
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean `{near[0]}`?" + (f" {more}" if more else "")
    if otherwise == "":
        return f"known are {', '.join(f'`{name}`' for name in known)}"
    return otherwise
