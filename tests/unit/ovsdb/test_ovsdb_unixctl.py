"""The control socket over a real unix socket, with good and bad peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulle.errors import InvalidInput, TulleError
from tulle.ovsdb.unixctl import ControlServer, call

PATIENCE_S = 60


def refuse(_arguments: list[str]) -> str:
    raise InvalidInput("never")


def new_server(path: Path) -> ControlServer:
    server = ControlServer(path)
    server.register("join", "first [second]", lambda words: "+".join(words))
    server.register("refuse", "", refuse)
    return server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ControlServer]:
    server = new_server(tmp_path / "x.ctl")
    await server.start()
    yield server
    await server.close()


async def test_a_command_gets_its_arguments_and_answers(server: ControlServer) -> None:
    assert await call(server.path, "join", "a", "b") == "a+b"
    assert "join                    first [second]" in await call(server.path, "list-commands")


async def test_a_command_may_take_its_time_and_any_number_of_arguments(server: ControlServer) -> None:
    async def slow(words: list[str]) -> str:
        await asyncio.sleep(0)
        if not words:
            raise InvalidInput("words expected")
        return " ".join(words)

    server.register("slow", "[word...]", slow)
    assert await call(server.path, "slow", *"abcde") == "a b c d e"
    with pytest.raises(TulleError, match="words expected"):
        await call(server.path, "slow")


@pytest.mark.parametrize(
    ("method", "arguments", "said"),
    [
        ("nonsense", (), "not a valid command"),
        ("join", (), "takes: first"),
        ("join", ("a", "b", "c"), "takes: first"),
        ("refuse", (), "never"),
    ],
)
async def test_a_refusal_says_why(
    server: ControlServer, method: str, arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(TulleError, match=said):
        await call(server.path, method, *arguments)


@pytest.mark.parametrize("garbage", [b"\0" * 100, b"[1]", b'{"method":1}', b"nonsense", b'{"result":1}'])
async def test_garbage_ends_its_own_connection_only(server: ControlServer, garbage: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(server.path)
    writer.write(garbage)
    assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
    writer.close()
    assert await call(server.path, "join", "still") == "still"


async def test_the_socket_is_private_and_gone_after_closing(tmp_path: Path) -> None:
    server = new_server(tmp_path / "y.ctl")
    await server.start()
    assert server.path.stat().st_mode & 0o777 == 0o600
    await server.close()
    assert not server.path.exists()


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["join", "refuse", "list-commands", "x"]), json)
def test_any_arguments_are_answered_or_refused(method: str, arguments: object) -> None:
    try:
        answer = new_server(Path("/nowhere")).execute(method, arguments)
    except TulleError:
        return
    assert isinstance(answer, str)
