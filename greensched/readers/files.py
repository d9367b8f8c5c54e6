"""Files as they come: compressed, archived, cut, hostile. All opened here, none trusted.

Limits: an archive may expand to at most 200 times its size and 8 GiB
(`docs/reference/traces.md`).
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, cast

from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RATIO_MAX = 200
BYTES_MAX = 8 * 2**30
RATIO_FROM_BYTES = 2**20  # smaller outputs are harmless whatever their ratio
CHUNK_BYTES = 2**20
TRAILING = "bytes after the end of the compressed data or archive"
ZIP_END, ZIP_END_BYTES = b"PK\5\6", 18  # the last record's mark, and what follows it

TAR_SUFFIXES = ([".tgz"], [".tbz2"], [".txz"])
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".swf", ".log")
_DAMAGE = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    tarfile.TarError,
    zipfile.BadZipFile,
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)


def checksum(files: Sequence[Path]) -> str:
    """Return the SHA-256 of the contents of `files` in order (names do not count)."""
    total = hashlib.sha256()
    for path in files:
        with existing(path).open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def existing(path: Path) -> Path:
    """Return `path`; raise DataError where no file is there or it is empty."""
    if not path.is_file():
        raise DataError(Finding(where=str(path), what="no such file"))
    if path.stat().st_size == 0:
        raise DataError(Finding(where=str(path), what="the file is empty"))
    return path


@contextmanager
def plain(path: Path, member: str = "") -> Iterator[Path]:
    """Yield a path with the uncompressed contents of `path`, checked, for the time of the block.

    Knows .gz, .bz2, .xz, .zip, .tar.* and .tgz; of an archive with several files `member` names
    the one to read. Raises DataError for damage, bytes after the end, and bombs.
    """
    existing(path)
    last = path.suffix.lower()
    if not is_tar(path) and last not in (".gz", ".bz2", ".xz", ".zip"):
        yield path
        return
    with TemporaryDirectory(prefix="greensched-") as folder:
        target = Path(folder) / "contents"
        try:
            _expand(path, last, target, member)
        except _DAMAGE as error:
            what = f"damaged or cut short ({str(error) or type(error).__name__})"
            raise DataError(Finding(where=str(path), what=what)) from error
        if target.stat().st_size == 0:
            raise DataError(Finding(where=str(path), what="the file inside is empty"))
        yield target


def is_tar(path: Path) -> bool:
    """Tell whether `path` is a tar archive, by its name; compressed or not."""
    suffixes = [s.lower() for s in path.suffixes]
    return suffixes[-1:] == [".tar"] or ".tar" in suffixes[-2:-1] or suffixes[-1:] in TAR_SUFFIXES


def texts(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of every file in the tar archive `path`, in its order.

    Raises DataError for damage and bombs.
    """
    try:
        with _decompressed(path, path.suffix.lower()) as stream:
            capped = _Capped(stream, path)
            with tarfile.open(fileobj=capped, mode="r|") as archive:  # type: ignore[call-overload]
                for entry in archive:
                    inside = archive.extractfile(entry) if entry.isfile() else None
                    if inside is not None and not Path(entry.name).name.startswith("."):
                        yield entry.name, inside.read()
            _no_junk(capped, archive.offset)
    except _DAMAGE as error:
        what = f"damaged or cut short ({str(error) or type(error).__name__})"
        raise DataError(Finding(where=str(path), what=what)) from error


def _expand(path: Path, last: str, target: Path, member: str) -> None:
    if is_tar(path):
        with _decompressed(path, last) as stream:
            capped = _Capped(stream, path)
            with tarfile.open(fileobj=capped, mode="r|") as archive:  # type: ignore[call-overload]
                _tar_member(path, archive, member, target)
            _no_junk(capped, archive.offset)
    elif last == ".zip":
        _unzip(path, member, target)
    else:
        with _decompressed(path, last) as stream, target.open("wb") as out:
            _copy(stream, out, path)
    if last in (".bz2", ".tbz2"):
        _no_trailing(path, bz2.BZ2Decompressor())
    elif last in (".xz", ".txz"):
        _no_trailing(path, lzma.LZMADecompressor())


