/*
 * The guard's trigger functions.  Everyone who may create triggers on a table
 * may use them.
 */
CREATE FUNCTION ownership.guard_amend() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_guard_amend' LANGUAGE C;
COMMENT ON FUNCTION ownership.guard_amend() IS 'The guard, before a row is written: keeps out what the policy keeps out';

CREATE FUNCTION ownership.guard_judge() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_guard_judge' LANGUAGE C;
COMMENT ON FUNCTION ownership.guard_judge() IS 'The guard, after a row was written: rejects, or records what went through';

CREATE FUNCTION ownership.guard_truncate() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_guard_truncate' LANGUAGE C;
COMMENT ON FUNCTION ownership.guard_truncate() IS 'The guard, before a table is truncated';

/*
 * Functions that edit the map.  They run with the caller's privileges on the
 * map's tables, so GRANT on those decides who may use them.
 */
CREATE FUNCTION ownership.add_system(name text, kind text, role text DEFAULT NULL, subscription text DEFAULT NULL, title text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_add_system' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.add_system(text, text, text, text, text) IS 'Registers a system, and the role and subscription that write as it';

CREATE FUNCTION ownership.identify(system text, role text DEFAULT NULL, subscription text DEFAULT NULL, origin text DEFAULT NULL, strict boolean DEFAULT false, steward boolean DEFAULT false, carrier boolean DEFAULT false)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_identify' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.identify(text, text, text, text, boolean, boolean, boolean) IS 'Tells that a role, a subscription or a replication origin writes as a system, as a steward or as a carrier';

CREATE FUNCTION ownership.assign(relation regclass, columns name[], owner text, readers text[] DEFAULT NULL, writers text[] DEFAULT NULL, domain text DEFAULT NULL, policy text DEFAULT NULL, entity text DEFAULT NULL, rationale text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_assign' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.assign(regclass, name[], text, text[], text[], text, text, text, text) IS 'Puts columns (NULL: all) on the map with their system of record, and guards the table';

CREATE FUNCTION ownership.add_tables(pattern text, source text DEFAULT NULL, owner text DEFAULT NULL, readers text[] DEFAULT NULL, exclude text[] DEFAULT '{}')
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_add_tables' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.add_tables(text, text, text, text[], text[]) IS 'Puts every column of every matching table on the map and guards the tables; returns how many columns are new';

CREATE FUNCTION ownership.link(field text, columns text[], authoritative text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_link' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.link(text, text[], text) IS 'Makes columns the copies of one field';

CREATE FUNCTION ownership.assign_rows(relation regclass, columns name[], owner text, row_filter text)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_assign_rows' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.assign_rows(regclass, name[], text, text) IS 'Tells who owns the columns in the rows where the filter holds';

CREATE FUNCTION ownership.guard(relation regclass)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_guard' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.guard(regclass) IS 'Creates the guard on a mirrored table and all below it, or arms it again';

CREATE FUNCTION ownership.unguard(relation regclass)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_unguard' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.unguard(regclass) IS 'Drops the guard from a table and all below it; the map stays';

/* no SET: a procedure with one cannot commit */
CREATE PROCEDURE ownership.guard_all(pattern text DEFAULT '*', lock_timeout text DEFAULT '2s')
AS 'MODULE_PATHNAME', 'ownership_guard_all' LANGUAGE C;
COMMENT ON PROCEDURE ownership.guard_all(text, text) IS 'Guards the mirrored tables that match, and commits after each';

CREATE FUNCTION ownership.current_system()
RETURNS text AS 'MODULE_PATHNAME', 'ownership_current_system' LANGUAGE C STABLE;
COMMENT ON FUNCTION ownership.current_system() IS 'The system that this session writes as; NULL: unidentified, a steward or a carrier';

CREATE FUNCTION ownership.explain(relation regclass, column_name name, system text DEFAULT ownership.current_system(), row_key jsonb DEFAULT NULL, OUT allowed boolean, OUT outcome text, OUT owner text, OUT policy text, OUT reason text)
AS 'MODULE_PATHNAME', 'ownership_explain' LANGUAGE C STABLE;
COMMENT ON FUNCTION ownership.explain(regclass, name, text, jsonb) IS 'The rule for a system''s UPDATE of a column, everywhere or in one row: whether it is allowed, what happens, and why';

/* Says what is wrong with a filter, or NULL; for the views. */
CREATE FUNCTION ownership.row_filter_problem(relation regclass, row_filter text)
RETURNS text AS 'MODULE_PATHNAME', 'ownership_row_filter_problem' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION ownership.row_filter_problem(regclass, text) IS 'Why a row filter cannot be used on a table; NULL: it can';

CREATE FUNCTION ownership.prune(older_than interval)
RETURNS bigint
LANGUAGE SQL
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM ownership.conflict
		WHERE recorded_at < now() - prune.older_than
		  AND (outcome NOT IN ('kept', 'discarded') OR resolved_at IS NOT NULL)
		RETURNING 1
	)
	SELECT count(*) FROM gone;
END;
COMMENT ON FUNCTION ownership.prune(interval) IS 'Deletes evidence older than that and returns how much; never kept or discarded evidence that is not resolved';

CREATE FUNCTION ownership.flush()
RETURNS void AS 'MODULE_PATHNAME', 'ownership_flush' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.flush() IS 'Returns when all activity and all rejected attempts that were handed over before, and those of this session, are in the tables';

CREATE FUNCTION ownership.loaded()
RETURNS boolean AS 'MODULE_PATHNAME', 'ownership_loaded' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ownership.loaded() IS 'Internal: true, and the library is loaded, which defines the settings';
