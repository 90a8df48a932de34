"""Uploads one file to lesson 05: uploader.py PORT FILE"""

import os
import socket
import sys

port, path = int(sys.argv[1]), sys.argv[2]
name, size = os.path.basename(path).encode(), os.path.getsize(path)
with socket.create_connection(("127.0.0.1", port), 10) as server:
    server.sendall(b"%-64d%s%-64d" % (len(name), name, size))
    reply = server.makefile("rb")
    print(reply.read(int(reply.read(64))).decode())
    server.sendfile(open(path, "rb"))
    print(reply.read(int(reply.read(64))).decode())
