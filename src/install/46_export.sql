/*
 * The map as one text.  It reads the map with the privileges of its caller.
 */
CREATE FUNCTION ownership.export(format text DEFAULT 'psql', entity text DEFAULT NULL)
RETURNS text AS 'MODULE_PATHNAME', 'ownership_export' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
SET jit = off
SET "DateStyle" = ISO
SET "IntervalStyle" = iso_8601;
COMMENT ON FUNCTION ownership.export(text, text) IS
'Returns the map as one text, for a file. It contains no evidence, no pins, and no values of rows. It reads the map with the privileges of its caller.
Arguments:
- format: psql, the default: a script for psql with the whole map, one line for each thing in the order of names. Run in a database with the extension, it makes the same map there, and guards the tables; where the map is the same already, it changes nothing. It tells which tables, columns, roles and subscriptions are not there. What the map has besides stays, unless psql is called with -v ownership_remove=1. odcs: a data contract of the Open Data Contract Standard 3.1. dbt: sources with the meta data of columns. Both are JSON, which is YAML, too.
- entity: Pattern of entities, such as product or netsuite.*: only what is about them, without patterns of tables. NULL, the default: everything.
Returns the text.';
