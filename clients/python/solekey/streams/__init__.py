"""The account's events: verified, pinned, kept in the profile, and said.

`streams` follows the server · `copies` the four on disk, each a `stream_copy` of `records` and a
`kept_fold` · `lineage` what ties them together · `evidence` against the server · `author` signs statements.

Spec: conventions.md §4, events.md.
"""
