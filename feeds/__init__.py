"""Values into bytes: a stream as Atom 1.0, RSS 2.0 and JSON Feed 1.1, and the rules of HTTP for
serving them.

`load` reads the tables into a `document`; `render` writes it; `http` says what to answer.
"""
