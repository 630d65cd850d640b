"""Sockets to listen on. What a whole process does is in tests/integration/test_process.py."""

import errno
import socket

import pytest

from llmctl.config.schema import ServerConfig
from llmctl.server.serve import listen


def on(host: str = "127.0.0.1", port: int = 0) -> ServerConfig:
    return ServerConfig(host=host, port=port)


def test_port_0_is_a_free_one() -> None:
    with listen(on()) as one, listen(on()) as other:
        assert 0 < one.getsockname()[1] != other.getsockname()[1] > 0


@pytest.mark.parametrize("reuse", [False, True])
def test_a_taken_port_is_an_os_error(reuse: bool) -> None:
    with listen(on()) as taken:
        taken.listen()
        with pytest.raises(OSError, match="in use") as caught:
            listen(on(port=taken.getsockname()[1]), reuse_port=reuse)
    assert caught.value.errno == errno.EADDRINUSE


def test_workers_share_a_port() -> None:
    with listen(on(), reuse_port=True) as one:
        one.listen()
        port = one.getsockname()[1]
        with listen(on(port=port), reuse_port=True) as other:
            other.listen()
            assert other.getsockname()[1] == port


def test_ipv6() -> None:
    try:
        sock = listen(on("::1"))
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    with sock:
        assert sock.family == socket.AF_INET6
        assert sock.getsockname()[0] == "::1"


def test_an_address_of_another_machine_is_an_os_error() -> None:
    with pytest.raises(OSError, match="assign"):
        listen(on("192.0.2.1"))
