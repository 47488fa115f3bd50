"""Videos, images, arrays and lists of others: read right, or refused or listed by one line each."""

import io
import os
import shutil
import signal

import h5py
import numpy as np
import pytest
from campaign import foreign, readers
from campaign.harness import (
    Campaign,
    require,
    require_bounded,
    require_refusal,
    require_success,
    scored_or_refused,
    succeeded_or_refused,
)
from campaign.mutations import change_json_text, damage, odd_npy, zip_bytes
from PIL import Image


def clips_of(path):
    """Return the clips of an HDF5 video file by name."""
    with h5py.File(path, "r") as file:
        offsets, names = file["offsets"][()], file["names"].asstr()[()]
        return {name: file["frames"][a:b] for name, a, b in zip(names, offsets, offsets[1:])}


def require_listed(outcome, out, name):
    """Require of a maker that it made its file, or listed a file that it could not read, in one line.

    Returns:
        bool: Whether all files were used.
    """
    require_bounded(outcome)
    if outcome.status == 0:
        require(os.path.exists(out), "no file", outcome)
        return True
    if outcome.status == 2:
        require_refusal(outcome, name)
        return False
    require(outcome.status == 1, f"status {outcome.status}", outcome)
    lines = outcome.stderr.splitlines()
    require(len(lines) == 1 and name in lines[0], f"{len(lines)} lines on stderr", outcome)
    require(lines[0].isprintable() and len(lines[0]) < 2000, "a line that cannot be read", outcome)
    require(os.path.exists(out), "no file of the others", outcome)
    return False


@pytest.fixture
def make(commands, sound, tmp_path):
    """Returns a function that makes a data set of a sound video and an odd one."""
    numbers = iter(range(10**9))
    good = os.path.join(sound.videos, "Hop", "0.avi")

    def make(name, content, *options):
        """Return the frames of the odd video, or None if it was listed as not readable."""
        folder = tmp_path / str(next(numbers))
        (folder / "videos").mkdir(parents=True)
        shutil.copy(good, folder / "videos" / "good.avi")
        (folder / "videos" / name).write_bytes(content)
        out = str(folder / "x.h5")
        arguments = folder / "videos", out, "--size", 16, "--min-frames", 1
        outcome = commands.run("video_folder", *arguments, *options, folder=folder)
        used = require_listed(outcome, out, name)
        require(outcome.status != 2, "the sound video is lost", outcome)
        clips = clips_of(out)
        require(set(clips) == ({"good.avi", name} if used else {"good.avi"}), f"clips {set(clips)}", outcome)
        shutil.rmtree(folder)
        return clips.get(name)

    return make


@pytest.fixture(scope="module")
def video_files(tmp_path_factory):
    """Returns the bytes of a video of a kind in ``foreign.VIDEOS``."""
    folder = str(tmp_path_factory.mktemp("video_files"))
    known = {}

    def get(name):
        if name not in known:
            with open(foreign.make_video(name, folder), "rb") as file:
                known[name] = file.read()
        return known[name]

    return get


def brightness(frames):
    return frames.reshape(len(frames), -1).mean(axis=1)


@pytest.mark.parametrize("name", foreign.VIDEOS)
def test_whole_video(name, make, video_files):
    with Campaign("videos: whole") as campaign, campaign.attempt(name):
        frames = make(name, video_files(name))
        require(frames is not None, "refused")
        require(len(frames) == 40, f"{len(frames)} of 40 frames")
        require((np.diff(brightness(frames)) > 2).all(), "not one frame after another")


@pytest.mark.parametrize("name", ["ffv1.avi", "bframes.avi", "h264_in.avi", "h264.mp4", "ffv1.mkv"])
def test_own_frame_rate_changes_nothing(name, make, video_files):
    with Campaign("videos: --fps of their own") as campaign, campaign.attempt(name):
        frames = make(name, video_files(name), "--fps", 25)
        require(frames is not None, "refused")
        require(len(frames) == 40, f"{len(frames)} of 40 frames")
        require((np.diff(brightness(frames)) > 2).all(), "frames doubled, dropped or in another order")


def test_null_frames(make, tmp_path):
    with Campaign("videos: null frames") as campaign, campaign.attempt("every second one"):
        path = str(tmp_path / "null.avi")
        foreign.with_null_frames(path, foreign.ramp(20))
        with open(path, "rb") as file:
            content = file.read()
        frames = make("null.avi", content)
        require(frames is not None, "refused")
        require(len(frames) in (39, 40), f"{len(frames)} frames")
        require(np.array_equal(frames[0:38:2], frames[1:39:2]), "a frame is not shown twice")


