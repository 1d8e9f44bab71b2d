"""What people ask without deciding anything: each answer follows from the rules, none is kept.

comparing     what two releases disagree about, without a trial
backporting   what a backport brings about
previewing    what toggled bits would bring about
mitigating    which entries would carry guests over
explaining    why QEMU refused, from its log (qemu_log reads it)
from_sources  a release as a patch's arrays would have it
"""
