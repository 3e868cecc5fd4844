"""The account's events: `stream_copy` on disk, `streams` verified and pinned, `author` says statements.

Spec: conventions.md §4, events.md.
"""
