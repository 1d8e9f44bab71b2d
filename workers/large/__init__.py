"""A large data set, made up from the sample's real releases: to see and measure the pages at size.

    catalogues   pure: what a made-up release is, varied from a recorded one
    people       who works on it, with which roles
    history      its releases, policies, reviews, trials and bundles

The same size and seed make the same data but for the times, which are those of the making.
``manage.py make_large_sample`` makes it; tests make a smaller one of the same kind.
"""
