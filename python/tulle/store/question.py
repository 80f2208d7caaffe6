"""Questions to agents: asked by the controller in a row of `Question`, answered by the node's agent in the same row.

`arguments` and `answer` are JSON objects; a failed question has a sentence as its answer.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from msgspec import Struct

from tulle.errors import ProtocolError

from .writer import Row, Source, Writer

ANSWER_BYTES_MAX: Final = 8 << 20


class Question(Struct, frozen=True):
    """What `node` is asked: `kind` is one of those that agents know, `arguments` go with it."""

    id: str
    node: str
    kind: str
    arguments: dict[str, Any]


def write_question(writer: Writer, question: Question) -> None:
    """Operations that ask."""
    values = {
        "id": question.id,
        "node": question.node,
        "kind": question.kind,
        "arguments": orjson.dumps(question.arguments).decode(),
    }
    writer.insert("Question", {**values, "status": "asked", "answer": ""})


def questions(source: Source, node: str) -> tuple[Question, ...]:
    """The questions that wait for this node; rows that make no sense are left out."""
    waiting = [row for row in source("Question") if row["node"] == node and row["status"] == "asked"]
    return tuple(one for row in waiting if (one := _question(row)) is not None)


def write_answer(writer: Writer, source: Source, id: str, answer: dict[str, Any] | str) -> None:
    """Operations that answer a question; a text says why there is no answer."""
    text = answer if isinstance(answer, str) else orjson.dumps(answer).decode()
    if len(text) > ANSWER_BYTES_MAX:
        answer = text = f"the answer has {len(text)} bytes, {ANSWER_BYTES_MAX} is the limit; ask for less"
    status = "failed" if isinstance(answer, str) else "answered"
    for row in source("Question"):
        if row["id"] == id:
            writer.update("Question", row, {"status": status, "answer": text})


def answer_of(row: Row) -> dict[str, Any] | str:
    """The answer in a row that is not `asked` any more, or why there is none; raises ProtocolError."""
    if row["status"] == "failed":
        return str(row["answer"])
    try:
        answer = orjson.loads(row["answer"])
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"node {row['node']} answered with something else: {error}") from None
    if not isinstance(answer, dict):
        raise ProtocolError(f"node {row['node']} answered with something else: {str(answer)[:100]}")
    return answer


def _question(row: Row) -> Question | None:
    try:
        arguments = orjson.loads(row["arguments"])
    except orjson.JSONDecodeError:
        return None
    if not isinstance(arguments, dict):
        return None
    return Question(row["id"], row["node"], row["kind"], arguments)
