"""Connects to a dask scheduler, whose workers replace the processes of this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from qsmstats.errors import UsageError

__all__ = ["connected"]

# Seconds: for a scheduler to accept a connection, and for it to answer on a busy machine.
KNOCK, ANSWER = 10, 60


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Connect to a dask scheduler, or yield None where work stays on this machine.

    Parameters
    ----------
    address
        ``tcp://host:port``, ``tls://host:port`` or ``host:port``; or None.

    Yields
    ------
    distributed.Client or None

    Raises
    ------
    UsageError
        If distributed is not installed, or no scheduler answers.
    """
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        message = "--dask needs the extra: pip install 'qsmstats[dask]'"
        raise UsageError(message) from error
    try:
        _knock(address)
        client = Client(address, timeout=ANSWER)  # type: ignore[no-untyped-call]  # unannotated
    except (OSError, ValueError) as error:
        message = (
            f"no dask scheduler answers at '{address}': {error}; start one and give its address "
            "as tcp://host:port"
        )
        raise UsageError(message) from error
    with client:
        yield client


def _knock(address: str) -> None:
    """Raise unless something listens at an address.

    A client that cannot connect remains half constructed, and its removal from memory may block
    the next one for ever; so none is constructed before.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.hostname is None or parts.port is None:
        message = "host or port is missing"
        raise ValueError(message)
    socket.create_connection((parts.hostname, parts.port), timeout=KNOCK).close()
