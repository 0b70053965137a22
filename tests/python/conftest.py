"""One home folder per run, kernels for the tests, and the rule that nothing is skipped."""

from __future__ import annotations

import pytest

from home import Home
from wire import Client, Kernel

skipped: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    home = Home()
    home.enter()
    home.install_kernels()
    config.add_cleanup(home.leave)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        skipped.append(f"{report.nodeid}: {report.longrepr}")


def pytest_terminal_summary(terminalreporter) -> None:
    for line in skipped:
        terminalreporter.write_line(f"SKIPPED, which is not allowed here: {line}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="module")
def kernels():
    """Kernels by language that live as long as the module; each starts with its first use."""
    running: dict[str, Kernel] = {}

    def get(language: str) -> Kernel:
        if language not in running:
            running[language] = Kernel(language)
        return running[language]

    yield get
    for kernel in running.values():
        kernel.stop()


@pytest.fixture
def connect(kernels):
    """Clients of the module's kernels. After the test the kernel must still be alive and answer."""
    clients: list[tuple[Kernel, Client]] = []

    def get(language: str, **options) -> Client:
        kernel = kernels(language)
        client = kernel.client(**options)
        clients.append((kernel, client))
        return client

    yield get
    for kernel, client in clients:
        client.close()
    for kernel in {id(kernel): kernel for kernel, _ in clients}.values():
        with kernel.client() as probe:
            probe.kernel_info()


@pytest.fixture
def fresh():
    """A kernel for one test alone."""
    started: list[Kernel] = []

    def start(language: str, **options) -> Kernel:
        started.append(Kernel(language, **options))
        return started[-1]

    yield start
    for kernel in started:
        kernel.stop()
