"""Runs the auth service as a process: ``python -m solekey_auth``."""

from solekey_eventlog.runner import main  # patches the standard library: stays first

# isort: split
from solekey_auth.config import AuthConfig
from solekey_auth.service import AuthService

if __name__ == "__main__":
    main(AuthService, AuthConfig)
