"""Which items there are, on this device's disk and sealed: folded from the signed commits.

`rows` what is known of an item, as bytes · `index_file` the file of sealed rows · `writer` one transaction ·
`item_index` follows the commits. Spec: item-index.md.
"""
