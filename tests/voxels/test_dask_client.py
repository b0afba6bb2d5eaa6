"""An address with a listener gets a client, one without a message; no scheduler is started."""

from __future__ import annotations

import socket
import sys
from contextlib import nullcontext

import pytest

from qsmstats.errors import UsageError
from qsmstats.voxels.dask_client import connected


@pytest.fixture
def closed_port():
    """Return a port of this machine that is taken and on which nobody listens."""
    pytest.importorskip("distributed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_an_address_at_which_somebody_listens_gets_a_client_that_is_closed(monkeypatch):
    distributed = pytest.importorskip("distributed")
    made = []

    class Client(nullcontext):
        def __init__(self, address, timeout):
            super().__init__()
            self.address = address

        def __exit__(self, *_):
            made.append("closed")

    monkeypatch.setattr(distributed, "Client", Client)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with connected(address) as client:
            assert client.address == address
            assert made == []
    assert made == ["closed"]


def connect(address):
    with connected(address) as client:
        return client


@pytest.mark.parametrize("scheme", ["tcp://", "tls://", ""])
def test_an_address_at_which_nobody_listens_makes_no_client(closed_port, scheme, monkeypatch):
    import distributed

    def refuse(*_, **__):
        raise AssertionError("a client was made")

    monkeypatch.setattr(distributed, "Client", refuse)
    address = f"{scheme}127.0.0.1:{closed_port}"
    with pytest.raises(UsageError, match=f"no dask scheduler answers at '{address}': .*refused"):
        connect(address)


@pytest.mark.parametrize("address", ["nowhere", "tcp://nowhere", "tcp://:8786", "8786"])
def test_an_address_without_host_or_port(address):
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match=r"host or port is missing; .* as tcp://host:port"):
        connect(address)


def test_a_port_that_is_no_number():
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="no dask scheduler answers at 'tcp://host:port': "):
        connect("tcp://host:port")


def test_without_distributed_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'qsmstats\[dask\]'"):
        connect("tcp://127.0.0.1:8786")


def test_without_an_address_work_stays_here():
    assert connect(None) is None
