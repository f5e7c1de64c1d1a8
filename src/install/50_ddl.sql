/*
 * The map follows DDL.
 *
 * The map names tables and columns as text.  The bound_* tables contain which
 * objects of this database the names mean, so that the extension distinguishes a
 * rename from a new table.  pg_dump leaves them out: OIDs mean nothing in another
 * database.  They have no foreign keys to the map, which would prevent a TRUNCATE
 * of its tables; a row about a name that is not on the map has no effect.
 */
CREATE TABLE ownership.mirrored_pattern (
	pattern	text PRIMARY KEY,
	source	text REFERENCES ownership.system ON UPDATE CASCADE,
	owner	text REFERENCES ownership.system ON UPDATE CASCADE,
	readers	text[] NOT NULL DEFAULT '{}',
	exclude	text[] NOT NULL DEFAULT '{}',
	CONSTRAINT mirrored_pattern_pattern_check CHECK (pattern <> ''),
	CONSTRAINT mirrored_pattern_readers_check CHECK (array_position(readers, NULL) IS NULL),
	CONSTRAINT mirrored_pattern_exclude_check CHECK (array_position(exclude, NULL) IS NULL)
);
COMMENT ON TABLE ownership.mirrored_pattern IS 'The patterns that add_tables() was called with. When a table or a column that matches a pattern appears later, the extension puts it on the map and guards the table.';
COMMENT ON COLUMN ownership.mirrored_pattern.pattern IS 'Pattern of table names, as in add_tables(): * stands for any characters, ? for one. Where several patterns match a table, the most specific one counts.';
COMMENT ON COLUMN ownership.mirrored_pattern.source IS 'System of which the tables are private copies. NULL: the tables are shared.';
COMMENT ON COLUMN ownership.mirrored_pattern.owner IS 'System of record of the fields. NULL: the source; without a source the fields have no system of record.';
COMMENT ON COLUMN ownership.mirrored_pattern.readers IS 'Systems that are declared to read the fields. Default: none.';
COMMENT ON COLUMN ownership.mirrored_pattern.exclude IS 'Patterns of tables, and of columns as table.column, that stay off the map. Default: none.';
SELECT pg_catalog.pg_extension_config_dump('ownership.mirrored_pattern', '');
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.mirrored_pattern
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.mirrored_pattern
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.mirrored_pattern ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.mirrored_pattern ENABLE ALWAYS TRIGGER history_truncate;

CREATE TABLE ownership.bound_table (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	relid			oid NOT NULL,
	columns			text[] NOT NULL,
	guarded			boolean NOT NULL,
	generated		text[] NOT NULL DEFAULT '{}',
	types			oid[] NOT NULL DEFAULT '{}',
	away_since		timestamptz,
	PRIMARY KEY (table_schema, table_name)
);
CREATE INDEX bound_table_relid_idx ON ownership.bound_table (relid);
COMMENT ON TABLE ownership.bound_table IS 'Internal: the table and the columns to which a name on the map was bound at the last look.';
COMMENT ON COLUMN ownership.bound_table.table_schema IS 'Schema that the map names.';
COMMENT ON COLUMN ownership.bound_table.table_name IS 'Table that the map names.';
COMMENT ON COLUMN ownership.bound_table.relid IS 'OID of the table. 0: the map waits for a table of that name.';
COMMENT ON COLUMN ownership.bound_table.columns IS 'Names of its columns by attribute number. An empty text stands for a dropped column.';
COMMENT ON COLUMN ownership.bound_table.guarded IS 'true: the guard belongs on the table that has the name.';
COMMENT ON COLUMN ownership.bound_table.generated IS 'Names of those columns that were generated, and so could not be on the map.';
COMMENT ON COLUMN ownership.bound_table.types IS 'OIDs of the types of its columns by attribute number.';
COMMENT ON COLUMN ownership.bound_table.away_since IS 'Time at which a trigger of its guard was dropped or switched off. NULL: the guard is in place.';

