"""Opening what a user names, and writing files that are either whole or absent.

Media files come from strangers. Three rules keep them from reaching anything but themselves:

* The file is opened by Python as a local regular file and handed over as a stream. No name ever
  reaches FFmpeg, so "http://...", "concat:a|b" and image patterns are only names of missing files.
* Only self-contained formats are accepted, by content and not by file name. Playlists, manifests
  and session descriptions (m3u8, ffconcat, mpd, sdp, ...) are not among them.
* Nothing else may be opened: no protocol is allowed. (QuickTime's external data references are
  also off by default in FFmpeg, option `enable_drefs`.)
"""

import contextlib
import io
import os
import re
import stat
import tempfile

import av

from jaxtalk.core.errors import UserError

# Names of FFmpeg's demuxers. One of a demuxer's names suffices.
MEDIA_FORMATS = (
    *("mov", "mp4", "matroska", "webm", "avi", "flv", "mpeg", "mpegts", "ogg", "asf"),
    *("wav", "w64", "aiff", "au", "caf", "flac", "mp3", "aac", "ac3", "eac3", "amr", "wv"),
)


def open_local(path):
    """A local regular file, opened for reading in binary.

    Raises:
      UserError: no such file, an address, a folder, a device or pipe, not readable, or empty.
    """
    path = os.fspath(path)
    if "://" in path:
        raise UserError(f"{path}: found an address, expected a local file; download it first")
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: {reason.lower()}; expected a readable local file") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
        raise UserError(f"{path}: found {kind}, expected a regular file")
    if status.st_size == 0:
        os.close(descriptor)
        raise UserError(f"{path}: the file is empty; expected a media file")
    return os.fdopen(descriptor, "rb")


@contextlib.contextmanager
def open_media(source):
    """An `av` container for reading, from a path or from the bytes of a file.

    Raises:
      UserError: as `open_local`; not a media file, damaged, cut off (see `_check_size`), or not an
        accepted format.
    """
    name = "media bytes" if isinstance(source, bytes) else os.fspath(source)
    with io.BytesIO(source) if isinstance(source, bytes) else open_local(source) as file:
        _check_size(name, file)
        options = {"format_whitelist": ",".join(MEDIA_FORMATS), "protocol_whitelist": "none"}
        try:
            container = av.open(file, container_options=options, metadata_errors="replace")
        except (av.error.FFmpegError, ValueError):
            raise UserError(
                f"{name}: not a complete audio or video file of a known kind; expected one of "
                f"{', '.join(MEDIA_FORMATS)}; convert or export it again"
            ) from None
        with container:
            yield container


def decoded(container, stream):
    """Frames of one stream in order. Packets that do not decode are left out."""
    packets = container.demux(stream)
    while True:
        try:
            frames = next(packets).decode()
        except StopIteration:
            return
        except av.error.FFmpegError:
            continue
        yield from frames


def expected_duration_s(container, stream):
    """How long a stream says it is, from its own start, where its format records that; else None.

    QuickTime (mp4, m4a, mov), FLAC, AIFF, AU, WavPack, and MP3 with the usual tag in its first
    frame record it for each stream. Matroska (mkv, webm) records where the longest stream ends,
    and most writers add a tag for each; a file with neither, such as a live recording, gives None.
    So do all other formats: a file of theirs that is cut off (aac, ogg, MPEG-TS, flv, ...) is taken
    for one that ends there. (RIFF files are checked when they are opened.)
    """
    names = container.format.name.split(",")
    if "matroska" in names:
        return _matroska_duration_s(container, stream)
    if "mp3" in names and not _counts_its_frames(container.file.file):
        return None
    if not {"mov", "flac", "aiff", "au", "wv", "mp3"} & set(names):
        return None
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _counts_its_frames(file):
    """Whether an MP3 begins with the frame that says how many follow; else FFmpeg only guesses."""
    position = file.tell()
    file.seek(0)
    head = file.read(10)
    tag_bytes = 0
    if head[:3] == b"ID3":
        a, b, c, d = head[6:10]
        tag_bytes = 10 + (a << 21 | b << 14 | c << 7 | d)
    file.seek(tag_bytes)
    first_frame = file.read(2048)
    file.seek(position)
    return any(name in first_frame for name in (b"Xing", b"Info", b"VBRI"))


def _check_size(name, file):
    """UserError when a RIFF (wav, avi), RF64 or W64 file is shorter than it says; FFmpeg would
    read what there is."""
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(40)
    declared, unknown = 0, (0, 2**32 - 1, 2**64 - 1)  # as writers to a pipe leave it

    def number(start, size):
        value = int.from_bytes(head[start : start + size], "little")
        return 0 if value in unknown else value

    if head[:4] == b"RIFF":
        declared = number(4, 4) and number(4, 4) + 8
        if head[8:12] == b"WAVE":
            declared = max(declared, _end_of_samples(file, end))
    elif head[:4] == b"RF64" and head[12:16] == b"ds64":
        declared = number(20, 8) and number(20, 8) + 8
    elif head[:4] == b"riff":
        declared = number(16, 8)
    file.seek(0)
    # Above 2 GB, the number in a RIFF file is often a writer's stand-in for one that it lacked.
    if end < declared and not (head[:4] == b"RIFF" and declared >= 2**31):
        raise UserError(
            f"{name}: found {end} bytes, expected {declared}; the file is cut off, copy or export "
            "it again"
        )


def _end_of_samples(file, end):
    """Where the chunk `data` of a wav file ends, as far as the file says so; else 0."""
    position = 12
    while position + 8 <= end:
        file.seek(position)
        chunk = file.read(8)
        size = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            return 0 if size in (0, 2**32 - 1) else position + 8 + size
        position += 8 + size + size % 2
    return 0


def _matroska_duration_s(container, stream):
    if not container.duration:
        return None
    end_s = container.duration / av.time_base
    if tag := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, tag.groups())
        end_s = min(end_s, 3600 * hours + 60 * minutes + seconds)
    return max(0.0, end_s - float((stream.start_time or 0) * stream.time_base))


def check_whole(name, what, found_s, expected_s):
    """UserError when more is missing at the end than 0.1 s and a fifth, or half a second.

    Less may be the padding of a codec, or a last picture that is shown for longer.
    """
    if expected_s is not None and found_s < expected_s - min(0.5, 0.1 + 0.2 * expected_s):
        raise UserError(
            f"{name}: {what} ends after {found_s:.1f} s, expected {expected_s:.1f} s; the file is "
            "cut off or damaged, copy or export it again"
        )


def check_replaces_none(path, **sources):
    """UserError if writing to `path` would replace one of the sources, option name -> path."""
    for option, source in sources.items():
        try:
            same = source is not None and os.path.samefile(path, source)
        except (OSError, ValueError):  # one of them does not exist, or is not even a name
            continue
        if same:
            raise UserError(
                f"--out: found {path}, which is the file of --{option}; expected another name, as "
                "it would be replaced"
            )


@contextlib.contextmanager
def replacing(path):
    """A temporary name beside `path`, renamed to it on success and removed on failure.

    Raises:
      UserError: the folder does not exist or cannot be written.
    """
    path = os.path.abspath(os.fspath(path))
    folder, name = os.path.split(path)
    if os.path.isdir(path):
        raise UserError(f"{path}: found a folder, expected the name of a file to write")
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    except OSError as error:
        raise UserError(f"{path}: cannot write there: {error.strerror.lower()}") from None
    os.close(descriptor)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


def _umask():
    """The process' mask; mkstemp makes files that only their owner can read."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
