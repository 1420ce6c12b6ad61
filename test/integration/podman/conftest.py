# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
"""podman as the tests see it: with each runtime, and at the end of each test with nothing left of it."""
import os
import shutil

import pytest

from podman import Podman, monitors, until


@pytest.fixture(params=["runc", "crun"])
def podman(request):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    podman = Podman("--runtime", request.param)
    yield podman
    podman("rm", "--all", "--force", "--time=0")
    until(lambda: not monitors(), "monitors end")
    assert os.listdir(os.environ["TMPDIR"]) == []


@pytest.fixture
def shared(tmp_path):
    """A directory that containers see as /shared, with a fifo `go` in it."""
    os.mkfifo(tmp_path / "go")
    return tmp_path


def pytest_runtest_makereport(item, call):
    strict = os.environ.get("CT_TEST_STRICT") == "1"
    if strict and call.excinfo is not None and call.excinfo.errisinstance(pytest.skip.Exception):
        failure = AssertionError(f"skipped: {call.excinfo.value.msg}")
        call.excinfo = pytest.ExceptionInfo.from_exc_info((AssertionError, failure, call.excinfo.tb))
