"""`attribute schema`: the published shapes."""

from __future__ import annotations

import click

__all__ = ["schema"]


@click.command(help="Print the JSON Schema of a record, of the JSON output, or of the gate's.")
@click.option("--result", is_flag=True, help="The schema of `-o json` instead of that of a record.")
@click.option("--gate", is_flag=True, help="The schema of `attribute gate -o json`.")
def schema(*, result: bool, gate: bool) -> None:
    """Print one JSON Schema."""
    if result and gate:
        raise click.UsageError("`--result` and `--gate` are two schemas: give one of them")
    if not result and not gate:
        from attribute.m1.schema import schema_text

        click.echo(schema_text(), nl=False)
        return
    from attribute.reports.shipped import gate_schema_text, result_schema_text

    click.echo(gate_schema_text() if gate else result_schema_text(), nl=False)
