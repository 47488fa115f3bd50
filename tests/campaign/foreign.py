"""Inputs of other programs: videos, images, arrays and lists, sound and odd."""

import io
import os
import struct
import zlib

import av
import numpy as np
from campaign.inputs import encode
from PIL import Image

# Codec, pixel format and options of files that libav writes.
VIDEOS = {
    "ffv1.avi": ("ffv1", "bgr0", {}),
    "bframes.avi": ("mpeg4", "yuv420p", {"bf": 2, "b": 4_000_000}),
    "h264.mp4": ("libx264", "yuv420p", {"bf": 2, "crf": 5}),
    "h264.mov": ("libx264", "yuv420p", {"bf": 0, "crf": 5}),
    "ffv1.mkv": ("ffv1", "bgr0", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {"crf": 5, "b": 0}),
    "h264_in.avi": ("libx264", "yuv420p", {"bf": 2, "crf": 5}),
    "pictures.gif": ("gif", "rgb8", {}),
    "mpeg.mpg": ("mpeg1video", "yuv420p", {"b": 4_000_000}),
    "flash.flv": ("flv1", "yuv420p", {"b": 4_000_000}),
    "windows.wmv": ("wmv2", "yuv420p", {"b": 4_000_000}),
    "stream.ts": ("mpeg2video", "yuv420p", {"b": 4_000_000}),
    "phone.3gp": ("libx264", "yuv420p", {"bf": 0, "crf": 5}),
}
TELLS_ITS_LENGTH = "ffv1.avi", "bframes.avi", "h264.mp4", "h264.mov", "ffv1.mkv", "vp9.webm", "h264_in.avi"


def ramp(n_frames=40, size=64):
    """Frames that become brighter one by one, uint8 (T, H, W, 3)."""
    return np.broadcast_to(
        (16 + 5 * np.arange(n_frames, dtype=np.uint8))[:, None, None, None], (n_frames, size, size, 3)
    ).copy()


def make_video(name, folder, video=None):
    codec, pixels, options = VIDEOS[name]
    path = os.path.join(folder, name)
    encode(path, ramp() if video is None else video, codec, pixels, **options)
    return path


def with_null_frames(path, video):
    """An AVI file with an empty chunk after every frame: the same picture once more."""
    with av.open(path, "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.height, stream.width = video.shape[1:3]
        stream.pix_fmt = "bgr0"
        for i, pixels in enumerate(video):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="bgr0")
            frame.pts = 2 * i
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def turned(content, matrix):
    """The bytes of an MP4 file whose display matrix is (a, b, c, d)."""
    at = content.index(b"tkhd") + 4
    at += 52 if content[at] else 40
    a, b, c, d = (round(value * 65536) for value in matrix)
    return content[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + content[at + 36 :]


def shown(picture, matrix):
    """What a player shows of a square picture: the pixel at (x, y) lies at (a x + c y, b x + d y)."""
    a, b, c, d = matrix
    size = len(picture)
    result = np.empty_like(picture)
    for y in range(size):
        for x in range(size):
            result[(b * x + d * y) % size if b + d > 0 else size - 1 + b * x + d * y,
                   a * x + c * y if a + c > 0 else size - 1 + a * x + c * y] = picture[y, x]  # fmt: skip
    return result


ORIENTATIONS = (
    (1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0),
    (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0),
)  # fmt: skip


def odd_video(rng, sound):
    """Bytes of something named as a video that is none, or one of an odd kind; with what it is."""
    with open(os.path.join(sound.videos, "Hop", "0.avi"), "rb") as file:
        avi = file.read()
    other = os.path.join(sound.videos, "Hop", "1.avi")
    choices = {
        "empty": b"",
        "one byte": b"\0",
        "zeros": bytes(10_000),
        "noise": rng.randbytes(10_000),
        "text": b"hello\n" * 100,
        "an unknown codec": avi.replace(b"FFV1", b"ZZZZ"),
        "another codec": avi.replace(b"FFV1", b"XVID"),
        "the header alone": avi[:2000],
        "a list of files": f"ffconcat version 1.0\nfile '{other}'\n".encode(),
        "a playlist": f"#EXTM3U\n#EXTINF:1,\nfile://{other}\n#EXT-X-ENDLIST\n".encode(),
        "a session": b"v=0\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "a numbered list": b"frame%03d.png\n",
        "subtitles": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n\n",
        "a picture": picture_bytes("PNG"),
        "a sound": wave_bytes(),
        "a page": b"<html><body>404</body></html>",
    }
    what = rng.choice(sorted(choices))
    return what, choices[what]


def wave_bytes():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="wav") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return buffer.getvalue()


