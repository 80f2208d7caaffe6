"""Asks agents: writes a row of `Question`, waits until it is answered, and removes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tulle import store
from tulle.errors import TulleError, Unavailable
from tulle.ovsdb import Change
from tulle.store import Question, Writer

from .stores import Store

Document = dict[str, Any]
TIMEOUT_S: Final = 10.0


class Asker:
    """`new_id` gives ids of questions."""

    def __init__(self, state: Store, new_id: Callable[[], str]) -> None:
        self._database = state
        self._rows = store.source(state)
        self._new_id = new_id

    async def ask(
        self, node: str, kind: str, arguments: Document | None = None, timeout_s: float = TIMEOUT_S
    ) -> Document:
        """The answer of one node's agent; Unavailable when there is none in time, or when the agent cannot give one."""
        question = Question(self._new_id(), node, kind, arguments or {})
        writer = Writer(self._database.schema)
        store.write_question(writer, question)
        answered = asyncio.Event()
        end = self._database.subscribe(lambda changes: _note_answer(changes, question.id, answered))
        try:
            await self._database.transact(writer.operations)
            async with asyncio.timeout(timeout_s):
                await answered.wait()
            answer = self._answer(question.id)
        except TimeoutError:
            raise Unavailable(f"node {node} did not answer within {timeout_s:g} s") from None
        finally:
            end()
            await self._forget(question.id)
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

    def _answer(self, id: str) -> Document | str:
        for row in self._rows("Question"):
            if row["id"] == id:
                return store.answer_of(row)
        return "somebody deleted the question"

    async def _forget(self, id: str) -> None:
        writer = Writer(self._database.schema)
        for row in self._rows("Question"):
            if row["id"] == id:
                writer.delete("Question", row)
        if writer.operations:
            await self._database.transact(writer.operations)


def _note_answer(changes: list[Change], id: str, answered: asyncio.Event) -> None:
    for change in changes:
        row = change.new or change.old
        if change.table != "Question" or row is None or row["id"] != id:
            continue
        if change.new is None or change.new["status"] != "asked":
            answered.set()
