import errno
import json
import multiprocessing
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import h5py
import numpy as np
import pytest

from tgan_chainer.datasets import RandomWindows, VideoDataset, same_data, video_file, write_videos
from tgan_chainer.datasets.video_file import FORMAT
from tgan_chainer.errors import InputError

from chainer.iterators import MultiprocessIterator, MultithreadIterator, SerialIterator
from chainer.serializers import load_npz, save_npz

LENGTHS = [20, 3, 16, 33, 15, 17]  # frames in each clip
N_FRAMES = 16


def make_clips(lengths=LENGTHS, channels=3, seed=0):
    rng = np.random.RandomState(seed)
    return [rng.randint(0, 256, (length, 6, 5, channels)).astype(np.uint8) for length in lengths]


def write(path, clips, labels=None, **options):
    with write_videos(path, source="A test.", **options) as videos:
        for i, clip in enumerate(clips):
            videos.append(clip, **({} if labels is None else {"labels": labels[i]}))
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "videos.h5", make_clips())


# Windows


@pytest.mark.parametrize("channels", [1, 3])
def test_the_data_set_is_every_window_of_every_clip_that_is_long_enough(tmp_path, channels):
    clips = make_clips(channels=channels)
    dataset = VideoDataset(write(tmp_path / "videos.h5", clips), N_FRAMES)
    expected = [
        ((clip[t : t + N_FRAMES].astype(float) - 128) / 128).transpose(3, 0, 1, 2)
        for clip in clips
        for t in range(len(clip) - N_FRAMES + 1)
    ]
    assert len(dataset) == len(expected)
    np.testing.assert_array_equal(np.stack(dataset[:]), expected)


def test_a_window_is_a_contiguous_float32_array_between_minus_one_and_one(tmp_path):
    clip = np.zeros((16, 2, 2, 3), np.uint8)
    clip[8:] = 255
    video = VideoDataset(write(tmp_path / "videos.h5", [clip]))[0]
    assert video.shape == (3, 16, 2, 2)
    assert video.dtype == np.float32
    assert video.flags.c_contiguous
    assert video.min() == -1
    assert video.max() == 127 / 128


def test_attributes_describe_the_clips_that_are_used(tmp_path):
    labels = [0, 1, 2, 2, 1, 0]
    file = write(tmp_path / "videos.h5", make_clips(), labels, label_names=["run", "ride", "größer"])
    dataset = VideoDataset(file, N_FRAMES)
    assert (dataset.n_clips, dataset.n_short) == (4, 2)
    assert (dataset.n_frames, dataset.channels, dataset.height, dataset.width) == (16, 3, 6, 5)
    assert dataset.source == "A test."
    assert dataset.labels.tolist() == [0, 2, 2, 0]
    assert dataset.label_names == ["run", "ride", "größer"]


def test_clip_of_a_window_is_the_clip_that_it_lies_in(path):
    dataset = VideoDataset(path, N_FRAMES)
    expected = [0] * 5 + [1] * 1 + [2] * 18 + [3] * 2
    assert dataset.clip_of(np.arange(len(dataset))).tolist() == expected
    assert dataset.clip_of(5) == 1


def test_windows_count_from_the_end_too_and_stop_at_it(path):
    dataset = VideoDataset(path, N_FRAMES)
    np.testing.assert_array_equal(dataset[-1], dataset[len(dataset) - 1])
    for index in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError):
            dataset[index]


def test_labels_are_none_where_the_file_has_none(path):
    dataset = VideoDataset(path)
    assert dataset.labels is None
    assert dataset.label_names is None


def test_no_clip_long_enough_is_an_input_error(path):
    with pytest.raises(InputError, match="no clip has 34 frames, the longest has 33"):
        VideoDataset(path, 34)
    with pytest.raises(InputError, match="n_frames is 0"):
        VideoDataset(path, 0)


# Processes and threads


