import datetime
import errno
import hashlib
import http.server
import json
import os
import socket
import threading

import pytest

from tgan_chainer import download as download_module
from tgan_chainer.download import cache_folder, download, download_once, sha256_of
from tgan_chainer.errors import InputError

CONTENT = os.urandom(3_000_000)  # several blocks
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append(self.path)
        if self.path == "/missing":
            return self.send_error(404)
        if self.path.startswith("/redirect/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/redirect/"))
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.close_connection = True
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"ff\r\nthe connection breaks in a chunk")
        elif self.path == "/slow":
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.server.released.wait(10)
        else:
            if self.path != "/no-length":
                self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1_500_000] if self.path == "/short" else CONTENT)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download_module, "SCHEMES", ("http",))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        server.released = threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["file", "no-length"])
def test_a_file_arrives_whole(server, tmp_path, name):
    path = tmp_path / "new folder" / "file"
    download(f"{server.url}/{name}", path, size=len(CONTENT), md5=MD5, sha256=SHA256)
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize(
    "expected, message",
    [
        ({"size": 5}, "it is larger than 5 bytes"),
        ({"largest": 10**6}, "it is larger than 1000000 bytes"),
        ({"size": len(CONTENT) + 1}, "size is 3000000; expected 3000001"),
        ({"md5": "0" * 32}, f"md5 is {MD5}; expected 000"),
        ({"sha256": "0" * 64}, f"sha256 is {SHA256}; expected 000"),
        ({"size": len(CONTENT), "md5": MD5, "sha256": "0" * 64}, "sha256 is"),
    ],
)
def test_a_wrong_file_is_refused(server, tmp_path, expected, message):
    with pytest.raises(InputError, match=message) as caught:
        download(f"{server.url}/file", tmp_path / "file", **expected)
    assert f"{server.url}/file" in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "name, reason",
    [
        ("missing", "404"),
        ("short", "broke off after 1500000 of 3000000 bytes"),
        ("chunked", "IncompleteRead"),
        ("slow", "timed out"),
    ],
)
def test_a_failure_on_the_way_names_the_url_and_the_way_out(server, tmp_path, monkeypatch, name, reason):
    monkeypatch.setattr(download_module, "TIMEOUT", 0.2)
    with pytest.raises(InputError, match=reason) as caught:
        download(f"{server.url}/{name}", tmp_path / "file", option="--official FILE")
    assert f"{server.url}/{name}" in str(caught.value)
    assert "fetch it by hand and hand it over with --official FILE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_refused_connection_is_an_input_error(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download_module, "SCHEMES", ("http",))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        with pytest.raises(InputError, match=f"cannot fetch {url} .*refused"):
            download(url, tmp_path / "file")


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_only_https_is_asked(tmp_path, scheme):
    with pytest.raises(InputError, match="is not fetched by https"):
        download(f"{scheme}:///etc/hostname", tmp_path / "file")
    assert os.listdir(tmp_path) == []


def test_redirects_are_followed_to_the_same_scheme_alone(server, tmp_path):
    download(f"{server.url}/redirect/{server.url}/file", tmp_path / "good", sha256=SHA256)
    for target in "https://127.0.0.1:9/file", "ftp://127.0.0.1:9/file":
        with pytest.raises(InputError, match=f"{target} is not fetched by http"):
            download(f"{server.url}/redirect/{target}", tmp_path / "bad")
    assert os.listdir(tmp_path) == ["good"]


def test_a_file_that_is_there_is_checked_and_kept(server, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    download(f"{server.url}/file", path, size=len(CONTENT), md5=MD5)
    assert server.requests == []


def test_another_file_of_that_name_is_an_error_and_stays(server, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match=f"{path}: size is 8; expected 3000000; remove it"):
        download(f"{server.url}/file", path, size=len(CONTENT))
    assert path.read_bytes() == b"precious"


def test_a_full_disk_is_not_blamed_on_the_network(server, tmp_path, monkeypatch):
    class Full:
        def __init__(self, *args):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def write(self, block):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download_module, "open", Full, raising=False)
    with pytest.raises(OSError, match="No space left") as caught:
        download(f"{server.url}/file", tmp_path / "file")
    assert not isinstance(caught.value, InputError)
    assert os.listdir(tmp_path) == []


# Files without a published hash


def is_right(path):
    with open(path, "rb") as file:
        return file.read() == CONTENT


def fetch_once(server, path, is_right=is_right):
    return download_once(f"{server.url}/file", str(path), "--official FILE", is_right)


