CREATE FUNCTION ownership.export(format text DEFAULT 'psql', entity text DEFAULT NULL)
RETURNS text AS 'MODULE_PATHNAME', 'ownership_export' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET "DateStyle" = ISO
SET "IntervalStyle" = iso_8601;
COMMENT ON FUNCTION ownership.export(text, text) IS
'Returns the map in the format of another tool. It contains no values of tables.
Arguments:
- format: odcs: a data contract of the Open Data Contract Standard 3.1; dbt: sources with the meta data of columns. Both are JSON, which is YAML, too.
- entity: Pattern of entities, such as product or netsuite.*: only their fields. NULL, the default: all.
Returns the text.';
