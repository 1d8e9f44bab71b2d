"""What pages show: values made for templates out of what policies, catalogues and trials are.

    overview  activity     releases with their state; what people did, in a line each
    entries  grid  layouts a machine type's list; a device's bitmaps; a section's fields
    places                 where one is on a device's page, as its address says
    differences  review    two policies compared; whose turn it is, and which votes count
    auditing               what an audit entry changed
    reasons  anatomy       why trials end as they do; a stream beside its bytes

Nothing here answers a request: :mod:`frontend.views` does.
"""
