"""What the engine fetches, it fetches by Python's own client."""

from __future__ import annotations

import gzip
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import bnn_cpu

#: A status, headers, and the bytes after them, for a path.
Answer = Callable[[str], tuple[int, dict[str, str], bytes]]


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine: its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def fetched(address: str, folder: Path) -> None:
    bnn_cpu._native.command(["data", "fetch", "mnist", "--mirror", address, "--data", str(folder)])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: (404, {}, b"no"), "the server answered with status 404"),
        (lambda _: (200, {}, b"something else"), "what it sent"),
        (lambda _: (200, {"Content-Length": "1000"}, b"too few"), "after 7 of 1000 bytes"),
        (lambda _: (200, {"Content-Length": str(10**12)}, b""), "larger than"),
        (lambda _: (302, {"Location": "file:///etc/hosts"}, b""), "status 302"),
        (lambda _: (302, {"Location": "ftp://127.0.0.1/x"}, b""), 'sends on to "ftp:"'),
        (lambda path: (302, {"Location": path + "x"}, b""), "status 302"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_goes_wrong_is_one_line(answer: Answer, said: str, tmp_path: Path) -> None:
    with serving(answer) as (address, asked), pytest.raises(OSError) as raised:
        fetched(address, tmp_path / "mnist")
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert asked
    assert not list(tmp_path.rglob("*.gz"))


@pytest.mark.filterwarnings("ignore")
def test_nobody_listening_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="refused"):
        fetched("http://127.0.0.1:9", tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_the_real_files_come_through_a_redirect(tmp_path: Path) -> None:
    real = os.environ.get("BNN_CPU_DATA")
    if not real:
        pytest.skip("needs MNIST (set BNN_CPU_DATA)")

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/from/"):
            return 301, {"Location": path.replace("/from/", "/to/")}, b""
        name = path.removeprefix("/to/")
        for file in (Path(real, name), Path(real, name.removesuffix(".gz"))):
            if file.is_file():
                whole = file.read_bytes()
                return 200, {}, whole if file.suffix == ".gz" else gzip.compress(whole, 1)
        return 404, {}, b""

    with serving(answer) as (address, asked):
        fetched(address + "/from/", tmp_path)
    assert len(asked) == 8
    assert bnn_cpu.Dataset.load(tmp_path).name == "MNIST"
