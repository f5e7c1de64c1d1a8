/* ownership: from 0.1.0 to 0.2.0 */

\echo Use "ALTER EXTENSION ownership UPDATE" to load this file. \quit

/* finds what was kept out of a row last, of one writer, however much evidence there is; see conflict.c */
CREATE INDEX conflict_latest_idx ON ownership.conflict
	(jsonb_hash_extended(row_key, hashtextextended(table_schema || '.' || table_name || '.' || coalesce(system, ''), 0)), id)
	WHERE outcome IN ('kept', 'discarded');

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
COMMENT ON FUNCTION ownership.mirrored_pattern_bind() IS 'Trigger on ownership.mirrored_pattern: binds the schema that it names, and, while a dump is restored, remembers which tables are off the map';
CREATE TRIGGER bind AFTER INSERT ON ownership.mirrored_pattern
	FOR EACH ROW EXECUTE FUNCTION ownership.mirrored_pattern_bind();
ALTER TABLE ownership.mirrored_pattern ENABLE ALWAYS TRIGGER bind;
REVOKE ALL ON FUNCTION ownership.mirrored_pattern_bind() FROM PUBLIC;

/* a schema that somebody makes while the one that the map means is gone takes no map along */
CREATE TABLE ownership.bound_schema (
	name	text PRIMARY KEY,
	schema	oid NOT NULL,
	role	oid NOT NULL
);
COMMENT ON TABLE ownership.bound_schema IS 'Internal: the schema that a name on the map was bound to, and its owner then';
GRANT SELECT ON ownership.bound_schema TO PUBLIC;
INSERT INTO ownership.bound_schema
SELECT n.nspname, n.oid, n.nspowner
FROM pg_catalog.pg_namespace n
WHERE EXISTS (SELECT FROM ownership.mirrored_table t WHERE t.table_schema = n.nspname::text)
   OR EXISTS (SELECT FROM ownership.mirrored_pattern p WHERE split_part(p.pattern, '.', 1) = n.nspname::text AND strpos(p.pattern, '.') > 0);
