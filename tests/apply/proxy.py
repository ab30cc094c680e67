"""A TCP proxy before PostgreSQL that loses connections around the COMMIT of an apply."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Literal
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

How = Literal["before", "after", "late", "late and never", "statement", "slow"]
MARK = b"INSERT INTO generations"
LATE = 2.0


class Proxy:
    """Forwards until an apply sends COMMIT. Then: ``before`` drops it, ``after`` forwards it and drops the reply,
    ``late`` drops the client and forwards it two seconds later (``late and never``: not at all); ``statement`` drops
    the statement before it, ``slow`` keeps the reply for two seconds. With ``refuse`` nobody gets a connection after that.
    """

    def __init__(self, url: str, how: How, refuse: bool = False) -> None:
        self._server = conninfo_to_dict(url)
        self._how, self._refuse = how, refuse
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://{quote(str(self._server['user']))}@127.0.0.1:{port}/{self._server['dbname']}"
        self.lost = 0
        self._slow = threading.Event()
        self._slow.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(f"{self._server['host']}/.s.PGSQL.{self._server.get('port') or 5432}")
                threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
                threading.Thread(target=self._to_client, args=(client, server), daemon=True).start()

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                self._slow.wait()
                client.sendall(data)
        _end(client)

    def _keep_waiting(self) -> None:
        self.lost += 1
        self._slow.clear()
        threading.Timer(LATE, self._slow.set).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        armed = False
        with suppress(OSError):
            while data := client.recv(65536):
                if armed and b"COMMIT" in data and self._how == "slow":
                    self._keep_waiting()
                elif (MARK in data and self._how == "statement") or (armed and b"COMMIT" in data):
                    self._lose(client, server, data)
                    return
                armed = armed or MARK in data
                server.sendall(data)
        _end(server)

    def _lose(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        self.lost += 1
        if self._refuse:
            self.close()
        if self._how == "after":
            client.shutdown(socket.SHUT_WR)  # the reply has nowhere to go
            server.sendall(data)
            time.sleep(0.5)
        _end(client)
        if self._how.startswith("late"):
            time.sleep(LATE)
        if self._how == "late":
            server.sendall(data)
            time.sleep(0.2)
        _end(server)


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
