"""Fetching a published file, once, and only if it is the one that is meant."""

import hashlib
import http.client
import os
import time
import urllib.parse
import urllib.request

import tqdm

from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path, load_json, save_json

SCHEMES = ("https",)  # nobody on the way can put another file in its place
LARGEST = 10**9  # bytes of a file whose size is not known
BLOCK = 1 << 20
TIMEOUT = 60  # seconds without a byte


def cache_folder():
    """Return where downloads are kept: $TGAN_CHAINER_CACHE, or tgan_chainer in the user's cache folder."""
    user = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("TGAN_CHAINER_CACHE") or os.path.join(user, "tgan_chainer")


class UnreachableError(InputError):
    """A file cannot be fetched, which the attribute ``reason`` says; another server may have it."""

    def __init__(self, reason, remedy):
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason


class _OtherContent(InputError):
    """A file is not what was expected."""


def download(url, path, size=None, md5=None, sha256=None, option=None, largest=LARGEST):
    """Fetch ``url`` to ``path``, with a progress bar. A file that is already there is checked and kept.

    Args:
        url (str): What to fetch.
        path (str or os.PathLike): Where to put it. It appears only when it is whole and right.
        size (int): Its number of bytes, if known.
        md5 (str): Its MD5 in hexadecimal, if known.
        sha256 (str): Its SHA-256 in hexadecimal, if known.
        option (str): How the command takes a file that was fetched by hand, for the error message, such as
            ``"--official FILE"``.
        largest (int): Bytes after which reading ends, where the size is not known.

    Raises:
        UnreachableError: The file cannot be fetched whole, by https alone.
        InputError: What came, or what was there, is not what was expected.
        OSError: The file cannot be written.
    """
    expected = {"size": size, "md5": md5, "sha256": sha256}
    if os.path.exists(path):
        remedy = f"remove it, and {url} is fetched again"
        for _ in _verified(_read(path), expected, f"checking {path}", path, remedy):
            pass
        return
    remedy = "try again, or fetch it by hand" + (f" and hand it over with {option}" if option else "")
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        blocks = _fetch(url, remedy, size or largest)
        for block in _verified(blocks, expected, f"fetching {url}", url, remedy):
            file.write(block)


def download_once(url, path, option, is_right):
    """Fetch ``url`` to ``path`` unless it is there, for files whose publisher states no hash.

    The first time, size, SHA-256 and date are recorded in ``PATH.json``; from then on the file has to have
    these, also when it is fetched again. Arguments and errors are those of :func:`download`.

    Args:
        is_right (callable): Takes a path; says whether what came looks like the file, rather than the page of
            a proxy. Otherwise it is not kept.

    Returns:
        str: ``path``.
    """
    record = f"{path}.json"
    known, was_there = {}, os.path.exists(path)
    if os.path.exists(record):
        try:
            entries = load_json(record)
            known = {"size": int(entries["size"]), "sha256": str(entries["sha256"])}
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{record} is damaged; remove it and {path}, to fetch that again") from error
    try:
        download(url, path, **known, option=option)
    except _OtherContent as error:
        if was_there:
            raise
        raise InputError(f"{error} ({record} says what it was before)") from error
    if not known:
        if not is_right(path):
            if was_there:
                raise InputError(f"{path} is not what {url} should be; remove it, and that is fetched again")
            os.remove(path)
            raise InputError(
                f"{url} brought another kind of file, maybe an error page; try again, or fetch it by hand "
                f"and hand it over with {option}"
            )
        known = {"url": url, "size": os.path.getsize(path), "sha256": sha256_of(path)}
        save_json(record, {**known, "date": time.strftime("%Y-%m-%d %H:%M:%S %z")})
    return path


def sha256_of(path):
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    for block in _read(path):
        digest.update(block)
    return digest.hexdigest()


def _read(path):
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            yield block


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, file, code, message, headers, url):
        _check_scheme(url)
        return super().redirect_request(request, file, code, message, headers, url)


def _check_scheme(url):
    if urllib.parse.urlsplit(url).scheme not in SCHEMES:
        raise OSError(f"{url} is not fetched by {' or '.join(SCHEMES)}")


def _fetch(url, remedy, largest):
    # A generator, so that a full disk, met by whoever writes the blocks, is not taken for a bad network.
    try:
        _check_scheme(url)
        opener = urllib.request.build_opener(_Redirects)
        with opener.open(url, timeout=TIMEOUT) as response:
            announced = response.headers.get("Content-Length", "")
            received = 0
            while block := response.read(BLOCK):
                received += len(block)
                if received > largest:
                    raise InputError(f"cannot fetch {url} (it is larger than {largest} bytes); {remedy}")
                yield block
    except InputError:
        raise
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UnreachableError(f"cannot fetch {url} ({error})", remedy) from error
    if announced.isdecimal() and received != int(announced):
        broken_off = f"it broke off after {received} of {announced} bytes"
        raise UnreachableError(f"cannot fetch {url} ({broken_off})", remedy)


def _verified(blocks, expected, doing, name, remedy):
    """Pass the blocks on; after the last one raise InputError unless together they are what was expected."""
    size = 0
    digests = {kind: hashlib.new(kind) for kind in ("md5", "sha256") if expected[kind] is not None}
    with tqdm.tqdm(desc=doing, total=expected["size"], unit="B", unit_scale=True, disable=None) as bar:
        for block in blocks:
            size += len(block)
            for digest in digests.values():
                digest.update(block)
            bar.update(len(block))
            yield block
    found = {"size": size, **{kind: digest.hexdigest() for kind, digest in digests.items()}}
    for kind, value in found.items():
        if expected[kind] not in (None, value):
            raise _OtherContent(f"{name}: {kind} is {value}; expected {expected[kind]}; {remedy}")
