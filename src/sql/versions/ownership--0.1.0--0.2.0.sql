/* ownership: from 0.1.0 to 0.2.0 */

\echo Use "ALTER EXTENSION ownership UPDATE" to load this file. \quit

COMMENT ON COLUMN ownership.conflict.row_key IS 'The row''s key columns and their values, but for those that a refused INSERT did not name; NULL where the table has no key';
/*
 * Finds the latest evidence of what one writer was refused in a row, for one
 * set of columns, however much there is; of whole rows the latest.  Where the
 * key does not tell the row, what was proposed does.  See repeat.c.
 */
CREATE INDEX conflict_latest_idx ON ownership.conflict
	(jsonb_hash_extended(row_key, hashtextextended(CASE outcome WHEN 'discarded' THEN operation ELSE '' END,
		hashtextextended(coalesce('s' || system, 'o' || origin, 'r' || role, ''),
		hashtextextended(table_name, hashtextextended(table_schema, 0))))),
	(CASE outcome WHEN 'discarded' THEN 0 ELSE hash_array_extended(columns, 0) END), id)
	WHERE outcome IN ('kept', 'discarded') AND row_key IS NOT NULL;
CREATE INDEX conflict_proposal_idx ON ownership.conflict
	(jsonb_hash_extended(proposed, hashtextextended(coalesce('s' || system, 'o' || origin, 'r' || role, ''),
		hashtextextended(table_name, hashtextextended(table_schema, 0)))), id)
	WHERE outcome = 'discarded' AND operation = 'INSERT' AND row_key IS NOT NULL;

/* What the extension itself lacks; part of ownership.risks. */
CREATE VIEW ownership.own_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	SELECT 3, 'high', 'unrecorded', NULL::text, NULL::text, NULL::text, NULL::text, '{}'::text[],
		CASE
			WHEN s.fact = 'dropped' THEN format('%s rejected attempt%s found no room in shared memory since the server started, and left no evidence.',
				s.value, CASE s.value WHEN '1' THEN '' ELSE 's' END)
			WHEN s.value LIKE 'failed%' THEN format('Rejected attempts and activity do not come to the tables: the worker that writes them fails. %s', s.note)
			WHEN s.value LIKE 'cannot%' THEN 'Rejected attempts and activity do not come to the tables: there is no process for the worker that writes them.'
			ELSE 'Rejected attempts and activity have waited for more than a minute to be written to the tables.' END,
		CASE
			WHEN s.fact = 'dropped' THEN 'Raise ownership.queue_size, and restart the server. Its log has the errors that the clients were told.'
			WHEN s.value LIKE 'failed%' THEN 'Mend what the error names; SELECT ownership.flush() shows whether it works again. Until then all of it waits in shared memory, of which there is so much.'
			WHEN s.value LIKE 'cannot%' THEN 'Raise max_worker_processes, and restart the server.'
			ELSE 'See in pg_locks which session locks ownership.activity or ownership.conflict, and have it end its transaction; SELECT ownership.flush() starts the worker where there is none.' END
	FROM ownership.status() s
	WHERE (s.fact = 'worker' AND s.value ~ '^(failed|cannot|behind)') OR (s.fact = 'dropped' AND s.value <> '0')
	UNION ALL
	SELECT 11, 'medium', 'unrecorded', NULL, NULL, NULL, NULL, '{}',
		format('%s counts of reads and writes found no room in shared memory since the server started: activity tells less than there was.', s.value),
		'Raise ownership.activity_size, and restart the server.'
	FROM ownership.status() s
	WHERE s.fact = 'dropped_counts' AND s.value <> '0'
	UNION ALL
	/* it has no trigger, and the hook that sees it is not there before the library is */
	SELECT 3, 'high', 'unguarded', NULL, NULL, ownership.relation_name(g.table_schema, g.table_name), NULL, '{}',
		format('The guard of %s has a gap: TRUNCATE of foreign table %s is not refused, nor recorded, in sessions that have not written a guarded table.',
			ownership.relation_name(g.table_schema, g.table_name), g.relid::regclass),
		'Set shared_preload_libraries = ''ownership'' and restart the server; from PostgreSQL 16 on a trigger does it.'
	FROM ownership.guarded_relation g
	WHERE g.relkind = 'f' AND g.amends AND g.refuses_truncate IS NULL AND current_setting('server_version_num')::int < 160000
	  AND EXISTS (SELECT FROM ownership.status() s WHERE s.fact = 'preloaded' AND s.value = 'no');
