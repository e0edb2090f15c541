"""Text as an attacker writes it into a log, for properties over every output."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

PAYLOADS = (
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b]52;c;aGk=\x07",
    "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "\x1bP1;2|x\x1b\\",
    "\x07",
    "\x9b31mred",
    "a\x08\x08b",
    "over\rwritten",
    "two\nlines",
    "tab\tbed",
    "\u202eevil\u202c",
    "\u2066x\u2069",
    "zero\u200bwidth\u200d\ufeff",
    "\U000e0041\U000e0042",
    "e" + "\u0301" * 2000,
    "\u0301starts with a mark",
    "\u2028line\u2029paragraph",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><!--",
    "<title>phpMyAdmin",
    "</script",
    "]]>",
    "&#106;avascript:",
    "a|b",
    "a\\|b",
    "`code`",
    "```\nfence",
    "](javascript:alert(1))",
    "@everyone #1 www.evil.example",
    "=HYPERLINK(1)",
    "+1",
    "-1+1",
    "@SUM(A1)",
    " =1",
    '"=1',
    "\ufeff=1",
    "\uff1d1",
    "','=cmd|x",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    "a;=1;b",
    '","=cmd|\' /C calc\'!A0","',
    "\x00",
    "::error::boom",
    "::stop-commands::x",
    "%0A::error::x",
    "back\\slash",
    "\\u{1b}",
    "\uffff\ufffe",
    "\u3164\u2800\u115f",
    "\ufe0f\U000e0100",
    "wide \uff21\u4e00",
    "NaN",
    "null",
    "-",
    "",
)

text = st.one_of(
    st.sampled_from(PAYLOADS),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
    st.lists(st.sampled_from(PAYLOADS), min_size=1, max_size=3).map("".join),
)
"""What JSON can bring into a record: anything but lone surrogates."""

any_text = st.one_of(text, st.text(max_size=20), st.just("\udc80\ud800"))
"""The same, and what a file name can bring."""


def acts(output: str, *, allowed: str = "\n") -> list[str]:
    """Return the characters of *output* on which a terminal or an eye's order of reading would act."""
    return [
        character
        for character in output
        if character not in allowed and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    ]
