"""Projects as zip files: packed to be taken away, unpacked with distrust."""

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from control.config.errors import ArchiveTooLarge, InvalidArchive
from control.projects.catalog import NOTEBOOK

MOST_FILES = 10_000
MOST_BYTES = 500_000_000  # unpacked
# The list of files in a zip; zipfile reads all of it before anybody can count.
MOST_BYTES_OF_LIST = 4_000_000
BLOCK = 64 * 1024
# What macOS and Jupyter leave beside a person's files.
LEFT_OUT = frozenset({"__MACOSX", ".DS_Store", ".ipynb_checkpoints", "__pycache__"})


class _Passed(io.RawIOBase):
    """A file to write to, from which what was written is taken at once."""

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


def pack(folder: Path) -> Iterator[bytes]:
    """A project's files as a zip, below one folder with its name, piece by piece; symlinks are left out."""
    passed = _Passed()
    with zipfile.ZipFile(passed, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for file in _files(folder):
            about = zipfile.ZipInfo.from_file(file, folder.name / file.relative_to(folder), strict_timestamps=False)
            about.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as source, archive.open(about, "w") as entry:
                while data := source.read(BLOCK):
                    entry.write(data)
                    yield passed.take()
    yield passed.take()


def _files(folder: Path) -> Iterator[Path]:
    for path, names, files in os.walk(folder):
        names[:] = sorted(set(names) - LEFT_OUT)
        for file in (Path(path) / name for name in sorted(set(files) - LEFT_OUT)):
            if stat.S_ISREG(file.lstat().st_mode):
                yield file


def unpack(source: BinaryIO, folder: Path) -> None:
    """Unpack a project into `folder`, which is made; nothing is ever written outside of it.

    The project lies at the top of the archive, or in the one folder there. Raises InvalidArchive or
    ArchiveTooLarge; `folder` may hold a part of it then.
    """
    try:
        with _opened(source) as archive:
            members = _members(archive)
            folder.mkdir()
            room = MOST_BYTES
            for path, member in members.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                room -= _write(archive, member, target, room)
    # What zipfile raises for archives that are broken or encrypted.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise InvalidArchive(f"The archive cannot be unpacked: {error}. Zip the project's folder anew.") from None
    except OSError as error:
        raise InvalidArchive(f"The archive cannot be unpacked: {error.strerror}.") from None


def _opened(source: BinaryIO) -> zipfile.ZipFile:
    end = zipfile._EndRecData(source)  # type: ignore[attr-defined]  # what zipfile itself goes by
    if not end:
        raise InvalidArchive("The file is no zip archive. Zip the project's folder, and upload that.")
    if end[zipfile._ECD_SIZE] > MOST_BYTES_OF_LIST:  # type: ignore[attr-defined]
        raise ArchiveTooLarge(f"The archive has more than {MOST_FILES:,} files.")
    return zipfile.ZipFile(source)


def _members(archive: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The files to unpack, by their path in the project."""
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        path = _checked(member)
        if member.is_dir() or LEFT_OUT.intersection(path.parts):
            continue
        if path in members:
            raise InvalidArchive(f"The archive has {str(path)!r} twice.")
        members[path] = member
    if len(members) > MOST_FILES:
        raise ArchiveTooLarge(f"The archive has more than {MOST_FILES:,} files.")
    tops = {path.parts[0] for path in members}
    if PurePosixPath(NOTEBOOK) not in members and len(tops) == 1:
        members = {PurePosixPath(*path.parts[1:]): member for path, member in members.items()}
    if PurePosixPath(NOTEBOOK) not in members:
        raise InvalidArchive(f"The archive has no {NOTEBOOK}, neither at its top nor in the one folder there.")
    return members


def _checked(member: zipfile.ZipInfo) -> PurePosixPath:
    """The member's path; raises InvalidArchive for one that leads out, and for all that is no file or folder."""
    name = member.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name or not name.isprintable():
        raise InvalidArchive(f"The archive has a file with the path {name!r}, which a project cannot have.")
    # zipfile unpacks the other kinds without a limit to what one piece may become.
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise InvalidArchive(
            f"The archive has packed {name!r} in an unusual way. Zip it with Deflate, as is the default."
        )
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise InvalidArchive(f"The archive has {name!r}, which is a symlink or a device. Zip files and folders only.")
    return path


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, room: int) -> int:
    """Unpack one file; returns its size, which is counted as it comes: an archive may lie about it."""
    size = 0
    with archive.open(member) as pack, target.open("xb") as file:
        while data := pack.read(BLOCK):
            size += len(data)
            if size > room:
                raise ArchiveTooLarge(f"The archive is larger than {MOST_BYTES // 1_000_000} MB when unpacked.")
            file.write(data)
    return size
