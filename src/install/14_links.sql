/* Copies of one field, found by their values. */
CREATE FUNCTION ownership.suggest_links(pattern text DEFAULT '*', OUT field text, OUT columns text[], OUT key text, OUT contained numeric, OUT agree numeric, OUT sure boolean, OUT reason text, OUT statement text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_suggest_links' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.suggest_links(text) IS
'Finds columns of different tables that contain the same field, by their values: a key that both tables have aligns their rows, and the other columns are compared row by row. It reads the tables with the privileges of the caller, large ones in samples, and writes nothing.
Arguments:
- pattern: Pattern of table names, as in add_tables(). The tables need not be on the map. Default: * (every table). Foreign tables, columns that the caller may not read, and columns that the database or a tool writes (created_at) are left out.
Returns one row for each field that is not linked like that yet, the sure ones first:
- field: The field that the columns would become copies of, as entity.name.
- columns: The columns, as link() takes them.
- key: The columns whose equal values align the rows, as schema.table.column = schema.table.column, separated by semicolons.
- contained: Share of the values of the column with fewer of them that the other column has, too; of several pairs, the least. NULL: not known, because large tables are read in samples.
- agree: Share of the compared rows in which both columns have the same value, as drift() compares them; of several pairs, the least. Rows in which one of them is NULL do not count. NULL: the columns are the key, and no other key tells.
- sure: true: the columns agree far beyond chance, and no other column does about as well.
- reason: The evidence in words, with an example, and with one of the rows that differ.
- statement: The statements that link the columns, separated by semicolons.';
