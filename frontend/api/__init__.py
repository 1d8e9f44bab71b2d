"""The REST API, version 1: what the pages show, for programs.

Reading needs a role in any tree; moving a change request on goes through
:mod:`policy.review.workflow` like the pages do. What went wrong is told as problem JSON (RFC 9457).

One file a family of addresses, as with the pages; :mod:`frontend.api.urls` lists them all.

    releases  imports  promises      trees and releases; their own files; what a tree promises
    changes  edits  findings         a change request; writing in its draft; what the rules say
    review  reading                  threads, waivers, turns; what somebody has read
    features  proposing  foreseeing  the library; proposals for it; what would become of a release
    comparing  explaining  matrix    what people ask, by the names of their pages;
    searching                        and words looked for in everything
    records  streams                 trials, jobs, the audit log; streams and verdicts on them
    bundles  bundle_index            bundles; the signed index of all
    tokens  webhooks                 a person's keys; addresses that are told of changes
    handbook  schema                 the description of all this: as pages, as OpenAPI

What they share:

    base  authentication  scopes     who asks, and what a token may call
    throttling  preconditions        how often; against lost updates
    repeating  problems              calls that may be sent twice; how errors are told
    lists  rows                      pages and orders; lists that no database holds
    serializers  shapes              JSON shapes: of the things themselves, of a review, of
    stream_shapes  documents         streams, and of what is kept as it was made
"""
