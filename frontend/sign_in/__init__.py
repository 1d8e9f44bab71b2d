"""How somebody comes in: whence a request comes, the lock after failures, a provider's word."""
