"""A batch that is sent twice is counted once."""

from control.traffic import receipts as module
from control.traffic.receipts import Receipts


def test_a_batch_is_new_once_for_each_sender() -> None:
    receipts = Receipts()
    assert [receipts.add(sender, 0, 0) for sender in ("a", "a", "b", "a", "b")] == [True, False, True, False, False]


def test_a_copy_is_recognized_in_any_order_also_after_its_number_was_confirmed() -> None:
    receipts = Receipts()
    assert [receipts.add("a", number, 0) for number in (3, 1, 0, 2)] == [True] * 4
    assert receipts.add("a", 4, 4)
    assert [receipts.add("a", number, 0) for number in range(5)] == [False] * 5


def test_only_what_may_come_again_is_remembered() -> None:
    receipts = Receipts()
    numbers = list(range(1000))
    for start in range(0, 1000, 10):
        for number in reversed(numbers[start : start + 10]):
            assert receipts.add("a", number, start)
    assert len(receipts._senders["a"][1]) <= 10


def test_of_too_many_senders_the_one_that_was_quiet_longest_is_forgotten() -> None:
    receipts = Receipts()
    for number in range(module.MAX_SENDERS):
        receipts.add(f"{number}", 0, 0)
    receipts.add("0", 1, 0)
    receipts.add("new", 0, 0)
    assert not receipts.add("0", 0, 0)
    assert not receipts.add("2", 0, 0)
    assert receipts.add("1", 0, 0)
