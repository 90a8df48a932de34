"""Small servers for our clients: server.py LESSON [FOLDER]

Each serves one client. The line [LISTENING] tells the port.
"""

import os
import socket
import sys


def greet(client):
    client.sendall(b"Welcome")
    client.sendall("! wörld\r\n".encode("utf-8"))


def echo(client):
    while data := client.recv(1024):
        client.sendall(data)


def read_message(stream):
    header = stream.read(64)
    return stream.read(int(header)) if header else None


def message(text):
    body = text.encode("utf-8")
    return b"%-64d%s" % (len(body), body)


def converse(client):
    stream = client.makefile("rb")
    while (body := read_message(stream)) is not None:
        client.sendall(message("heard: " + body.decode("utf-8")))


def take_files(client):
    stream = client.makefile("rb")
    while (name := read_message(stream)) is not None:
        size = int(stream.read(64))
        client.sendall(message("READY"))
        path = os.path.join(sys.argv[2], os.path.basename(name.decode()))
        with open(path, "xb") as file:
            file.write(stream.read(size))
        client.sendall(message(f"SAVED {size} {name.decode()}"))


talk = {"02": greet, "03": echo, "04": converse, "05": take_files}
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(f"[LISTENING] 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    listener.settimeout(30)
    client, _ = listener.accept()
    with client:
        client.settimeout(30)
        talk[sys.argv[1]](client)
