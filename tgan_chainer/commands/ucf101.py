"""Make the UCF-101 data set: 13,320 clips of people in 101 kinds of action, with their classes.

What SRC can be
  FOLDER              the unpacked UCF-101: a folder a class, with v_<Class>_g<group>_c<clip>.avi in it
  UCF101.rar          as published; it is unpacked to the folder UCF-101 next to OUT, which needs one of
                      the programs unrar, unar, bsdtar or 7z
  UCF101.rar with --download
                      the same, fetched first if it is not there (7 GB), and the splits with it. The
                      authors publish no checksums: only the announced size is checked

The official splits are used with --split. They are looked for in the folder ucfTrainTestlist beside or
in SRC, or where --splits says. Classes are numbered from 0 in the order of its classInd.txt (which
counts from 1), or of their names if it is not there.

As in Section 6.1 of the paper frames are resized to 85x64, and the central 64x64 pixels are kept. The
authors trained on the training videos of split 1, resized without a filter: --split train1 --resize
nearest. By default it is all clips, resized with antialiasing. What is missing of the 13,320 clips and
101 classes, or of a split's, is told.

Clips with fewer than --min-frames frames (after --fps) are left out and listed. Files that are missing or
cannot be read are listed with the reason, and make the exit status 1; all others are in the file
nevertheless.

A run that was interrupted, even by kill -9, goes on if the same command is given again: what is done is
kept in the folder OUT.parts, uncompressed, until OUT is whole. For all of UCF-101 that is 30 GB, and OUT
takes up to as much again. The same videos and options give the same file, whatever the number of
--workers. It is what the option --data of train.py takes.

examples:
  %(prog)s ~/UCF-101 data/ucf101.h5
  %(prog)s ~/UCF-101 data/ucf101_train1.h5 --split train1 --splits ~/ucfTrainTestlist
  %(prog)s data/UCF101.rar data/ucf101.h5 --download
  %(prog)s ~/UCF-101 data/ucf101_128.h5 --width 171 --height 128 --crop 128 --fps 12.5
"""

import functools
import os
import re
import shutil
import subprocess
import sys
import zipfile

from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.making_options import add_fps_option, add_making_options, parse_size
from tgan_chainer.datasets.decoding import Resizing, read_video
from tgan_chainer.datasets.making import Clip, check_arguments, make_video_file
from tgan_chainer.datasets.published import UCF101_CLASSES, UCF101_CLIPS
from tgan_chainer.download import download
from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_folder, atomic_path, load_lines

VIDEOS_URL = "https://www.crcv.ucf.edu/data/UCF101/UCF101.rar"
SPLITS_URL = "https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip"
SPLITS = "ucfTrainTestlist"
MAX_LIST = 10_000_000  # bytes; the longest has 400,000

UNPACKERS = {
    "unrar": ["x", "-idq", "-o+", "{rar}", "{folder}/"],
    "unar": ["-quiet", "-force-overwrite", "-no-directory", "-output-directory", "{folder}", "{rar}"],
    "bsdtar": ["-x", "-f", "{rar}", "-C", "{folder}"],
    "7z": ["x", "-bd", "-y", "-o{folder}", "{rar}"],
}


def main(argv=None):
    args = parse_arguments(argv)
    if not 0 <= args.crop <= min(args.width, args.height):
        raise InputError(
            f"--crop is {args.crop}; expected 0 to {min(args.width, args.height)}, the shorter side"
        )
    check_arguments(args.out, args.force, args.min_frames, args.workers)

    videos = find_videos(args)
    splits = find_splits(args)
    clips, label_names = find_clips(videos, splits, args.split)
    resizing = Resizing(args.width, args.height, args.crop, args.resize)
    return make_video_file(
        args.out,
        clips,
        functools.partial(read_video, resizing=resizing, fps=args.fps, gray=args.gray),
        facts={
            "dataset": "ucf101",
            "split": args.split,
            "resized": (args.width, args.height),
            "crop": args.crop or None,
            "filter": args.resize,
            "resampled_to": args.fps and float(args.fps),
            "gray": args.gray,
        },
        source=f"UCF-101 ({args.split}), frames resized to {args.width}x{args.height}, crop {args.crop}",
        label_names=label_names,
        min_frames=args.min_frames,
        workers=args.workers,
        force=args.force,
    )


