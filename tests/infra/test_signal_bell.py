import select
import signal

from infra.local.signal_bell import SignalBell


def test_a_signal_wakes_a_select_that_its_handler_would_not_have_ended() -> None:
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: None)
    try:
        with SignalBell() as bell:
            assert select.select([bell], [], [], 0)[0] == []
            signal.raise_signal(signal.SIGUSR1)
            assert select.select([bell], [], [], 0)[0] == [bell]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_it_hands_back_what_was_there_before() -> None:
    with SignalBell() as outer:
        with SignalBell():
            pass
        signal.raise_signal(signal.SIGCHLD)  # No Python handler: it rings nowhere.
        assert select.select([outer], [], [], 0)[0] == []
        assert signal.set_wakeup_fd(-1) != -1
