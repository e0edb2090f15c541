"""`attribute schema`: the published shapes."""

from __future__ import annotations

import click

__all__ = ["schema"]


@click.command(help="Print the JSON Schema of a record, of the JSON output, or of the gate's.")
@click.option("--result", "of", flag_value="result", help="The schema of `-o json` instead of that of a record.")
@click.option("--gate", "of", flag_value="gate", help="The schema of `attribute gate -o json`.")
def schema(*, of: str | None) -> None:
    """Print one JSON Schema."""
    if of is None:
        from attribute.m1.schema import schema_text

        click.echo(schema_text(), nl=False)
        return
    from attribute.reports.shipped import gate_schema_text, result_schema_text

    click.echo(gate_schema_text() if of == "gate" else result_schema_text(), nl=False)
