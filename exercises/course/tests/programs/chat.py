import argparse, queue, socket, threading

def text(address):
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

room, lock = {}, threading.Lock()

def tell(sender, text):
    with lock:
        for client, lines in list(room.items()):
            if client is not sender:
                try:
                    lines.put_nowait(text.encode() + b"\n")
                except queue.Full:
                    del room[client]
                    client.shutdown(socket.SHUT_RDWR)

def write(client, lines):
    try:
        while line := lines.get():
            client.sendall(line)
    except OSError:
        pass

def read(client, name):
    tell(client, f"* {name} came")
    try:
        with client.makefile("rb") as stream:
            while (line := stream.readline(2000)).endswith(b"\n"):
                text = line[:-1].removesuffix(b"\r").decode("utf-8", "replace")
                tell(client, f"{name} {text}")
    except OSError:
        pass
    with lock:
        lines = room.pop(client, None)
    if lines:
        lines.queue.clear()
        lines.put(None)
    tell(client, f"* {name} left")
    try:
        client.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    client.close()

flags = argparse.ArgumentParser()
flags.add_argument("--host", default="127.0.0.1")
flags.add_argument("--port", default=8080, type=int)
flags = flags.parse_args()
v6 = ":" in flags.host
family = socket.AF_INET6 if v6 else socket.AF_INET
address = (flags.host, flags.port)
with socket.create_server(address, family=family, backlog=128) as server:
    print("[LISTENING]", text(server.getsockname()), flush=True)
    while True:
        client, address = server.accept()
        lines, name = queue.Queue(1000), text(address)
        with lock:
            room[client] = lines
        for job, rest in ((write, (lines,)), (read, (name,))):
            threading.Thread(
                target=job, args=(client, *rest), daemon=True).start()