def test_a_spawned_process_reads_the_same_windows(path):
    dataset = VideoDataset(path)
    expected = dataset[7]  # opens the file here
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(dataset.get_example, 7).result(timeout=60)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_process_reads_the_same_windows_through_its_own_file(path):
    dataset = VideoDataset(path)
    expected = dataset[7]
    inherited = dataset._opened[1]
    receiver, sender = multiprocessing.Pipe()
    child = os.fork()
    if child == 0:
        found = dataset[7]
        sender.send((found, bool(inherited), dataset._opened[0] == os.getpid()))
        os._exit(0)
    os.waitpid(child, 0)
    assert receiver.poll(), "the child did not come to its end"
    found, inherited_is_open, opened_by_child = receiver.recv()
    np.testing.assert_array_equal(found, expected)
    assert not inherited_is_open
    assert opened_by_child
    assert inherited, "the parent's file stays open"


def test_a_pickled_data_set_reads_the_same_windows(path):
    dataset = VideoDataset(path)
    dataset[0]
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(np.stack(copy[:]), np.stack(dataset[:]))


def test_a_relative_path_survives_a_change_of_folder(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    dataset = VideoDataset(path.name)
    monkeypatch.chdir("/")
    assert dataset[0].shape == (3, 16, 6, 5)


# Random windows


def orders(sampler, dataset, n_epochs):
    order = np.arange(len(dataset))
    for _ in range(n_epochs):
        order = sampler(order, 0)
        yield order


@pytest.fixture
def many(tmp_path):
    """A data set of 100 clips with 1 to 7 windows each."""
    lengths = 16 + np.arange(100) % 7
    return VideoDataset(write(tmp_path / "many.h5", make_clips(lengths, channels=1)))


def test_an_epoch_has_one_window_of_every_clip(many):
    for order in orders(RandomWindows(many, seed=0), many, 3):
        clips = many.clip_of(order)
        assert sorted(clips) == list(range(many.n_clips))
        assert list(clips) != sorted(clips), "clips come in random order"


def test_all_windows_of_a_clip_are_equally_likely(many):
    n_epochs = 700
    counts = np.zeros(len(many))
    for order in orders(RandomWindows(many, seed=0), many, n_epochs):
        counts[order] += 1
    n_windows = np.diff(many.first_window)
    expected = np.repeat(n_epochs / n_windows, n_windows)
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    freedom = len(many) - many.n_clips
    assert abs(chi_squared - freedom) < 4 * (2 * freedom) ** 0.5


def test_all_clips_are_equally_likely_to_come_first(many):
    n_epochs = 2000
    first = [many.clip_of(order[0]) for order in orders(RandomWindows(many, seed=0), many, n_epochs)]
    expected = n_epochs / many.n_clips
    chi_squared = ((np.bincount(first, minlength=many.n_clips) - expected) ** 2 / expected).sum()
    assert abs(chi_squared - 99) < 4 * (2 * 99) ** 0.5


def test_the_seed_decides_the_orders(many):
    first, again, other = (list(orders(RandomWindows(many, seed), many, 3)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_epochs_of_a_single_long_video_never_repeat(tmp_path):
    dataset = VideoDataset(write(tmp_path / "one.h5", make_clips([26], channels=1)))
    epochs = [tuple(order) for order in orders(RandomWindows(dataset, 0), dataset, 300)]
    assert len(set(epochs)) == 300
    assert set(np.concatenate(epochs)) == set(range(11))


ITERATORS = {
    "serial": lambda dataset, sampler: SerialIterator(dataset, 7, order_sampler=sampler),
    "threads": lambda dataset, sampler: MultithreadIterator(dataset, 7, n_threads=2, order_sampler=sampler),
    "processes": lambda dataset, sampler: MultiprocessIterator(
        dataset, 7, n_processes=2, n_prefetch=4, order_sampler=sampler
    ),
}


# 10 batches an epoch: snapshots in the middle of the first, before its last batch, at its end, in the third.
@pytest.mark.parametrize("n_before", [3, 9, 10, 23])
@pytest.mark.parametrize("kind", ITERATORS)
def test_a_resumed_iterator_draws_what_the_interrupted_one_would_have_drawn(tmp_path, kind, n_before):
    dataset = VideoDataset(write(tmp_path / "videos.h5", make_clips([40] * 70, channels=1)))

    def iterator():
        return ITERATORS[kind](dataset, RandomWindows(dataset, seed=5))

    interrupted = iterator()
    for _ in range(n_before):
        next(interrupted)
    save_npz(tmp_path / "snapshot.npz", interrupted)
    expected = [next(interrupted) for _ in range(25)]
    expected_detail = interrupted.epoch_detail
    interrupted.finalize()

    resumed = iterator()
    next(resumed)  # so that a parallel iterator has begun to prefetch the wrong batches
    load_npz(tmp_path / "snapshot.npz", resumed)
    found = [next(resumed) for _ in range(25)]
    np.testing.assert_array_equal(found, expected)
    assert resumed.epoch_detail == expected_detail
    resumed.finalize()


def test_all_iterators_draw_the_same_batches(many):
    batches = {}
    for kind, make in ITERATORS.items():
        iterator = make(many, RandomWindows(many, seed=0))
        batches[kind] = [np.stack([video[:, :1] for video in next(iterator)]) for _ in range(20)]
        iterator.finalize()
    np.testing.assert_array_equal(batches["threads"], batches["serial"])
    np.testing.assert_array_equal(batches["processes"], batches["serial"])


# Files that are not as they should be


def replace(name, data):
    def edit(file):
        del file[name]
        file[name] = data

    return edit


def add_labels(labels, names=None):
    def edit(file):
        file["labels"] = labels
        if names is not None:
            file["label_names"] = names

    return edit


N = sum(LENGTHS)
BROKEN = {
    "no format": (lambda file: file.attrs.pop("format"), "format is None; expected 'tgan_chainer videos 1'"),
    "future format": (lambda file: file.attrs.update(format="tgan_chainer videos 2"), "videos 2'; expected"),
    "no frames": (lambda file: file.pop("frames"), "there is no /frames"),
    "no offsets": (lambda file: file.pop("offsets"), "there is no /offsets"),
    "float frames": (replace("frames", np.zeros((N, 6, 5, 3), "f4")), "/frames is float32 .*uint8"),
    "flat frames": (replace("frames", np.zeros((N, 30, 3), "u1")), r"/frames is uint8 \(104, 30, 3\)"),
    "two channels": (replace("frames", np.zeros((N, 6, 5, 2), "u1")), "2 channels; expected 1 or 3"),
    "float offsets": (replace("offsets", [0.0, N]), "/offsets is float64"),
    "falling offsets": (replace("offsets", [0, 50, 40, N]), "/offsets are .*increasing numbers from 0 to"),
    "late offsets": (replace("offsets", [1, N]), "increasing numbers from 0"),
    "short offsets": (replace("offsets", [0, N - 1]), "from 0 to 104, the number of frames"),
    "long offsets": (replace("offsets", [0, N + 1]), "from 0 to 104"),
    "empty offsets": (replace("offsets", np.zeros(0, int)), "/offsets are"),
    "few labels": (add_labels([0, 1]), "2 /labels; expected 6, one a clip"),
    "negative label": (add_labels([0, 0, 0, -1, 0, 0]), "/labels go from -1 to 0"),
    "unnamed label": (add_labels([0, 1, 2, 0, 0, 0], ["a", "b"]), "from 0 to 2; expected .* less than 2"),
    "float labels": (add_labels([0.5] * 6), "/labels is float64"),
    "numbers as names": (add_labels([0] * 6, [1, 2]), "/label_names is int64 .*expected str"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_wrong_layout_is_an_input_error_of_one_line(path, case):
    edit, message = BROKEN[case]
    with h5py.File(path, "r+") as file:
        edit(file)
    with pytest.raises(InputError, match=message) as caught:
        VideoDataset(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="nothing.h5: no such file"):
        VideoDataset(tmp_path / "nothing.h5")


def test_a_file_that_is_not_hdf5_is_an_input_error(tmp_path):
    (tmp_path / "text.h5").write_text("Hello\n" * 1000)
    with pytest.raises(InputError, match="text.h5: not an HDF5 file"):
        VideoDataset(tmp_path / "text.h5")


@pytest.mark.parametrize("kept", [0, 7, 0.5, 0.99])
def test_a_truncated_file_is_an_input_error(path, kept):
    os.truncate(path, kept if isinstance(kept, int) else int(kept * path.stat().st_size))
    with pytest.raises(InputError, match="cut short|truncated"):
        VideoDataset(path)


def test_frames_that_cannot_be_decompressed_are_an_input_error(path):
    dataset = VideoDataset(path)
    with h5py.File(path) as file:
        offset = file["frames"].id.get_chunk_info(0).byte_offset
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 200)
    with pytest.raises(InputError, match="is truncated, damaged or not a data set") as caught:
        dataset[0]
    assert "\n" not in str(caught.value)


# Writing


def test_everything_that_was_written_can_be_read_back(tmp_path):
    clips = make_clips([4, 2])
    with write_videos(tmp_path / "videos.h5", source="A test.", seed=3, frame_rate=12.5) as videos:
        videos.append(clips[0], names="a/ü.avi", digits=(4, 2))
        videos.append(clips[1], names="b.avi", digits=(7, 7))
    with h5py.File(tmp_path / "videos.h5") as file:
        attributes = {k: v.decode() if isinstance(v, bytes) else v for k, v in file.attrs.items()}
        assert len(attributes.pop("fingerprint")) == 64
        assert attributes == {"format": FORMAT, "source": "A test.", "seed": 3, "frame_rate": 12.5}
        np.testing.assert_array_equal(file["frames"], np.concatenate(clips))
        assert file["frames"].dtype == np.uint8
        assert file["offsets"][:].tolist() == [0, 4, 6]
        assert file["offsets"].dtype == np.int64
        assert file["names"].asstr()[:].tolist() == ["a/ü.avi", "b.avi"]
        assert file["digits"][:].tolist() == [[4, 2], [7, 7]]


def test_the_same_clips_give_the_same_bytes(tmp_path):
    first, second = (write(tmp_path / name, make_clips()).read_bytes() for name in ("a.h5", "b.h5"))
    assert first == second


def test_the_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "videos.h5"
    with write_videos(path, source="A test.") as videos:
        videos.append(make_clips()[0])
        assert not path.exists()
    assert os.listdir(path.parent) == ["videos.h5"]


def test_an_exception_while_writing_leaves_the_old_file_alone(path):
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        with write_videos(path, source="A test.") as videos:
            videos.append(make_clips(seed=1)[0])
            raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["videos.h5"]


FILL_THE_DISK = """
import resource, sys
import numpy as np
from tgan_chainer.datasets import write_videos

noise = np.random.RandomState(0).randint(0, 256, (16, 8, 8, 3)).astype(np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for n_clips in [*range(1, 45), 5000]:
    try:
        with write_videos(f"{n_clips}.h5", source="A test.") as videos:
            for i in range(n_clips):
                videos.append(noise)
        print(n_clips)
    except OSError as error:
        assert "File too large" in str(error), error
assert i < 4000, "a failure is told soon, not when everything is written"
"""


# The limit is met at every place: when HDF5 closes the file, when the last data sets are made, between clips.
@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits on this platform")
def test_a_failing_disk_is_an_os_error_and_leaves_no_file(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    line = [sys.executable, "-c", FILL_THE_DISK]
    run = subprocess.run(line, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, ""), "neither a bug nor a crash of HDF5 at exit"
    written = [int(n) for n in run.stdout.split()]
    assert written == list(range(1, len(written) + 1))
    assert 15 < len(written) < 40
    assert sorted(os.listdir(tmp_path)) == sorted(f"{n}.h5" for n in written)
    for n in written:
        assert VideoDataset(tmp_path / f"{n}.h5").n_clips == n


@pytest.mark.parametrize(
    "clip, message",
    [
        (np.zeros((3, 6, 5, 3), "f4"), r"float32 \(3, 6, 5, 3\); expected uint8"),
        (np.zeros((3, 6, 5), "u1"), r"uint8 \(3, 6, 5\); expected uint8 \(T, H, W, C\)"),
        (np.zeros((3, 6, 5, 4), "u1"), "C = 1 or 3"),
        (np.zeros((0, 6, 5, 3), "u1"), "a clip is"),
        (np.zeros((3, 6, 4, 3), "u1"), r"frames \(6, 4, 3\); expected \(6, 5, 3\)"),
    ],
)
def test_a_clip_of_the_wrong_kind_is_an_input_error(tmp_path, clip, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path / "videos.h5", [*make_clips(), clip])
    assert os.listdir(tmp_path) == []


def test_every_clip_needs_the_same_values(tmp_path):
    with pytest.raises(InputError, match=r"a clip has \[\]; expected \['labels'\]"):
        with write_videos(tmp_path / "videos.h5", source="A test.") as videos:
            videos.append(make_clips()[0], labels=0)
            videos.append(make_clips()[0])


def test_labels_without_a_name_are_not_written(tmp_path):
    with pytest.raises(InputError, match="/labels go from 0 to 2"):
        write(tmp_path / "videos.h5", make_clips([1, 1]), [0, 2], label_names=["a", "b"])
    assert os.listdir(tmp_path) == []


def test_a_file_without_clips_is_not_written(tmp_path):
    with pytest.raises(InputError, match="no clip was given"):
        write(tmp_path / "videos.h5", [])
    assert os.listdir(tmp_path) == []


# Facts


def test_facts_are_fields_of_json_types(tmp_path):
    known = {"dataset": "ucf101", "split": "train1", "resized": (85, 64), "crop": 64, "filter": "nearest"}
    known |= {"resampled_to": 12.5, "gray": False, "digits": None}
    with write_videos(tmp_path / "v.h5", "A test.", ["a", "b", "c"], **known) as videos:
        for label, clip in enumerate(make_clips([4, 2])):
            videos.append(clip, labels=label)
    facts = VideoDataset(tmp_path / "v.h5", n_frames=3).facts
    assert json.loads(json.dumps(facts)) == facts
    assert len(facts.pop("fingerprint")) == 64
    assert facts == {
        "dataset": "ucf101",
        "split": "train1",
        "resized": [85, 64],
        "crop": 64,
        "filter": "nearest",
        "frame_rate": 12.5,
        "gray": False,
        "official": None,
        "digits": None,
        "at_wall": None,
        "clips": 2,  # short ones included
        "frames": 6,
        "classes": 3,
        "size": [5, 6],
        "channels": 3,
        "source": "A test.",
    }


def test_files_of_older_versions_say_nothing_but_their_source(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["fingerprint"]
    dataset = VideoDataset(path)
    unknown = ["dataset", "split", "resized", "crop", "filter", "frame_rate", "gray", "official", "digits"]
    assert [dataset.facts[name] for name in [*unknown, "fingerprint"]] == [None] * 10
    assert dataset.facts["source"] == "A test." and dataset.facts["clips"] == len(LENGTHS)


@pytest.mark.parametrize("name", ["source", "dataset", "resized", "crop", "gray", "resampled_to"])
@pytest.mark.parametrize("value", [np.zeros((2, 2)), 1 + 2j, h5py.Empty("f4"), [b"a", b"b"]])
def test_attributes_of_any_other_type_are_an_input_error(path, name, value):
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(InputError, match=f"videos.h5: .*{name}") as caught:
        VideoDataset(path)
    assert "\n" not in str(caught.value)


def test_a_source_that_is_not_utf_8_can_be_printed(path):
    with h5py.File(path, "r+") as file:
        file.attrs["source"] = b"caf\xe9"
    assert VideoDataset(path).source == "caf\ufffd"


def described(path, clips, **options):
    return VideoDataset(write(path, clips, **options), 2).describe()


def test_the_fingerprint_tells_all_that_examples_depend_on(tmp_path):
    clips = make_clips([4, 6])
    first = described(tmp_path / "a.h5", clips, chunk_frames=3)
    assert same_data(first, described(tmp_path / "b.h5", clips))
    changed = [clip.copy() for clip in clips]
    changed[1][5, 5, 4, 2] ^= 1
    frames = np.concatenate(clips)
    others = {
        "a bit": described(tmp_path / "c.h5", changed),
        "cut elsewhere": described(tmp_path / "d.h5", [frames[:5], frames[5:]]),
        "labels": described(tmp_path / "e.h5", clips, labels=[0, 1]),
        "other labels": described(tmp_path / "f.h5", clips, labels=[1, 0]),
        "names": described(tmp_path / "g.h5", clips, labels=[0, 1], label_names=["a", "b"]),
    }
    assert [name for name, other in others.items() if same_data(first, other)] == []
    assert len({other["fingerprint"] for other in others.values()}) == len(others)


def test_what_older_snapshots_say_of_their_data_is_compared_too():
    new = {"source": "A test.", "n_windows": 3, "fingerprint": "f"}
    assert same_data(new, {"source": "A test.", "n_windows": 3})
    assert same_data(new, {"source": "A test.", "fingerprint": None})
    assert not same_data(new, {"source": "A test.", "n_windows": 4})
    assert not same_data(new, {"source": "Another.", "n_windows": 3})
    assert not same_data(new, None) and not same_data({}, {})


# Damage that HDF5 alone does not notice


def windows(path):
    dataset = VideoDataset(path, 2)
    return [video.tobytes() for video in dataset[:]], dataset.labels.tolist(), dataset.label_names


def test_no_flipped_bit_changes_a_clip_or_a_label(tmp_path):
    path = write(
        tmp_path / "v.h5", make_clips([4, 3, 5]), [0, 1, 1], chunk_frames=2, label_names=["run", "größer"]
    )
    content, expected = path.read_bytes(), windows(path)
    rng = np.random.RandomState(0)
    noticed = 0
    for bit in rng.randint(8 * len(content), size=300):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        damaged = tmp_path / f"{bit}.h5"  # HDF5 would show what it knows of a file that is still open
        damaged.write_bytes(changed)
        try:
            assert windows(damaged) == expected, bit
        except InputError as error:
            assert "\n" not in str(error)
            noticed += 1
    assert noticed > 250


def link_elsewhere(file, path):
    file.copy("frames", path["other"])
    del file["frames"]
    file["frames"] = h5py.ExternalLink("other.h5", "frames")


def virtual(file, path):
    file.copy("frames", path["other"])
    layout = h5py.VirtualLayout(file["frames"].shape, "u1")
    layout[:] = h5py.VirtualSource("other.h5", "frames", file["frames"].shape)
    del file["frames"]
    file.create_virtual_dataset("frames", layout)


def external(file, path):
    shape = file["frames"].shape
    del file["frames"]
    file.create_dataset("frames", shape, "u1", external=[("other.h5", 0, h5py.h5f.UNLIMITED)])


@pytest.mark.parametrize("edit", [link_elsewhere, virtual, external])
def test_frames_in_another_file_are_refused(path, edit):
    with h5py.File(path.parent / "other.h5", "w") as other, h5py.File(path, "r+") as file:
        edit(file, {"other": other})
    with pytest.raises(InputError, match="there is no /frames|lies in other files"):
        VideoDataset(path)


@pytest.mark.parametrize("name", ["frames", "offsets", "labels"])
def test_more_declared_than_there_is_is_refused_before_it_is_read(tmp_path, name):
    path = write(tmp_path / "v.h5", make_clips(), [0] * len(LENGTHS))
    with h5py.File(path, "r+") as file:
        dtype, shape = file[name].dtype, file[name].shape
        del file[name]
        file.create_dataset(name, (2**40, *shape[1:]), dtype, chunks=(16, *shape[1:]))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=f"/{name} is .* by its header"):
            VideoDataset(path)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_chunks_that_are_missing_or_in_each_others_place_are_an_input_error(tmp_path):
    # As in files of older versions, whose index has no checksum.
    path, frames = tmp_path / "v.h5", np.concatenate(make_clips([32]))
    with h5py.File(path, "w") as file:
        file.attrs["format"], file["offsets"] = FORMAT, [0, 32]
        file.create_dataset("frames", (32, 6, 5, 3), "u1", chunks=(16, 6, 5, 3), maxshape=(None, 6, 5, 3))
        file["frames"][:16] = frames[:16]
    with pytest.raises(InputError, match="its index of /frames is damaged"):
        VideoDataset(path)
    with h5py.File(path, "r+") as file:
        file["frames"][16:] = frames[16:]
        first, second = (file["frames"].id.get_chunk_info(i).byte_offset for i in (0, 1))
    VideoDataset(path)
    content = path.read_bytes()
    assert content.count(struct.pack("<q", second)) == 1
    path.write_bytes(content.replace(struct.pack("<q", second), struct.pack("<q", first)))
    with pytest.raises(InputError, match="its index of /frames is damaged"):
        VideoDataset(path)


def test_no_flipped_bit_of_an_older_index_makes_frames_black(tmp_path, monkeypatch):
    monkeypatch.setattr(video_file, "_check_texts", lambda *_: None)  # a process for each bit
    path, clips = tmp_path / "v.h5", make_clips([16] * 20, channels=1)
    with h5py.File(path, "w") as file:  # as older versions wrote it
        file.attrs["format"], file.attrs["source"] = np.bytes_(FORMAT), np.bytes_("A test.")
        file["offsets"] = 16 * np.arange(21)
        options = {"chunks": (16, 6, 5, 1), "maxshape": (None, 6, 5, 1), "compression": "gzip"}
        file.create_dataset("frames", data=np.concatenate(clips), **options)
    content = path.read_bytes()
    frames_at = {clip.tobytes() for clip in clips}
    place = content.index(b"TREE", content.index(b"TREE") + 4)  # the index of chunks, after that of names
    noticed = 0
    for bit in range(8 * (place + 24), 8 * (place + 24) + 3000, 29):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            videos = VideoDataset(path)[:]
        except InputError:
            noticed += 1
        else:
            levels = {(v.transpose(1, 2, 3, 0) * 128 + 128).astype(np.uint8).tobytes() for v in videos}
            assert levels <= frames_at, bit
    assert noticed > 20


# Files that others hold


def test_a_file_that_is_being_written_is_not_called_damaged(path):
    program = f"import h5py\nfile = h5py.File({str(path)!r}, 'r+')\nprint('open', flush=True)\ninput()"
    line = [sys.executable, "-c", program]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        with pytest.raises(InputError, match="another program is writing to it; wait"):
            VideoDataset(path)
        process.communicate("\n")
    assert VideoDataset(path).n_clips == 4


def test_a_folder_and_what_may_not_be_read_are_said_to_be_that(path, monkeypatch):
    with pytest.raises(IsADirectoryError):
        VideoDataset(path.parent)

    def refuse(path, *arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(video_file, "open", refuse, raising=False)  # root may read everything
    with pytest.raises(PermissionError, match="Permission denied: .*videos.h5"):
        VideoDataset(path)


def test_samples_are_random_windows_of_each_clip_once(tmp_path):
    path = str(tmp_path / "d.h5")
    with write_videos(path, "test", ["a", "b", "c"]) as writer:
        for i in range(9):
            clip = np.full((20, 8, 8, 1), 10 * i)
            clip[:, 0, 0, 0] = np.arange(20)
            writer.append(clip.astype(np.uint8), labels=i % 3)
    dataset = VideoDataset(path, with_labels=True)
    videos = np.stack(list(dataset.sample(9, seed=1))) * 128 + 128
    assert sorted(videos[:, 0, 0, 1, 1]) == [10 * i for i in range(9)]
    first = videos[:, 0, 0, 0, 0]
    assert len(set(first)) > 1 and (videos[:, 0, :, 0, 0] == first[:, None] + np.arange(16)).all()
    again = np.stack(list(VideoDataset(path).sample(9, seed=1))) * 128 + 128
    assert (again == videos).all()
    of_label = np.stack(list(dataset.sample(4, labels=[2, 0, 2, 2]))) * 128 + 128
    clips = of_label[:, 0, 0, 1, 1] / 10
    assert (clips % 3 == [2, 0, 2, 2]).all() and len(set(clips)) == 4
    with pytest.raises(InputError, match="no clip of label 3"):
        list(dataset.sample(1, labels=[3]))
    assert (dataset.n_classes, dataset.video_shape) == (3, (1, 16, 8, 8))


def test_a_heap_of_texts_in_which_hdf5_would_search_for_ever_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:  # as older versions wrote it, without checksums
        file.attrs.update(format="tgan_chainer videos 1", source="random")
        file["frames"] = make_clips()[0]
        file["offsets"] = [0, len(file["frames"])]
        file["label_names"] = ["a", "b"]
    assert VideoDataset(path, n_frames=1).label_names == ["a", "b"]
    content = bytearray(path.read_bytes())
    content[content.index(b"GCOL") + 24] ^= 1 << 5  # the size of the first text
    path.write_bytes(content)
    monkeypatch.setattr(video_file, "TEXT_SECONDS", 2)
    with pytest.raises(InputError, match=f"{path} is damaged: HDF5 cannot read its texts"):
        VideoDataset(path, n_frames=1)
