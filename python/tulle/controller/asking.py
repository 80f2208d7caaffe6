"""Asks agents: writes a row of `Question`, waits until it is answered, and removes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tulle import store
from tulle.errors import TulleError, Unavailable
from tulle.ovsdb import Change
from tulle.store import Question, Row, Writer

from .stores import Store

Document = dict[str, Any]
TIMEOUT_S: Final = 10.0


class Asker:
    """`new_id` gives ids of questions."""

    def __init__(self, state: Store, new_id: Callable[[], str]) -> None:
        self._database = state
        self._new_id = new_id

    async def ask(
        self, node: str, kind: str, arguments: Document | None = None, timeout_s: float = TIMEOUT_S
    ) -> Document:
        """The answer of one node's agent; Unavailable when there is none in time, or when the agent cannot give one."""
        question = Question(self._new_id(), node, kind, arguments or {})
        writer = Writer(self._database.schema)
        store.write_question(writer, question)
        row = await answered_row(
            self._database, writer, "Question", question.id, asked="asked", timeout_s=timeout_s
        )
        if row is None:
            raise Unavailable(f"node {node} did not answer within {timeout_s:g} s")
        answer = store.answer_of(row)
        if isinstance(answer, str):
            raise Unavailable(f"node {node}: {answer}")
        return answer

    async def ask_all(
        self,
        nodes: Iterable[str],
        kind: str,
        arguments: Document | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Mapping[str, Document | TulleError]:
        """The answers of several nodes at once; an error in place of an answer that is missing."""
        names = list(nodes)
        questions = [self.ask(name, kind, arguments, timeout_s) for name in names]
        answers = await asyncio.gather(*questions, return_exceptions=True)
        out: dict[str, Document | TulleError] = {}
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, BaseException) and not isinstance(answer, TulleError):
                raise answer
            out[name] = answer
        return out


async def answered_row(
    database: Store, writer: Writer, table: str, id: str, *, asked: str, timeout_s: float
) -> Row | None:
    """The row of `table` with this id, which `writer` makes, once its status is not `asked` any more.

    None when that is not so in time.  The row is removed in any case.  Unavailable when somebody else has removed it.
    """
    rows, answered = store.source(database), asyncio.Event()

    def note(changes: list[Change]) -> None:
        for change in changes:
            row = change.new or change.old
            if change.table != table or row is None or row["id"] != id:
                continue
            if change.new is None or change.new["status"] != asked:
                answered.set()

    end = database.subscribe(note)
    try:
        await database.transact(writer.operations)
        async with asyncio.timeout(timeout_s):
            await answered.wait()
        found = next((row for row in rows(table) if row["id"] == id), None)
        if found is None:
            raise Unavailable(f"somebody deleted the row of {table}")
        return found
    except TimeoutError:
        return None
    finally:
        end()
        await _remove(database, table, id)


async def _remove(database: Store, table: str, id: str) -> None:
    writer = Writer(database.schema)
    for row in store.source(database)(table):
        if row["id"] == id:
            writer.delete(table, row)
    if writer.operations:
        await database.transact(writer.operations)
