import multiprocessing
import os
import signal
import threading
import time

import pytest

from mmada.engine.preemption import EXIT_STATUS, Preempted, stop_on_sigterm


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def handled():
    """A handler of the caller's, and what it got."""
    received = []
    kept = signal.signal(signal.SIGTERM, lambda *_: received.append(1))
    yield received
    signal.signal(signal.SIGTERM, kept)


def test_sigterm_waits_until_it_is_asked_for(handled):
    done = []
    with pytest.raises(Preempted) as error, stop_on_sigterm() as check:
        check()
        terminate()
        done.append('the operation')
        check()
        done.append('the next one')
    assert done == ['the operation']
    assert error.value.code == EXIT_STATUS == 75
    assert not handled
    terminate()  # the caller's handler is back
    assert handled


def test_sigterm_in_the_last_operation_ends_the_run_too(handled):
    with pytest.raises(Preempted), stop_on_sigterm():
        terminate()


def test_another_error_is_not_hidden(handled):
    with pytest.raises(KeyError), stop_on_sigterm():
        terminate()
        raise KeyError('x')
    terminate()
    assert len(handled) == 1


def test_in_another_thread_nothing_is_changed(handled):
    def work():
        with stop_on_sigterm() as check:
            check()

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


def _begin_and_wait(begun):
    begun.set()
    time.sleep(60)


def test_a_forked_process_can_be_terminated():
    fork = multiprocessing.get_context('fork')
    begun = fork.Event()
    with stop_on_sigterm() as check:
        worker = fork.Process(target=_begin_and_wait, args=(begun,))
        worker.start()
        try:
            # A signal that comes within the fork itself is lost to Python.
            assert begun.wait(60)
            worker.terminate()
            worker.join(60)
            assert worker.exitcode == -signal.SIGTERM
        finally:
            worker.kill()
        check()
