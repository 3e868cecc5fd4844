"""Runs the auth service as a process: ``python -m solekey_auth``; or a command about its signing keys."""

from solekey_service.runner import main  # patches the standard library: stays first

# isort: split
import sys

from solekey_auth.config import AuthConfig
from solekey_auth.service import AuthService
from solekey_auth.signing_keys.command import COMMANDS, run_command

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        sys.exit(run_command(sys.argv[1:]))
    main(AuthService, AuthConfig)
