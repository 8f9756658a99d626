"""Tables: typed columns, constraints and indexes. Nothing here runs a query."""
