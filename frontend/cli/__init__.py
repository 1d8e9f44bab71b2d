"""The command line ``lockstep``: a maintainer's terminal and a build's scripts.

Commands that ask the server go through the REST API (:mod:`frontend.cli.client`); the others need
no server at all. Nothing here imports Django: a command starts as fast as its answer allows.

Exit status: 0 done or positive; 1 a negative answer (refused, different, findings, not whole);
2 usage or input at fault; 3 the server or the network failed, or does not let one in.
"""
