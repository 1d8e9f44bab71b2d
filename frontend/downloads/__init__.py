"""Files as they are handed out, the same to people and to programs.

    bundles  a bundle, its signatures and sums, the index of all, what verifies them
    ranges   bytes that never change: with an ETag, and in parts where somebody asks for one

Whether somebody may have a file is asked before; what is made of a refusal is not the same on a
page and in the API.
"""
