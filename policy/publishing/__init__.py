"""What leaves the house: a revision, the bundle that is made of it, and its signatures.

    revisions   what publishing writes down, once
    bundle      the archive of a revision: built once, kept, never changed
    signing     who may sign bundles and their index, and what waits for it

How an archive is put together, without a database, is :mod:`policy.packing`.
"""
