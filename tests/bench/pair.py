"""What the lessons are measured against.

With buffers of 4096 bytes, as beginners write them:
pair.py send PORT FILE, pair.py receive PORT FILE, pair.py echo PORT
As fast as Python goes:
pair.py send_file PORT FILE, pair.py receive_large PORT FILE
"""

import socket
import sys
import threading

BUFFER = 4096
LARGE = 1024 * 1024


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


def send_file(port, path):
    with socket.create_connection(("127.0.0.1", port)) as server:
        with open(path, "rb") as file:
            server.sendfile(file)


def receive_large(port, path):
    with socket.create_server(("127.0.0.1", port)) as listener:
        client, _ = listener.accept()
        buffer = memoryview(bytearray(LARGE))
        with client, open(path, "wb", buffering=0) as file:
            while count := client.recv_into(buffer):
                file.write(buffer[:count])


def echo(port):
    def talk(client):
        with client:
            while data := client.recv(BUFFER):
                client.sendall(data)

    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=talk, args=(client,)).start()


JOBS = {
    "send": send,
    "receive": receive,
    "send_file": send_file,
    "receive_large": receive_large,
    "echo": echo,
}
JOBS[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:])
