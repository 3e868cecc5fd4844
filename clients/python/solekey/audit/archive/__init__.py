"""What an auditor has verified, with its records: the next audit needs only what is new. Spec: audit.md §2.6.

``archive`` the file · ``verdict`` what the auditor has signed · ``chunks`` records in it · ``subjects`` one
account's records and what came of them · ``results`` what came of an account, as bytes · ``bus_memory`` what
the checks of the bus go on with · ``going_on`` which accounts an audit goes through again · ``following`` a
log as far as it is new · ``errors`` why none can be gone on from.
"""