COMMENT ON VIEW ownership.own_risk IS 'Internal: the part of ownership.risks that is about the extension''s own work';
GRANT SELECT ON ownership.own_risk TO PUBLIC;
/* what the map missed, found in the catalogs, whatever event triggers saw */
CREATE FUNCTION ownership.map_behind(OUT relation text, OUT column_name text, OUT detail text, OUT advice text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_map_behind' LANGUAGE C STABLE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.map_behind() IS 'Internal: what DDL did and the map did not follow; for the view risks';

/* tells what a dump that was restored in part left out, of guards that went unseen, and of patterns whose schema is gone */
CREATE OR REPLACE VIEW ownership.ddl_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	/* the guard belongs there, and none of it is left */
	SELECT 3, 'high', 'unguarded', NULL::text, NULL::text, ownership.relation_name(b.table_schema, b.table_name), NULL::text, '{}'::text[],
		format('The guard of %s is gone: nothing enforces its map.', ownership.relation_name(b.table_schema, b.table_name)),
		format('SELECT ownership.guard(%L) guards it again; ownership.unguard() tells that it shall not be guarded.',
			ownership.relation_name(b.table_schema, b.table_name))
	FROM ownership.bound_table b
	JOIN ownership.mirrored_table m USING (table_schema, table_name)
	/* by its name: not all tables come by a command that event triggers see */
	JOIN pg_catalog.pg_namespace n ON n.nspname = b.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = b.table_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE b.guarded AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid IN (
		'ownership.guard_amend()'::regprocedure, 'ownership.guard_judge()'::regprocedure, 'ownership.guard_truncate()'::regprocedure)
		AND t.tgqual IS NULL AND cardinality(t.tgattr) = 0)
	UNION ALL
	/* a trigger of it has another name, and so another place in the order */
	SELECT 3, 'high', 'unguarded', NULL, NULL, ownership.relation_name(n.nspname::text, c.relname::text), NULL, '{}',
		format('Trigger %I of %s is the guard''s %I under another name: others may fire after it.', t.tgname,
			ownership.relation_name(n.nspname::text, c.relname::text), 'zzzz_ownership_' || part.name),
		format('ALTER TRIGGER %I ON %s RENAME TO %I', t.tgname,
			ownership.relation_name(n.nspname::text, c.relname::text), 'zzzz_ownership_' || part.name)
	FROM (VALUES ('amend', 'ownership.guard_amend()'::regprocedure), ('judge', 'ownership.guard_judge()'::regprocedure),
		('truncate', 'ownership.guard_truncate()'::regprocedure)) AS part(name, function)
	JOIN pg_catalog.pg_trigger t ON t.tgfoid = part.function AND t.tgname <> 'zzzz_ownership_' || part.name
	JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE t.tgparentid = 0
	UNION ALL
	/* names do not follow */
	SELECT 3, 'high', 'unguarded', NULL, NULL, NULL, NULL, '{}',
		format('Event trigger %I is disabled: tables that are created or renamed can lose their map and their guard.', e.evtname),
		format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', e.evtname)
	FROM pg_catalog.pg_event_trigger e
	WHERE e.evtfoid IN ('ownership.ddl_start()'::regprocedure, 'ownership.ddl_end()'::regprocedure, 'ownership.ddl_drop()'::regprocedure)
	  AND e.evtenabled <> 'A'
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, ownership.relation_name(f.former_schema, f.former_name), NULL, '{}',
		format('Table %1$s is not on the map: the map of that name followed its table, which is called %2$s now.',
			ownership.relation_name(f.former_schema, f.former_name), ownership.relation_name(f.table_schema, f.table_name)),
		format('If %1$s took its place, rename the row of %2$s in ownership.mirrored_table and guard it; else assign the columns of %1$s.',
			ownership.relation_name(f.former_schema, f.former_name), ownership.relation_name(f.table_schema, f.table_name))
	FROM ownership.former_table f
	JOIN ownership.mirrored_table m USING (table_schema, table_name)
	JOIN pg_catalog.pg_namespace n ON n.nspname = f.former_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = f.former_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE NOT EXISTS (SELECT FROM ownership.mirrored_table t
		WHERE t.table_schema = f.former_schema AND t.table_name = f.former_name)
	  AND EXISTS (SELECT FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace s ON s.oid = o.relnamespace
		WHERE s.nspname = f.table_schema::name AND o.relname = f.table_name::name AND o.relkind IN ('r', 'p', 'f'))
	UNION ALL
	/* its schema was dropped, or another one took the name after it was renamed */
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, NULL, NULL, CASE WHEN p.source IS NULL THEN '{}' ELSE ARRAY[p.source] END,
		format('Pattern %s is of schema %s, which is not in the database: no table comes under it.', p.pattern, split_part(p.pattern, '.', 1)),
		'If another schema took its place, name that one in ownership.mirrored_pattern; if it is gone for good, delete the row.'
	FROM ownership.mirrored_pattern p
	WHERE p.pattern ~ '^[^*?.]+\.'
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = split_part(p.pattern, '.', 1)::name)
	UNION ALL
	/* of a dump that was restored in part */
	SELECT 8, 'medium', 'broken_mirror', m.entity, m.field, ownership.relation_name(m.table_schema, m.table_name), m.column_name, '{}',
		format('Column %s of %s holds field %s.%s, which is not there.', m.column_name, ownership.relation_name(m.table_schema, m.table_name), m.entity, m.field),
		'Insert the field into ownership.field, or delete the column''s row from ownership.mirrored_column.'
	FROM ownership.mirrored_column m
	WHERE NOT EXISTS (SELECT FROM ownership.field f WHERE f.entity = m.entity AND f.name = m.field)
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, NULL, NULL, ARRAY[n.name],
		format('System %s is named in %s, but is not in ownership.system.', n.name, string_agg(DISTINCT 'ownership.' || n.place, ', ')),
		'Insert it into ownership.system, or correct what names it.'
	FROM (SELECT system, 'identity' FROM ownership.identity UNION ALL SELECT owner, 'field' FROM ownership.field
		UNION ALL SELECT system, 'declared_access' FROM ownership.declared_access
		UNION ALL SELECT source, 'mirrored_table' FROM ownership.mirrored_table
		UNION ALL SELECT owner, 'row_owner' FROM ownership.row_owner
		UNION ALL SELECT unnest(ARRAY[source, owner]), 'mirrored_pattern' FROM ownership.mirrored_pattern) AS n(name, place)
	WHERE n.name IS NOT NULL AND NOT EXISTS (SELECT FROM ownership.system s WHERE s.name = n.name)
	GROUP BY n.name
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, NULL, NULL, '{}',
		format('Domain %s has %s field%s, but is not in ownership.domain: its policy is not known.', f.domain, count(*), CASE count(*) WHEN 1 THEN '' ELSE 's' END),
		'Insert it into ownership.domain, or correct the fields.'
	FROM ownership.field f
	WHERE f.domain IS NOT NULL AND NOT EXISTS (SELECT FROM ownership.domain d WHERE d.name = f.domain)
	GROUP BY f.domain
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.own_risk
	UNION ALL
	SELECT 3, 'high', 'map_behind', NULL, NULL, b.relation, b.column_name, '{}', b.detail, b.advice
	FROM ownership.map_behind() b;

