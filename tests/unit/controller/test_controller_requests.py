"""What a request may say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from controller_fixture import finish

from tulle.controller.http_base import body
from tulle.controller.http_networks import ApplyRequest
from tulle.errors import InvalidInput


def read(**given: Any) -> ApplyRequest:
    async def sent() -> bytes:
        return orjson.dumps({"text": "", **given})

    request: Any = SimpleNamespace(read=sent, method="POST", path="/v1/apply")
    return finish(body(request, ApplyRequest))


@pytest.mark.parametrize("name", ["message", "filename"])
def test_what_the_history_keeps_is_at_most_a_thousand_characters(name: str) -> None:
    assert getattr(read(**{name: "é" * 1000}), name) == "é" * 1000
    with pytest.raises(InvalidInput, match=rf"length <= 1000 - at `\$.{name}`"):
        read(**{name: "x" * 1001})
