"""What this device keeps in order to do without its server, all of it ciphertext or public.

`settings` what its user allows · `kept_wraps` wrapped data keys · `kept_store` ciphertext on disk ·
`kept_objects` an object store that answers from it · `keeping` items that are kept · `kept` all of it ·
`queue_entry` `queue` writes that wait · `queueing` the committer that queues · `push` sends them, `attempts`
once, `pushed` what became of them · `export` without the server.

Spec: offline.md.
"""
