"""What people do on pages and programs do by the API alike, one module a family.

    changes   a change request is submitted, voted on, published and so on
    imports   a release's own files are read
    releases  a release is added to a tree
    streams   an upload is taken in, and releases are asked whether they would load it
    trials    another run, other properties, its stream made again, a search for mitigations

An action takes who asks, and what; it looks whether they may, calls policy and workers, and raises
what is wrong. It knows neither request nor answer: rendering is of :mod:`frontend.views`, JSON of
:mod:`frontend.api`. Where the words of a page's form say what is wrong, a program is told the same.
What policy does in one call has no action here: both make that call.
"""
