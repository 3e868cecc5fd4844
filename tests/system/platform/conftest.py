"""Somebody who has an account at the real platform."""

from pathlib import Path

import pytest

from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess


@pytest.fixture
def ada(platform: PlatformProcess, tmp_path: Path) -> LibraryUser:
    """Signed up on ``laptop``."""
    user = LibraryUser(platform, tmp_path)
    user.sign_up().close()
    return user
