"""Where requests may go, and that the address that was checked is the one connected to."""

import socket
from ipaddress import ip_address

import pytest

from notifier.transport.address_guard import (
    PrivateAddress,
    connect,
    is_allowed,
    is_public,
    literal_address,
)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
    ],
)
def test_an_address_that_is_not_global_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "93.184.215.14",
        "2606:4700:4700::1111",
        "::ffff:93.184.215.14",
        "64:ff9b::5db8:d70e",
        "2002:5db8:d70e::1",
    ],
)
def test_a_global_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "127.1",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "::1",
        "fe80::1%eth0",
    ],
)
def test_each_way_to_spell_a_private_address_is_seen_through(host: str) -> None:
    literal = literal_address(host)
    assert literal is not None
    assert not is_public(literal)


def test_a_name_is_no_address() -> None:
    assert literal_address("news.example.org") is None


def test_an_entry_without_port_allows_each_and_one_with_port_that_alone() -> None:
    assert is_allowed("Intra.Example", 8443, {"intra.example"})
    assert is_allowed("intra.example", 8443, {"intra.example:8443"})
    assert not is_allowed("intra.example", 443, {"intra.example:8443"})
    assert not is_allowed("sub.intra.example", 8443, {"intra.example"})
    assert is_allowed("[::1]", 80, {"[::1]:80"})
    assert is_allowed("::1", 80, {"::1"})


class Resolver:
    """Answers each look-up with the next of its addresses."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int, **kwargs: object) -> list[object]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self.answers.pop(0)
        ]


def test_a_name_that_resolves_to_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(["127.0.0.1", "10.0.0.1"]))
    with pytest.raises(PrivateAddress):
        connect("rebound.example", 80, allow_hosts=frozenset(), timeout=1)


def test_the_name_is_resolved_once_and_only_public_addresses_are_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[object] = []

    def note(self: socket.socket, where: object) -> None:
        tried.append(where)
        raise ConnectionRefusedError

    # a second look-up would find nothing
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(["127.0.0.1", "93.184.215.14"]))
    monkeypatch.setattr(socket.socket, "connect", note)
    with pytest.raises(ConnectionRefusedError):
        connect("rebound.example", 80, allow_hosts=frozenset(), timeout=1)
    assert tried == [("93.184.215.14", 80)]


def test_an_allowed_host_is_reached_by_its_private_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", Resolver(["127.0.0.1"]))
        connect("intra.example", port, allow_hosts={f"intra.example:{port}"}, timeout=1).close()


def test_a_host_that_cannot_be_a_name_is_an_error_of_the_network() -> None:
    with pytest.raises(OSError, match="not a host name"):
        connect("a" * 70 + ".example", 80, allow_hosts=frozenset(), timeout=1)
