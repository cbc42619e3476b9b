"""Headers and tokens, as both protocols send them; and no secret in anything that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as pb

from triton_deploy_core.errors import InvalidSettingError, RequestRefusedError
from triton_deploy_transport.access import Access, parse_headers

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "c4n4ry-secret"
LIVE = pb.ServerLiveResponse(live=True).SerializeToString()


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("", ()),
        ("X-Api-Key=abc", (("X-Api-Key", "abc"),)),
        (" a = 1 , b=x=y, ", (("a", "1"), ("b", "x=y"))),
        ("a=1%2C2%25", (("a", "1,2%"),)),
    ],
)
def test_headers(text: str, headers: Any) -> None:
    assert parse_headers(text) == headers
    Access(headers=headers)


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"={CANARY}",
        f"a b={CANARY}",
        "a=",
        f"a={CANARY}%0D%0Ab: c",
        f"a={CANARY}\u00e4",
        f"Content-Length={CANARY}",
        f"grpc-timeout={CANARY}",
        f"key-bin={CANARY}",
    ],
)
def test_headers_that_cannot_be_sent(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_headers(text)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"tls_key": "key.pem"},
        {"headers": (("host", CANARY),)},
        {"token": f"{CANARY} two"},
        {"token": ""},
        {"token": f"{CANARY}\r\nX: y"},
    ],
)
def test_what_makes_no_access(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        Access(**given)
    assert CANARY not in str(caught.value)


def test_a_file_s_token_goes_first_and_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "token"
    access = Access(
        headers=(("Authorization", "Basic x"), ("X-A", "1")), token="t", token_file=str(file)
    )
    for token in ("one", "two"):
        file.write_text(f"{token}\n")
        assert access.request_headers() == {"authorization": f"Bearer {token}", "x-a": "1"}


@pytest.mark.parametrize("content", [b"", b"\n", CANARY.encode() + b" two", b"\xff"])
def test_a_file_without_a_token(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(InvalidSettingError, match=r"token_file '.*token' holds no token") as caught:
        Access(token_file=str(file)).request_headers()
    assert CANARY not in str(caught.value)


def test_a_token_file_that_is_not_there(tmp_path: Path, grpc_connected: Any) -> None:
    server = grpc_connected("grpc://h:1", access=Access(token_file=str(tmp_path / "no")))
    with pytest.raises(InvalidSettingError, match="No such file"):
        server.is_live()


def test_both_protocols_send_the_same(
    answering: Any, raw_server: Any, connected: Any, request_reader: Any, reply_bytes: Any
) -> None:
    access = Access(headers=(("X-Api-Key", "k"),), token=CANARY)
    heard: list[dict[str, str]] = []

    def answer(_request: bytes, context: Any) -> bytes:
        heard.append(dict(context.invocation_metadata()))
        return LIVE

    def behave(connection: Any) -> None:
        lines = request_reader(connection).decode().split("\r\n")[1:]
        heard.append(dict(line.split(": ", 1) for line in lines if line))
        connection.sendall(reply_bytes(200))

    assert answering(answer, access=access).is_live()
    assert connected(raw_server(behave), access=access).is_live()
    for headers in heard:
        assert headers["authorization"] == f"Bearer {CANARY}"
        assert headers["x-api-key"] == "k"


def test_no_secret_is_shown(answering: Any, saying: Any, capfd: Any, caplog: Any) -> None:
    access = Access(headers=(("x-key", CANARY),), token=CANARY)
    assert CANARY not in repr(access)
    shown = [str(access)]

    def refuse(_request: bytes, context: Any) -> bytes:
        return context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

    with caplog.at_level("DEBUG"), pytest.raises(RequestRefusedError) as caught:
        answering(refuse, access=access).is_live()
    shown += [repr(caught.value), repr(caught.value.__cause__), caplog.text, *capfd.readouterr()]
    assert CANARY not in "".join(shown)
