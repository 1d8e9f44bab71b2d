"""QEMU's migration streams, and machines that migrate: without QEMU, Django or a database.

Use it as a command (``python -m machines.emulator``, see docs/emulator.md) or as a library:

========================  ========================================================================
the wire format           :mod:`stream` reads, :mod:`events` writes; :mod:`window`, :mod:`memory`
                          and :mod:`vmdescription` are what it reads with; :mod:`decode` shows
a release                 :mod:`catalogue` (:mod:`release`: the same, file by file), :mod:`qdev`,
                          :mod:`features`, :mod:`bitmap`, :mod:`names`; :mod:`memo` remembers
                          what was worked out of it
the command line          :mod:`commands`, one module each; :mod:`terminal` shows what strangers
                          wrote, and obeys none of it
a trial on a real stream  :mod:`replay` asks whether a release loads a :mod:`snapshot`;
                          :mod:`reading`, :mod:`pci` and :mod:`virtio` are the checks,
                          :mod:`suggest` finds the property behind a :mod:`verdict` by its
                          :mod:`clues`, :mod:`implied` what a property lets expect of a stream;
                          :mod:`relevance` tells what each property decides, by the tables of
                          :mod:`deciding`
a device's state          :mod:`layout` of a description, gaps filled by :mod:`reconciling`;
                          :mod:`vmstate`, the interpreter, saves and loads by it
a trial by model          :mod:`machine` asks what happens between one :mod:`side` and the next;
                          :mod:`drivers` and :mod:`carriers` are what a side's catalogue tells,
                          of which :mod:`assembly` makes a :mod:`board`; a :mod:`guest` runs on its
                          :mod:`devices` and :mod:`surroundings`; :mod:`migration` is one hop, by
                          :mod:`saving` and :mod:`loading`; :mod:`pairing` finds each field again,
                          :mod:`losses` what did not arrive, :mod:`notes` what else is to be said,
                          :mod:`refusals` the words in which QEMU refuses;
                          :mod:`scenario` is an example
a machine that runs       :mod:`running`, asked through its :mod:`monitor`; :mod:`processes` holds
                          a trial between two of them, each a :mod:`session`
a stream, byte by byte    :mod:`anatomy` has its parts, :mod:`pieces` names their bytes,
                          :mod:`recording` holds a trial so that its stream stays
two releases              :mod:`compare` what one of two :mod:`parties` sends and the other reads;
                          :mod:`sent`: which types a stream's sections are of, and how they differ
========================  ========================================================================

Errors, and whose fault each is::

    ValueError
    └── EmulatorError                errors: whatever was given cannot be used
        ├── StreamError              errors: a stream is malformed or cut off (offset, section)
        ├── CatalogueError           catalogue: a release's file is malformed (place, problem)
        ├── DescriptionError         layout: a description is beyond a limit
        ├── BitmapError              bitmap: a text is no bitmap
        ├── TrialError               side: no trial can be held as asked
        ├── BadInput                 commands: the command line, or a line of a batch
        ├── OptionError              monitor.options: an option in QEMU's notation
        │
        │   caught inside, where they become a verdict:
        ├── LoadError                vmstate: the destination refuses, in QEMU's words
        ├── EndOfStream              vmstate: a payload is shorter than its reader expects
        ├── StateTooLarge            saving: more state than a stream may hold
        ├── Malformed                virtio: the bytes are not those of a virtio device on PCI
        ├── Refused                  devices.model: a device does not take a value that came
        ├── BusError                 devices.platform: the guest reached beyond its memory
        ├── DriverFault              devices.virtqueue: the guest's driver broke the rules
        │
        │   caught inside, where they become an answer of the monitor:
        ├── QmpError                 monitor.protocol: a command is refused
        ├── JsonError                monitor.json_stream: what came is not JSON
        ├── MachineError             running: the machine does not allow it now
        ├── ChannelError             monitor.channel: an address or a connection
        ├── MigrationFailed          monitor.migrations: a migration ended early
        │
        │   from a program that is asked over QMP:
        ├── CommandRefused           session: it refused one command
        └── Gone                     session: it ended or fell silent
"""
