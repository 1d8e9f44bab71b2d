"""What a downstream decides: its policies, what follows from them, and how they are published.

    document                what a policy is, as plain data
    rules  findings         what follows from one; what is wrong or doubtful in it
    exporters  packing      its property sets in each format; archives, and whether one is whole
    models  state           the tables; a release as they leave it, published or drafted
    trials  questions       which trials it needs, and how each ended; what people ask of releases
    edits                   what people do to a draft, by the pen of drafts, kept by history,
                            what they write checked by inputs
    review  publishing      a change request on its way; what publishing writes down
    messages                what people and programs are told of all this
    permissions  tokens     who may do what; the keys of programs
    audit  errors           who did what, unalterably; what can go wrong, and whose fault it is
    signals  numbers        what workers are asked for; how much there is of a change request

The document, its rules, findings, exporters and packing are pure: plain data in, plain data out.
"""
