"""A change request on its way from a draft to its publication.

    workflow                    its status, which nobody else changes
    votes  reviewers  turns     who approves; who was asked by name; whose turn it is
    involved                    who takes part, of many change requests at once
    discussion  reading         threads and comments; what somebody has read already
    checking  examining         its trials, and its findings, with waivers laid over both
    standing  blockers          how it stands in lists; all that keeps it from being published
    beside                      what a reviewer needs beside a line of the difference

What changes the content of a draft is :mod:`policy.edits`.
"""
