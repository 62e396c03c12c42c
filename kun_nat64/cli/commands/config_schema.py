"""`kun-nat64 config-schema`: its flags and its help."""

import typer

from kun_nat64.cli.command_line import app


@app.command("config-schema", epilog="Example: kun-nat64 config-schema > kun-nat64.schema.json")
def config_schema() -> None:
    """Print the JSON schema of the file, for editors."""
    from kun_nat64.config.load import schema

    typer.echo(schema())
