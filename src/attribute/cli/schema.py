"""`attribute schema`: the published shapes."""

from __future__ import annotations

import click

__all__ = ["schema"]


@click.command(help="Print the JSON Schema of a record, or of the JSON output.")
@click.option("--result", is_flag=True, help="The schema of `-o json` instead of that of a record.")
def schema(*, result: bool) -> None:
    """Print one JSON Schema."""
    if result:
        from attribute.reports.shipped import result_schema_text

        click.echo(result_schema_text(), nl=False)
        return
    from attribute.m1.schema import schema_text

    click.echo(schema_text(), nl=False)
