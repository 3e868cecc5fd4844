from solekey_eventlog.migrations import run_environment

run_environment()
