"""QEMU's migration streams, and machines that migrate: without QEMU, Django or a database.

Use it as a command (``python -m machines.emulator``, see docs/emulator.md) or as a library:

========================  ========================================================================
the wire format           :mod:`stream` reads, :mod:`events` writes; :mod:`window`, :mod:`memory`
                          and :mod:`vmdescription` are what it reads with; :mod:`decode` shows
a release                 :mod:`catalogue` (:mod:`release`: the same, file by file), :mod:`qdev`,
                          :mod:`features`, :mod:`bitmap`, :mod:`names`
the command line          :mod:`commands`, one module each
a trial on a real stream  :mod:`replay` asks whether a release loads a :mod:`snapshot`;
                          :mod:`reading`, :mod:`pci` and :mod:`virtio` are the checks,
                          :mod:`suggest` finds the property behind a :mod:`verdict`
a trial by model          :mod:`machine`: a :mod:`board` with a :mod:`guest`, its :mod:`migration`
                          by the interpreter :mod:`vmstate`; :mod:`scenario` is an example
two releases              :mod:`compare` what one of two :mod:`parties` sends and the other reads
========================  ========================================================================

Errors, and whose fault each is::

    ValueError
    └── EmulatorError                errors: whatever was given cannot be used
        ├── StreamError              errors: a stream is malformed or cut off (offset, section)
        ├── CatalogueError           catalogue: a release's file is malformed (place, problem)
        ├── DescriptionError         vmstate: a description is beyond a limit
        ├── BitmapError              bitmap: a text is no bitmap
        ├── TrialError               board: no trial can be held as asked
        ├── BadInput                 commands: the command line, or a line of a batch
        │
        │   caught inside, where they become a verdict:
        ├── LoadError                vmstate: the destination refuses, in QEMU's words
        ├── EndOfStream              vmstate: a payload is shorter than its reader expects
        ├── StateTooLarge            migration: more state than a stream may hold
        └── Malformed                virtio: the bytes are not those of a virtio device on PCI
"""
