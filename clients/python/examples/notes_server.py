"""Notes over HTTP for the programs of this machine: GET /, and GET, PUT or DELETE /NAME.

    python notes_server.py PROFILE

Each request has a thread; all share one account. A caller needs the token that is printed at the start.
"""

import json
import os
import secrets
import sys
from getpass import getpass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import solekey
from solekey.errors import ItemMissingError


def make_server(account: solekey.Account, token: str, port: int = 0) -> ThreadingHTTPServer:
    """Make a server of an unlocked account's notes on this machine's own address."""

    class Notes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(lambda name: account.items.get(name).content if name else list_names())

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.answer(lambda name: account.items.put(name, content, type="text/plain").name.encode())

        def do_DELETE(self) -> None:
            self.answer(lambda name: account.items.remove(name).id.encode())

        def answer(self, work) -> None:
            status, body = 401, b"the token is missing or wrong"
            given = self.headers.get("Authorization", "").encode()
            if secrets.compare_digest(given, f"Bearer {token}".encode()):
                try:
                    status, body = 200, work(unquote(self.path[1:]))
                except solekey.SolekeyError as error:
                    status = 404 if isinstance(error, ItemMissingError) else 503
                    body = json.dumps({"code": error.code, "next": error.diagnostics()}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def list_names() -> bytes:
        return json.dumps([info.name for info in account.items.list()]).encode()

    return ThreadingHTTPServer(("127.0.0.1", port), Notes)


if __name__ == "__main__":
    given = os.environ.get("SOLEKEY_PASSPHRASE")
    account = solekey.open(sys.argv[1], ask=lambda asked: given or getpass(asked))
    token = secrets.token_urlsafe()
    with account, account.keys.unlock(), make_server(account, token, port=8080) as server:
        print(f"http://127.0.0.1:8080/ with the header  Authorization: Bearer {token}", flush=True)
        server.serve_forever()