/* they are for the extension's own triggers, and no others */
REVOKE ALL ON FUNCTION ownership.sheet_row(), ownership.domain_edit(), ownership.resolve() FROM PUBLIC;

/* a trigger of the guard with a condition, or for some events or columns, does not guard */
CREATE OR REPLACE VIEW ownership.guarded_relation AS
WITH RECURSIVE member AS (
	SELECT t.table_schema, t.table_name, c.oid AS root, c.oid AS relid, c.relkind, c.relhastriggers
	FROM ownership.mirrored_table t
	JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')
	UNION
	SELECT m.table_schema, m.table_name, m.root, c.oid, c.relkind, c.relhastriggers
	FROM member m
	JOIN pg_catalog.pg_inherits i ON i.inhparent = m.relid
	JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
)
SELECT m.table_schema, m.table_name, m.root, m.relid, m.relkind,
	amend.tgenabled = 'A' AS amends,
	judge.tgenabled = 'O' AS judges,
	truncate.tgenabled = 'A' AS refuses_truncate
FROM member m
/* as guard() makes them: one with a condition, or for some events or columns, does not guard */
LEFT JOIN pg_catalog.pg_trigger amend ON amend.tgrelid = m.relid AND amend.tgfoid = 'ownership.guard_amend()'::regprocedure
	AND amend.tgtype = 31 AND amend.tgqual IS NULL AND cardinality(amend.tgattr) = 0
