"""Zips of projects: what comes out goes in again, and what must not be unpacked is refused."""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.config.errors import ArchiveTooLarge, InvalidArchive
from control.projects import archive
from control.projects.archive import pack, unpack

NOTEBOOK = "server.ipynb"


def zip_of(*files: tuple[str | zipfile.ZipInfo, str]) -> io.BytesIO:
    """An archive of files, by path or with all that a zip can say of one."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zip_file:
        for name, text in files:
            zip_file.writestr(name, text)
    target.seek(0)
    return target


def of_kind(name: str, kind: int) -> zipfile.ZipInfo:
    """A member that says it is a symlink, a device, …"""
    info = zipfile.ZipInfo(name)
    info.create_system = 3  # Unix
    info.external_attr = (kind | 0o777) << 16
    return info


def files(folder: Path) -> dict[str, str]:
    """The text of every file below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """Where to unpack; nothing may have been written beside it."""
    (tmp_path / "notebooks").mkdir()
    yield tmp_path / "notebooks" / "new"
    assert {path.name for path in tmp_path.rglob("*")} - {path.name for path in tmp_path.glob("project/**/*")} <= {
        "notebooks",
        "project",
        "new",
        *(path.name for path in (tmp_path / "notebooks" / "new").rglob("*")),
    }


def test_what_was_packed_unpacks_to_the_same_files(tmp_path: Path, target: Path) -> None:
    project = tmp_path / "project"
    (project / "data" / ".ipynb_checkpoints").mkdir(parents=True)
    texts = {NOTEBOOK: "{}", "data/größe.csv": "a,b\n" * 50_000, "data/empty": "", ".env.example": "X="}
    for name, text in texts.items():
        (project / name).write_text(text)
    (project / "data" / ".ipynb_checkpoints" / "old").write_text("old")
    (project / "link").symlink_to("/etc/passwd")
    os.mkfifo(project / "pipe")

    pieces = list(pack(project))

    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as zip_file:
        assert set(zip_file.namelist()) == {f"project/{name}" for name in texts}
    unpack(io.BytesIO(b"".join(pieces)), target)
    assert files(target) == texts


def test_a_download_has_no_variables_and_an_upload_may_bring_them(tmp_path: Path, target: Path) -> None:
    project = tmp_path / "project"
    (project / "inner").mkdir(parents=True)
    for name in (NOTEBOOK, ".env", "inner/.env"):
        (project / name).write_text("KEY=secret")

    with zipfile.ZipFile(io.BytesIO(b"".join(pack(project)))) as zip_file:
        assert zip_file.namelist() == [f"project/{NOTEBOOK}"]

    unpack(zip_of((NOTEBOOK, "{}"), (".env", "KEY=theirs")), target)
    assert files(target) == {NOTEBOOK: "{}", ".env": "KEY=theirs"}


def test_files_at_the_top_of_the_archive_are_the_project(target: Path) -> None:
    unpack(zip_of((NOTEBOOK, "{}"), ("lib/a.py", "1"), ("__MACOSX/x", "-"), (".DS_Store", "-")), target)

    assert files(target) == {NOTEBOOK: "{}", "lib/a.py": "1"}


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/x", "../x", "a/../../x", "a/..", "a\x07b", "a\x1bb", "//x", "..", "/"),
        *("\\etc\\x", "..\\x", "a\\..\\..\\x", "a\\..\\x", "a\\..", "\\\\server\\share\\x", "C:\\x", "C:..\\x", "\\"),
        *("a/..\\x", "a/b\\..\\..\\..\\x", "..\\../x", "a/b\\x", "a\\b\x07"),
    ],
)
def test_a_path_that_leads_out_or_cannot_be_shown_is_refused(target: Path, name: str) -> None:
    info = zipfile.ZipInfo("placeholder")
    info.filename = name  # as it is: the constructor would mend some of these

    with pytest.raises(InvalidArchive, match="cannot have"):
        unpack(zip_of((NOTEBOOK, "{}"), (info, "x")), target)


