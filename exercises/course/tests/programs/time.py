import argparse, socket, sys, threading, time

def text(address):
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

def answer(client):
    with client:
        try:
            now = (int(time.time()) + 2208988800) % 2**32
            client.sendall(now.to_bytes(4, "big"))
            client.shutdown(socket.SHUT_WR)
            client.settimeout(1)
            for _ in range(64):
                if not client.recv(1024):
                    break
        except OSError as error:
            print(error, file=sys.stderr)

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
        client, _ = server.accept()
        threading.Thread(target=answer, args=(client,), daemon=True).start()