LEFT JOIN pg_catalog.pg_trigger judge ON judge.tgrelid = m.relid AND judge.tgfoid = 'ownership.guard_judge()'::regprocedure
	AND judge.tgtype = 29 AND judge.tgqual IS NULL AND cardinality(judge.tgattr) = 0 AND judge.tgconstraint = 0
LEFT JOIN pg_catalog.pg_trigger truncate ON truncate.tgrelid = m.relid AND truncate.tgfoid = 'ownership.guard_truncate()'::regprocedure
	AND truncate.tgtype = 34 AND truncate.tgqual IS NULL;

/* tells the row in a publication */
ALTER TABLE ownership.activity ADD id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
COMMENT ON COLUMN ownership.activity.id IS 'Tells the row in a publication';

/* leaves out what a subscription brings of another hub's tables */
CREATE FUNCTION ownership.another_hub() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_another_hub' LANGUAGE C;
COMMENT ON FUNCTION ownership.another_hub() IS 'Trigger on the extension''s tables: leaves out what a subscription brings of another hub''s';
REVOKE ALL ON FUNCTION ownership.another_hub() FROM PUBLIC;

CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.system
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.system
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.system ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.system ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.identity
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.identity
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.identity ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.identity ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.domain
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.domain
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.field
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.field
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.field ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.field ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.declared_access
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.declared_access
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.declared_access ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.declared_access ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.mirrored_table
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.mirrored_table
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.mirrored_table ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.mirrored_table ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.mirrored_column
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.mirrored_column
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.mirrored_column ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.mirrored_column ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.row_owner
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.row_owner
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.row_owner ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.row_owner ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.conflict
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.conflict
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.conflict ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.conflict ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.activity
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.activity
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.activity ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.activity ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.bound_role
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.bound_role
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.bound_role ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.bound_role ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.deleted_domain
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.deleted_domain
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.deleted_domain ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.deleted_domain ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.map_history
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.map_history
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.map_history ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.map_history ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.mirrored_pattern
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.mirrored_pattern
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.mirrored_pattern ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.mirrored_pattern ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.bound_table
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.bound_table
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.bound_table ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.bound_table ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.former_table
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.former_table
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.former_table ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.former_table ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.former_column
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.former_column
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.former_column ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.former_column ENABLE ALWAYS TRIGGER another_hub_truncate;

/* a column that was generated can come under a pattern when it is no more; and what is off the map in a dump is known to be */
ALTER TABLE ownership.bound_table ADD generated text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ownership.bound_table.generated IS 'Names of those columns that were generated, and so could not be on the map';
UPDATE ownership.bound_table b SET generated = ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
	WHERE a.attrelid = b.relid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> '' ORDER BY a.attnum);
CREATE TABLE ownership.left_off (
	relid			oid PRIMARY KEY,
	table_schema	text NOT NULL,
	table_name		text NOT NULL
);
COMMENT ON TABLE ownership.left_off IS 'Internal: tables that were taken off the map, or were off it in a dump: no pattern missed them';
COMMENT ON COLUMN ownership.left_off.table_schema IS 'The name that it had then';
GRANT SELECT ON ownership.left_off TO PUBLIC;
CREATE FUNCTION ownership.mirrored_pattern_bind() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_mirrored_pattern_bind' LANGUAGE C;
COMMENT ON FUNCTION ownership.mirrored_pattern_bind() IS 'Trigger on ownership.mirrored_pattern: while a dump is restored, remembers which tables are off the map';
CREATE TRIGGER bind AFTER INSERT ON ownership.mirrored_pattern
	FOR EACH ROW EXECUTE FUNCTION ownership.mirrored_pattern_bind();