# Images


def picture_bytes(form, size=(24, 24 * 16)):
    """A picture in one of Pillow's formats; None if it cannot write that."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, size[1]).astype(np.uint8)[:, None]
    for mode in "RGB", "L", "1", "P":
        buffer = io.BytesIO()
        try:
            Image.fromarray(picture).convert(mode).save(buffer, form)
            return buffer.getvalue()
        except Exception:  # each format has its own
            continue
    return None


def png_that_claims(width, height):
    """A small PNG file that claims to be a large one."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def odd_picture(rng):
    choices = {
        "empty": b"",
        "text": b"hello",
        "noise": rng.randbytes(3000),
        "PNG of 60000 x 60000": png_that_claims(60_000, 60_000),
        "PNG of 30000 x 480000": png_that_claims(30_000, 480_000),
        "PNG of 2**31 - 1": png_that_claims(2**31 - 1, 2**31 - 1),
        "PNG of nothing": png_that_claims(0, 0),
        "PNG cut": picture_bytes("PNG")[:200],
        "PNG with a large text": png_text_bomb(),
        "EPS": picture_bytes("EPS"),
        "16 bits": sixteen_bits(),
        "moving": moving_gif(),
        "XPM": b"/* XPM */\nstatic char *x[] = {\n",
        "PPM of large values": b"P6\n24 384\n70000\n" + bytes(60_000),
        "PPM of 10**9": b"P6\n1000000000 1000000000\n255\n" + bytes(1000),
        "DDS": b"DDS " + struct.pack("<I", 124) + bytes(200),
        "FLI": struct.pack("<IHHHHHHI", 128, 0xAF11, 1, 24, 384, 8, 0, 1) + bytes(500),
        "ICO": b"\0\0\1\0\1\0" + bytes(100),
        "WMF": b"\xd7\xcd\xc6\x9a" + bytes(100),
        "a TGA": bytes((0, 0, 2)) + bytes(9) + struct.pack("<HHBB", 24, 384, 24, 0) + bytes(100),
    }
    what = rng.choice(sorted(choices))
    return what, choices[what]


