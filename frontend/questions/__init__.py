"""What pages and the API alike make of a question, as :mod:`policy.questions` answers it.

    ends         one end of a comparison, as an address names it
    comparing    two releases compared
    explaining   the log of a failed migration
    mitigating   entries that would carry guests over, and who may take them
    backporting  where a backport may go, and what follows
    bundles      what is in one, and what a draft would alter of it
    previewing   what an edit would bring about, at once or by a job

Pages are in :mod:`frontend.views`, addresses of the API in :mod:`frontend.api`, by the same names.
"""
