"""What people ask without deciding anything.

    comparing     what two releases disagree about, without a trial
    backporting   what a backport brings about
    previewing    what toggled bits would bring about
    mitigating    which entries would carry guests over
    explaining    why QEMU refused, from its log, which qemu_log reads
    from_sources  a release as a patch's arrays would have it

Each answer follows from the rules; none is kept, and none moves a change request on.
"""