def png_text_bomb():
    buffer = io.BytesIO()
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("x", "x" * 500_000_0, zip=True)
    Image.new("RGB", (24, 384)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def sixteen_bits():
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((384, 24), np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def moving_gif():
    buffer = io.BytesIO()
    pictures = [Image.new("RGB", (24, 384), (i, 0, 0)) for i in range(3)]
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


# Arrays


def bomb(shape=(4000, 3, 16, 256, 256), name="x.npy"):
    """An npz file of a few megabytes with zeros of 12 GiB."""
    header = np.lib.format.header_data_from_array_1_0(np.zeros(0, np.float32))
    header["shape"] = shape
    start = io.BytesIO()
    np.lib.format.write_array_header_1_0(start, header)
    size = 4 * int(np.prod(shape))
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = [compressor.compress(start.getvalue()) + compressor.flush(zlib.Z_FULL_FLUSH)]
    part = 1 << 26
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed += [compressor.compress(bytes(part)) + compressor.flush(zlib.Z_FULL_FLUSH)] * (size // part)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed.append(compressor.compress(bytes(size % part)) + compressor.flush())
    data = b"".join(packed)
    size += len(start.getvalue())
    # Sizes of more than four bytes stand in an extra field; the checksum is never reached.
    extra = struct.pack("<HHQQ", 1, 16, size, len(data))
    encoded = name.encode()
    fields = struct.pack("<HHHHHIIIHH", 45, 0, 8, 0, 33, 0, 2**32 - 1, 2**32 - 1, len(encoded), len(extra))
    local = b"PK\x03\x04" + fields + encoded + extra + data
    central = (
        b"PK\x01\x02"
        + struct.pack("<H", 45)
        + fields
        + struct.pack("<HHHII", 0, 0, 0, 0, 0)
        + encoded
        + extra
    )
    return local + central + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)


def odd_videos_array(rng):
    """An array that is no set of videos, or an odd one; with what it is."""
    good = np.linspace(-1, 1, 2 * 3 * 16 * 16 * 16, dtype=np.float32).reshape(2, 3, 16, 16, 16)

    def changed(value):
        array = good.copy()
        array[1, 0, 3, 2, 1] = value
        return array

    choices = {
        "NaN": changed(np.nan),
        "infinity": changed(-np.inf),
        "2": changed(2),
        "-10**30": changed(-1e30),
        "float16": good.astype(np.float16),
        "float64": good.astype(np.float64),
        "big-endian": good.astype(">f4"),
        "Fortran order": np.asfortranarray(good),
        "int16": good.astype(np.int16),
        "bool": good > 0,
        "complex": good.astype(np.complex64),
        "text": good.astype("U4"),
        "fields": np.zeros((2, 3, 16, 16, 16), [("a", "f4")]),
        "dates": np.zeros((2, 3, 16, 16, 16), "M8[s]"),
        "a number": np.float32(1),
        "one axis": good.reshape(-1),
        "four axes": good[0],
        "six axes": good[None],
        "no video": good[:0],
        "no frame": good[:, :, :0],
        "no pixel": good[..., :0],
        "15 frames": good[:, :, :15],
        "not square": good[..., :8],
        "2 channels": good[:, :2],
        "constant": np.zeros_like(good),
        "unit": (good + 1) / 2,
    }
    what = rng.choice(sorted(choices))
    buffer = io.BytesIO()
    np.save(buffer, choices[what])
    return what, buffer.getvalue()


# Lists


def odd_list(rng, lines):
    """A text list, changed; returns what and bytes."""
    good = "".join(f"{line}\n" for line in lines).encode()
    choices = {
        "byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("UTF-16"),
        "NUL": good + b"a\0b\n",
        "NUL alone": bytes(100),
        "CRLF": good.replace(b"\n", b"\r\n"),
        "CR": good.replace(b"\n", b"\r"),
        "Latin-1": good + "é.jpg\n".encode("latin-1"),
        "not UTF-8": good + b"\xff\xfe.jpg\n",
        "empty": b"",
        "blank lines": b"\n\n  \n" + good + b"\n\n",
        "no end of line": good[:-1],
        "twice": good + good,
        "control characters": good + b"\x1b[31mred\x07\n",
        "a long line": good + b"x" * 100_000 + b"\n",
        "many parts": good + b"/".join([b"x"] * 10_000) + b"\n",
        "upwards": good + b"../../../etc/passwd\n",
        "absolute": good + b"/etc/passwd\n",
        "a folder": good + b".\n",
        "a device": good + b"/dev/zero\n",
        "spaces": good.replace(b"\n", b"  \n"),
        "a line of another kind": good + b"a b c d e\n",
        "lines of separators": good + "x\u2028y\x0bz\x1c\n".encode(),
        "noise": rng.randbytes(500),
    }
    what = rng.choice(sorted(choices))
    return what, choices[what]


def make_idx(folder, n=20):
    """MNIST's own files, of random digits."""
    os.makedirs(folder)
    pixels = np.random.RandomState(0).randint(0, 256, (n, 28, 28), np.uint8)
    with open(os.path.join(folder, "train-images-idx3-ubyte"), "wb") as file:
        file.write(struct.pack(">IIII", 2051, n, 28, 28) + pixels.tobytes())
    with open(os.path.join(folder, "train-labels-idx1-ubyte"), "wb") as file:
        file.write(struct.pack(">II", 2049, n) + (np.arange(n) % 10).astype(np.uint8).tobytes())
