"""What templates need beside Django's own.

    lockstep  outcomes and states in words, addresses, controls
    lists     the rows of a list, in the columns that a person wants
    streams   offsets, sizes, the room of a hex view

Words that only one page has are its template's own.
"""