ALTER TABLE ownership.mirrored_pattern ENABLE ALWAYS TRIGGER bind;
REVOKE ALL ON FUNCTION ownership.mirrored_pattern_bind() FROM PUBLIC;
/* tells of TRUNCATE of foreign tables where no hook sees it */
CREATE OR REPLACE VIEW ownership.guards AS
WITH member AS MATERIALIZED (
	SELECT * FROM ownership.guarded_relation
), feed AS (
	SELECT g.root, array_agg(DISTINCT s.subname::text ORDER BY s.subname::text) AS subscriptions,
		array_agg(DISTINCT p.publication ORDER BY p.publication) AS publications
	FROM member g
	JOIN pg_catalog.pg_subscription_rel r ON r.srrelid = g.relid
	JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid
	CROSS JOIN LATERAL unnest(s.subpublications) AS p(publication)
	GROUP BY g.root
), state AS (
	SELECT g.root,
		bool_and(g.amends IS TRUE AND g.judges IS TRUE
			AND (g.refuses_truncate IS TRUE OR (g.relkind = 'f' AND current_setting('server_version_num')::int < 160000))) AS guarded,
		bool_or(g.amends IS NOT NULL OR g.judges IS NOT NULL OR g.refuses_truncate IS NOT NULL) AS touched,
		count(*) FILTER (WHERE g.relid <> g.root) AS partitions,
		count(*) FILTER (WHERE g.relid <> g.root AND g.amends AND g.judges
			AND (g.refuses_truncate OR g.relkind = 'f')) AS partitions_guarded
	FROM member g
	GROUP BY g.root
), problem AS (
	SELECT g.root, 1 AS rank, format('%s is not guarded', g.relid::regclass) AS problem
	FROM member g
	WHERE g.amends IS NULL AND g.judges IS NULL AND g.refuses_truncate IS NULL
	UNION ALL
	SELECT g.root, 2, format('%s of %s is missing', part.name, g.relid::regclass)
	FROM member g
	CROSS JOIN LATERAL (VALUES ('zzzz_ownership_amend', g.amends), ('zzzz_ownership_judge', g.judges),
		('zzzz_ownership_truncate', g.refuses_truncate)) AS part(name, armed)
	WHERE part.armed IS NULL AND NOT (g.amends IS NULL AND g.judges IS NULL AND g.refuses_truncate IS NULL)
	  AND NOT (part.name = 'zzzz_ownership_truncate' AND g.relkind = 'f' AND current_setting('server_version_num')::int < 160000)
	UNION ALL
	SELECT g.root, 3, format('%s of %s is not armed', part.name, g.relid::regclass)
	FROM member g
	CROSS JOIN LATERAL (VALUES ('zzzz_ownership_amend', g.amends), ('zzzz_ownership_judge', g.judges),
		('zzzz_ownership_truncate', g.refuses_truncate)) AS part(name, armed)
	WHERE NOT part.armed
	UNION ALL
	/* without a trigger it is seen by a hook */
	SELECT g.root, 4, format('TRUNCATE of foreign table %s cannot be refused on this PostgreSQL version unless the library is preloaded', g.relid::regclass)
	FROM member g
	WHERE g.relkind = 'f' AND current_setting('server_version_num')::int < 160000
	  AND EXISTS (SELECT FROM ownership.status() s WHERE s.fact = 'preloaded' AND s.value = 'no')
	UNION ALL
	/* row, before, and not for DELETE or TRUNCATE only */
	SELECT g.root, 5, format('trigger %I of %s fires after the guard and may change what was kept', t.tgname, g.relid::regclass)
	FROM member g
	JOIN pg_catalog.pg_trigger t ON t.tgrelid = g.relid
	WHERE t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgenabled <> 'D'
	  AND t.tgname > 'zzzz_ownership_amend'
), told AS (
	SELECT p.root, array_agg(p.problem ORDER BY p.rank, p.problem COLLATE "C") AS problems
	FROM problem p
	GROUP BY p.root
)
SELECT ownership.relation_name(t.table_schema, t.table_name) AS relation,
	t.table_schema, t.table_name, t.source,
	coalesce(s.guarded, false) AS guarded,
	ARRAY(SELECT tg.tgname::text FROM pg_catalog.pg_trigger tg
		WHERE tg.tgrelid = c.oid AND tg.tgfoid IN ('ownership.guard_amend()'::regprocedure,
			'ownership.guard_judge()'::regprocedure, 'ownership.guard_truncate()'::regprocedure)
		ORDER BY tg.tgname) AS triggers,
	coalesce(s.partitions, 0) AS partitions,
	coalesce(s.partitions_guarded, 0) AS partitions_guarded,
	coalesce(f.subscriptions, '{}') AS subscriptions,
	CASE WHEN f.root IS NOT NULL THEN format('A published TRUNCATE would stop the stream; at the source, check "SELECT pubname, pubtruncate FROM pg_publication WHERE pubname IN (%s)"',
		(SELECT string_agg(quote_literal(p), ', ') FROM unnest(f.publications) p)) END AS truncate_note,
	CASE WHEN c.oid IS NULL THEN ARRAY['the table is not there']
		ELSE coalesce(told.problems, '{}') END AS problems,
	coalesce(s.touched, false) AS touched
