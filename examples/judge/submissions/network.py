"""Looks for somebody to talk to: the machine's own services, the cloud's metadata, the world, Unix sockets."""

import glob
import socket
import sys

PORTS = [22, 25, 53, 80, 111, 443, 631, 2375, 3306, 5432, 6379, 8080, 9200, 11434]
PLACES = [("127.0.0.1", port) for port in PORTS] + [("::1", port) for port in PORTS]
PLACES += [("169.254.169.254", 80), ("fd00:ec2::254", 80), ("10.0.0.1", 80), ("172.17.0.1", 80), ("192.168.0.1", 80)]
PLACES += [("1.1.1.1", 53), ("8.8.8.8", 443), ("2606:4700:4700::1111", 53)]

attempts = 0
reached = []


def attempt(what, function):
    global attempts
    attempts += 1
    try:
        if function() is not False:
            reached.append(what)
    except OSError:
        pass


def connect(address):
    with socket.create_connection(address, timeout=0.3):
        pass


def send(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.sendto(b"hello", address)


def open_raw(family, kind):
    socket.socket(family, kind, 0).close()


def connect_unix(path):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)


def has_other_interface():
    return [name for _, name in socket.if_nameindex() if name != "lo"] != []


for address in PLACES:
    attempt(f"connect to {address[0]} port {address[1]}", lambda: connect(address))
for address in [("169.254.169.254", 80), ("8.8.8.8", 53), ("255.255.255.255", 67)]:
    attempt(f"send a datagram to {address[0]}", lambda: send(address))
attempt("resolve a name", lambda: socket.getaddrinfo("example.com", 443))
attempt("open a raw socket", lambda: open_raw(socket.AF_INET, socket.SOCK_RAW))
attempt("open a packet socket", lambda: open_raw(socket.AF_PACKET, socket.SOCK_RAW))
attempt("open a socket to the hypervisor", lambda: open_raw(socket.AF_VSOCK, socket.SOCK_STREAM))
attempt("see a network interface", has_other_interface)
sockets = ["/run/docker.sock", "/run/systemd/private", "/run/dbus/system_bus_socket", "/tmp/.X11-unix/X0"]
for path in sockets + glob.glob("/run/**/*.sock", recursive=True) + ["\0/tmp/.X11-unix/X0", "\0mimobox"]:
    attempt(f"connect to {path!r}", lambda: connect_unix(path))

for what in reached:
    print(f"ESCAPED: {what}")
if reached:
    sys.exit(66)
print(f"contained: {attempts} attempts, nobody reached")
