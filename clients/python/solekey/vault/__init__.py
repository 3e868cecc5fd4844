"""Items under their data keys.

`keyring` the unlocked keys · `wrapping` seals and reads back a wrap · `vault` what a client app calls ·
`drafts` `commits` what is to be committed, and how · `item_index` `directory` what there is ·
`unlocked` all of it put together.

Up: `source_file` `intake` what is sealed, `spool` where it waits, `uploader` how it is sent. Down:
`item_version` what is read, `download` `download_spool` into a file, `item_file` any range,
`sealed_sources` where its ciphertext is found. Both: `objects` the vault's side, `parallel` two at a time,
`transfers` one program at a time.

Spec: vault.md, keys.md §5.
"""
