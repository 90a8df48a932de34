"""Sends each argument as a message of lesson 04, and prints the reply.

The header leaves in a send of its own, as a beginner would write it.
"""

import socket
import sys

HEADER = 64


def receive(server, count):
    data = b""
    while len(data) < count:
        piece = server.recv(count - len(data))
        if not piece:
            raise EOFError(f"{len(data)} of {count} bytes")
        data += piece
    return data


with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) as server:
    for text in sys.argv[2:]:
        body = text.encode("utf-8")
        header = str(len(body)).encode()
        server.sendall(header + b" " * (HEADER - len(header)))
        server.sendall(body)
        length = int(receive(server, HEADER).decode())
        print(receive(server, length).decode("utf-8"))
