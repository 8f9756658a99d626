"""The order in which SQLite's indexes were created, which decides between two equally good ones."""

from collections import defaultdict

from sqlalchemy import Connection, text


def order_indexes(connection: Connection) -> None:
    """Re-create indexes that are out of order: in each table full indexes come first, then partial
    ones, both by name.

    Of two that fit a query equally well SQLite takes the one created last.  That should be the
    partial one, which is smaller; a migration that copies a table creates its indexes in any order.
    """
    made = connection.execute(
        text(
            "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            " ORDER BY rowid"
        )
    )
    indexes_by_table = defaultdict(list)
    for table, name, sql in made:
        indexes_by_table[table].append((" WHERE " in sql, name, sql))
    for indexes in indexes_by_table.values():
        in_order = sorted(indexes)
        first = 0
        while first < len(indexes) and indexes[first] == in_order[first]:
            first += 1
        for _, name, _ in indexes[first:]:
            connection.exec_driver_sql(f'DROP INDEX "{name}"')
        for _, _, sql in in_order[first:]:
            connection.exec_driver_sql(sql)
