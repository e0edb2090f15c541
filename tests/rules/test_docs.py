"""The pages say what the rules do, and their examples are rule files."""

from __future__ import annotations

import re
from pathlib import Path

from attribute.rules.catalogue import builtin, parse
from attribute.rules.examples import check_examples
from attribute.rules.patterns import TESTABLE
from tests.rules.page import PAGE, page

WRITING = Path(__file__).parents[2] / "docs" / "writing-rules.md"


def test_rules_page_is_made_from_the_catalogue() -> None:
    """The page is never behind the rules: `python -m tests.rules.page` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page(builtin())


def test_rule_file_of_the_docs_is_one_and_keeps_its_examples() -> None:
    """What the docs show can be copied."""
    blocks = re.findall(r"```toml\n(.*?)```", WRITING.read_text(encoding="utf-8"), flags=re.DOTALL)
    catalogue = parse(blocks[0], name="acme.toml")
    assert [rule.id for rule in catalogue.rules] == ["M1-1", "M1-2", "M1-3", "M1-4", "ACME-1"]
    assert len(catalogue.rules[-1].examples) == 2
    assert check_examples(catalogue) == ()
    head = 'version = "a/1"\n[[rule]]\nid = "A-1"\nclass = "vendor"\nsummary = "s"\n'
    assert (
        parse(f'{head}when = {{ upstream_status = ["5xx", "timeout"] }}\n{blocks[1]}', name="a.toml").rules[-1].reasons
    )


def test_every_word_of_the_vocabulary_is_in_the_docs() -> None:
    """Whoever writes a rule finds all fields and words on one page."""
    text = WRITING.read_text(encoding="utf-8")
    for testable in TESTABLE.values():
        assert f"`{testable.field}`" in text
        for word in testable.words:
            assert f"`{word}`" in text or word in {"2xx", "3xx", "4xx"}
