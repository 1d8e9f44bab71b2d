"""The command line ``lockstep``: a maintainer's terminal and a build's scripts.

Commands that ask the server go through the REST API (:mod:`frontend.cli.client`); the others need
no server at all. Nothing here imports Django: a command starts as fast as its answer allows.

    main  commands         every command's name; one module a family of them
    client  configuration  the server as they call it; which one, with which token
    naming  failures       how a release is named; what can go wrong
    output  telling        how answers are told; a change request and its differences among them

Exit status: 0 done or positive; 1 a negative answer (refused, different, findings, not whole);
2 usage or input at fault; 3 the server or the network failed, or does not let one in.
"""
