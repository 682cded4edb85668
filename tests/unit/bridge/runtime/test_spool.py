"""What waits on the disk is read back whole and in order, whatever became of the process that wrote it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.runtime.spool import FRAME, SUFFIX, Segment, Spool, left_behind


def read_all(spool: Spool) -> list[bytes]:
    out: list[bytes] = []
    while (found := spool.oldest()) is not None:
        out.append(found[0])
        spool.done(found[2])
    return out


def texts(segments: list[list[Segment]]) -> list[bytes]:
    out: list[bytes] = []
    for segment in (segment for of_one in segments for segment in of_one):
        while (record := segment.next()) is not None:
            out.append(record[0])
            segment.done()
        segment.release()
    return out


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def in_a_process_that_is_killed(work: Callable[[], None]) -> None:
    def run() -> None:
        work()
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_records_come_back_in_order_across_files_which_go_when_they_are_done(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "journal_1", segment_bytes=40)
    wanted = [b"%d" % number * 10 for number in range(9)]
    for payload in wanted:
        spool.append(payload, 1)
    assert len(files(tmp_path)) > 1
    assert read_all(spool) == wanted
    assert files(tmp_path) == []
    assert spool.bytes == 0


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    """What people said on the telephone is in them."""
    directory = tmp_path / "spool"
    Spool(directory, "journal_1").append(b"said", 1)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in directory.iterdir()] == [0o600]


def test_a_record_that_is_not_done_is_given_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "journal_1")
    spool.append(b"one", 1)
    assert spool.oldest() == spool.oldest()


def test_what_a_killed_process_left_is_found_by_the_next(tmp_path: Path) -> None:
    def work() -> None:
        spool = Spool(tmp_path, "journal_1", segment_bytes=1)
        for payload in (b"one", b"two", b"three"):
            spool.append(payload, 1)

    in_a_process_that_is_killed(work)
    assert texts(left_behind(tmp_path)) == [b"one", b"two", b"three"]


def test_a_record_that_was_torn_by_the_end_of_its_process_is_not_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "journal_1")
    spool.append(b"whole", 1)
    spool.close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole + whole[:length])
        assert texts(left_behind(tmp_path)) == [b"whole"]
    path.write_bytes(whole + FRAME.pack(5, 1, 1) + b"wrong")
    assert texts(left_behind(tmp_path)) == [b"whole"]
    path.write_bytes(whole + b"\xff" * 100)
    assert texts(left_behind(tmp_path)) == [b"whole"]


def test_a_file_in_use_is_nobody_elses(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "journal_1")
    spool.append(b"one", 1)
    assert left_behind(tmp_path) == []
    spool.close()
    claimed = left_behind(tmp_path)
    assert left_behind(tmp_path) == [], "nor when one of those who look has found it"
    assert texts(claimed) == [b"one"]


def test_whoever_has_not_the_first_file_of_a_process_has_none_of_it(tmp_path: Path) -> None:
    """Its batches count by their numbers: a later one must not be written before an earlier one."""
    spool = Spool(tmp_path, "journal_1", segment_bytes=1)
    for payload in (b"one", b"two"):
        spool.append(payload, 1)
    spool.close()
    first = Segment.claim(tmp_path / f"journal_1-000001{SUFFIX}")
    assert first is not None
    assert left_behind(tmp_path) == []
    first.release()
    assert texts(left_behind(tmp_path)) == [b"one", b"two"]


def test_beyond_its_size_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "journal_1", segment_bytes=1, max_bytes=3 * (FRAME.size + 10))
    dropped = [spool.append(b"%d" % number * 10, 7) for number in range(5)]
    assert dropped == [0, 0, 0, 7, 7]
    assert read_all(spool) == [b"2" * 10, b"3" * 10, b"4" * 10]


def test_a_full_disk_leaves_no_half_record(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: part of the record fits, then no more."""
    spool = Spool(tmp_path, "journal_1")
    spool.append(b"one", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(OSError) as full:
            spool.append(b"x" * 2000, 1)
        assert full.value.errno in {errno.EFBIG, errno.ENOSPC}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    spool.append(b"two", 1)
    assert read_all(spool) == [b"one", b"two"]
    spool.append(b"three", 4)
    assert spool.drop_oldest() == 4, "room can be made"
    assert files(tmp_path) == []
