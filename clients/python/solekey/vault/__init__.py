"""Items under their data keys.

`keyring` the unlocked keys · `wrapping` seals and reads back a wrap · `vault` what a client app calls ·
`drafts` `commits` what is to be committed, and how · `uploader` `spool` up · `download` `objects` down ·
`item_index` `directory` what there is · `unlocked` all of it put together.

Spec: vault.md, keys.md §5.
"""
