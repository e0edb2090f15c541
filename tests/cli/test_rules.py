from __future__ import annotations

import json
import tomllib
from pathlib import Path

from tests.cli.conftest import OURS, CommandLine, record


def test_rules_list_names_every_rule_in_order_with_version_and_hash(attribute: CommandLine, ours: Path) -> None:
    """Which rules gave the verdicts can be read and compared."""
    lines = attribute("rules", "list").out.splitlines()
    assert lines[0].startswith("rules m1/1  sha256 ")
    assert [line.split()[:2] for line in lines[1:]] == [
        ["M1-1", "UNKNOWN"],
        ["M1-2", "vendor"],
        ["M1-3", "application"],
        ["M1-4", "application-bottleneck"],
    ]
    document = json.loads(attribute("rules", "list", "--json", "--rules", "ours.toml").out)
    assert document["version"] == "m1/1+acme/1"
    assert [rule["id"] for rule in document["rules"]] == ["M1-1", "M1-2", "M1-3", "M1-4", "ACME-1"]


def test_rules_show_prints_the_whole_argument(attribute: CommandLine, ours: Path) -> None:
    """What it asks, why, where it is blind, and its examples; ids in any case, with a suggestion for a slip."""
    shown = attribute("rules", "show", "m1-2").out
    for part in ("when    upstream_status is 5xx or timeout and status is 5xx", "why     ", "blind   ", "no-match"):
        assert part in shown
    assert "ACME-1  vendor" in attribute("rules", "show", "ACME-1", "--rules", "ours.toml").out
    slip = attribute("rules", "show", "M1-22")
    assert slip.code == 2
    assert "did you mean `M1-2`?" in slip.err


def test_rules_check_holds_every_example(attribute: CommandLine, ours: Path) -> None:
    """A rule file is tested by its own examples before it judges anything."""
    assert attribute("rules", "check", "ours.toml").out.endswith(": ok\n")
    ours.write_text(OURS.replace("upstream_status = 429 }", "upstream_status = 500 }"))
    done = attribute("rules", "check", "ours.toml")
    assert done.code == 2
    assert "ours.toml:12: example of rule ACME-1: expected match, got no-match" in done.out
    ours.write_text(OURS.replace('"5xx"', '"6xx"'))
    broken = attribute("rules", "check", "ours.toml")
    assert (broken.code, broken.out) == (2, "")
    assert "ours.toml:" in broken.err


def test_rules_fields_lists_what_rules_may_test(attribute: CommandLine) -> None:
    """Every field of the closed vocabulary, with what it may be tested for."""
    names = [line.split()[0] for line in attribute("rules", "fields").out.splitlines()]
    assert names[:4] == ["upstream_status", "status", "latency_ms", "upstream_latency_ms"]


def test_rules_diff_counts_every_verdict_that_would_change(attribute: CommandLine, ours: Path, logs: Path) -> None:
    """A change of meaning is known, by count and example, before anybody adopts it."""
    (logs / "more.log").write_text(record(900, request_id="throttled", status=503, upstream_status=429))
    done = attribute("rules", "diff", "builtin", "ours.toml", "logs")
    assert (done.code, done.err) == (0, "")
    assert "1 of 61 incident requests would change\n" in done.out
    assert "UNKNOWN (no rule, upstream-429) -> vendor (ACME-1, user-rule)" in done.out
    assert "throttled  quote  2026-11-16 02:15:00 UTC" in done.out
    document = json.loads(attribute("rules", "diff", "builtin", "ours.toml", "logs", "--json").out)
    assert (document["compared"], document["changed"], document["class_changed"]) == (61, 1, 1)
    assert attribute("rules", "diff", "builtin", "builtin", "logs").out.endswith("0 of them their class\n")


def test_rules_diff_refuses_a_third_set_of_rules(attribute: CommandLine, ours: Path, logs: Path) -> None:
    """What has no part in the comparison is not accepted in silence."""
    done = attribute("rules", "diff", "builtin", "ours.toml", "logs", "--rules", "ours.toml")
    assert (done.code, done.out) == (2, "")
    assert done.err == "attribute: error: `rules diff` compares OLD with NEW: `--rules` has no part in it\n"


def test_rules_diff_lists_no_option_that_it_refuses(attribute: CommandLine) -> None:
    """Help shows what can be asked, and completion offers nothing else."""
    listed = attribute("rules", "diff", "--help").out
    assert "--rules" not in listed
    assert "--config" in listed


def test_calibrate_prints_a_configuration_that_can_be_adopted(attribute: CommandLine, home: Path) -> None:
    """The proposal is a valid configuration file, and nothing is adopted by itself."""
    (home / "slow.log").write_text("\n".join(record(number, latency_ms=3000 + number % 50) for number in range(2000)))
    done = attribute("calibrate", "slow.log")
    assert (done.code, done.err) == (0, "")
    assert tomllib.loads(done.out) == {"functions": {"quote": {"slow_ms": 5000}}}
    assert not (home / "attribute.toml").exists()
    (home / "attribute.toml").write_text(done.out)
    assert "functions.quote.slow_ms" in attribute("config", "show").out
    (home / "nothing.log").write_text("")
    assert attribute("calibrate", "nothing.log").code == 4
