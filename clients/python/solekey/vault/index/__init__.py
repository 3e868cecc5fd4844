"""Which items there are, on this device's disk and sealed: folded from the signed commits.

`rows` what is known of an item, as bytes · `index_database` `index_file` the file of sealed rows ·
`index_writer` one transaction · `index_keeping` in memory on a full disk · `commit_follower` follows the
commits · `commit_search` looks into older ones · `item_index` `live_items` what is asked.
Spec: item-index.md.
"""
