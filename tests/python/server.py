"""Small servers for our clients: server.py LESSON [FOLDER]

Each serves one visitor. The line [LISTENING] tells the port.
"""

import os
import socket
import sys


def greet(visitor):
    visitor.sendall(b"Welcome")
    visitor.sendall("! wörld\r\n".encode("utf-8"))


def echo(visitor):
    while data := visitor.recv(1024):
        visitor.sendall(data)


def read_message(stream):
    header = stream.read(64)
    return stream.read(int(header)) if header else None


def message(text):
    body = text.encode("utf-8")
    return b"%-64d%s" % (len(body), body)


def converse(visitor):
    stream = visitor.makefile("rb")
    while (body := read_message(stream)) is not None:
        visitor.sendall(message("heard: " + body.decode("utf-8")))


def take_files(visitor):
    stream = visitor.makefile("rb")
    while (name := read_message(stream)) is not None:
        size = int(stream.read(64))
        visitor.sendall(message("READY"))
        path = os.path.join(sys.argv[2], os.path.basename(name.decode()))
        with open(path, "xb") as file:
            file.write(stream.read(size))
        visitor.sendall(message(f"SAVED {size} {name.decode()}"))


talk = {"02": greet, "03": echo, "04": converse, "05": take_files}
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(f"[LISTENING] 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    listener.settimeout(30)
    visitor, _ = listener.accept()
    with visitor:
        visitor.settimeout(30)
        talk[sys.argv[1]](visitor)