def _decompressed(path: Path, last: str) -> IO[bytes]:
    if last in (".gz", ".tgz"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if last in (".bz2", ".tbz2"):
        return cast("IO[bytes]", bz2.open(path, "rb"))
    if last in (".xz", ".txz"):
        return cast("IO[bytes]", lzma.open(path, "rb"))
    return path.open("rb")


def _no_trailing(path: Path, first: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
    """Refuse bytes after the end: bz2 and lzma ignore them in silence, gzip does not."""
    magic = b"BZh" if isinstance(first, bz2.BZ2Decompressor) else b"\xfd7zXZ"
    with path.open("rb") as stream:
        chunk = stream.read(CHUNK_BYTES)
        while chunk and not _ended(first):
            written = first.decompress(chunk, CHUNK_BYTES)
            while written and not _ended(first) and not first.needs_input:
                written = first.decompress(b"", CHUNK_BYTES)
            chunk = first.unused_data or stream.read(CHUNK_BYTES)
    if _ended(first) and chunk.strip(b"\0") and not chunk.startswith(magic):
        raise ValueError(TRAILING)


def _ended(stream: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> bool:
    return stream.eof


def _no_junk(stream: _Capped, end: int) -> None:
    """Read a tar to its end, so that damage is seen; refuse all but zeros from `end` on."""
    while stream.read(CHUNK_BYTES):
        pass
    if stream.told > end:
        raise ValueError(TRAILING)


class _Capped:
    """A stream that refuses to give more than the limits allow.

    `told` is the position after the last byte that is not zero.
    """

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self.stream, self.path, self.given, self.told = stream, path, 0, 0
        self.size = path.stat().st_size

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Return up to `size` bytes; raise DataError past the limits."""
        chunk = self.stream.read(size)
        if text := chunk.rstrip(b"\0"):
            self.told = self.given + len(text)
        self.given += len(chunk)
        _check_bomb(self.path, self.size, self.given)
        return chunk


def _check_bomb(path: Path, packed_bytes: int, plain_bytes: int) -> None:
    if plain_bytes > BYTES_MAX:
        raise DataError(
            Finding(
                where=str(path),
                what=f"expands to more than {BYTES_MAX:,} bytes",
                remedy="expand it yourself if you trust it, and give the plain file",
            )
        )
    if plain_bytes > RATIO_FROM_BYTES and plain_bytes > RATIO_MAX * packed_bytes:
        raise DataError(
            Finding(
                where=str(path),
                what=f"expands to more than {RATIO_MAX} times its size, as a bomb would",
                remedy="expand it yourself if you trust it, and give the plain file",
            )
        )


def _copy(stream: IO[bytes], out: IO[bytes], path: Path, packed_bytes: int = 0) -> None:
    packed_bytes, given = packed_bytes or path.stat().st_size, 0
    while chunk := stream.read(CHUNK_BYTES):
        given += len(chunk)
        _check_bomb(path, packed_bytes, given)
        out.write(chunk)


def _tar_member(path: Path, archive: tarfile.TarFile, member: str, target: Path) -> None:
    seen: list[str] = []
    for entry in archive:
        if not entry.isfile() or not _wanted(entry.name, member):
            continue
        seen.append(entry.name)
        _one_member(path, seen)
        stream = archive.extractfile(entry)
        if stream is not None:
            with target.open("wb") as out:
                _copy(stream, out, path)
    _one_member(path, seen, at_end=True)


def _unzip(path: Path, member: str, target: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        _only_the_archive(path, archive)
        entries = [e for e in archive.infolist() if not e.is_dir() and _wanted(e.filename, member)]
        _one_member(path, [e.filename for e in entries], at_end=True)
        with archive.open(entries[0]) as stream, target.open("wb") as out:
            _copy(stream, out, path, max(1, entries[0].compress_size))


def _only_the_archive(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse bytes before the first file of a zip or after its end: zipfile ignores both."""
    end = len(ZIP_END) + ZIP_END_BYTES + len(archive.comment)
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - end))
        if not stream.read().startswith(ZIP_END):
            raise ValueError(TRAILING)
    if min((e.header_offset for e in archive.infolist()), default=0):
        message = "bytes before the archive"
        raise ValueError(message)


def _wanted(name: str, member: str) -> bool:
    if member:
        return name == member
    hidden = Path(name).name.startswith(".") or name.startswith("__MACOSX/")
    return not hidden and name.lower().endswith(TEXT_SUFFIXES)


def _one_member(path: Path, names: list[str], *, at_end: bool = False) -> None:
    if len(names) > 1:
        raise DataError(
            Finding(
                where=str(path),
                what=f"has several files inside ({', '.join(names[:5])})",
                remedy="name one of them with --member",
            )
        )
    if at_end and not names:
        raise DataError(Finding(where=str(path), what="no such text file inside the archive"))
