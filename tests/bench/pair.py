"""What the lessons are measured against, with buffers of 4096 bytes:

pair.py send PORT FILE, pair.py receive PORT FILE, pair.py echo PORT
"""

import socket
import sys
import threading

BUFFER = 4096


def send(port, path):
    with socket.create_connection(("127.0.0.1", port)) as server:
        with open(path, "rb") as file:
            while data := file.read(BUFFER):
                server.sendall(data)


def receive(port, path):
    with socket.create_server(("127.0.0.1", port)) as listener:
        client, _ = listener.accept()
        with client, open(path, "wb") as file:
            while data := client.recv(BUFFER):
                file.write(data)


def echo(port):
    def talk(client):
        with client:
            while data := client.recv(BUFFER):
                client.sendall(data)

    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=talk, args=(client,)).start()


{"send": send, "receive": receive, "echo": echo}[sys.argv[1]](
    int(sys.argv[2]), *sys.argv[3:]
)
