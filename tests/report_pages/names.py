"""Names as an attacker writes them into a log, and packs of them that go into one report together."""

from __future__ import annotations

from tests.reports.hostile import PAYLOADS

MORE = (
    "'",
    "</style><script>x</script>",
    "<base href=//evil>",
    '<meta http-equiv="refresh" content="0;url=//evil">',
    "<svg onload=x><math>",
    "url(//evil) expression(x)",
    "x onmouseover=alert(1) y",
    "![x](http://evil.example/p.png)",
    "<details open>",
    "[^1]: note",
    "# heading",
    "> quote",
    "- item",
    "1. item",
    "---",
    "| --- | --- |",
    "<!-- comment -->",
    "https://evil.example/x",
    "evil@example.com",
    "{{ 7 * 7 }}{% raw %}",
    "W" * 128,
    "*bold* _it_ ~no~",
    "$(rm -rf /)`id`",
    "<https://evil.example>",
    "&lt;b&gt;&amp;",
    ":tada: GH-1 #1 a/b#2",
)
NAMES = tuple(dict.fromkeys(name[:128] for name in (*PAYLOADS, *MORE) if name.strip()))
AT_ONCE = 8
PACKS = tuple((NAMES + NAMES[:AT_ONCE])[n : n + AT_ONCE] for n in range(0, len(NAMES), AT_ONCE))
CALM = tuple(f"calm{number}" for number in range(AT_ONCE))
