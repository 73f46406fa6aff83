"""Runs the modules of tests in processes that are forked once all tests are collected.

    pytest --forks 4

To import and collect all tests takes as long as a fifth of the quick ones take to run; so one
process does it, and its children have everything already. Each runs the tests of one module after
the other, asks for the next module before its last test (so that fixtures of the session stay), and
tells each report by a pipe. The parent hands them on to the hooks of pytest as if it had run the
tests itself, so all that reads reports works as ever: -x, --lf, --junitxml, --durations.

A child that ends before it should fails the test that it ran; another child goes on with the rest
of the module.
"""

import itertools
import multiprocessing
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

FORKS = multiprocessing.get_context("fork")
Unit = list[int]  # places in the list of items of the tests of one module


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    told = "run the modules of tests in so many processes, forked after the collection"
    parser.addoption("--forks", type=int, default=0, metavar="COUNT", help=told)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the tests in children if the option says so and there are tests to run."""
    count = session.config.getoption("forks")
    if not count or session.testsfailed or session.config.getoption("collectonly"):
        return None
    _Parent(session, count).run()
    return True


class _Child:
    """A process, and the tests that it has to run: the first one is running, or the next to."""

    def __init__(self, session: pytest.Session, unit: Unit, others: list["_Child"]) -> None:
        self.left = deque(unit)
        self.pipe, theirs = FORKS.Pipe()
        # An end of a pipe is not seen before all copies of it are closed.
        copies = [self.pipe, *(each.pipe for each in others)]
        self.process = FORKS.Process(target=_run_in_child, args=(session, unit, theirs, copies))
        self.process.start()
        theirs.close()  # so that its end is seen


class _Parent:
    """Hands out the modules, and the reports."""

    def __init__(self, session: pytest.Session, count: int) -> None:
        self._session, self._count = session, count
        self._units = deque(units(session.items))
        self._children: list[_Child] = []
        # Modules run at once, so their names would come with each test.
        if terminal := session.config.pluginmanager.getplugin("terminalreporter"):
            terminal.showfspath = False

    def run(self) -> None:
        """Run all tests.

        Raises:
            pytest.Session.Failed: a test failed and -x or --maxfail says that no more are wanted.
            pytest.Session.Interrupted: something else says so.
        """
        self._session.config._tmp_path_factory.getbasetemp()  # of all children, removed at the end
        try:
            while self._units or self._children:
                while self._units and len(self._children) < self._count:
                    child = _Child(self._session, self._units.popleft(), self._children)
                    self._children.append(child)
                ready = wait([child.pipe for child in self._children])
                for child in [each for each in self._children if each.pipe in ready]:
                    self._listen(child)
        finally:
            for child in self._children:
                child.pipe.close()  # each ends after the test that it is in
            for child in self._children:
                child.process.join()

    def _listen(self, child: _Child) -> None:
        try:
            told = child.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._bury(child)
        else:
            if told is None:
                unit = self._units.popleft() if self._units else []
                child.left.extend(unit)
                child.pipe.send(unit)
            else:
                self._report(child, told)

    def _bury(self, child: _Child) -> None:
        child.process.join()
        self._children.remove(child)
        status = child.process.exitcode
        if child.left:
            item = self._session.items[child.left[0]]
            said = f"the process of this test ended with status {status}"
            crash = pytest.TestReport(item.nodeid, item.location, {}, "failed", said, "call")
            self._report(child, [crash])
            if child.left:
                self._units.appendleft(list(child.left))
        elif status:
            raise RuntimeError(f"a process ended with status {status} after its tests")

    def _report(self, child: _Child, reports: list[pytest.TestReport]) -> None:
        session = self._session
        item = session.items[child.left.popleft()]
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)


def units(items: list[pytest.Item]) -> Iterator[Unit]:
    """Yield the places of the tests of each module, in order."""
    for _, group in itertools.groupby(range(len(items)), lambda place: items[place].path):
        yield list(group)


class _Told:
    """Gathers the reports of a test in place of the terminal."""

    def __init__(self) -> None:
        self.reports: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)


def _run_in_child(
    session: pytest.Session, unit: Unit, pipe: Connection, copies: list[Connection]
) -> None:
    for copy in copies:
        copy.close()
    plugins, told = session.config.pluginmanager, _Told()
    plugins.unregister(name="terminalreporter")
    plugins.register(told)
    capture: Any = plugins.getplugin("capturemanager")
    capture.stop_global_capturing()  # the files of the parent, which all children would share
    capture.start_global_capturing()
    capture.suspend_global_capture()
    try:
        with suppress(BrokenPipeError, ConnectionResetError, EOFError, KeyboardInterrupt):
            _run_units(session, unit, pipe, told)
    finally:
        session._setupstate.teardown_exact(None)  # servers that go on if it was stopped
    session.config.hook.pytest_unconfigure(config=session.config)


def _run_units(session: pytest.Session, unit: Unit, pipe: Connection, told: _Told) -> None:
    while unit:
        if len(unit) == 1:  # the next module has to be known before the last test of this one ends
            pipe.send(None)
            unit = [*unit, *pipe.recv()]
        item, *following = [session.items[place] for place in unit[:2]]
        nextitem = following[0] if following else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        pipe.send(told.reports)
        told.reports, unit = [], unit[1:]