FROM ownership.mirrored_table t
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema::name
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')
LEFT JOIN state s ON s.root = c.oid
LEFT JOIN feed f ON f.root = c.oid
LEFT JOIN told ON told.root = c.oid;
	GROUP BY f.domain;

/* the guide: what it must not be sure of; see suggest.c for what is deleted, and for the raw forms of values */
UPDATE ownership.domain SET
	column_pattern = '^(?:_(?!(?:id|uuid|sku|key|token)$).*|(?:(?:.*_)?last_)?(?:created|updated|modified|changed|synced)(?:_(?:at|on|by(?:_.*)?|date|time|datetime|timestamp|ts|utc|gmt|user(?:_.*)?|from|via))*|(?:.*_)?date_(?:added|created|modified|updated)(?:_(?:utc|gmt))?|(?:.*_)?(?:created|updated|modified|added|uploaded|attached|inserted)_(?:at|on|by)|write_(?:date|uid)|sync.*|raw_(?:data|json|xml|html|payload|response|request|body|message|event|record|row|input|output|text|headers?)|metadata|sort_order|lft|rgt|lock_version|(?:.*_)?ip(?:_address)?|user_agent|accept_language)$|(?:{product}|{order}|categor(?:y|ies)|collections?|taxons?|attributes?|options?|media){part}\.position'
WHERE shipped AND name = 'technical';
UPDATE ownership.domain SET
	column_pattern = '(?:(?<!(?:vat|tax|gst|eori|duns|fiscal|national|passport)_)id|uuid|sku|key|token|item_code|default_code|increment_id|display_id)$|[^.]*\.(?:[^.]*_)?(?:(?<!(?:vat|tax|gst|eori|duns|fiscal|national|passport)_)id|uuid|sku|item_code|default_code|increment_id|display_id)$',
	note = 'The system that creates the record owns its key: it decides which rows exist. So what marks a row as deleted or archived is its, too.'
WHERE shipped AND name = 'key';
UPDATE ownership.domain SET
	column_pattern = 'tax(?:es|able)?|vat|gst|hs_code|harmoni[sz]ed_system|customs|fiscal_position|(?:tax(?:es)?|vat){part}\.(?:{document}|{copies})'
WHERE shipped AND name = 'tax';
UPDATE ownership.domain SET
	column_pattern = 'stock(?:ed)?|qty|quantity|on_hand|reserved|allocated|reorder|incoming|(?<!track_)inventory|warehouse|lot|(?:stocks?|inventor(?:y|ies)(?!_items?)|warehouses?){part}\.(?:{document}|(?:[^.]*_)?count(?:ed)?)',
	table_pattern = '{product}|(?:stocks?|inventor(?:y|ies)(?!_items?)|warehouses?){part}\..*'
WHERE shipped AND name = 'stock';
UPDATE ownership.domain SET
	column_pattern = '(?<!(?:sort|display)_)order|grand_total|subtotal|amount_(?:untaxed|tax|total)|total_(?:due|paid|refunded)|freight|checkout|cart|quote|{order}{part}\.(?:{document}|{copies})'
WHERE shipped AND name = 'order';
UPDATE ownership.domain SET
	column_pattern = 'segment|customer_(?:group|type)|(?<!meta_)tags?|tier|lifecycle_stage|target_list|(?:segments?|customer_(?:groups?|types?))(?:_descriptions?|_translations?)?\.(?:name|title|description)'
WHERE shipped AND name = 'segment';
UPDATE ownership.domain SET
	column_pattern = '(?:e?mail|[a-z]*phone|mobile|fax)(?!(?:_[^.]*)?_(?:rating|score|counts?|templates?|sent|opened|clicked|bounced?))|(?:first|last)_?name|birth_?da(?:te|y)|dob|gender|company|contact_(?:name|person)|street|(?<!ip_)address_?\d?|city|zip(?:_?code)?|post(?:al)?_?code|province|region|country|(?:customers?|clients?|contacts?|persons?|people|accounts?)\.(?:name|salutation|title)|leads?\.(?:name|salutation)'
WHERE shipped AND name = 'identity';