CREATE TABLE ownership.bound_schema (
	name	text PRIMARY KEY,
	schema	oid NOT NULL,
	role	oid NOT NULL
);
COMMENT ON TABLE ownership.bound_schema IS 'Internal: the schema to which a name on the map was bound, and its owner at that time.';
COMMENT ON COLUMN ownership.bound_schema.name IS 'Name of the schema.';
COMMENT ON COLUMN ownership.bound_schema.schema IS 'OID of the schema.';
COMMENT ON COLUMN ownership.bound_schema.role IS 'OID of its owner.';

CREATE TABLE ownership.left_off (
	relid			oid PRIMARY KEY,
	table_schema	text NOT NULL,
	table_name		text NOT NULL
);
COMMENT ON TABLE ownership.left_off IS 'Internal: the tables that were taken off the map, or that were off it in a dump. They are no tables that a pattern has missed.';
COMMENT ON COLUMN ownership.left_off.relid IS 'OID of the table.';
COMMENT ON COLUMN ownership.left_off.table_schema IS 'Schema of the table at that time.';
COMMENT ON COLUMN ownership.left_off.table_name IS 'Name of the table at that time.';

CREATE TABLE ownership.former_table (
	former_schema	text NOT NULL,
	former_name		text NOT NULL,
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	left_in			xid8 NOT NULL,
	twin			boolean NOT NULL DEFAULT false,
	PRIMARY KEY (former_schema, former_name)
);
COMMENT ON TABLE ownership.former_table IS 'Internal: the names that mirrored tables had before they were renamed.';
COMMENT ON COLUMN ownership.former_table.former_schema IS 'Schema before.';
COMMENT ON COLUMN ownership.former_table.former_name IS 'Name before.';
COMMENT ON COLUMN ownership.former_table.table_schema IS 'Schema after.';
COMMENT ON COLUMN ownership.former_table.table_name IS 'Name after.';
COMMENT ON COLUMN ownership.former_table.left_in IS 'Transaction that renamed it.';
COMMENT ON COLUMN ownership.former_table.twin IS 'true: the map was copied to another table that took the former name.';

CREATE TABLE ownership.former_column (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	former_name		text NOT NULL,
	column_name		text NOT NULL,
	left_in			xid8 NOT NULL,
	PRIMARY KEY (table_schema, table_name, former_name)
);
COMMENT ON TABLE ownership.former_column IS 'Internal: the names that mirrored columns had before they were renamed.';
COMMENT ON COLUMN ownership.former_column.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.former_column.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.former_column.former_name IS 'Name before.';
COMMENT ON COLUMN ownership.former_column.column_name IS 'Name after.';
COMMENT ON COLUMN ownership.former_column.left_in IS 'Transaction that renamed it.';

/*
 * What to do when the transaction commits: only then it is known which table has
 * a name.  No row outlives its transaction.
 */
CREATE UNLOGGED TABLE ownership.ddl_queue (
	classid			oid NOT NULL,
	objid			oid NOT NULL,
	table_schema	text,
	table_name		text,
	arrived			boolean NOT NULL,
	guard			boolean NOT NULL,
	fresh			text[] NOT NULL,
	gone			text[] NOT NULL DEFAULT '{}',
	gone_types		oid[] NOT NULL DEFAULT '{}',
	PRIMARY KEY (classid, objid)
);
COMMENT ON TABLE ownership.ddl_queue IS 'Internal: what DDL of a transaction leaves to do at its commit.';
COMMENT ON COLUMN ownership.ddl_queue.classid IS 'OID of the catalog: that of tables or that of schemas.';
COMMENT ON COLUMN ownership.ddl_queue.objid IS 'OID of the table or schema.';
COMMENT ON COLUMN ownership.ddl_queue.table_schema IS 'Schema that the map named at the beginning of the transaction.';
COMMENT ON COLUMN ownership.ddl_queue.table_name IS 'Table that the map named at the beginning of the transaction.';
COMMENT ON COLUMN ownership.ddl_queue.arrived IS 'true: the table got its name in this transaction.';
COMMENT ON COLUMN ownership.ddl_queue.guard IS 'true: the triggers of the table are to be checked.';
COMMENT ON COLUMN ownership.ddl_queue.fresh IS 'Columns that were added in this transaction.';
COMMENT ON COLUMN ownership.ddl_queue.gone IS 'Mirrored columns that were dropped in this transaction.';
COMMENT ON COLUMN ownership.ddl_queue.gone_types IS 'OIDs of their types.';

