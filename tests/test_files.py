"""A file that cannot be written is met before the work, and two processes do not write to one folder."""

import fcntl
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import refused

from tgan_chainer.errors import InputError
from tgan_chainer.files import (
    TEMPORARY_PREFIX,
    atomic_folder,
    atomic_path,
    check_can_write,
    load_json,
    load_lines,
    locked,
    save_json,
    save_text,
)


def test_checking_whether_a_file_can_be_written_leaves_nothing_and_keeps_what_is_there(tmp_path):
    check_can_write(tmp_path / "new" / "file")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("precious")
    check_can_write(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("path", ["file/below", "file/far/below/it", "link/below", "folder/loop/below"])
@pytest.mark.parametrize("write", [check_can_write, lambda path: save_text(path, "")])
def test_a_file_in_the_place_of_a_folder_is_said_to_be_one(tmp_path, monkeypatch, path, write):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "loop").symlink_to("../file")
    refused(lambda: write(path), f"{tmp_path}/file is a file; expected a folder there")
    for name in "file", "file/run":
        with pytest.raises(InputError, match="file is a file; expected a folder there"):
            with locked(name):
                pass


@pytest.mark.parametrize("path", ["/proc/file", "/proc", "."])
def test_what_cannot_be_written_is_named(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError) as caught:
        check_can_write(path)
    assert path.split("/")[0] in str(caught.value.filename)


def test_a_folder_is_locked_for_others_until_the_block_ends(tmp_path):
    folder = tmp_path / "run"
    with locked(folder):
        with pytest.raises(InputError, match=f"another process is writing to {folder}"):
            with locked(folder):
                pass
    with locked(folder):
        pass


def test_the_lock_of_a_killed_process_is_gone(tmp_path):
    program = (
        "import sys, time\nfrom tgan_chainer.files import locked\nwith locked(sys.argv[1]):\n"
        "    print('locked', flush=True)\n    time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(InputError):
            with locked(tmp_path):
                pass
    finally:
        process.kill()
        process.communicate()
    with locked(tmp_path):
        pass


# What is there already


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "elsewhere" / "real.txt")
    save_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "elsewhere" / "real.txt").read_text() == "new"
    assert os.listdir(tmp_path / "elsewhere") == ["real.txt"]


def test_devices_pipes_and_folders_are_refused_and_stay(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "folder").mkdir()
    for name in "pipe", "null", "/dev/null":
        with pytest.raises(InputError, match="is a device or a pipe"):
            save_text(tmp_path / name, "new")
    with pytest.raises(IsADirectoryError):
        save_text(tmp_path / "folder", "new")
    assert not os.path.isfile("/dev/null") and sorted(os.listdir(tmp_path)) == ["folder", "null", "pipe"]


def test_files_have_the_rights_that_the_user_chose(tmp_path):
    old = os.umask(0o027)
    try:
        save_text(tmp_path / "file", "new")
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_texts_with_names_that_are_not_utf_8_can_be_written_and_json_gives_them_back(tmp_path):
    save_json(tmp_path / "names.json", {"path": "caf\udce9", "number": float("nan")})
    assert load_json(tmp_path / "names.json") == {"path": "caf\udce9", "number": "nan"}


# What killed processes leave

WRITE_FOR_EVER = """
import sys, time
from tgan_chainer.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    open(temporary, "w").write("half")
    print(temporary, flush=True)
    time.sleep(600)
"""


def start_writing(path):
    line = [sys.executable, "-c", WRITE_FOR_EVER, path]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def test_leftovers_of_killed_processes_are_removed_and_those_of_living_ones_stay(tmp_path):
    dead, left = start_writing(tmp_path / "a.txt")
    alive, kept = start_writing(tmp_path / "b.txt")
    try:
        assert os.path.dirname(left) == str(tmp_path) and left.endswith(".txt")
        dead.kill()
        dead.communicate()
        (tmp_path / f"{TEMPORARY_PREFIX}123-old.npz").write_text("of an older version")
        (tmp_path / "precious").write_text("")
        (tmp_path / f"{TEMPORARY_PREFIX}link").symlink_to(tmp_path / "precious")
        save_text(tmp_path / "c.txt", "new")
        expected = {"c.txt", "precious", os.path.basename(kept), f"{TEMPORARY_PREFIX}link"}
        assert set(os.listdir(tmp_path)) == expected
    finally:
        alive.kill()
        alive.communicate()


def test_temporary_names_cannot_be_guessed_and_no_link_is_followed(tmp_path, monkeypatch):
    names = set()
    for _ in range(3):
        with atomic_path(tmp_path / "file") as temporary:
            names.add(temporary)
            open(temporary, "w").close()
    assert len(names) == 3
    monkeypatch.setattr(secrets, "token_hex", lambda n: "guessed")
    (tmp_path / "victim").write_text("precious")
    (tmp_path / f"{TEMPORARY_PREFIX}guessed").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        save_text(tmp_path / "file", "new")
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "new" / "videos") as temporary:
        (Path(temporary) / "half").write_text("")
        1 / 0  # noqa: B018
    assert os.listdir(tmp_path / "new") == []
    with atomic_folder(tmp_path / "new" / "videos") as temporary:
        (Path(temporary) / "whole").write_text("")
    assert os.listdir(tmp_path / "new" / "videos") == ["whole"]


def test_a_lock_is_of_the_folder_that_is_there(tmp_path, monkeypatch):
    # Whoever held the lock removed the folder just before we got it.
    flock, removed = fcntl.flock, []

    def late(descriptor, operation):
        flock(descriptor, operation)
        if not removed:
            removed.append(os.rmdir(tmp_path / "parts"))

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(tmp_path / "parts"):
        assert removed and (tmp_path / "parts").is_dir()


# Lists


def test_lists_may_have_a_byte_order_mark_blank_lines_and_names_that_are_not_utf_8(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.jpg\r\n\r\n  caf\xe9.jpg \n")
    assert load_lines(tmp_path / "list.txt") == ["a.jpg", "caf\udce9.jpg"]


@pytest.mark.parametrize("content", [b"a.jpg\0\n", "a.jpg\n".encode("utf-16")])
def test_lists_with_nul_bytes_are_refused(tmp_path, content):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match="list.txt: not a text file"):
        load_lines(tmp_path / "list.txt")
