"""How an audit goes through a log that does not fit into memory. Spec: audit.md §2.

``collecting`` one pass over the records, which sorts them by account · ``spill`` the sorted records, on disk
once they are many · ``parts`` some accounts, one after the other · ``account`` one account: its branches, its
folds, its checks · ``branches`` which of two histories is followed · ``processes`` ``worker`` parts on all
cores · ``provenance`` what exactly was looked at.

What is held in memory is one part of the log a process, and of each account its heads and counters.
"""
