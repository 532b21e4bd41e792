"""Signals of new processes. supervisord has handlers for its own signals, which a program has until its `exec`."""

import os
import signal

SIGNALS = {signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP}


def deliver_signals_to_new_processes() -> None:
    """Let a signal end a program also before its `exec`, which would forget it: the program would run on."""
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_reset)


def _block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _reset() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _unblock()