def test_the_first_download_is_recorded_and_later_ones_ask_for_nothing(server, tmp_path):
    path = tmp_path / "new folder" / "file"
    assert fetch_once(server, path) == str(path)
    assert path.read_bytes() == CONTENT
    record = json.loads((tmp_path / "new folder" / "file.json").read_text())
    date = datetime.datetime.strptime(record.pop("date"), "%Y-%m-%d %H:%M:%S %z")
    assert abs(datetime.datetime.now(datetime.timezone.utc) - date) < datetime.timedelta(minutes=5)
    assert record == {"url": f"{server.url}/file", "size": len(CONTENT), "sha256": SHA256}
    assert sorted(os.listdir(path.parent)) == ["file", "file.json"]
    before = (tmp_path / "new folder" / "file.json").read_bytes()
    for _ in range(2):
        assert fetch_once(server, path) == str(path)
    assert server.requests == ["/file"]
    assert (tmp_path / "new folder" / "file.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], f"size is {len(CONTENT) - 1}; expected {len(CONTENT)}"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), f"expected {SHA256}"),
    ],
)
def test_a_file_that_changed_since_is_refused_and_stays(server, tmp_path, change, message):
    path = tmp_path / "file"
    fetch_once(server, path)
    path.write_bytes(change(CONTENT))
    with pytest.raises(InputError, match=message) as caught:
        fetch_once(server, path, is_right=lambda path: True)
    assert str(caught.value).startswith(f"{path}: ") and "remove it" in str(caught.value)
    assert path.read_bytes() == change(CONTENT)
    assert server.requests == ["/file"]


def test_a_file_that_was_removed_is_fetched_again_if_it_is_still_the_same(server, tmp_path):
    path, record = tmp_path / "file", tmp_path / "file.json"
    fetch_once(server, path)
    before = record.read_text()
    path.unlink()
    fetch_once(server, path)
    assert server.requests == ["/file"] * 2
    assert path.read_bytes() == CONTENT and record.read_text() == before

    path.unlink()
    record.write_text(json.dumps({"size": len(CONTENT), "sha256": "0" * 64}))
    with pytest.raises(InputError, match=f"sha256 is {SHA256}; expected 000.*{record}") as caught:
        fetch_once(server, path)
    assert "\n" not in str(caught.value) and not path.exists()


def test_an_error_page_is_not_kept(server, tmp_path):
    with pytest.raises(InputError, match="another kind of file, maybe an error page") as caught:
        fetch_once(server, tmp_path / "file", is_right=lambda path: False)
    assert f"{server.url}/file" in str(caught.value)
    assert "hand it over with --official FILE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_failed_download_leaves_nothing(server, tmp_path):
    with pytest.raises(InputError, match="404.*--official FILE"):
        download_once(f"{server.url}/missing", str(tmp_path / "file"), "--official FILE", is_right)
    assert os.listdir(tmp_path) == []


def test_a_file_put_there_by_hand_is_taken_and_recorded(server, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    fetch_once(server, tmp_path / "file")
    assert server.requests == []
    assert json.loads((tmp_path / "file.json").read_text())["sha256"] == SHA256


def test_a_wrong_file_put_there_by_hand_is_refused_and_stays(server, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match=f"^{path} is not what {server.url}/file should be; remove it"):
        fetch_once(server, path)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["file"] and server.requests == []


@pytest.mark.parametrize(
    "record",
    ["", "{", "[1, 2]", "null", "3", '"text"', '{"size": 3000000}', b"\xff\xfe", "{}"]
    + ['{"size": null, "sha256": null}', '{"size": "many", "sha256": "x"}'],
)
def test_a_damaged_record_is_an_error_that_names_it(server, tmp_path, record):
    path = tmp_path / "file"
    fetch_once(server, path)
    (tmp_path / "file.json").write_bytes(record if isinstance(record, bytes) else record.encode())
    with pytest.raises(InputError, match=f"^{path}.json is damaged; remove it and {path}") as caught:
        fetch_once(server, path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == CONTENT


def test_the_sha256_of_a_file_of_several_blocks_or_none(tmp_path):
    for content in CONTENT, b"":
        (tmp_path / "file").write_bytes(content)
        assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_where_downloads_are_kept_can_be_chosen(monkeypatch):
    monkeypatch.delenv("TGAN_CHAINER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/user/cache")
    assert cache_folder() == "/user/cache/tgan_chainer"
    monkeypatch.setenv("TGAN_CHAINER_CACHE", "/large/disk")
    assert cache_folder() == "/large/disk"
