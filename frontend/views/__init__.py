"""Pages: one file a family of addresses, each view fetches, decides and renders.

    lists        the list pages, all alike
    change_tabs  what each tab of a change request's page shows

A view's docstring names the context of its template; ``frontend/urls.py`` has every address.
"""
