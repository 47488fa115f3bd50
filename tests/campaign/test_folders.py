"""Folders of videos and images of every layout: each video once, as what it is, or a line that says why."""

import json
import os
import shutil

import h5py
import numpy as np
from campaign.harness import Campaign, require, require_refusal, require_success
from campaign.inputs import frames
from PIL import Image


def make(commands, folder):
    """Make a data set; return the outcome and the file."""
    outcome = commands.run("video_folder", folder / "videos", folder / "x.h5", "--size", 16, folder=folder)
    return outcome, folder / "x.h5"


def score(commands, sound, folder, source, *more):
    """Return the outcome, and the number of videos and the score if there is one."""
    out = folder / "x.json"
    arguments = (
        "--gpu",
        -1,
        "--classifier",
        sound.classifier,
        "--size",
        0,
        "--repeats",
        1,
        "--out",
        out,
        *more,
    )
    if str(source).endswith(".npy") and "--range" not in more:
        more = "--range", "signed"  # values may lie above zero by chance
        arguments = *arguments, *more
    outcome = commands.run("evaluate", "inception", source, *arguments, folder=folder)
    if outcome.status != 0:
        return outcome, None, None
    result = json.loads(out.read_text())
    return outcome, result["samples"], result["inception_score"]


def n_clips(path):
    with h5py.File(path) as file:
        return len(file["offsets"]) - 1


def links(kind, folder):
    if kind == "a link to the folder itself":
        (folder / "videos" / "Hop" / "again").symlink_to(folder / "videos" / "Hop")
    elif kind == "a link upwards":
        (folder / "videos" / "Run" / "up").symlink_to(folder / "videos")
    elif kind == "links to a file":
        for i in range(5):
            (folder / "videos" / "Hop" / f"same{i}.avi").symlink_to(folder / "videos" / "Hop" / "0.avi")
    elif kind == "a dangling link":
        (folder / "videos" / "Hop" / "gone.avi").symlink_to(folder / "nowhere.avi")
    else:
        (folder / "videos" / "Hop" / "a").symlink_to(folder / "videos" / "Hop" / "b")
        (folder / "videos" / "Hop" / "b").symlink_to(folder / "videos" / "Hop" / "a")


def test_links_multiply_nothing(commands, sound, tmp_path):
    kinds = (
        "a link to the folder itself",
        "a link upwards",
        "links to a file",
        "a dangling link",
        "links in a circle",
    )
    with Campaign("links in folders of videos") as campaign:
        for i, kind in enumerate(kinds):
            folder = tmp_path / str(i)
            shutil.copytree(sound.videos, folder / "videos")
            links(kind, folder)
            with campaign.attempt(kind) as attempt:
                outcome, path = make(commands, folder)
                if outcome.status == 2:
                    require_refusal(outcome)
                    attempt.refused()
                    continue
                require(outcome.status == (1 if kind == "a dangling link" else 0), "the status", outcome)
                require(n_clips(path) == 8, f"{n_clips(path)} clips instead of 8", outcome)


def test_links_among_videos_to_score(commands, sound, tmp_path):
    kinds = "a link to the folder itself", "a link upwards", "links to a file"
    with Campaign("links in folders to score") as campaign:
        for i, kind in enumerate(kinds):
            folder = tmp_path / str(i)
            shutil.copytree(sound.videos, folder / "videos")
            links(kind, folder)
            with campaign.attempt(kind) as attempt:
                outcome, n, _ = score(commands, sound, folder, folder / "videos", "--size", 16)
                if outcome.status == 2:
                    require_refusal(outcome)
                    attempt.refused()
                    continue
                require_success(outcome)
                require(n == 8, f"{n} videos instead of 8", outcome)


def test_parts_of_a_data_set_are_no_classes(commands, sound, tmp_path):
    """train/CLASS/ and val/CLASS/ are no classes "train" and "val"."""
    with Campaign("deep folders") as campaign, campaign.attempt("train and val") as attempt:
        for part in "train", "val":
            shutil.copytree(sound.videos, tmp_path / "videos" / part)
        outcome, _ = make(commands, tmp_path)
        require_refusal(outcome, "train")
        attempt.refused()


