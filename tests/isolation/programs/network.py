"""Attempts to talk to somebody outside, or to hear what they say."""

import errno
import os
import socket

from attempt import Stopped, attempt, call, main

AF_ALG, AF_CAN, AF_BLUETOOTH, AF_KEY, AF_RDS, AF_TIPC, AF_VSOCK, AF_XDP, AF_QIPCRTR = 38, 29, 31, 15, 21, 30, 40, 44, 42
NETLINK = {"audit": 9, "connector": 11, "generic": 16, "kobject_uevent": 15, "netfilter": 12, "sock_diag": 4, "xfrm": 6}
FAMILIES = {
    "alg": (AF_ALG, socket.SOCK_SEQPACKET, 0),
    "bluetooth": (AF_BLUETOOTH, socket.SOCK_RAW, 1),
    "can": (AF_CAN, socket.SOCK_RAW, 1),
    "key": (AF_KEY, socket.SOCK_RAW, 2),
    "packet": (socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
    "qipcrtr": (AF_QIPCRTR, socket.SOCK_DGRAM, 0),
    "rds": (AF_RDS, socket.SOCK_SEQPACKET, 0),
    "raw": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "raw6": (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
    "tipc": (AF_TIPC, socket.SOCK_RDM, 0),
    "vsock": (AF_VSOCK, socket.SOCK_STREAM, 0),
    "xdp": (AF_XDP, socket.SOCK_RAW, 0),
    **{f"netlink_{name}": (socket.AF_NETLINK, socket.SOCK_RAW, protocol) for name, protocol in NETLINK.items()},
}


@attempt(errno.ECONNREFUSED)
def connect_to_port(port):
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5):
        return "connected"


@attempt(errno.ENETUNREACH)
def find_a_way(address):
    """Has the kernel choose a way to an address. Connecting a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.connect((address, 9))
        return f"from {datagram.getsockname()}"


@attempt(errno.ECONNREFUSED, errno.EPERM)
def connect_to_name(name):
    """A Unix socket of the abstract name space."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(f"\0{name}")
        return "connected"


@attempt(errno.ENOENT, errno.EACCES)
def connect_to_path(path):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)
        return "connected"


@attempt()
def see_interfaces():
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    if not others:
        raise Stopped("there is no other interface")
    return others


@attempt(errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT)
def open_socket(family):
    """By the bare call: a library could look at the family itself."""
    try:
        return call("socket", *FAMILIES[family])
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
            if error.errno == errno.EPROTONOSUPPORT:
                raise OSError(errno.EAFNOSUPPORT, "no such protocol")
            raise
        return f"the family answers {errno.errorcode[error.errno]}"


@attempt(errno.EPERM, errno.ENOSYS)
def open_pair(family):
    """Another call that makes sockets of a family, if only to find that it knows no pairs."""
    import ctypes

    number, kind, protocol = FAMILIES[family]
    try:
        call("socketpair", number, kind, protocol, (ctypes.c_int * 2)())
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOSYS):
            raise
        return f"the family answers {errno.errorcode[error.errno]}"
    return "a pair"


IPPROTO_DCCP, IPPROTO_L2TP, IPPROTO_SCTP, IPPROTO_MPTCP, SOCK_DCCP = 33, 115, 132, 262, 6
PROTOCOLS = {
    "dccp": (SOCK_DCCP, IPPROTO_DCCP),
    "l2tp": (socket.SOCK_DGRAM, IPPROTO_L2TP),
    "mptcp": (socket.SOCK_STREAM, IPPROTO_MPTCP),
    "sctp": (socket.SOCK_SEQPACKET, IPPROTO_SCTP),
}


@attempt(errno.EPERM, errno.ENOSYS)
def open_protocol(name):
    """A protocol of IP whose code the kernel may load for whoever asks."""
    answers = []
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            os.close(call("socket", family, *PROTOCOLS[name]))
            answers.append("yes")
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS):
                raise
            answers.append(errno.errorcode[error.errno])
    return f"the kernel answers {answers}"


@attempt()
def put_a_protocol_on_tcp():
    TCP_ULP = 31
    with socket.socket() as stream:
        try:
            stream.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"no such protocol")
        except OSError as error:
            if error.errno == errno.EPERM:
                raise
            return f"the kernel answers {errno.errorcode[error.errno]}"
    return "the kernel answers yes"


@attempt(errno.EPERM, errno.ENOSYS)
def open_socket_by_high_bits():
    return call("socket", AF_VSOCK | 1 << 32, socket.SOCK_STREAM, 0)


@attempt(errno.EPERM)
def configure_interface():
    """Take loopback down."""
    import fcntl
    import struct

    SIOCSIFFLAGS = 0x8914
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        fcntl.ioctl(datagram, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", 0))
    return "loopback is down"


if __name__ == "__main__":
    main()
