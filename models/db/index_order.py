"""The order in which SQLite's indexes were made, which decides between two that fit a query alike."""

from collections import defaultdict

from sqlalchemy import Connection, text


def order_indexes(connection: Connection) -> None:
    """Make anew what is not in order: in each table whole indexes first, then partial ones, both by
    name.

    Of two that fit alike SQLite takes the one made last. That should be the partial one, which is
    shorter, and a migration that copies a table makes its indexes in any order.
    """
    made = connection.execute(
        text(
            "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            " ORDER BY rowid"
        )
    )
    of_tables = defaultdict(list)
    for table, name, sql in made:
        of_tables[table].append((" WHERE " in sql, name, sql))
    for found in of_tables.values():
        in_order = sorted(found)
        first = next(
            (
                place
                for place, pair in enumerate(zip(found, in_order, strict=True))
                if pair[0] != pair[1]
            ),
            len(found),
        )
        for _, name, _ in found[first:]:
            connection.exec_driver_sql(f'DROP INDEX "{name}"')
        for _, _, sql in in_order[first:]:
            connection.exec_driver_sql(sql)