CREATE FUNCTION ownership.ddl_settle() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_ddl_settle' LANGUAGE C;
COMMENT ON FUNCTION ownership.ddl_settle() IS 'Trigger on ownership.ddl_queue, at commit: puts on the map and guards the tables that came under its patterns and names.';
CREATE CONSTRAINT TRIGGER settle AFTER INSERT ON ownership.ddl_queue DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION ownership.ddl_settle();
ALTER TABLE ownership.ddl_queue ENABLE ALWAYS TRIGGER settle;

/* for evidence about a renamed column */
CREATE FUNCTION ownership.key_renamed(object jsonb, old text, new text)
RETURNS jsonb LANGUAGE SQL IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(object) = 'object' AND object ? old
	THEN (object - old) || jsonb_build_object(new, object -> old) ELSE object END;
COMMENT ON FUNCTION ownership.key_renamed(jsonb, text, text) IS 'Internal: an object in which one key has a new name.';

CREATE FUNCTION ownership.mirrored_table_bind() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_mirrored_table_bind' LANGUAGE C;
COMMENT ON FUNCTION ownership.mirrored_table_bind() IS 'Trigger on ownership.mirrored_table: records which table the name means.';
CREATE TRIGGER bind AFTER INSERT OR UPDATE OR DELETE ON ownership.mirrored_table
	FOR EACH ROW EXECUTE FUNCTION ownership.mirrored_table_bind();
ALTER TABLE ownership.mirrored_table ENABLE ALWAYS TRIGGER bind;

CREATE FUNCTION ownership.pattern_readers() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_pattern_readers' LANGUAGE C;
COMMENT ON FUNCTION ownership.pattern_readers() IS 'Trigger on ownership.system: renames the system among the readers of patterns, in ownership.handover, and in evidence.';
CREATE TRIGGER pattern_readers AFTER UPDATE OF name ON ownership.system
	FOR EACH ROW EXECUTE FUNCTION ownership.pattern_readers();

CREATE FUNCTION ownership.field_renamed() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_field_renamed' LANGUAGE C;
COMMENT ON FUNCTION ownership.field_renamed() IS 'Trigger on ownership.field: renames the field in ownership.handover.';
CREATE TRIGGER field_renamed AFTER UPDATE OF entity, name ON ownership.field
	FOR EACH ROW EXECUTE FUNCTION ownership.field_renamed();

CREATE FUNCTION ownership.mirrored_pattern_bind() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_mirrored_pattern_bind' LANGUAGE C;
COMMENT ON FUNCTION ownership.mirrored_pattern_bind() IS 'Trigger on ownership.mirrored_pattern: binds the schema that the pattern names. While a dump is restored, it records which tables are off the map.';
CREATE TRIGGER bind AFTER INSERT ON ownership.mirrored_pattern
	FOR EACH ROW EXECUTE FUNCTION ownership.mirrored_pattern_bind();
ALTER TABLE ownership.mirrored_pattern ENABLE ALWAYS TRIGGER bind;

/*
 * The map in a dump is consistent, and its tables come in any order.  The parallel
 * workers of pg_restore do not know which table of the map refers to which, so
 * foreign keys are not checked while the map is restored.
 */
CREATE FUNCTION ownership.map_restored() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_map_restored' LANGUAGE C;
COMMENT ON FUNCTION ownership.map_restored() IS 'Trigger on the tables of the map: lets a dump be restored in any order.';
CREATE TRIGGER restored BEFORE INSERT ON ownership.identity
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_restored();
CREATE TRIGGER restored BEFORE INSERT ON ownership.field
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_restored();
CREATE TRIGGER restored BEFORE INSERT ON ownership.declared_access
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_restored();
CREATE TRIGGER restored BEFORE INSERT ON ownership.mirrored_pattern
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_restored();
CREATE TRIGGER restored BEFORE INSERT ON ownership.mirrored_table
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_restored();
CREATE TRIGGER restored BEFORE INSERT ON ownership.mirrored_column
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_restored();
CREATE TRIGGER restored BEFORE INSERT ON ownership.row_owner
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_restored();

