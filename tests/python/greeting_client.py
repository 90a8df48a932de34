"""Connects, receives once, decodes, closes: the client of lesson 02."""

import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) as server:
    print(server.recv(1024).decode("utf-8"), end="")
