"""Run a function over tasks, serially or on threads, with results in the order of the tasks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Task = TypeVar("Task")
Between = TypeVar("Between")
Result = TypeVar("Result")

_TASKS_AHEAD = 2
"""Tasks in flight per thread: bounds the memory that finished results wait in."""


def run_in_order(function: Callable[[Task], Result], tasks: Iterable[Task], threads: int) -> Iterator[Result]:
    """Yield results in the order of the tasks, so that sums over them do not depend on the number of threads.

    The first exception of a task is raised here; tasks that have not begun are then dropped.
    """
    if threads <= 1:
        yield from map(function, tasks)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="extract") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(function, task))
                if len(waiting) >= threads * _TASKS_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def run_in_two_steps(
    first: Callable[[Task], Between], second: Callable[[Between], Result], tasks: Iterable[Task], threads: int
) -> Iterator[Result]:
    """Yield ``second(first(task))`` in the order of the tasks; while one task is in its second step, others go on.

    That is for second steps that wait, for a disk for instance: as many threads again do them.

    The first exception of a step is raised here; steps that have not begun are then dropped.
    """
    waiting: deque[Future[Future[Result]]] = deque()
    with (
        ThreadPoolExecutor(threads, thread_name_prefix="write") as seconds,
        ThreadPoolExecutor(threads, thread_name_prefix="extract") as firsts,
    ):

        def begin(task: Task) -> Future[Result]:
            return seconds.submit(second, first(task))

        try:
            for task in tasks:
                waiting.append(firsts.submit(begin, task))
                if len(waiting) > threads * _TASKS_AHEAD:
                    yield waiting.popleft().result().result()
            while waiting:
                yield waiting.popleft().result().result()
        finally:
            firsts.shutdown(wait=True, cancel_futures=True)
            seconds.shutdown(wait=True, cancel_futures=True)


def one_ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the function of each item, computing the next one on a thread while this one is in use."""
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        coming: Future[Result] | None = None
        try:
            for item in items:
                previous, coming = coming, pool.submit(function, item)
                if previous is not None:
                    yield previous.result()
            if coming is not None:
                yield coming.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
