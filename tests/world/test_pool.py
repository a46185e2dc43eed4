"""The pool makes no more threads than it must, and goes on when one of them hangs."""

from __future__ import annotations

import threading

import pytest
from driving import FOREVER

from sfnrun.world.pool import Pool


@pytest.fixture
def pool():
    pool = Pool(most=2)
    yield pool
    pool.close()


def run(pool: Pool, *jobs) -> None:
    """Run jobs one after the other."""
    for job in jobs:
        done = threading.Event()
        pool.submit(lambda job=job, done=done: (job(), done.set()))
        assert done.wait(FOREVER)


def test_jobs_run_side_by_side_as_far_as_there_are_workers(pool):
    meet = threading.Barrier(2)
    ended = [threading.Event() for _ in range(2)]
    for event in ended:
        pool.submit(lambda event=event: (meet.wait(FOREVER), event.set()))
    assert all(event.wait(FOREVER) for event in ended)


def test_more_jobs_than_workers_wait_for_one(pool):
    workers, release = set(), threading.Event()
    begun, ended = threading.Semaphore(0), threading.Semaphore(0)

    def job() -> None:
        workers.add(threading.current_thread())
        begun.release()
        assert release.wait(FOREVER)
        ended.release()

    for _ in range(50):  # all are there before the first ends
        pool.submit(job)
    for _ in range(2):
        assert begun.acquire(timeout=FOREVER)
    release.set()
    for _ in range(50):
        assert ended.acquire(timeout=FOREVER)
    assert len(workers) == 2


def test_a_worker_that_hangs_is_replaced_and_the_waiting_jobs_run(pool):
    release, begun, ended = threading.Event(), threading.Semaphore(0), threading.Event()
    hanging = [pool.submit(lambda: (begun.release(), release.wait(FOREVER))) for _ in range(2)]
    for _ in hanging:
        assert begun.acquire(timeout=FOREVER)
    pool.submit(ended.set)
    assert not ended.is_set()
    pool.abandon(hanging[0])
    assert ended.wait(FOREVER)
    release.set()


def test_a_job_that_is_abandoned_before_it_starts_is_not_started(pool):
    release, begun, ran = threading.Event(), threading.Semaphore(0), []
    for _ in range(2):
        pool.submit(lambda: (begun.release(), release.wait(FOREVER)))
    for _ in range(2):
        assert begun.acquire(timeout=FOREVER)
    pool.abandon(pool.submit(lambda: ran.append("given up")))
    release.set()
    run(pool, lambda: ran.append("after"))
    assert ran == ["after"]


def test_abandoning_a_finished_job_keeps_its_worker(pool):
    for _ in range(5):
        ended = threading.Event()
        ticket = pool.submit(ended.set)
        assert ended.wait(FOREVER)
        run(pool, lambda: None)
        pool.abandon(ticket)
    test_jobs_run_side_by_side_as_far_as_there_are_workers(pool)


def test_all_workers_end_when_the_pool_is_closed():
    pool, workers = Pool(most=4), set()
    meet = threading.Barrier(5)
    for _ in range(4):
        pool.submit(lambda: (workers.add(threading.current_thread()), meet.wait(FOREVER)))
    meet.wait(FOREVER)
    pool.close()
    for worker in workers:
        worker.join(FOREVER)
    assert len(workers) == 4
    assert not any(worker.is_alive() for worker in workers)
