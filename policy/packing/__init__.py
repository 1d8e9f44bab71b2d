"""What leaves the house: a revision as a bundle, and all that shows whether a bundle is whole.

Everything here works on bytes and plain data with Python's standard library alone (signatures by
``gpg``), so that a package build can run it without Django, without a server and without the rest
of this project: :mod:`standalone` packs it into one file.

======================  ==========================================================================
:mod:`published`        a revision's content, read and held against its own policy
:mod:`content`          the files of a revision's bundle
:mod:`archive`          files as ``.tar.gz``, byte for byte the same, and back
:mod:`verifying`        what is wrong with a bundle, in words; the command for it
:mod:`signatures`       detached OpenPGP signatures
:mod:`index`            the signed list of all bundles: newest, expiring, revoked
:mod:`comparing`        what differs between two bundles
:mod:`standalone`       the verifying command as one file
======================  ==========================================================================
"""
