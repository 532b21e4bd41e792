"""Projects as zip files: packs them for a download, unpacks uploads, which are not trusted."""

import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from control.config.errors import ArchiveTooLarge, InvalidArchive
from control.projects.catalog import NOTEBOOK
from control.projects.regular_file import is_regular, open_regular

MAX_FILES = 10_000
MAX_BYTES = 500_000_000  # unpacked
# Bytes of one read. zipfile reads a zip's whole directory at once, before its entries can be counted.
MAX_READ = 4_000_000
BLOCK = 64 * 1024
# What macOS and Jupyter create beside a user's files.
EXCLUDED = frozenset({"__MACOSX", ".DS_Store", ".ipynb_checkpoints", "__pycache__"})
# Nor in a download: a project's variables, which are secrets. An upload may bring them.
SECRET = frozenset({".env"})
NO_UTF8 = re.compile("[\udc80-\udcff]")  # how Python reads such bytes in the name of a file (PEP 383)


class _WriteBuffer(io.RawIOBase):
    """A file to write to, whose contents are taken out after each write."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self.data)
        self.data.clear()
        return data


class _BoundedReader:
    """A file that refuses large reads."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MAX_READ:
            raise ArchiveTooLarge(f"The archive has more than {MAX_FILES:,} files.")
        return self.file.read(size)


def pack(folder: Path) -> Iterator[bytes]:
    """A project's files as a zip, in one folder with its name, in chunks; without symlinks and `.env`.

    A byte of a name that is not UTF-8, which a zip cannot have, becomes `%F6`.
    """
    buffer = _WriteBuffer()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for file in _files(folder):
            name = NO_UTF8.sub(_percent_code, str(folder.name / file.relative_to(folder)))
            info = zipfile.ZipInfo.from_file(file, name, strict_timestamps=False)
            info.compress_type = zipfile.ZIP_DEFLATED
            with open_regular(file) as source, archive.open(info, "w") as entry:
                while data := source.read(BLOCK):
                    entry.write(data)
                    yield buffer.take()
    yield buffer.take()


def _percent_code(match: re.Match[str]) -> str:
    return f"%{ord(match[0]) - 0xDC00:02X}"


def _files(folder: Path) -> Iterator[Path]:
    for path, names, files in os.walk(folder):
        names[:] = sorted(set(names) - EXCLUDED - SECRET)
        for file in (Path(path) / name for name in sorted(set(files) - EXCLUDED - SECRET)):
            if is_regular(file):
                yield file


def unpack(source: BinaryIO, folder: Path) -> None:
    """Unpack a project into `folder`, which is created; nothing is ever written outside of it.

    The project is at the top of the archive, or in the one folder there. Raises InvalidArchive or
    ArchiveTooLarge; `folder` may have a part of it then.
    """
    if not zipfile.is_zipfile(source):
        raise InvalidArchive("The file is no zip archive. Zip the project's folder, and upload that.")
    try:
        with zipfile.ZipFile(_BoundedReader(source)) as archive:
            entries = _entries(archive)
            folder.mkdir()
            room = MAX_BYTES
            for path, entry in entries.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                room -= _extract(archive, entry, target, room)
    # What zipfile raises for archives that are broken or encrypted.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise InvalidArchive(f"The archive cannot be unpacked: {error}. Zip the project's folder anew.") from None
    except OSError as error:
        raise InvalidArchive(f"The archive cannot be unpacked: {error.strerror}.") from None


def _entries(archive: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The files to unpack, by their path in the project."""
    entries: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        path = _validate_path(entry)
        if entry.is_dir() or EXCLUDED.intersection(path.parts):
            continue
        if path in entries:
            raise InvalidArchive(f"The archive has {str(path)!r} twice.")
        entries[path] = entry
    if len(entries) > MAX_FILES:
        raise ArchiveTooLarge(f"The archive has more than {MAX_FILES:,} files.")
    tops = {path.parts[0] for path in entries}
    if PurePosixPath(NOTEBOOK) not in entries and len(tops) == 1:
        entries = {PurePosixPath(*path.parts[1:]): entry for path, entry in entries.items()}
    if PurePosixPath(NOTEBOOK) not in entries:
        raise InvalidArchive(f"The archive has no {NOTEBOOK}, neither at its top nor in the one folder there.")
    return entries


def _validate_path(entry: zipfile.ZipInfo) -> PurePosixPath:
    """The entry's path; raises InvalidArchive for one outside the project, and for what is no file or folder."""
    name = entry.filename
    if "/" not in name and not PureWindowsPath(name).drive:
        # Windows PowerShell 5.1 separates folders so. zipfile takes an entry that ends with / for a folder.
        entry.filename = name.replace("\\", "/")
    path = PurePosixPath(entry.filename)
    outside = path.is_absolute() or ".." in path.parts or not path.parts
    if outside or "\\" in entry.filename or not name.isprintable():
        raise InvalidArchive(f"The archive has a file with the path {name!r}, which a project cannot have.")
    # zipfile does not limit the size of a decompressed chunk for the other methods.
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise InvalidArchive(f"The archive compresses {name!r} in an unusual way. Zip it with Deflate, the default.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise InvalidArchive(f"The archive has {name!r}, which is a symlink or a device. Zip files and folders only.")
    return path


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, room: int) -> int:
    """Unpack one file; returns its size, which is counted while it is read: the declared one may be false."""
    size = 0
    with archive.open(entry) as source, target.open("xb") as file:
        while data := source.read(BLOCK):
            size += len(data)
            if size > room:
                raise ArchiveTooLarge(f"The archive is larger than {MAX_BYTES // 1_000_000} MB when unpacked.")
            file.write(data)
    return size