def test_own_strips_are_the_videos_that_they_are(commands, sound, tmp_path):
    """generate.py --each --out x.png writes all frames of a video into one image."""
    with Campaign("our own pictures to score") as campaign:
        known = {}
        for suffix in ".npy", ".png", ".gif":
            folder = tmp_path / suffix[1:]
            folder.mkdir()
            arguments = (
                "--gpu",
                -1,
                "--num",
                6,
                "--each",
                "--scale",
                1,
                "--out",
                folder / "each" / f"x{suffix}",
            )
            if suffix == ".npy":
                arguments = "--gpu", -1, "--num", 6, "--out", folder / "x.npy"
            require_success(commands.run("generate", sound.generator, *arguments, folder=folder))
            source = folder / ("x.npy" if suffix == ".npy" else "each")
            with campaign.attempt(suffix) as attempt:
                outcome, n, known[suffix] = score(commands, sound, folder, source)
                if outcome.status == 2:  # said rather than read wrong
                    require_refusal(outcome, "each", "x_0000")
                    attempt.refused()
                    continue
                require_success(outcome)
                require(n == 6, f"{n} videos instead of 6", outcome)
                near = abs(known[suffix] - known[".npy"]) < 0.05
                require(near, f"a score of {known[suffix]} instead of {known['.npy']}", outcome)


def test_folders_of_images(commands, sound, tmp_path):
    """One video a folder where that is certain; several in one folder, or frames of two sizes, are said."""
    pictures = [Image.fromarray(frame) for frame in frames(1, 32, 24, 24)]
    names = {
        "numbers": [f"{i:03}.png" for i in range(32)],
        "without zeros": [f"frame_{i}.png" for i in range(32)],
        "two videos": [f"{'ab'[i // 16]}_{i % 16:03}.png" for i in range(32)],
        "flow beside": [f"{('img', 'flow_x')[i % 2]}_{i // 2:03}.png" for i in range(32)],
        "two sizes": [f"{i:03}.png" for i in range(32)],
        "upper case": [f"{i:03}.PNG" for i in range(32)],
        "a hidden one": [*(f"{i:03}.png" for i in range(31)), ".000.png"],
    }
    with Campaign("folders of images") as campaign:
        for what, chosen in names.items():
            folder = tmp_path / what
            (folder / "images" / "one").mkdir(parents=True)
            for i, (name, picture) in enumerate(zip(chosen, pictures, strict=True)):
                odd = what == "two sizes" and i == 5
                picture = picture.resize((20, 28)) if odd else picture
                picture.save(folder / "images" / "one" / name, "PNG")
            certain = what in ("numbers", "without zeros", "upper case", "a hidden one")
            with campaign.attempt(what) as attempt:
                outcome, n, _ = score(commands, sound, folder, folder / "images", "--window", "first")
                if outcome.status != 0:
                    require(not certain, "refused", outcome)
                    require_refusal(outcome, "one", "images")
                    attempt.refused()
                    continue
                require_success(outcome)
                is_right = n == (1 if certain else 2) and what != "two sizes"
                require(is_right, f"taken as {n} videos", outcome)


def test_one_damaged_video_among_many(commands, sound, tmp_path):
    """It is listed in the end, and does not end hours of scoring; with --strict it does."""
    folder = tmp_path / "one"
    shutil.copytree(sound.folder, folder / "videos")
    for name in sorted(os.listdir(sound.folder)):
        shutil.copy(os.path.join(sound.folder, name), folder / "videos" / f"more_{name}")
    (folder / "videos" / "odd.npy").write_bytes(b"\x93NUMPY" + bytes(100))
    array = np.zeros((3, 16, 16, 16), np.float32)
    array[0, 0, 0, 0] = np.nan
    np.save(folder / "videos" / "odder.npy", array)
    with Campaign("a damaged video among those to score") as campaign:
        with campaign.attempt("goes on"):
            outcome, _, _ = score(commands, sound, folder, folder / "videos")
            require((folder / "x.json").exists(), "no score of the others", outcome)
            require(outcome.status != 0, "the status does not tell", outcome)
            said = outcome.stdout + outcome.stderr
            require("odd.npy" in said and "odder.npy" in said, "not listed", outcome)
            require("Traceback" not in outcome.stderr, "a traceback", outcome)
        with campaign.attempt("--strict") as attempt:
            outcome, _, _ = score(commands, sound, folder, folder / "videos", "--strict")
            require_refusal(outcome, "odd.npy", "odder.npy")
            attempt.refused()
