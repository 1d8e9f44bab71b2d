"""What people do on pages and programs do by the API alike, one module a family.

    trials  another run, other properties, its stream made again, a search for mitigations

An action takes who asks, and what; it looks whether they may, calls policy and workers, and raises
what is wrong. It knows neither request nor answer: forms and rendering are of
:mod:`frontend.views`, JSON is of :mod:`frontend.api`. What policy does in one call has no action
here: both make that call.
"""