@pytest.mark.parametrize("top", ["", "project\\"])
def test_a_zip_of_windows_powershell_unpacks_to_folders(target: Path, top: str) -> None:
    entries = {NOTEBOOK: "{}", "data\\": "", "data\\a.csv": "1", "data\\b\\c.csv": "2", ".ipynb_checkpoints\\x": "-"}

    unpack(zip_of(*((top + name, text) for name, text in entries.items())), target)

    assert files(target) == {NOTEBOOK: "{}", "data/a.csv": "1", "data/b/c.csv": "2"}


def test_a_file_that_is_there_with_both_separators_is_refused(target: Path) -> None:
    with pytest.raises(InvalidArchive, match="twice"):
        unpack(zip_of((NOTEBOOK, "{}"), ("a/b", "1"), ("a\\b", "2")), target)


def test_a_file_whose_name_is_not_utf8_is_packed_under_a_name_that_a_zip_can_have(tmp_path: Path, target: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / NOTEBOOK).write_text("{}")
    for number, name in enumerate((b"gr\xf6\xdfe.csv", b"gr\xf6\xdf\xe9.csv")):  # Latin-1
        (project / os.fsdecode(name)).write_text(str(number))

    unpack(io.BytesIO(b"".join(pack(project))), target)

    assert files(target) == {NOTEBOOK: "{}", "gr%F6%DFe.csv": "0", "gr%F6%DF%E9.csv": "1"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_what_is_neither_file_nor_folder_is_refused(target: Path, kind: int) -> None:
    with pytest.raises(InvalidArchive, match="'link', which is a symlink or a device"):
        unpack(zip_of((NOTEBOOK, "{}"), (of_kind("link", kind), "/etc/passwd")), target)


@pytest.mark.parametrize("members", [[], ["other.ipynb"], ["a/server.ipynb", "b/x"], ["a/b/server.ipynb"]])
def test_an_archive_without_a_notebook_is_refused(target: Path, members: list[str]) -> None:
    with pytest.raises(InvalidArchive, match=r"has no server\.ipynb"):
        unpack(zip_of(*((name, "{}") for name in members)), target)


def test_a_file_that_is_no_zip_is_refused(target: Path) -> None:
    for data in (b"", b"PK", b"{}" * 1000, zip_of((NOTEBOOK, "{}")).getvalue()[:-30]):
        with pytest.raises(InvalidArchive, match="no zip archive"):
            unpack(io.BytesIO(data), target)


def test_one_whose_data_are_damaged_is_refused(target: Path) -> None:
    data = bytearray(zip_of((NOTEBOOK, "x" * 1000)).getvalue())
    data[45] ^= 0xFF

    with pytest.raises(InvalidArchive, match="cannot be unpacked"):
        unpack(io.BytesIO(bytes(data)), target)


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_one_that_is_packed_so_that_it_cannot_be_unpacked_piece_by_piece_is_refused(target: Path, kind: int) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", kind) as zip_file:
        zip_file.writestr(NOTEBOOK, "{}")

    with pytest.raises(InvalidArchive, match="Deflate"):
        unpack(data, target)


def test_one_that_is_encrypted_is_refused(target: Path) -> None:
    data = bytearray(zip_of((NOTEBOOK, "{}")).getvalue())
    for flags in (6, data.rfind(b"PK\x01\x02") + 8):
        data[flags] |= 1

    with pytest.raises(InvalidArchive, match="cannot be unpacked"):
        unpack(io.BytesIO(bytes(data)), target)


def test_a_file_that_is_there_twice_is_refused(target: Path) -> None:
    with pytest.raises(InvalidArchive, match="twice"):
        unpack(zip_of((NOTEBOOK, "{}"), ("a", "1"), ("./a", "2")), target)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_a_file_that_is_also_a_folder_is_refused(target: Path, names: tuple[str, str]) -> None:
    with pytest.raises(InvalidArchive, match="cannot be unpacked"):
        unpack(zip_of((NOTEBOOK, "{}"), *((name, "x") for name in names)), target)


def test_a_name_that_is_too_long_is_refused(target: Path) -> None:
    with pytest.raises(InvalidArchive, match="too long"):
        unpack(zip_of((NOTEBOOK, "{}"), ("x" * 300, "x")), target)


def test_a_bomb_is_stopped_at_the_limit_whatever_it_says_of_its_size(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1_000_000)
    data = bytearray(zip_of((NOTEBOOK, "0" * 3_000_000)).getvalue())
    for sizes in (22, data.rfind(b"PK\x01\x02") + 24):
        honest = bytes(data)
        with pytest.raises(ArchiveTooLarge, match="1 MB when unpacked"):
            unpack(io.BytesIO(honest), target)
        assert sum(path.stat().st_size for path in target.iterdir()) <= 1_000_000
        (target / NOTEBOOK).unlink()
        target.rmdir()
        data[sizes : sizes + 4] = struct.pack("<I", 10)
    with pytest.raises((InvalidArchive, ArchiveTooLarge)):
        unpack(io.BytesIO(bytes(data)), target)
    assert sum(path.stat().st_size for path in target.iterdir()) <= 1_000_000


def test_ten_thousand_files_are_let_in_and_one_more_is_not(target: Path) -> None:
    def archive_of(count: int) -> io.BytesIO:
        return zip_of((NOTEBOOK, "{}"), *((f"f{number}", "") for number in range(count - 1)))

    unpack(archive_of(10_000), target)
    assert len(list(target.iterdir())) == 10_000
    with pytest.raises(ArchiveTooLarge, match="more than 10,000 files"):
        unpack(archive_of(10_001), target.with_name("other"))
    assert not target.with_name("other").exists()


def test_an_archive_in_an_archive_is_a_file_like_any_other(target: Path) -> None:
    inner = zip_of(("../out", "x")).getvalue()
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as zip_file:
        zip_file.writestr(NOTEBOOK, "{}")
        zip_file.writestr("inner.zip", inner)
    unpack(outer, target)
    assert (target / "inner.zip").read_bytes() == inner
    with pytest.raises(InvalidArchive, match=r"has no server\.ipynb"):
        unpack(zip_of(("inner.zip", "{}")), target.with_name("other"))


@pytest.mark.parametrize(
    ("name", "is_utf8", "expected_name"),
    [
        (b"gr\xc3\xb6\xc3\x9fe", True, "größe"),
        (b"gr\x94\xe1e", False, "größe"),  # code page 437, as zip has it where nothing is said
        (b"gr\x94\xe1e", True, None),
        (b"\xff\xfe\x80", True, None),
        (b"\xff\xfe\x80", False, None),  # begins with a space that cannot be seen
    ],
)
def test_a_name_is_read_in_the_encoding_that_the_archive_says(
    target: Path, name: bytes, is_utf8: bool, expected_name: str | None
) -> None:
    data = bytearray(zip_of((NOTEBOOK, "{}"), ("N" * len(name), "x")).getvalue().replace(b"N" * len(name), name))
    if is_utf8:
        for start, flags in ((data.index(name) - 30, 6), (data.rindex(name) - 46, 8)):
            data[start + flags + 1] |= 0x08
    if expected_name:
        unpack(io.BytesIO(bytes(data)), target)
        assert files(target) == {NOTEBOOK: "{}", expected_name: "x"}
    else:
        with pytest.raises(InvalidArchive):
            unpack(io.BytesIO(bytes(data)), target)


def test_too_many_files_are_refused_before_any_is_written(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = zip_of((NOTEBOOK, "{}"), *((f"f{number}", "") for number in range(20)))
    for limit, value in (("MAX_FILES", 20), ("MAX_READ", 500)):
        with monkeypatch.context() as patch:
            patch.setattr(archive, limit, value)
            with pytest.raises(ArchiveTooLarge, match="more than"):
                unpack(many, target)
    assert not target.exists()