def find_videos(args):
    """Fetch and unpack what has to be; return the folder with the class folders."""
    src = args.src
    if args.download and not src.lower().endswith(".rar"):
        raise InputError(f"SRC is {src}; expected with --download the .rar file to make, such as UCF101.rar")
    if src.lower().endswith(".rar") and not os.path.isdir(src):
        folder = os.path.join(os.path.dirname(os.path.abspath(args.out)), "UCF-101")
        if not os.path.isdir(folder):
            unpackers = find_unpackers()  # before gigabytes are fetched in vain
            if args.download:
                download(VIDEOS_URL, src, option="SRC", largest=10**10)
            if not os.path.isfile(src):
                raise InputError(f"{src}: no such file; fetch {VIDEOS_URL}, or let --download do so")
            unpack(src, folder, unpackers)
        if args.download:
            fetch_splits(os.path.dirname(os.path.abspath(src)))
        src = folder
    if not os.path.isdir(src):
        raise InputError(f"{src}: no such folder; expected the unpacked UCF-101, or UCF101.rar")
    inner = os.path.join(src, "UCF-101")  # the archive has such a folder
    return inner if os.path.isdir(inner) else src


def find_unpackers():
    found = [name for name in UNPACKERS if shutil.which(name)]
    if not found:
        raise InputError(
            "none of unrar, unar, bsdtar and 7z is installed, which unpack UCF101.rar; install one "
            "(Debian: apt install unar, or unrar, libarchive-tools, 7zip), or unpack it elsewhere"
        )
    return found


