"""`tulle schema`: what editors check a network file by."""

from __future__ import annotations

import typer


def schema_text() -> str:
    """The JSON Schema of the network file, as it stands in docs/tulle.schema.json."""
    import orjson

    from tulle.logical import file_schema

    return orjson.dumps(file_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def schema() -> None:
    """Print the JSON Schema of the network file, by which editors check and complete it.

    tulle schema > tulle.schema.json
    """
    typer.echo(schema_text(), nl=False)


if __name__ == "__main__":
    schema()
