"""PostgreSQL: engine, transactions, tables' common parts, migrations."""
