"""What people and programs see: pages, the REST API, the command line, settings.

    views  forms  templates     pages; what people type; how it looks
    api  cli                    the REST API, and the same from a terminal
    actions                     what people do on pages, and programs by the API
    lists  bulk                 what a list is; what is done with many of its rows
    downloads                   files as they are handed out
    questions                   what pages and the API alike make of a question
    shown                       what pages show, made for templates
    searching                   words looked for in everything
    sign_in                     how somebody comes in

What stands beside these rooms serves several of them; docs/architecture.md says which and why. No
rule of a policy stands here.
"""

__version__ = "0.1.0"
