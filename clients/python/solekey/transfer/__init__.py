"""Sealed files on their way between this device and the vault service.

Up: `drafts` what is to be stored · `source_file` `intake` where its content comes from ·
`upload_spool` where it waits, sealed · `uploader` how it is sent.
Down: `sealed_sources` where ciphertext is found · `download_spool` where it is collected ·
`download` into a file.
Both: `objects` the vault service's side · `parallel` two at a time · `lock` one program at a time.

Spec: vault.md §10.
"""
