"""Where the client looks for the controller."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tulle.api.place import api_socket
from tulle.errors import NotFound


def listen(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    return path


def test_variable_comes_first(tmp_path):
    listen(tmp_path / "api.sock")
    assert api_socket({"TULLE_API": "/somewhere/api.sock"}, tmp_path) == Path("/somewhere/api.sock")


def test_usual_place_comes_before_labs(tmp_path):
    listen(tmp_path / "labs/two/controller/api.sock")
    usual = listen(tmp_path / "api.sock")
    assert api_socket({}, tmp_path) == usual


def test_only_lab_is_found(tmp_path):
    lab = listen(tmp_path / "labs/two/controller/api.sock")
    assert api_socket({}, tmp_path) == lab


def test_several_labs_are_named(tmp_path):
    for name in ("one", "two"):
        listen(tmp_path / f"labs/{name}/controller/api.sock")
    with pytest.raises(NotFound, match=r"several labs run.*one.*two"):
        api_socket({}, tmp_path)


def test_nothing_found_says_what_was_tried(tmp_path):
    with pytest.raises(NotFound, match="no lab runs") as missing:
        api_socket({}, tmp_path)
    assert missing.value.code == "no-controller"
