"""
The table of commands. A new command is one line here and one module beside this one.

The short help stands here, so that `attribute --help` and completion import none of the modules.
"""

from __future__ import annotations

from typing import Final, NamedTuple

DEFAULT: Final = "analyze"
"""What runs when the first argument is no command: the arguments are paths and options of this one."""


class Entry(NamedTuple):
    """
    One command.

    Attributes:
        target: `module:attribute` of its click command, imported when it runs.
        summary: one line for the list of commands.
    """

    target: str
    summary: str


COMMANDS: Final[dict[str, Entry]] = {
    "analyze": Entry(
        "attribute.cli.analyze:analyze", "Say whose failures the logs show (runs when no command is named)."
    ),
    "explain": Entry("attribute.cli.explain:explain", "Say why a request, a class or an incident is what it is."),
    "watch": Entry("attribute.cli.watch:watch", "Follow logs: draw the answer anew when they grow."),
    "report": Entry("attribute.cli.report:report", "Write the report of an incident, or of a week."),
    "escalate": Entry("attribute.cli.escalate:escalate", "Make the package for the vendor's support."),
    "rules": Entry("attribute.cli.rules:rules", "List, show and check rules; see what a change of them would do."),
    "calibrate": Entry("attribute.cli.calibrate:calibrate", "Propose limits for each function from logs."),
    "gate": Entry("attribute.cli.gate:gate", "Fail when UNKNOWN is unusually frequent, or a limit is exceeded."),
    "baseline": Entry("attribute.cli.baseline:baseline", "Build, show and check what the gate compares with."),
    "demo": Entry("attribute.cli.demo:demo", "Start a service and a vendor, break them, and check every verdict."),
    "ingest": Entry("attribute.cli.ingest:ingest", "Run the ingest service: serve, tokens, plans, a vendor to fail."),
    "cache": Entry("attribute.cli.cache:cache", "Show or delete what was kept of logs that were read."),
    "schema": Entry(
        "attribute.cli.schema:schema", "Print the JSON Schema of a record, of the JSON output, or of the gate's."
    ),
    "config": Entry("attribute.cli.config_command:config", "Show every setting and where it comes from."),
    "completion": Entry("attribute.cli.completion:completion", "Print the completion script for a shell."),
}
