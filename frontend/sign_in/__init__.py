"""How somebody comes in.

    callers             whence a request comes, also behind proxies
    lockout             the lock after failures
    provider  exchange  the OpenID Connect provider, and asking it who somebody is
    people              whose its word is

What somebody may do once they are in is :mod:`policy.permissions`.
"""
