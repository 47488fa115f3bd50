"""A file that cannot be written is met before the work, and two processes do not write to one folder."""

import subprocess
import sys

import pytest

from tgan_chainer.errors import InputError
from tgan_chainer.files import check_can_write, locked


def test_checking_whether_a_file_can_be_written_leaves_nothing_and_keeps_what_is_there(tmp_path):
    check_can_write(tmp_path / "new" / "file")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("precious")
    check_can_write(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("path", ["/proc/file", "/proc", "file/below", "."])
def test_what_cannot_be_written_is_named(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
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