@pytest.mark.parametrize("matrix", foreign.ORIENTATIONS, ids=str)
def test_display_matrix(matrix, make, tmp_path):
    with Campaign("videos: display matrices") as campaign, campaign.attempt(str(matrix)):
        corners = np.zeros((16, 16, 3), np.uint8)
        corners[:8, :8], corners[:8, 8:], corners[8:, :8], corners[8:, 8:] = 40, 100, 160, 220
        path = foreign.make_video("h264.mp4", str(tmp_path), np.repeat(corners[None], 20, axis=0))
        with open(path, "rb") as file:
            content = foreign.turned(file.read(), matrix)
        frames = make("turned.mp4", content)
        require(frames is not None, "refused")
        wanted = foreign.shown(corners, matrix)
        for y in 4, 12:
            for x in 4, 12:
                found, right = int(frames[5, y, x].mean()), int(wanted[y, x, 0])
                require(abs(found - right) < 20, f"at ({x}, {y}) there is {found} instead of {right}")


@pytest.mark.parametrize("name", foreign.TELLS_ITS_LENGTH)
def test_cut_video(name, make, video_files):
    whole = video_files(name)
    with Campaign(f"videos cut: {name}") as campaign:
        expected = None
        for rng in campaign:
            at = rng.randrange(200, len(whole))
            with campaign.attempt(f"at {at} of {len(whole)}") as attempt:
                frames = make("odd" + name, whole[:at])
                if frames is None:
                    attempt.refused()
                    continue
                expected = make("odd" + name, whole) if expected is None else expected
                require(np.array_equal(frames, expected), f"taken as whole: {len(frames)} frames")


def test_damaged_video(make, video_files):
    with Campaign("videos: bytes", fewest=3) as campaign:
        for rng in campaign:
            name = rng.choice(sorted(foreign.VIDEOS))
            what, content = damage(rng, video_files(name))
            with campaign.attempt(f"{name}, {what}") as attempt:
                make("odd" + name, content) is not None or attempt.refused()


def test_what_is_no_video(make, sound):
    with Campaign("videos that are none", fewest=2) as campaign:
        for rng in campaign:
            what, content = foreign.odd_video(rng, sound)
            name = "odd" + rng.choice((".mp4", ".avi", ".mkv", ".gif", ".mov"))
            with campaign.attempt(f"{what} named {name}") as attempt:
                require(make(name, content) is None or what == "a picture", "it was taken")
                attempt.refused()


def test_damaged_video_to_score(commands, sound, video_files, tmp_path):
    with Campaign("videos to score", fewest=2) as campaign:
        for i, rng in enumerate(campaign):
            name = rng.choice(sorted(foreign.VIDEOS))
            what, content = rng.choice((damage(rng, video_files(name)), foreign.odd_video(rng, sound)))
            folder = tmp_path / str(i)
            (folder / "videos").mkdir(parents=True)
            (folder / "videos" / f"odd{name}").write_bytes(content)
            for number in range(2):
                (folder / "videos" / f"good{number}{name}").write_bytes(video_files(name))
            with campaign.attempt(f"{name}, {what}") as attempt:
                arguments = "--classifier", sound.classifier, "--gpu", -1, "--out", "x.json"
                outcome = commands.run("evaluate", "inception", "videos", *arguments, folder=folder)
                scored_or_refused(outcome, f"odd{name}") or attempt.refused()
                shutil.rmtree(folder)


# Images


@pytest.fixture
def make_golf(commands, tmp_path, sound):
    numbers = iter(range(10**9))

    def make(content, name="odd.jpg"):
        folder = tmp_path / f"golf{next(numbers)}"
        shutil.copytree(sound.golf, folder / "golf")
        (folder / "golf" / name).write_bytes(content)
        (folder / "list.txt").write_text(f"a/0.jpg\n{name}\na/1.jpg\n")
        out = str(folder / "x.h5")
        outcome = commands.run("golf", folder / "golf", folder / "list.txt", out, "--size", 16, folder=folder)
        used = require_listed(outcome, out, name) or "too short" in outcome.stderr
        require(outcome.status != 2, "the sound ones are lost", outcome)
        clips = clips_of(out)
        require({"a/0.jpg", "a/1.jpg"} <= set(clips), f"clips {set(clips)}", outcome)
        shutil.rmtree(folder)
        return used

    return make


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_pictures_of_every_format(suffix, make_golf):
    Image.init()
    contents = {form: foreign.picture_bytes(form) for form in sorted(Image.SAVE)}
    with Campaign(f"images: formats, {suffix}") as campaign:
        forms = sorted(form for form, content in contents.items() if content)
        for i, rng in enumerate(campaign):
            form = ("EPS", *forms)[i] if i <= len(forms) else rng.choice(forms)
            with campaign.attempt(form) as attempt:
                make_golf(contents[form], "odd" + suffix) or attempt.refused()


