"""Items under their data keys.

`keyring` the unlocked keys · `wrapping` seals and reads back a wrap ·
`reading_vault` `vault` what a client app calls · `edits` `commits` how drafts become a commit ·
`index` `directory` what there is ·
`item_version` one version, and how it is opened · `item_file` any range of it ·
`removed` `unreadable` what is not listed · `unlocked` all of it put together.
How ciphertext comes and goes: `solekey.transfer`.

Spec: vault.md, keys.md §5.
"""