/*
 * Event triggers for the commands that can change the name of a table or a column
 * or the tables below it; they do not fire for other DDL.  They fire in every
 * session_replication_role.
 */
CREATE FUNCTION ownership.ddl_start() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'ownership_ddl_start' LANGUAGE C;
COMMENT ON FUNCTION ownership.ddl_start() IS 'Event trigger: lets a table with a guard of its own be attached as a partition, and looks for what DROP takes along.';
CREATE FUNCTION ownership.ddl_end() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'ownership_ddl_end' LANGUAGE C;
COMMENT ON FUNCTION ownership.ddl_end() IS 'Event trigger: the map follows renamed tables and columns, and takes in new ones.';
CREATE FUNCTION ownership.ddl_drop() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'ownership_ddl_drop' LANGUAGE C;
COMMENT ON FUNCTION ownership.ddl_drop() IS 'Event trigger: the map of a dropped table or column waits for its name.';

CREATE EVENT TRIGGER ownership_start ON ddl_command_start
	WHEN TAG IN ('ALTER TABLE', 'DROP OWNED', 'DROP SCHEMA', 'DROP TABLE', 'DROP TYPE')
	EXECUTE FUNCTION ownership.ddl_start();
/* ALTER INDEX renames tables, too */
CREATE EVENT TRIGGER ownership_end ON ddl_command_end
	WHEN TAG IN ('ALTER FOREIGN TABLE', 'ALTER INDEX', 'ALTER SCHEMA', 'ALTER SUBSCRIPTION', 'ALTER TABLE', 'ALTER TYPE',
		'CREATE FOREIGN TABLE', 'CREATE SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'CREATE TRIGGER',
		'IMPORT FOREIGN SCHEMA', 'SELECT INTO')
	EXECUTE FUNCTION ownership.ddl_end();
/* DROP of an object also drops the columns that depend on it */
CREATE EVENT TRIGGER ownership_drop ON sql_drop
	WHEN TAG IN ('DROP COLLATION', 'DROP DOMAIN', 'DROP EXTENSION', 'DROP FOREIGN DATA WRAPPER', 'DROP FOREIGN TABLE',
		'DROP FUNCTION', 'DROP OWNED', 'DROP ROUTINE', 'DROP SCHEMA', 'DROP SERVER', 'DROP TABLE', 'DROP TRIGGER', 'DROP TYPE')
	EXECUTE FUNCTION ownership.ddl_drop();
ALTER EVENT TRIGGER ownership_start ENABLE ALWAYS;
ALTER EVENT TRIGGER ownership_end ENABLE ALWAYS;
ALTER EVENT TRIGGER ownership_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER ownership_start IS 'Before ALTER TABLE: lets a table with a guard of its own be attached as a partition. Before DROP and DETACH: looks for values of other systems.';
COMMENT ON EVENT TRIGGER ownership_end IS 'After DDL that can create, rename or move a table or column: the map follows.';
COMMENT ON EVENT TRIGGER ownership_drop IS 'After DDL that drops tables or columns: their map waits for the name.';