def test_odd_pictures(make_golf):
    with Campaign("images: odd ones", fewest=3) as campaign:
        for rng in campaign:
            what, content = foreign.odd_picture(rng)
            with campaign.attempt(what) as attempt:
                make_golf(content) or attempt.refused()


def test_damaged_pictures(make_golf):
    with Campaign("images: bytes", fewest=2) as campaign:
        for rng in campaign:
            form = rng.choice(("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF"))
            what, content = damage(rng, foreign.picture_bytes(form))
            with campaign.attempt(f"{form}, {what}") as attempt:
                make_golf(content) or attempt.refused()


def test_frames_to_score(commands, sound, tmp_path):
    with Campaign("images to score", fewest=2) as campaign:
        for i, rng in enumerate(campaign):
            folder = tmp_path / str(i)
            shutil.copytree(sound.images, folder / "images")
            form = rng.choice(("JPEG", "PNG", "BMP", "WEBP"))
            pictures = damage(rng, foreign.picture_bytes(form, (24, 24))), foreign.odd_picture(rng)
            what, content = rng.choice(pictures)
            (folder / "images" / "video" / "odd.png").write_bytes(content)
            with campaign.attempt(f"{form}, {what}") as attempt:
                outcome, _ = readers.inception(
                    commands.run, sound, str(folder / "images"), str(folder), samples=1
                )
                scored_or_refused(outcome, "odd.png", "video") or attempt.refused()
                shutil.rmtree(folder)


# Arrays


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays(suffix, commands, sound, tmp_path):
    with open(sound.array, "rb") as file:
        good = file.read()
    with Campaign(f"arrays: {suffix}", fewest=3) as campaign:
        for i, rng in enumerate(campaign):
            ways = damage(rng, good), odd_npy(rng, good), foreign.odd_videos_array(rng)
            what, content = rng.choice(ways)
            if suffix == ".npz":
                content = zip_bytes({"videos.npy": content})
                if rng.random() < 0.3:
                    what, content = damage(rng, zip_bytes({"videos.npy": good}))
            folder = tmp_path / str(i)
            folder.mkdir()
            path = str(folder / f"odd{suffix}")
            with open(path, "wb") as file:
                file.write(content)
            with campaign.attempt(what) as attempt:
                outcome, _ = readers.inception(commands.run, sound, path, str(folder))
                scored_or_refused(outcome, "odd.") or attempt.refused()
                shutil.rmtree(folder)


def test_bomb(commands, sound, tmp_path):
    """A few megabytes that unpack to gigabytes are refused, whatever they are given as."""
    path = str(tmp_path / "bomb.npz")
    with open(path, "wb") as file:
        file.write(foreign.bomb())
    with Campaign("arrays: bombs", fewest=1) as campaign:
        for reader in (readers.inception, readers.generate, readers.classify):
            with campaign.attempt(reader.__name__) as attempt:
                outcome, _ = reader(commands.run, sound, path, str(tmp_path))
                require_refusal(outcome, "bomb.npz")
                attempt.refused()


def test_official_moving_mnist(commands, tmp_path):
    good = io.BytesIO()
    np.save(good, np.zeros((20, 3, 64, 64), np.uint8))
    with Campaign("arrays: moving_mnist --official") as campaign:
        for i, rng in enumerate(campaign):
            what, content = rng.choice((damage, odd_npy))(rng, good.getvalue())
            path = tmp_path / f"odd{i}.npy"
            path.write_bytes(content)
            with campaign.attempt(what) as attempt:
                arguments = "--official", path, "--out", tmp_path / f"{i}.h5"
                outcome = commands.run("moving_mnist", *arguments, folder=tmp_path)
                succeeded_or_refused(outcome, f"odd{i}.npy") or attempt.refused()