def unpack(rar, folder, unpackers):
    """Unpack to ``folder``, which appears when it is whole, by the first program that is able to."""
    failures = []
    with atomic_folder(folder) as temporary:
        for program in unpackers:
            names = {"rar": os.path.abspath(rar), "folder": temporary}
            arguments = [argument.format(**names) for argument in UNPACKERS[program]]
            print(f"unpacking {rar} to {folder} by {program}", flush=True)
            run = subprocess.run(
                [program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, errors="replace"
            )
            if run.returncode == 0:
                return
            said = (run.stderr.strip() or run.stdout.strip() or "no message").splitlines()[-1]
            failures.append(f"{program}: status {run.returncode}, {said}")
        raise InputError(
            f"{rar}: cannot be unpacked ({'; '.join(failures)}); fetch it again, or unpack it elsewhere"
        )


def fetch_splits(folder):
    """Fetch the official splits to ``folder``, unless they are there."""
    if os.path.isfile(os.path.join(folder, SPLITS, "classInd.txt")):
        return
    archive = os.path.join(folder, os.path.basename(SPLITS_URL))
    download(SPLITS_URL, archive, option="--splits FOLDER, unpacked")
    try:
        with zipfile.ZipFile(archive) as file:
            # By the last part of its name only, so that no archive writes anywhere else.
            lists = {
                os.path.basename(member.filename): file.read(member)
                for member in file.infolist()
                if member.filename.endswith(".txt") and member.file_size < MAX_LIST
            }
    except Exception as error:  # zipfile has many for a damaged file
        raise InputError(f"{archive}: damaged ({error}); remove it, and it is fetched again") from error
    # classInd.txt last: it is the sign that all are there.
    for name in sorted(lists, key=lambda name: name == "classInd.txt"):
        target = os.path.join(folder, SPLITS, name)
        with atomic_path(target) as temporary, open(temporary, "wb") as out:
            out.write(lists[name])


def find_splits(args):
    """Return the folder with classInd.txt, or None."""
    if args.splits is not None:
        if not os.path.isfile(os.path.join(args.splits, "classInd.txt")):
            raise InputError(f"{args.splits}: no classInd.txt; expected the folder {SPLITS} of {SPLITS_URL}")
        return args.splits
    src = os.path.abspath(args.src)
    for folder in (os.path.dirname(src), src, os.path.dirname(os.path.abspath(args.out))):
        if os.path.isfile(os.path.join(folder, SPLITS, "classInd.txt")):
            return os.path.join(folder, SPLITS)
    if args.split != "all":
        raise InputError(f"no {SPLITS} beside {args.src}; fetch {SPLITS_URL} and name its folder by --splits")
    return None


def find_clips(videos, splits, split):
    """Return the clips, by class and name or as a split lists them, and the names of the classes."""
    # By folder and name in small letters: there is HandstandPushups/v_HandStandPushups_g01_c01.avi.
    found, folders = {}, []
    for folder in sorted(os.listdir(videos)):
        if not os.path.isdir(os.path.join(videos, folder)):
            continue
        names = sorted(os.listdir(os.path.join(videos, folder)))
        names = [name for name in names if re.fullmatch(r"v_\w+_g\d+_c\d+\.avi", name, re.IGNORECASE)]
        folders += [folder] if names else []
        found.update({f"{folder}/{name}".lower(): (folder, name) for name in names})
    if not found:
        raise InputError(f"{videos}: no <Class>/v_<Class>_g01_c01.avi; expected the unpacked UCF-101")

    label_names = folders if splits is None else read_classes(os.path.join(splits, "classInd.txt"))
    labels = {name.lower(): label for label, name in enumerate(label_names)}
    unknown = [folder for folder in folders if folder.lower() not in labels]
    if unknown:
        raise InputError(
            f"{videos}: the class {unknown[0]} is not in {splits}/classInd.txt; expected those there"
        )
    if split == "all":
        chosen = sorted(found.values(), key=lambda path: (labels[path[0].lower()], path[1]))
    else:
        listed = read_split(os.path.join(splits, f"{split[:-1]}list0{split[-1]}.txt"), labels)
        chosen = [found.get(path.lower(), path.split("/")) for path in listed]
    clips = []
    for folder, name in chosen:
        label = labels[folder.lower()]
        clips.append(Clip(os.path.join(videos, folder, name), os.path.splitext(name)[0], label))
    tell_shortfall(found, chosen, splits, split, labels)
    return clips, label_names


def tell_shortfall(found, chosen, splits, split, labels):
    """Say what is missing of UCF-101, or of a split's list, as its authors publish it."""
    known = [f"{folder}/{name}".lower() in found for folder, name in chosen]
    n_classes = len({folder.lower() for (folder, _), there in zip(chosen, known) if there})
    expected = UCF101_CLIPS[split], UCF101_CLASSES
    if (sum(known), n_classes) == expected:
        return
    told = f"of UCF-101 ({split}) {sum(known):,} of {expected[0]:,} clips and {n_classes} of {expected[1]} "
    told += "classes are there"
    lists = [os.path.join(splits, f"{kind}list01.txt") for kind in ("train", "test")] if splits else []
    if split == "all" and lists and all(map(os.path.isfile, lists)):  # together they are all there is
        everything = [path for path in lists for path in read_split(path, labels)]
        missing = [path for path in everything if path.lower() not in found]
        told += f"; missing: {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}" if missing else ""
    print(told, file=sys.stderr)


def read_classes(path):
    """Return the class names of classInd.txt, ``1 ApplyEyeMakeup`` and so on, in order."""
    names = []
    for line in read_list(path):
        number, _, name = line.partition(" ")
        if number != str(len(names) + 1) or not name:
            raise InputError(f"{path}: '{line}'; expected '{len(names) + 1} <Class>'")
        names.append(name)
    return names


def read_split(path, labels):
    """Return the paths in a list such as trainlist01.txt; its own numbers of the classes are checked."""
    paths = []
    for line in read_list(path):
        name, _, number = line.partition(" ")
        folder, _, file = name.partition("/")
        label = labels.get(folder.lower())
        if label is None or not file or "/" in file or number not in ("", str(label + 1)):
            raise InputError(f"{path}: '{line}'; expected <Class>/<file>.avi and its number in classInd.txt")
        paths.append(name)
    return paths


def read_list(path):
    lines = load_lines(path)
    if not lines:
        raise InputError(f"{path}: an empty list; fetch {SPLITS_URL} again")
    return lines


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("src", metavar="SRC", help="folder of the videos, or UCF101.rar")
    parser.add_argument("out", metavar="OUT", help="file to make, such as data/ucf101.h5")
    parser.add_argument("--download", action="store_true", help="fetch SRC, and the splits, if missing")
    parser.add_argument(
        "--split",
        choices=list(UCF101_CLIPS),
        default="all",
        help="part of the data set (default: %(default)s)",
    )
    parser.add_argument("--splits", metavar="FOLDER", help=f"where to find {SPLITS}'s files")
    for name, default in (("width", 85), ("height", 64)):
        parser.add_argument(
            f"--{name}",
            type=parse_size,
            metavar="N",
            default=default,
            help="pixels to resize to (default: %(default)s)",
        )
    parser.add_argument(
        "--crop",
        type=int,
        metavar="N",
        default=64,
        help="side of the square to keep, 0: all (default: %(default)s)",
    )
    add_fps_option(parser)
    add_making_options(parser)
    return parser.parse_args(argv)