/* It compares the map with the catalogs, whether event triggers fired or not. */
CREATE FUNCTION ownership.map_behind(OUT relation text, OUT column_name text, OUT detail text, OUT advice text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_map_behind' LANGUAGE C STABLE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.map_behind() IS 'Internal: what DDL did and the map did not follow, for the view risks.';

/* Part of ownership.risks: what DDL broke or could break, and own_risk. */
CREATE VIEW ownership.ddl_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	/* the guard belongs on the table, and it has none of the triggers */
	SELECT 3, 'high', 'unguarded', NULL::text, NULL::text, ownership.relation_name(b.table_schema, b.table_name), NULL::text, '{}'::text[],
		format('The guard of %s is gone: nothing enforces its map.', ownership.relation_name(b.table_schema, b.table_name)),
		format('SELECT ownership.guard(%L) guards it again; ownership.unguard() records that it is unguarded on purpose.',
			ownership.relation_name(b.table_schema, b.table_name))
	FROM ownership.bound_table b
	JOIN ownership.mirrored_table m USING (table_schema, table_name)
	/* by name: event triggers do not see every command that creates a table */
	JOIN pg_catalog.pg_namespace n ON n.nspname = b.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = b.table_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE b.guarded AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid IN (
		'ownership.guard_amend()'::regprocedure, 'ownership.guard_judge()'::regprocedure, 'ownership.guard_truncate()'::regprocedure)
		AND t.tgqual IS NULL AND cardinality(t.tgattr) = 0)
	UNION ALL
	/* a trigger of the guard has another name, and so another place in the order of triggers */
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
	/* without the event trigger the map does not follow renames */
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
	/* the schema of the pattern was dropped, or was renamed while another one took its name */
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, NULL, NULL, CASE WHEN p.source IS NULL THEN '{}' ELSE ARRAY[p.source] END,
		format('Pattern %s is of schema %s, which is not in the database: no table comes under it.', p.pattern, split_part(p.pattern, '.', 1)),
		'If another schema took its place, name that one in ownership.mirrored_pattern; if it is gone for good, delete the row.'
	FROM ownership.mirrored_pattern p
	WHERE p.pattern ~ '^[^*?.]+\.'
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = split_part(p.pattern, '.', 1)::name)
	UNION ALL
	/* a dump that was restored in part */
	SELECT 8, 'medium', 'broken_mirror', m.entity, m.field, ownership.relation_name(m.table_schema, m.table_name), m.column_name, '{}',
		format('Column %s of %s contains field %s.%s, which does not exist.', m.column_name, ownership.relation_name(m.table_schema, m.table_name), m.entity, m.field),
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
		UNION ALL SELECT unnest(ARRAY[from_system, to_system]), 'handover' FROM ownership.handover WHERE done_at IS NULL
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
	FROM ownership.map_behind() b
	UNION ALL
	/* what another hub decides does not arrive */
	SELECT 3, 'high', 'map_behind', NULL, NULL, NULL, NULL, '{}',
		concat_ws(' ', format('Subscription %s brings the map of another hub, and %s.', f.subscription, CASE f.state
				WHEN 'disabled' THEN 'is disabled'
				WHEN 'stopped' THEN 'has no worker' || CASE WHEN f.errors > 0 THEN format(': an error has stopped it %s time%s', f.errors, CASE f.errors WHEN 1 THEN '' ELSE 's' END) ELSE '' END
				WHEN 'copying' THEN 'has not copied all of it: ' || array_to_string(f.copying, ', ')
				WHEN 'starting' THEN 'has not heard from that hub since its worker started'
				ELSE 'has heard nothing since ' || to_char(f.heard_at, 'YYYY-MM-DD HH24:MI:SS') END),
			'What is decided there does not hold here yet.', 'Applied is what that hub had written up to ' || f.applied || '.'),
		concat_ws(' ', CASE f.state
				WHEN 'disabled' THEN format('ALTER SUBSCRIPTION %I ENABLE;', f.subscription)
				WHEN 'silent' THEN 'See in pg_stat_activity what its worker waits for, and whether the other hub can be reached.'
				ELSE 'The server log says why, unless it has just begun.' END,
			'SELECT pg_size_pretty(pg_current_wal_lsn() - ' || quote_literal(f.applied) || ') on the other hub says how far it is behind.')
	FROM ownership.map_feed f
	WHERE f.state <> 'current';
COMMENT ON VIEW ownership.ddl_risk IS 'Internal: the part of ownership.risks that is about DDL.';

/* they write tables that no role may write: triggers on other tables must not use them */
REVOKE ALL ON FUNCTION ownership.ddl_settle(), ownership.mirrored_table_bind(), ownership.mirrored_pattern_bind(), ownership.pattern_readers(),
	ownership.field_renamed(), ownership.map_restored(), ownership.ddl_start(), ownership.ddl_end(), ownership.ddl_drop() FROM PUBLIC;
GRANT SELECT ON ownership.mirrored_pattern, ownership.bound_table, ownership.bound_schema, ownership.left_off, ownership.former_table, ownership.former_column,
	ownership.ddl_risk TO PUBLIC;
