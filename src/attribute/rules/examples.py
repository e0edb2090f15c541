"""The examples of rules are their tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from attribute.frames import RECORDS
from attribute.m1.decode import Record, decode
from attribute.rules.compile import compile_rules
from attribute.rules.model import EXAMPLE_BASE, Catalogue, Example, Rule
from attribute.rules.thresholds import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleFailure:
    """
    An example that its rule does not keep.

    Attributes:
        rule: the rule's id.
        name: the file.
        line: the example's line.
        expected: what the example says.
        got: what the rule says.
    """

    rule: str
    name: str
    line: int
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.name}:{self.line}: example of rule {self.rule}: expected {self.expected}, got {self.got}"


def check_examples(catalogue: Catalogue, thresholds: Thresholds | None = None) -> tuple[ExampleFailure, ...]:
    """
    Return the examples that do not come out as they say, in order of rules.

    A rule *matches* a record that is failing or slow and of which all its conditions hold. An example with a `reason`
    also says that this rule decides, with this reason.
    """
    compiled = compile_rules(catalogue, thresholds or Thresholds())
    cases = [(rule, example) for rule in catalogue.rules for example in rule.examples]
    answers = _frame([example for _, example in cases]).select(compiled.verdict).to_dicts()
    failures = []
    for (rule, example), answer in zip(cases, answers, strict=True):
        expected, got = _compare(rule, example, answer)
        if expected != got:
            failures.append(ExampleFailure(rule=rule.id, name=rule.name, line=example.line, expected=expected, got=got))
    return tuple(failures)


def _compare(rule: Rule, example: Example, answer: Mapping[str, object]) -> tuple[str, str]:
    also = answer["also_matched"]
    if not isinstance(also, list):
        raise TypeError("`also_matched` is a list")
    matches = rule.id == answer["rule"] or rule.id in also
    expected, got = _word(example.matches), _word(matches)
    if example.matches and matches and example.reason is not None:
        expected = f"{rule.id} to decide with {example.reason}"
        got = f"{answer['rule']} to decide with {answer['reason']}"
    return expected, got


def _word(matches: bool) -> str:
    return "match" if matches else "no-match"


def _frame(examples: Sequence[Example]) -> pl.DataFrame:
    rows = []
    for example in examples:
        record = decode({**EXAMPLE_BASE, **example.record})
        if not isinstance(record, Record):
            raise TypeError("a file whose examples are no records is refused when it is read")
        rows.append({"at" if name == "at_us" else name: value for name, value in record._asdict().items()})
    columns = {name: [row[name] for row in rows] for name in RECORDS}
    return pl.DataFrame(
        [pl.Series(name, columns[name], dtype=pl.Int64 if name == "at" else dtype) for name, dtype in RECORDS.items()]
    ).with_columns(pl.col("at").cast(RECORDS["at"]))