def test_idx(commands, tmp_path):
    foreign.make_idx(tmp_path / "idx")
    with Campaign("MNIST's own files") as campaign:
        for i, rng in enumerate(campaign):
            folder = tmp_path / f"idx{i}"
            shutil.copytree(tmp_path / "idx", folder)
            path = folder / rng.choice(("train-images-idx3-ubyte", "train-labels-idx1-ubyte"))
            what, content = damage(rng, path.read_bytes())
            path.write_bytes(content)
            if rng.random() < 0.3:  # as if it were packed
                path.rename(f"{path}.gz")
            with campaign.attempt(f"{path.name}: {what}") as attempt:
                arguments = "--idx", folder, "--clips", 3, "--out", tmp_path / f"{i}.h5"
                outcome = commands.run("moving_mnist", *arguments, folder=tmp_path)
                succeeded_or_refused(outcome, f"idx{i}") or attempt.refused()


# Lists


def test_golf_list(commands, sound, tmp_path):
    with Campaign("lists: golf", fewest=3) as campaign:
        for i, rng in enumerate(campaign):
            what, content = foreign.odd_list(rng, [f"a/{n}.jpg" for n in range(4)])
            path, out = tmp_path / f"odd{i}.txt", str(tmp_path / f"{i}.h5")
            path.write_bytes(content)
            with campaign.attempt(what) as attempt:
                outcome = commands.run("golf", sound.golf, path, out, "--size", 16, folder=tmp_path)
                require_bounded(outcome)
                if outcome.status == 2:
                    require_refusal(outcome, path.name)
                    attempt.refused()
                    continue
                require(outcome.status in (0, 1), f"status {outcome.status}", outcome)
                for line in outcome.stderr.splitlines():
                    require(line.isprintable(), "control characters", outcome)
                    require(len(line) < 5000, f"a line of {len(line)} characters", outcome)
                require({f"a/{n}.jpg" for n in range(4)} <= set(clips_of(out)), "clips are missing", outcome)


@pytest.mark.parametrize("name", ["classInd.txt", "trainlist01.txt"])
def test_ucf101_lists(name, commands, sound, tmp_path):
    original = os.path.join(os.path.dirname(sound.ucf101), "ucfTrainTestlist")
    with Campaign(f"lists: {name}", fewest=2) as campaign:
        for i, rng in enumerate(campaign):
            lists, out = tmp_path / f"odd{i}", str(tmp_path / f"{i}.h5")
            shutil.copytree(original, lists)
            good = (lists / name).read_text().splitlines()
            what, content = foreign.odd_list(rng, good)
            (lists / name).write_bytes(content)
            with campaign.attempt(what) as attempt:
                size = "--width", 20, "--height", 16, "--crop", 16
                arguments = sound.ucf101, out, "--splits", lists, "--split", "train1", *size
                outcome = commands.run("ucf101", *arguments, folder=tmp_path)
                require_bounded(outcome)
                if outcome.status == 2:
                    require_refusal(outcome, f"odd{i}", name)
                    attempt.refused()
                    continue
                require(outcome.status in (0, 1), f"status {outcome.status}", outcome)
                require(len(clips_of(out)) == 4, "not the clips of the list", outcome)


def parts_of(folder):
    return sorted(path for path in folder.rglob("*.json") if not path.name.startswith("."))


def test_parts_of_an_interrupted_maker(commands, sound, tmp_path):
    """What a killed maker left is used as it is, or made again, or refused."""
    for i in range(40):
        os.makedirs(tmp_path / "videos", exist_ok=True)
        shutil.copy(os.path.join(sound.videos, "Hop", f"{i % 4}.avi"), tmp_path / "videos" / f"{i:02}.avi")
    arguments = tmp_path / "videos", "x.h5", "--size", 16
    expected = tmp_path / "expected"
    expected.mkdir()
    require_success(commands.run("video_folder", *arguments, folder=expected))
    whole = (expected / "x.h5").read_bytes()
    with Campaign("JSON: parts of a maker") as campaign:
        for i, rng in enumerate(campaign):
            folder, left = tmp_path / str(i), []
            wanted = rng.randint(1, 2)  # what tells the sources, or the first clips, too
            while len(left) < wanted:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                killed = commands.start("video_folder", *arguments, folder=folder)
                killed.wait_for(lambda folder=folder, n=wanted: len(parts_of(folder)) >= n)
                killed.send(signal.SIGKILL)
                killed.wait()
                left = parts_of(folder)
            path = rng.choice(left)
            what, content = change_json_text(rng, path.read_text())
            path.write_bytes(content)
            with campaign.attempt(f"{path.name}: {what}") as attempt:
                outcome = commands.run("video_folder", *arguments, folder=folder)
                if succeeded_or_refused(outcome, "x.h5"):
                    require((folder / "x.h5").read_bytes() == whole, "another file, without a word", outcome)
                else:
                    attempt.refused()
