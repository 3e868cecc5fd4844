"""The verifier's half of Solekey: ids, encoding, statements, events, chains. No I/O, clock or secret key."""
