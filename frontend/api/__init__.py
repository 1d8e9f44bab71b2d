"""The REST API, version 1: what the pages show, for programs.

Reading needs a role in any tree; moving a change request on goes through
:mod:`policy.review.workflow` like the pages do. What went wrong is told as problem JSON (RFC 9457).
One file a family of addresses, as with the pages; :mod:`frontend.api.urls` lists them all.
"""
