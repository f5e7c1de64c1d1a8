/* Who wrote the rows that are there, before the extension came. */
CREATE FUNCTION ownership.discover(pattern text DEFAULT '*', OUT relation text, OUT system text, OUT origin text, OUT told_by text, OUT rows bigint, OUT since timestamptz, OUT until timestamptz)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_discover' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.discover(text) IS
'Finds out who wrote the rows that are there, from the commit timestamps and replication origins that PostgreSQL keeps (track_commit_timestamp), and from columns that tell it. Only the last writer of each row is known. It needs no map, and writes nothing. Foreign tables, tables that the caller may not read, and tables with row security that holds for the caller are left out, with a NOTICE.
Arguments:
- pattern: Pattern of table names, as in add_tables(). A partition has the names of the tables above it, too. Default: * (every table).
Returns one row for each table or partition, and each writer or reason why the writer is unknown. A table without rows has none.
- relation: Name of the table or partition.
- system: The system, if an identity or a name says it. NULL: unknown.
- origin: Name of the subscription or replication origin, or the value of the column that tells it. NULL: unknown.
- told_by: What tells it. origin: the replication origin of the commit. column and its name. no origin: a session of this server, of a role that is recorded nowhere. unknown: and why. An estimate says so.
- rows: Number of such rows. It is exact in a table of up to 100,000 rows, else an estimate.
- since: Time of the first commit, which for a replicated row is that of its source. NULL: unknown.
- until: Time of the last commit. NULL: unknown.';
