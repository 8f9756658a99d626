"""The database: connections, migrations, clock, and state of the whole site."""
