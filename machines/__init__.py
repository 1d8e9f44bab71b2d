"""What QEMU releases are: the imported catalogue of each, and the emulator that migrates by it.

    emulator                    machines that migrate, streams, verdicts: without Django
    models  index  catalogue    snapshots and the rows below them; importing one, finding one
    c_arrays  probe             compat arrays of C sources; a live binary
    parsing  streams            uploaded files and uploaded streams, read in a child process:
    confined  dissection        its limits, and what it does with a stream
    kept_streams                the rows of an uploaded stream
    comparison                  what differs between two catalogues
    resolution  precedence      a property's value and origin; entries that later ones make moot
    looks  columns  progress    asked once a page; documents last in their tables; how far one is

Nothing here knows what anybody decides.
"""
