"""What an app uses: an account and its five parts. Everything here is imported from `solekey` itself.

``opening`` open a profile, log in · ``sign_up`` a new account · ``account`` the account as a whole ·
``devices`` ``keys`` two of its parts; the items are those of ``vault``, sessions and factors those of
``account`` · ``core`` what the parts share · ``names`` the list of what is public.
"""
