"""Counts the connections in the backlog of a unix socket, by sock_diag(7)."""

import os
import socket
import struct

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST = 1  # NLM_F_REQUEST
_SHOW_RQLEN = 0x10  # UDIAG_SHOW_RQLEN
_RQLEN = 4  # UNIX_DIAG_RQLEN, the attribute with the length of the queue
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_DIAG_REQUEST = struct.Struct("=BBHIIIII")  # unix_diag_req
_DIAG_MESSAGE = struct.Struct("=BBBBIII")  # unix_diag_msg
_ATTRIBUTE = struct.Struct("=HH")
_LENGTHS = struct.Struct("=II")  # of the queue, and its maximum
_TIMEOUT_S = 0.2
_ANY = 0xFFFFFFFF


def count(listener: socket.socket) -> int | None:
    """Connections that have not been accepted; None if the system does not support this."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as netlink:
            netlink.settimeout(_TIMEOUT_S)
            request = _DIAG_REQUEST.pack(
                socket.AF_UNIX, 0, 0, _ANY, os.fstat(listener.fileno()).st_ino, _SHOW_RQLEN, _ANY, _ANY
            )
            netlink.send(_HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _REQUEST, 1, 0) + request)
            return _length(netlink.recv(4096))
    except (OSError, struct.error):
        return None


def _length(response: bytes) -> int | None:
    _, kind, *_ = _HEADER.unpack_from(response)
    if kind != _BY_FAMILY:
        return None
    at = _HEADER.size + _DIAG_MESSAGE.size
    while at + _ATTRIBUTE.size <= len(response):
        size, attribute = _ATTRIBUTE.unpack_from(response, at)
        if attribute == _RQLEN:
            return int(_LENGTHS.unpack_from(response, at + _ATTRIBUTE.size)[0])
        at += max(_ATTRIBUTE.size, (size + 3) & ~3)
    return None
