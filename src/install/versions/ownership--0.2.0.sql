/* ownership: the ownership map of an integration database */

\echo Use "CREATE EXTENSION ownership" to load this file. \quit

/* made here, so that it goes with the extension, and is nobody else's before */
CREATE SCHEMA ownership;
COMMENT ON SCHEMA ownership IS 'The ownership map: which system is the system of record of each field, and what was written against it';

/*
 * The map is data.  It names schemas, tables, columns, roles and
 * subscriptions as text: a row never fails for an absent object, a dump
 * restores in any order, and one map serves many databases.
 */

CREATE TABLE ownership.system (
	name	text PRIMARY KEY,
	kind	text NOT NULL DEFAULT 'other',
	title	text,
	contact	text,
	note	text,
	/* names stand in lists that are separated by ";", beside words that mean nobody */
	CONSTRAINT system_name_check CHECK (name <> '' AND name = btrim(name) AND name !~ '[;"[:cntrl:]]' AND lower(name) NOT IN ('?', 'tbd', 'both')),
	/* activity is counted by names that fit into shared memory */
	CONSTRAINT system_name_length_check CHECK (octet_length(name) < 64),
	CONSTRAINT system_kind_check CHECK (kind <> '' AND kind = btrim(kind))
);
COMMENT ON TABLE ownership.system IS 'Business applications that exchange data';
COMMENT ON COLUMN ownership.system.name IS 'Short name; renaming it renames it everywhere on the map';
COMMENT ON COLUMN ownership.system.kind IS 'erp, crm, pim, storefront, oms, wms, mdm, pos, marketing, helpdesk, tax, bi, other ...';
COMMENT ON COLUMN ownership.system.title IS 'The name that people use';
COMMENT ON COLUMN ownership.system.contact IS 'Whom to ask';

CREATE TABLE ownership.identity (
	kind	text NOT NULL,
	name	text NOT NULL,
	system	text REFERENCES ownership.system ON UPDATE CASCADE,
	strict	boolean NOT NULL DEFAULT false,
	steward	boolean NOT NULL DEFAULT false,
	carrier	boolean NOT NULL DEFAULT false,
	PRIMARY KEY (kind, name),
	CONSTRAINT identity_kind_check CHECK (kind IN ('role', 'subscription', 'origin')),
	CONSTRAINT identity_name_check CHECK (name <> ''),
	CONSTRAINT identity_system_check CHECK (system IS NOT NULL OR steward OR carrier)
);
COMMENT ON TABLE ownership.identity IS 'Which role, subscription or replication origin writes as which system';
COMMENT ON COLUMN ownership.identity.kind IS 'role, subscription or origin';
COMMENT ON COLUMN ownership.identity.strict IS 'In a replication worker, reject raises an error and stops the stream';
COMMENT ON COLUMN ownership.identity.steward IS 'May write every field; each foreign write is evidence';
COMMENT ON COLUMN ownership.identity.carrier IS 'Writes as the source of the table it touches; on a shared table it is what ownership.system says, or nobody';

CREATE TABLE ownership.domain (
	name			text PRIMARY KEY,
	title			text,
	natural_owner	text[],
	excluded_owner	text[],
	blurred			boolean NOT NULL DEFAULT false,
	policy			text,
	column_pattern	text,
	table_pattern	text,
	note			text,
	position		integer,
	shipped			boolean NOT NULL DEFAULT false,
	CONSTRAINT domain_name_check CHECK (name <> '' AND name = btrim(name, E' \t\r\n')),
	CONSTRAINT domain_policy_check CHECK (policy IN ('observe', 'fill', 'keep', 'reject'))
);
COMMENT ON TABLE ownership.domain IS 'Kinds of data, such as price or stock, and the kinds of systems that should own them';
COMMENT ON COLUMN ownership.domain.excluded_owner IS 'Kinds of systems that must not own it';
COMMENT ON COLUMN ownership.domain.natural_owner IS 'Kinds of systems that naturally own it, the preferred first';
COMMENT ON COLUMN ownership.domain.blurred IS 'People mean different things by it: its fields need a rationale';
COMMENT ON COLUMN ownership.domain.policy IS 'For its fields that have no policy of their own';
COMMENT ON COLUMN ownership.domain.column_pattern IS 'Words of a column''s name that say so, as a regular expression, for suggest()';
COMMENT ON COLUMN ownership.domain.table_pattern IS 'Words of the names of tables where they are expected, or table\.column, likewise';
COMMENT ON COLUMN ownership.domain.position IS 'The order in which patterns are tried; those without one come first';
COMMENT ON COLUMN ownership.domain.shipped IS 'The row is as the extension ships it; such rows are not dumped';

CREATE TABLE ownership.field (
	entity		text NOT NULL,
	name		text NOT NULL,
	domain		text REFERENCES ownership.domain ON UPDATE CASCADE,
	owner		text REFERENCES ownership.system ON UPDATE CASCADE,
	policy		text,
	key			boolean NOT NULL DEFAULT false,
	local		boolean NOT NULL DEFAULT false,
	rationale	text,
	decided_by	text,
	decided_on	date,
	PRIMARY KEY (entity, name),
	CONSTRAINT field_entity_check CHECK (entity <> '' AND entity = btrim(entity, E' \t\r\n')),
	CONSTRAINT field_name_check CHECK (name <> '' AND name = btrim(name, E' \t\r\n') AND strpos(name, '.') = 0),
	CONSTRAINT field_policy_check CHECK (policy IN ('observe', 'fill', 'keep', 'reject'))
);
CREATE INDEX field_owner_idx ON ownership.field (owner);
CREATE INDEX field_domain_idx ON ownership.field (domain);
COMMENT ON TABLE ownership.field IS 'Data points that cross a system boundary: entity.name, and the system of record of each';
COMMENT ON COLUMN ownership.field.owner IS 'System of record; NULL: nobody, which is a risk';
COMMENT ON COLUMN ownership.field.policy IS 'observe, fill, keep or reject; NULL: the domain''s, else ownership.default_policy';
COMMENT ON COLUMN ownership.field.key IS 'Its owner decides which rows exist';
COMMENT ON COLUMN ownership.field.local IS 'Does not cross a boundary: on the list, but no gap';

CREATE TABLE ownership.declared_access (
	entity	text NOT NULL,
	field	text NOT NULL,
	system	text NOT NULL REFERENCES ownership.system ON UPDATE CASCADE ON DELETE CASCADE,
	mode	text NOT NULL,
	PRIMARY KEY (entity, field, system, mode),
	FOREIGN KEY (entity, field) REFERENCES ownership.field ON UPDATE CASCADE ON DELETE CASCADE,
	CONSTRAINT declared_access_mode_check CHECK (mode IN ('read', 'write'))
);
CREATE INDEX declared_access_system_idx ON ownership.declared_access (system);
COMMENT ON TABLE ownership.declared_access IS 'Who reads a field, and who writes it today, as declared';
COMMENT ON COLUMN ownership.declared_access.mode IS 'read or write';

CREATE TABLE ownership.mirrored_table (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	source			text REFERENCES ownership.system ON UPDATE CASCADE,
	PRIMARY KEY (table_schema, table_name)
);
COMMENT ON TABLE ownership.mirrored_table IS 'Tables of this database that mirror a system''s data';
COMMENT ON COLUMN ownership.mirrored_table.source IS 'The system that the table is a private copy of; NULL: several systems share it';

CREATE TABLE ownership.mirrored_column (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	column_name		text NOT NULL,
	entity			text NOT NULL,
	field			text NOT NULL,
	authoritative	boolean NOT NULL DEFAULT false,
	PRIMARY KEY (table_schema, table_name, column_name),
	FOREIGN KEY (table_schema, table_name) REFERENCES ownership.mirrored_table ON UPDATE CASCADE ON DELETE CASCADE,
	FOREIGN KEY (entity, field) REFERENCES ownership.field ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX mirrored_column_field_idx ON ownership.mirrored_column (entity, field);
CREATE UNIQUE INDEX mirrored_column_authoritative_idx ON ownership.mirrored_column (entity, field) WHERE authoritative;
COMMENT ON TABLE ownership.mirrored_column IS 'Columns that hold a field; several of one field are its copies';
COMMENT ON COLUMN ownership.mirrored_column.authoritative IS 'The copy that the others are compared with; one of a field at most';

CREATE TABLE ownership.row_owner (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	column_name		text NOT NULL,
	position		integer NOT NULL,
	row_filter		text NOT NULL,
	owner			text REFERENCES ownership.system ON UPDATE CASCADE,
	PRIMARY KEY (table_schema, table_name, column_name, position),
	FOREIGN KEY (table_schema, table_name, column_name) REFERENCES ownership.mirrored_column ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX row_owner_owner_idx ON ownership.row_owner (owner);
COMMENT ON TABLE ownership.row_owner IS 'Who owns a column in the rows where a filter holds; the first by position wins, else the field''s owner';
COMMENT ON COLUMN ownership.row_owner.row_filter IS 'Boolean expression over the stored row, without subqueries and volatile functions; names outside pg_catalog are qualified';

CREATE TABLE ownership.conflict (
	id					bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	recorded_at			timestamptz NOT NULL DEFAULT clock_timestamp(),
	table_schema		text NOT NULL,
	table_name			text NOT NULL,
	row_key				jsonb,
	operation			text NOT NULL,
	system				text,
	role				text,
	origin				text,
	application_name	text,
	outcome				text NOT NULL,
	columns				name[],
	stored				jsonb,
	proposed			jsonb,
	resolved_at			timestamptz,
	resolution			text,
	resolved_by			text,
	CONSTRAINT conflict_operation_check CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')),
	CONSTRAINT conflict_outcome_check CHECK (outcome IN ('observed', 'filled', 'kept', 'discarded', 'rejected', 'overridden'))
);
/* finds the evidence for a row, the latest first, however much there is; the key itself could be too large */
CREATE INDEX conflict_row_key_idx ON ownership.conflict (jsonb_hash_extended(row_key, 0), id);
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
COMMENT ON TABLE ownership.conflict IS 'Evidence: writes to fields by systems that do not own them';
COMMENT ON COLUMN ownership.conflict.row_key IS 'The row''s key columns and their values, but for those that a refused INSERT did not name; NULL where the table has no key';
COMMENT ON COLUMN ownership.conflict.operation IS 'INSERT, UPDATE, DELETE or TRUNCATE';
COMMENT ON COLUMN ownership.conflict.system IS 'The writer; NULL: unidentified, or a steward without a system';
COMMENT ON COLUMN ownership.conflict.outcome IS 'observed, filled, overridden: it went through; kept: the column''s value stayed; discarded: the row was not created or not deleted; rejected: an error';
COMMENT ON COLUMN ownership.conflict.columns IS 'The columns in conflict';
COMMENT ON COLUMN ownership.conflict.stored IS 'Their values in the row before, as text output; the whole row where it was deleted';
COMMENT ON COLUMN ownership.conflict.proposed IS 'The values that the writer proposed, as text output; the whole row where it was discarded; a number where that many more observed rows were only counted';
COMMENT ON COLUMN ownership.conflict.resolution IS 'accepted or dismissed, by a steward';
COMMENT ON COLUMN ownership.conflict.resolved_by IS 'The role that did; set by a trigger, as resolved_at is';

/*
 * What was seen, written by the background worker.  Not dumped: it is about
 * this database.  Rows are updated all the time, so pages keep room for that.
 */
CREATE TABLE ownership.activity (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	column_name		text NOT NULL,
	system			text REFERENCES ownership.system ON UPDATE CASCADE ON DELETE CASCADE,
	reads			bigint NOT NULL DEFAULT 0,
	writes			bigint NOT NULL DEFAULT 0,
	observed		bigint NOT NULL DEFAULT 0,
	filled			bigint NOT NULL DEFAULT 0,
	kept			bigint NOT NULL DEFAULT 0,
	rejected		bigint NOT NULL DEFAULT 0,
	overridden		bigint NOT NULL DEFAULT 0,
	first_seen		timestamptz,
	last_read		timestamptz,
	last_write		timestamptz,
	/* a publication needs a key without NULLs */
	id				bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	UNIQUE NULLS NOT DISTINCT (table_schema, table_name, column_name, system)
) WITH (fillfactor = 50);
COMMENT ON TABLE ownership.activity IS 'Which system reads and writes which mirrored column, as seen since the library was preloaded';
COMMENT ON COLUMN ownership.activity.system IS 'Who; NULL: unidentified, or a steward without a system';
COMMENT ON COLUMN ownership.activity.reads IS 'Statements that read it';
COMMENT ON COLUMN ownership.activity.writes IS 'Statements or replicated row changes that wrote it and were committed';
COMMENT ON COLUMN ownership.activity.observed IS 'Rows in which a write of a system that does not own it went through, under policy observe';
COMMENT ON COLUMN ownership.activity.filled IS 'Rows in which it filled a blank, under policy fill';
COMMENT ON COLUMN ownership.activity.kept IS 'Rows in which its value was kept out, or that were discarded';
COMMENT ON COLUMN ownership.activity.rejected IS 'Attempts that failed with an error';
COMMENT ON COLUMN ownership.activity.overridden IS 'Rows in which a steward wrote it';
COMMENT ON COLUMN ownership.activity.id IS 'Tells the row in a publication';

/*
 * The roles that bore an identity's name when it was identified.  Not dumped:
 * OIDs mean nothing elsewhere.
 */
CREATE TABLE ownership.bound_role (
	name	text PRIMARY KEY,
	role	oid NOT NULL
);
COMMENT ON TABLE ownership.bound_role IS 'Internal: the OID that an identity''s role had when it was identified';

/* one call a statement: two in one would update the same catalog row twice */
SELECT pg_catalog.pg_extension_config_dump('ownership.system', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.identity', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.domain', 'WHERE NOT shipped');
SELECT pg_catalog.pg_extension_config_dump('ownership.field', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.declared_access', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.mirrored_table', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.mirrored_column', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.row_owner', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.conflict', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.conflict_id_seq', '');
/*
 * What keeps the map right, and every session informed.
 */

CREATE FUNCTION ownership.map_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_map_changed' LANGUAGE C;
COMMENT ON FUNCTION ownership.map_changed() IS 'Trigger on the map''s tables: tells all sessions that the map changed';

CREATE FUNCTION ownership.identity_bind() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_identity_bind' LANGUAGE C;
COMMENT ON FUNCTION ownership.identity_bind() IS 'Trigger on ownership.identity: remembers which role is meant';

CREATE FUNCTION ownership.mirrored_column_table() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_mirrored_column_table' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.mirrored_column_table() IS 'Trigger on ownership.mirrored_column: puts its table on the map';

CREATE FUNCTION ownership.row_owner_check() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_row_owner_check' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.row_owner_check() IS 'Trigger on ownership.row_owner: refuses filters that cannot work';

CREATE TRIGGER bind BEFORE INSERT OR UPDATE OR DELETE ON ownership.identity
	FOR EACH ROW EXECUTE FUNCTION ownership.identity_bind();
CREATE TRIGGER mirrored_table BEFORE INSERT OR UPDATE ON ownership.mirrored_column
	FOR EACH ROW EXECUTE FUNCTION ownership.mirrored_column_table();
CREATE TRIGGER row_filter BEFORE INSERT OR UPDATE ON ownership.row_owner
	FOR EACH ROW EXECUTE FUNCTION ownership.row_owner_check();

CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE ON ownership.system
	FOR EACH ROW EXECUTE FUNCTION ownership.map_changed();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON ownership.system
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.system ENABLE ALWAYS TRIGGER signal;
ALTER TABLE ownership.system ENABLE ALWAYS TRIGGER signal_truncate;
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE ON ownership.identity
	FOR EACH ROW EXECUTE FUNCTION ownership.map_changed();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON ownership.identity
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.identity ENABLE ALWAYS TRIGGER signal;
ALTER TABLE ownership.identity ENABLE ALWAYS TRIGGER signal_truncate;
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE ON ownership.domain
	FOR EACH ROW EXECUTE FUNCTION ownership.map_changed();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON ownership.domain
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER signal;
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER signal_truncate;
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE ON ownership.field
	FOR EACH ROW EXECUTE FUNCTION ownership.map_changed();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON ownership.field
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.field ENABLE ALWAYS TRIGGER signal;
ALTER TABLE ownership.field ENABLE ALWAYS TRIGGER signal_truncate;
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE ON ownership.mirrored_table
	FOR EACH ROW EXECUTE FUNCTION ownership.map_changed();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON ownership.mirrored_table
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.mirrored_table ENABLE ALWAYS TRIGGER signal;
ALTER TABLE ownership.mirrored_table ENABLE ALWAYS TRIGGER signal_truncate;
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE ON ownership.mirrored_column
	FOR EACH ROW EXECUTE FUNCTION ownership.map_changed();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON ownership.mirrored_column
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.mirrored_column ENABLE ALWAYS TRIGGER signal;
ALTER TABLE ownership.mirrored_column ENABLE ALWAYS TRIGGER signal_truncate;
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE ON ownership.row_owner
	FOR EACH ROW EXECUTE FUNCTION ownership.map_changed();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON ownership.row_owner
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.row_owner ENABLE ALWAYS TRIGGER signal;
ALTER TABLE ownership.row_owner ENABLE ALWAYS TRIGGER signal_truncate;

/* identity_bind() writes what nobody may write otherwise: none of them is for triggers on other tables */
REVOKE ALL ON FUNCTION ownership.map_changed(), ownership.identity_bind(), ownership.mirrored_column_table(),
	ownership.row_owner_check() FROM PUBLIC;
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
/*
 * Views.  Relations are named as in messages: schema.table, without public,
 * quoted where SQL needs it.
 */

CREATE FUNCTION ownership.relation_name(table_schema text, table_name text)
RETURNS text LANGUAGE SQL IMMUTABLE PARALLEL SAFE
RETURN CASE table_schema WHEN 'public' THEN pg_catalog.quote_ident(table_name)
	ELSE pg_catalog.quote_ident(table_schema) || '.' || pg_catalog.quote_ident(table_name) END;
COMMENT ON FUNCTION ownership.relation_name(text, text) IS 'A relation''s name as the views show it';

CREATE FUNCTION ownership.status(OUT fact text, OUT value text, OUT note text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_status' LANGUAGE C VOLATILE ROWS 12;
COMMENT ON FUNCTION ownership.status() IS 'For the view of that name';

/* The relations of the map that are there, and everything below them. */
CREATE VIEW ownership.guarded_relation AS
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
COMMENT ON VIEW ownership.guarded_relation IS 'Internal: the state of the guard on each mirrored table, its partitions and inheritance children';

/*
 * Settings by which sessions that begin from now on are guarded less than the
 * map says: in the server's configuration, for a database, for a role.  What
 * the configuration says is known to sessions only where nothing else
 * overrides it; what a session sets for itself is not listed.  A default
 * policy for the whole database is the map's own, and the views show it; one
 * for a role is another than the map says.
 */
CREATE VIEW ownership.weakened AS
WITH entry AS MATERIALIZED (
	SELECT s.setdatabase, s.setrole, lower(split_part(c, '=', 1)) AS name, lower(substr(c, strpos(c, '=') + 1)) AS value
	FROM pg_catalog.pg_db_role_setting s
	CROSS JOIN LATERAL unnest(s.setconfig) c
	WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
	  AND lower(split_part(c, '=', 1)) IN ('ownership.enforcement', 'ownership.default_policy')
), found AS (
	SELECT s.name, s.value, 0 AS rank, 'in the server''s configuration' AS place,
		format('Correct it there, or ALTER SYSTEM RESET %s, and reload the configuration.', s.name) AS advice
	FROM (SELECT name, lower(CASE source WHEN 'session' THEN reset_val ELSE setting END) AS value, source
		FROM pg_catalog.pg_settings
		WHERE ownership.loaded() AND name IN ('ownership.enforcement', 'ownership.default_policy')
		  AND source NOT IN ('global', 'database', 'user', 'database user', 'client')) s
	WHERE NOT EXISTS (SELECT FROM entry e WHERE e.name = s.name AND (e.setrole = 0
		OR (s.source = 'session' AND e.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))))
	UNION ALL
	SELECT e.name, e.value, CASE e.setrole WHEN 0 THEN 1 ELSE 2 END,
		CASE WHEN e.setrole <> 0 THEN format('for role %I', e.role) || CASE WHEN e.setdatabase <> 0 THEN ' in this database' ELSE '' END
			WHEN e.setdatabase <> 0 THEN 'for this database' ELSE 'for all roles' END,
		CASE WHEN e.setrole = 0 AND e.setdatabase <> 0 THEN format('ALTER DATABASE %I RESET %s', current_database(), e.name)
			ELSE format('ALTER ROLE %s%s RESET %s', CASE e.setrole WHEN 0 THEN 'ALL' ELSE quote_ident(e.role) END,
				CASE WHEN e.setdatabase <> 0 THEN format(' IN DATABASE %I', current_database()) END, e.name) END
	FROM (SELECT e.*, coalesce(r.rolname::text, e.setrole::text) AS role FROM entry e
		LEFT JOIN pg_catalog.pg_roles r ON r.oid = e.setrole) e
	/* one in the database goes before one everywhere */
	WHERE e.setdatabase <> 0
	   OR NOT EXISTS (SELECT FROM entry o WHERE o.name = e.name AND o.setrole = e.setrole AND o.setdatabase <> 0)
), strength (value, strong) AS (
	VALUES ('observe', 1), ('fill', 2)
), usual AS (
	SELECT coalesce(min(coalesce(s.strong, 3)), 3) AS strong
	FROM found f
	LEFT JOIN strength s ON s.value = f.value
	WHERE f.name = 'ownership.default_policy' AND f.rank < 2
)
SELECT f.name AS setting, f.value, f.place, f.advice, f.rank < 2 AS everybody
FROM found f
LEFT JOIN strength s ON s.value = f.value
CROSS JOIN usual u
WHERE CASE f.name WHEN 'ownership.enforcement' THEN f.value IN ('observe', 'off', 'false', 'no', '0')
	ELSE f.rank = 2 AND coalesce(s.strong, 3) < u.strong END;
COMMENT ON VIEW ownership.weakened IS 'Internal: settings of the server, the database and roles by which sessions are guarded less than the map says';
COMMENT ON COLUMN ownership.weakened.everybody IS 'Not only one role';

CREATE VIEW ownership.guards AS
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
	UNION ALL
	SELECT s.root, 6, w.problem
	FROM state s
	CROSS JOIN (SELECT format('%s is %s %s', setting, value, place) AS problem FROM ownership.weakened) w
	WHERE s.guarded
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
COMMENT ON VIEW ownership.guards IS 'One row a mirrored table: whether and how it is guarded, which subscriptions feed it, and what is wrong';
COMMENT ON COLUMN ownership.guards.guarded IS 'The table and everything below it';
COMMENT ON COLUMN ownership.guards.partitions IS 'Partitions or inheritance children, at any depth';
COMMENT ON COLUMN ownership.guards.truncate_note IS 'Which publications to look at: the hub is not told whether they publish TRUNCATE';
COMMENT ON COLUMN ownership.guards.touched IS 'Some trigger of the guard is there';

/*
 * Who subscribes to this database's publications, as far as it can know: what
 * connected subscribers asked for, by the role that they connect as.  It runs
 * as its owner, because what sessions do is shown to few; it tells no more
 * than which system reads which publication.
 */
CREATE FUNCTION ownership.subscriber(OUT system text, OUT publication text)
RETURNS SETOF record LANGUAGE SQL STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT DISTINCT i.system, p.pubname::text
	FROM pg_catalog.pg_stat_activity a
	JOIN ownership.identity i ON i.kind = 'role' AND i.name = a.usename::text AND i.system IS NOT NULL
	CROSS JOIN LATERAL regexp_match(a.query, 'publication_names ''(([^'']|'''')*)''') AS asked(names)
	JOIN pg_catalog.pg_publication p
		ON strpos(',' || replace(asked.names[1], '''''', '''') || ',', ',"' || replace(p.pubname::text, '"', '""') || '",') > 0
		OR strpos(',' || replace(asked.names[1], '''''', '''') || ',', ',' || p.pubname::text || ',') > 0
	WHERE a.backend_type = 'walsender' AND a.datname = current_database();
END;
COMMENT ON FUNCTION ownership.subscriber() IS 'The systems whose roles subscribe to publications of this database now';

/* Who reads and writes a field, as declared: on the map, and by publishing columns. */
CREATE VIEW ownership.declared AS
SELECT a.entity, a.field, a.system, a.mode
FROM ownership.declared_access a
UNION ALL
SELECT DISTINCT c.entity, c.field, s.system, 'read'
FROM ownership.subscriber() s
JOIN pg_catalog.pg_publication p ON p.pubname = s.publication::name
JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prattrs IS NOT NULL
JOIN pg_catalog.pg_class t ON t.oid = r.prrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_attribute k ON k.attrelid = t.oid AND k.attnum = ANY (r.prattrs::int2[])
JOIN ownership.mirrored_column c ON c.table_schema = n.nspname::text AND c.table_name = t.relname::text
	AND c.column_name = k.attname::text
WHERE NOT EXISTS (SELECT FROM ownership.declared_access a
	WHERE a.entity = c.entity AND a.field = c.field AND a.system = s.system AND a.mode = 'read');
COMMENT ON VIEW ownership.declared IS 'Declared readers and writers of fields; who subscribes to a publication with a column list is a declared reader';

/* Fields, and who reads and writes them, as declared. */
CREATE VIEW ownership.field_access AS
SELECT f.entity, f.name AS field, f.domain, f.owner, f.policy, f.local,
	coalesce(a.readers, '{}') AS readers, coalesce(a.writers, '{}') AS writers
FROM ownership.field f
LEFT JOIN (
	SELECT entity, field,
		array_agg(system ORDER BY system COLLATE "C") FILTER (WHERE mode = 'read') AS readers,
		array_agg(system ORDER BY system COLLATE "C") FILTER (WHERE mode = 'write') AS writers
	FROM ownership.declared
	GROUP BY entity, field
) a ON a.entity = f.entity AND a.field = f.name;
COMMENT ON VIEW ownership.field_access IS 'Internal: one row a field, with its declared readers and writers';

/* Who owns a field in some rows only. */
CREATE VIEW ownership.row_part AS
SELECT DISTINCT c.entity, c.field, o.owner AS system
FROM ownership.row_owner o
JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
JOIN ownership.field f ON f.entity = c.entity AND f.name = c.field
WHERE o.owner IS NOT NULL AND f.owner IS DISTINCT FROM o.owner;
COMMENT ON VIEW ownership.row_part IS 'Internal: the systems that own a field in some of its rows only';

/* Fields that are mirrored in tables of one source only. */
CREATE VIEW ownership.only_copy AS
SELECT c.entity, c.field, min(t.source) AS source
FROM ownership.mirrored_column c
JOIN ownership.mirrored_table t USING (table_schema, table_name)
GROUP BY c.entity, c.field
HAVING count(t.source) = count(*) AND min(t.source) = max(t.source);
COMMENT ON VIEW ownership.only_copy IS 'Internal: fields that are mirrored in tables of one source only, and that source';

/*
 * Who was seen, field by field.  A source may write its own copy, and a
 * steward everything: neither is held against the field.  Nor is what a
 * system filled in where it was blank; but what a source writes over another
 * system's values, where they are mirrored nowhere else, is.
 */
CREATE VIEW ownership.seen AS
SELECT c.entity, c.field, a.system,
	sum(a.reads)::bigint AS reads,
	coalesce(sum(a.writes) FILTER (WHERE NOT w.excused), 0)::bigint AS writes,
	coalesce(sum(a.kept + a.rejected) FILTER (WHERE NOT w.excused), 0)::bigint AS refused,
	coalesce(sum(a.observed + a.filled) FILTER (WHERE NOT w.excused), 0)::bigint AS tolerated,
	max(a.last_read) AS last_read,
	max(a.last_write) FILTER (WHERE NOT w.excused) AS last_write,
	coalesce(sum(a.writes) FILTER (WHERE w.disputed), 0)::bigint AS disputed,
	max(a.last_write) FILTER (WHERE w.disputed) AS last_disputed,
	coalesce(sum(a.writes) FILTER (WHERE a.system = f.owner), 0)::bigint AS as_owner
FROM ownership.activity a
JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
JOIN ownership.mirrored_table t USING (table_schema, table_name)
LEFT JOIN ownership.field f ON f.entity = c.entity AND f.name = c.field
CROSS JOIN LATERAL (SELECT coalesce(t.source = a.system, false) AS own_copy,
	a.overridden > 0 AND a.observed + a.filled + a.kept + a.rejected = 0 AS steward,
	a.filled > 0 AND a.filled >= a.writes AND a.observed = 0 AS filled) h
CROSS JOIN LATERAL (SELECT h.own_copy OR h.steward AS excused,
	CASE WHEN h.own_copy THEN f.owner <> a.system
		AND (c.entity, c.field, a.system) IN (SELECT o.entity, o.field, o.source FROM ownership.only_copy o)
	ELSE NOT h.steward AND NOT h.filled END AS disputed) w
GROUP BY c.entity, c.field, a.system;
COMMENT ON VIEW ownership.seen IS 'Which system was seen reading and writing which field, and how often it was refused';
COMMENT ON COLUMN ownership.seen.writes IS 'Statements or replicated row changes; not those of a source in its own copy, nor of a steward';
COMMENT ON COLUMN ownership.seen.disputed IS 'Of the writes, those that did not only fill in what was blank; and those of a source over values of another system that are mirrored nowhere else';
COMMENT ON COLUMN ownership.seen.as_owner IS 'Writes of the field''s system of record, in whatever table';

CREATE VIEW ownership.map AS
SELECT ownership.relation_name(c.table_schema, c.table_name) AS relation,
	c.column_name, c.entity, c.field, f.domain, f.owner, t.source,
	f.readers, f.writers,
	coalesce(s.readers, '{}') AS seen_readers, coalesce(s.writers, '{}') AS seen_writers,
	coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') AS policy,
	g.guarded,
	ARRAY(SELECT format('%s where %s', coalesce(o.owner, 'nobody'), o.row_filter) FROM ownership.row_owner o
		WHERE o.table_schema = c.table_schema AND o.table_name = c.table_name AND o.column_name = c.column_name
		ORDER BY o.position) AS row_owners,
	c.authoritative, c.table_schema, c.table_name
FROM ownership.mirrored_column c
JOIN ownership.mirrored_table t USING (table_schema, table_name)
JOIN ownership.field_access f ON f.entity = c.entity AND f.field = c.field
JOIN ownership.guards g ON g.table_schema = c.table_schema AND g.table_name = c.table_name
LEFT JOIN ownership.domain d ON d.name = f.domain
LEFT JOIN (SELECT table_schema, table_name, column_name,
		array_agg(coalesce(system, '?') ORDER BY system COLLATE "C") FILTER (WHERE reads > 0) AS readers,
		array_agg(coalesce(system, '?') ORDER BY system COLLATE "C") FILTER (WHERE writes > 0) AS writers
	FROM ownership.activity
	GROUP BY table_schema, table_name, column_name) s
	ON s.table_schema = c.table_schema AND s.table_name = c.table_name AND s.column_name = c.column_name
ORDER BY c.table_schema COLLATE "C", c.table_name COLLATE "C", c.column_name COLLATE "C";
COMMENT ON VIEW ownership.map IS 'One row a mirrored column: which field it holds, who owns, reads and writes it, and the policy that applies';
COMMENT ON COLUMN ownership.map.readers IS 'As declared';
COMMENT ON COLUMN ownership.map.seen_readers IS 'As seen; ? is somebody unidentified';
COMMENT ON COLUMN ownership.map.seen_writers IS 'As seen; ? is somebody unidentified';
COMMENT ON COLUMN ownership.map.row_owners IS 'Who owns it in which rows; elsewhere the owner does';

/*
 * What each system is to each field, one row a reason.  Who owns a field in
 * some rows only is an owner, too; what it was refused in the others is not.
 */
CREATE VIEW ownership.part AS
SELECT f.entity, f.name AS field, f.owner AS system, 1 AS rank, 'owner' AS part, NULL::text AS how
FROM ownership.field f
WHERE f.owner IS NOT NULL
UNION ALL
SELECT r.entity, r.field, r.system, 1, 'owner', 'some rows'
FROM ownership.row_part r
UNION ALL
SELECT d.entity, d.field, d.system, CASE d.mode WHEN 'write' THEN 2 ELSE 4 END,
	CASE d.mode WHEN 'write' THEN 'writer' ELSE 'reader' END, 'declared'
FROM ownership.declared d
JOIN ownership.field f ON f.entity = d.entity AND f.name = d.field
LEFT JOIN ownership.row_part r ON r.entity = d.entity AND r.field = d.field AND r.system = d.system
WHERE d.mode = 'read' OR (d.system IS DISTINCT FROM f.owner AND r.system IS NULL)
UNION ALL
/* where nobody owns a field, nobody can intrude */
SELECT s.entity, s.field, coalesce(s.system, '?'), w.rank, (ARRAY['owner', 'writer', 'intruder'])[w.rank],
	CASE WHEN s.writes > 0 AND NOT w.refused THEN 'seen' ELSE 'refused' END
FROM ownership.seen s
JOIN ownership.field f ON f.entity = s.entity AND f.name = s.field
LEFT JOIN ownership.row_part r ON r.entity = s.entity AND r.field = s.field AND r.system = s.system
LEFT JOIN ownership.declared_access a ON a.entity = s.entity AND a.field = s.field AND a.system = s.system AND a.mode = 'write'
CROSS JOIN LATERAL (
	SELECT CASE WHEN f.owner = s.system OR r.system IS NOT NULL THEN 1 WHEN a.system IS NOT NULL OR f.owner IS NULL THEN 2 ELSE 3 END, false
	WHERE s.writes > 0 OR (s.refused > 0 AND r.system IS NULL)
	UNION ALL
	SELECT 3, true
	WHERE s.refused > 0 AND r.system IS NOT NULL
) w(rank, refused)
UNION ALL
SELECT s.entity, s.field, coalesce(s.system, '?'), 4, 'reader', 'seen'
FROM ownership.seen s
WHERE s.reads > 0;
COMMENT ON VIEW ownership.part IS 'Internal: what each system is to each field, one row a reason';

CREATE VIEW ownership.matrix AS
WITH role AS (
	SELECT entity, field, system, rank, part,
		concat_ws(' ', part, nullif('(' || string_agg(how, ', ' ORDER BY how) || ')', '')) AS role
	FROM ownership.part
	GROUP BY entity, field, system, rank, part
), cell AS (
	SELECT entity, field, system, string_agg(role, ', ' ORDER BY rank) AS roles
	FROM role
	GROUP BY entity, field, system
)
SELECT f.entity, f.name AS field, f.owner,
	coalesce(jsonb_object_agg(c.system, c.roles ORDER BY c.system) FILTER (WHERE c.system IS NOT NULL), '{}') AS systems
FROM ownership.field f
LEFT JOIN cell c ON c.entity = f.entity AND c.field = f.name
GROUP BY f.entity, f.name, f.owner
ORDER BY f.entity COLLATE "C", f.name COLLATE "C";
COMMENT ON VIEW ownership.matrix IS 'One row a field: what each system is to it';
COMMENT ON COLUMN ownership.matrix.systems IS 'Of each system: owner, writer, reader or intruder (who writes what another system owns, and is not declared to); declared, seen or refused, or only of some rows. ? is somebody unidentified';

/*
 * Evidence tells rows, roles and applications; where there is none any more,
 * or the owner was decided on afterwards, activity still tells the writer.
 */
CREATE VIEW ownership.readiness AS
WITH evidence AS (
	SELECT m.entity, m.field, c.system,
		sum(CASE WHEN jsonb_typeof(c.proposed) = 'number' THEN c.proposed::bigint ELSE 1 END)::bigint AS rows,
		array_agg(DISTINCT c.role ORDER BY c.role) FILTER (WHERE c.role IS NOT NULL) AS roles,
		array_agg(DISTINCT c.origin ORDER BY c.origin) FILTER (WHERE c.origin IS NOT NULL) AS origins,
		array_agg(DISTINCT c.application_name ORDER BY c.application_name)
			FILTER (WHERE c.application_name IS NOT NULL) AS application_names,
		max(c.recorded_at) AS last_seen
	FROM ownership.conflict c
	CROSS JOIN LATERAL unnest(c.columns) AS u(column_name)
	JOIN ownership.mirrored_column m ON m.table_schema = c.table_schema AND m.table_name = c.table_name
		AND m.column_name = u.column_name::text
	JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field
	/* a steward's writes are not refused, nor what has a new owner since */
	WHERE c.outcome <> 'overridden' AND f.owner IS DISTINCT FROM c.system AND f.owner IS NOT NULL
	GROUP BY m.entity, m.field, c.system
), traffic AS (
	SELECT s.entity, s.field, s.system, s.writes, s.last_write
	FROM ownership.seen s
	JOIN ownership.field f ON f.entity = s.entity AND f.name = s.field
	WHERE s.writes > 0 AND f.owner IS DISTINCT FROM s.system AND f.owner IS NOT NULL
	  AND NOT EXISTS (SELECT FROM ownership.row_part r WHERE r.entity = s.entity AND r.field = s.field AND r.system = s.system)
)
SELECT f.entity, f.name AS field, f.owner,
	coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') AS policy,
	w.system, coalesce(w.rows, 0) AS rows, coalesce(w.writes, 0) AS writes,
	coalesce(w.roles, '{}') AS roles, coalesce(w.origins, '{}') AS origins,
	coalesce(w.application_names, '{}') AS application_names, w.last_seen
FROM (SELECT coalesce(e.entity, t.entity) AS entity, coalesce(e.field, t.field) AS field,
		coalesce(e.system, t.system) AS system, e.rows, t.writes, e.roles, e.origins, e.application_names,
		greatest(e.last_seen, t.last_write) AS last_seen
	FROM evidence e
	FULL JOIN traffic t ON t.entity = e.entity AND t.field = e.field AND coalesce(t.system, '?') = coalesce(e.system, '?')) w
JOIN ownership.field f ON f.entity = w.entity AND f.name = w.field
LEFT JOIN ownership.domain d ON d.name = f.domain
ORDER BY f.entity COLLATE "C", f.name COLLATE "C", w.system COLLATE "C";
COMMENT ON VIEW ownership.readiness IS 'One row a field and writer: what would be refused if the field were on reject tomorrow';
COMMENT ON COLUMN ownership.readiness.rows IS 'Rows in conflict, as recorded in ownership.conflict';
COMMENT ON COLUMN ownership.readiness.writes IS 'Statements or replicated row changes that wrote it, as in ownership.activity';

CREATE VIEW ownership.status AS
SELECT fact, value, note FROM ownership.status();
COMMENT ON VIEW ownership.status IS 'One row a fact: whether activity is remembered, and how its worker and its shared memory stand';

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

/*
 * Its cells are text, so that what is wrong with a row is found where its
 * field is known; dates are ISO, whatever the session's DateStyle.
 */
CREATE VIEW ownership.sheet AS
SELECT f.entity, f.name AS field, f.domain, f.owner,
	(SELECT string_agg(a.system, '; ' ORDER BY a.system COLLATE "C") FROM ownership.declared_access a
		WHERE a.entity = f.entity AND a.field = f.name AND a.mode = 'read') AS readers,
	(SELECT string_agg(a.system, '; ' ORDER BY a.system COLLATE "C") FROM ownership.declared_access a
		WHERE a.entity = f.entity AND a.field = f.name AND a.mode = 'write') AS writers,
	(SELECT string_agg(ownership.relation_name(c.table_schema, c.table_name) || '.' || quote_ident(c.column_name), '; '
		ORDER BY c.authoritative DESC, c.table_schema COLLATE "C", c.table_name COLLATE "C", c.column_name COLLATE "C")
		FROM ownership.mirrored_column c WHERE c.entity = f.entity AND c.field = f.name) AS columns,
	f.policy, left(f.key::text, 1) AS key, left(f.local::text, 1) AS local,
	f.rationale, f.decided_by, to_jsonb(f.decided_on) #>> '{}' AS decided_on
FROM ownership.field f
ORDER BY f.entity COLLATE "C", f.name COLLATE "C";
COMMENT ON VIEW ownership.sheet IS 'The map as a spreadsheet, one row a field; a row copied into it replaces the field of that name';

CREATE FUNCTION ownership.sheet_row() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_sheet_row' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.sheet_row() IS 'Trigger on ownership.sheet: puts a row of the spreadsheet on the map';
/* it is for the trigger that follows, and no other */
REVOKE ALL ON FUNCTION ownership.sheet_row() FROM PUBLIC;
CREATE TRIGGER sheet_row INSTEAD OF INSERT ON ownership.sheet
	FOR EACH ROW EXECUTE FUNCTION ownership.sheet_row();

CREATE VIEW ownership.unmapped AS
SELECT ownership.relation_name(t.table_schema, t.table_name) AS relation, a.attname::text AS column_name,
	format_type(a.atttypid, a.atttypmod) AS data_type, t.source, t.table_schema, t.table_name
FROM ownership.mirrored_table t
JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema::name
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE NOT EXISTS (SELECT FROM ownership.mirrored_column m
	WHERE m.table_schema = t.table_schema AND m.table_name = t.table_name
	  /* names have a collation of their own, by which the index could not be used */
	  AND m.column_name = a.attname::text COLLATE "default")
ORDER BY t.table_schema COLLATE "C", t.table_name COLLATE "C", a.attnum;
COMMENT ON VIEW ownership.unmapped IS 'Columns of mirrored tables that are not on the map';
/*
 * The guide: which kind of system should own which data, and by which names
 * such data is recognised.
 *
 * Rows that are as shipped are not dumped: the version that is restored into
 * brings its own.  What users added or changed is dumped, and so are the
 * names of what they deleted; a trigger puts both in the place of what is
 * shipped, and lets an upgrade leave them alone.
 */
CREATE TABLE ownership.deleted_domain (
	name	text PRIMARY KEY
);
COMMENT ON TABLE ownership.deleted_domain IS 'Internal: domains that were deleted, so that no restore and no upgrade brings them back';
SELECT pg_catalog.pg_extension_config_dump('ownership.deleted_domain', '');

CREATE FUNCTION ownership.domain_edit() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_domain_edit' LANGUAGE C;
COMMENT ON FUNCTION ownership.domain_edit() IS 'Trigger on ownership.domain and ownership.deleted_domain: checks patterns, and tells what users did from what is shipped';
/* it deletes domains, whoever calls it: not for triggers on other tables */
REVOKE ALL ON FUNCTION ownership.domain_edit() FROM PUBLIC;

/* also where a restore runs as a replica */
CREATE TRIGGER edit BEFORE INSERT OR UPDATE OR DELETE ON ownership.domain
	FOR EACH ROW EXECUTE FUNCTION ownership.domain_edit();
CREATE TRIGGER edit_truncate BEFORE TRUNCATE ON ownership.domain
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.domain_edit();
CREATE TRIGGER edit AFTER INSERT ON ownership.deleted_domain
	FOR EACH ROW EXECUTE FUNCTION ownership.domain_edit();
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER edit;
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER edit_truncate;
ALTER TABLE ownership.deleted_domain ENABLE ALWAYS TRIGGER edit;

/*
 * The first domain whose column_pattern hits wins: the names that say most
 * come first.  In it, "table\.column" is for names that say nothing alone.
 * A table_pattern has the words of tables where what the column's name says
 * can be believed; "words\..*" says that all of such a table is of the
 * domain.  suggest.c tells what {product} and its like stand for.
 */
INSERT INTO ownership.domain (position, shipped, name, title, natural_owner, excluded_owner, blurred, note, column_pattern, table_pattern)
SELECT 10 * row_number() OVER (), true, g.*
FROM (VALUES
	('technical', 'Technical data', NULL::text[], NULL::text[], false,
		'Does not cross a boundary: propose it as local.',
		'^(?:_(?!(?:id|uuid|sku|key|token)$).*|(?:(?:.*_)?last_)?(?:created|updated|modified|changed|synced)(?:_(?:at|on|by(?:_.*)?|date|time|datetime|timestamp|ts|utc|gmt|user(?:_.*)?|from|via))*|(?:.*_)?date_(?:added|created|modified|updated)(?:_(?:utc|gmt))?|(?:.*_)?(?:created|updated|modified|added|uploaded|attached|inserted)_(?:at|on|by)|write_(?:date|uid)|sync.*|raw_(?:data|json|xml|html|payload|response|request|body|message|event|record|row|input|output|text|headers?)|metadata|sort_order|lft|rgt|lock_version|(?:.*_)?ip(?:_address)?|user_agent|accept_language)$|(?:{product}|{order}|categor(?:y|ies)|collections?|taxons?|attributes?|options?|media){part}\.position',
		'(?:migrations?|sessions?|logs?|logins?|caches?|queues?|settings?|permissions?|webhooks?|crons?)\..*|employees?|staff|salespersons?'),
	('key', 'Identifying keys', NULL, NULL, false,
		'The system that creates the record owns its key: it decides which rows exist. So what marks a row as deleted or archived is its, too.',
		'(?:(?<!(?:vat|tax|gst|eori|duns|fiscal|national|passport)_)id|uuid|sku|key|token|item_code|default_code|increment_id|display_id)$|[^.]*\.(?:[^.]*_)?(?:(?<!(?:vat|tax|gst|eori|duns|fiscal|national|passport)_)id|uuid|sku|item_code|default_code|increment_id|display_id)$',
		NULL),
	('cost', 'Cost', '{erp}', '{crm,pim,storefront,oms,wms,mdm,pos,marketing,helpdesk,tax,bi}', false,
		'A storefront''s cost field is a copy.',
		'[a-z]*cost|standard_price|valuation_rate|stock_value|last_purchase_(?:rate|price)|purchase_price|landed|margin',
		'{product}|costs?'),
	('promotion', 'Promotional pricing', '{erp,storefront}', '{pim,crm}', true,
		'Split base price, rule and computed price; own value and validity together. A promotion engine may own it.',
		'discount(?:s|ed)?|coupons?|promo(?:tion)?s?|voucher|special_price|sale_price|compare_at|pricing_rules?|(?:coupons?|promotions?|promos?|vouchers?|discounts?|(?:cart|catalog|price|pricing)_?rules?){part}\.(?:{document}|{copies}|starts?(?:_[^.]*)?|ends?(?:_[^.]*)?|expires?(?:_[^.]*)?|(?:[^.]*_)?(?:start|end|expir[^.]*|limit))',
		'{product}|prices?|(?:coupons?|promotions?|promos?|vouchers?|discounts?|(?:cart|catalog|price|pricing)_?rules?){part}\..*'),
	('loyalty', 'Loyalty', '{loyalty}', '{pim}', false, NULL,
		'loyalty|points',
		'{customer}|(?:loyalty|rewards?){part}\..*'),
	('tax', 'Tax', '{tax,erp}', '{crm,pim}', false,
		'The tax engine decides, the ERP posts.',
		'tax(?:es|able)?|vat|gst|hs_code|harmoni[sz]ed_system|customs|fiscal_position|(?:tax(?:es)?|vat){part}\.(?:{document}|{copies})',
		'{product}|{customer}|(?:tax(?:es)?|vat){part}\..*'),
	('price', 'Pricing', '{erp}', '{crm,pim,bi}', false,
		'Base and contract prices. Storefronts, PIMs and quotes of a CRM hold copies.',
		'[a-z]*prices?|price_?list|pricebook|standard_rate|msrp|rrp|(?:prices?|price_?lists?|pricebooks?){part}\.(?:{document}|{copies})',
		'{product}|(?:prices?|price_?lists?|pricebooks?){part}\..*'),
	('availability', 'Availability', '{oms,erp}', '{crm}', true,
		'Whether it can be sold: not the same as stock, as enabled in the PIM, or as published in the storefront.',
		'(?:is_)?in_stock|sellable|available_for_(?:sale|purchase)|available_(?:on|at|from|until)|date_available|backorders?|backorderable|inventory_policy|published|visibility|sale_ok|preorder|discontinued?(?:_on)?',
		'{product}'),
	('stock', 'Stock', '{wms,erp}', '{pim,crm,marketing}', false,
		'On hand and reserved: the system closest to the physical warehouse wins.',
		'stock(?:ed)?|qty|quantity|on_hand|reserved|allocated|reorder|incoming|(?<!track_)inventory|warehouse|lot|(?:stocks?|inventor(?:y|ies)(?!_items?)|warehouses?){part}\.(?:{document}|(?:[^.]*_)?count(?:ed)?)',
		'{product}|(?:stocks?|inventor(?:y|ies)(?!_items?)|warehouses?){part}\..*'),
	('order_status', 'Order status', '{oms,erp}', '{crm,pim}', false,
		'After checkout. Before, it is the storefront''s: use row owners.',
		'(?:orders?|fulfillment|financial|delivery|billing|invoice|shipment|payment)_(?:status|state)|per_(?:delivered|billed)|cancell?ed|shipped|tracking|{order}{part}\.(?:(?:order|shipment|payment|fulfillment)_)?(?:status|state|cancell?ed|shipped|tracking)(?:_[^.]*)?|{order}{part}\.(?:[^.]*_)?status|(?:order_?(?:status(?:es)?|states?)|shipments?|fulfill?ments?|deliver(?:y|ies)){part}\.(?:{document}|{copies})',
		'(?:order_?(?:status(?:es)?|states?)|shipments?|fulfill?ments?|deliver(?:y|ies)){part}\..*'),
	('order', 'Orders', '{storefront,pos}', '{pim,crm}', false,
		'Capture: cart, totals, checkout. The ownership passes at checkout.',
		'(?<!(?:sort|display)_)order|grand_total|subtotal|amount_(?:untaxed|tax|total)|total_(?:due|paid|refunded)|freight|checkout|cart|quote|{order}{part}\.(?:{document}|{copies})',
		'{order}{part}\..*'),
	('finance', 'Finance', '{erp}', '{crm,pim}', false,
		'Invoices, payments, refunds, credit limits and terms.',
		'invoiced?|payments?|paid|refund(?:ed)?|captured?|ledger|credit|balance|journal|currency|exchange_rate|(?:invoices?|payments?(?!_(?:methods?|types?|terms?|providers?|gateways?))|refunds?|ledgers?|journals?|credit_?(?:notes?|memos?)|(?<!_)(?:ar|ap|gl)){part}\.(?:{document}|{copies})',
		'{customer}|prices?|(?:invoices?|payments?(?!_(?:methods?|types?|terms?|providers?|gateways?))|refunds?|ledgers?|journals?|credit_?(?:notes?|memos?)|(?<!_)(?:ar|ap|gl)){part}\..*'),
	('purchase', 'Purchasing', '{erp}', '{crm,pim}', false,
		'Purchase orders and suppliers.',
		'supplier|vendor|purchase|po_(?:no|date)|lead_time|min_order_qty|manufacturer|(?:suppliers?|vendors?|purch(?:ases?)?){part}\.(?:{document}|{copies})',
		'{product}|(?:suppliers?|vendors?|purch(?:ases?)?){part}\..*'),
	('support', 'Support', '{helpdesk,crm}', '{erp,pim}', false, NULL,
		'tickets?|case|severity|resolution|sla|requester|assignee|(?:(?<!event_)tickets?|cases?){part}\.(?:{document}|{copies}|subject|priority)',
		'(?:(?<!event_)tickets?|cases?){part}\..*'),
	('pipeline', 'The sales pipeline', '{crm}', '{erp,pim}', false, NULL,
		'stage|pipeline|deal|opportunity|probability|forecast|expected_revenue|lead_?(?:source|score|status)|close_date|next_step|lost_reason|territory|(?:deals?|opportunit(?:y|ies)|pipelines?){part}\.{document}|leads?\.(?:status|state|source|value)',
		'leads?|accounts?|(?:deals?|opportunit(?:y|ies)|pipelines?){part}\..*'),
	('consent', 'Consent', '{crm}', '{erp,pim}', false,
		'Where it is captured; every form is a second writer.',
		'[a-z]*opt(?:ed)?_?(?:in|out)|do_not_call|unsubscribed|accepts_marketing|consent|newsletter|campaign|utm',
		'{customer}|(?:consents?|newsletters?){part}\..*'),
	('segment', 'Customer segmentation', '{cdp,crm}', '{pim}', true,
		'A price group in the ERP, tags in the storefront and a score in BI are not one thing: name them apart.',
		'segment|customer_(?:group|type)|(?<!meta_)tags?|tier|lifecycle_stage|target_list|(?:segments?|customer_(?:groups?|types?))(?:_descriptions?|_translations?)?\.(?:name|title|description)',
		'{customer}'),
	('communication', 'Communication history', '{crm}', '{erp,pim}', false, NULL,
		'last_activity|activity|call|meeting|conversation|comments?|(?<!_)(?:activit(?:y|ies)|calls?|meetings?|conversations?)\.(?:subject|title|type|status|notes?|duration|location|(?:[^.]*_)?(?:date|time))',
		'{customer}|(?<!_)(?:activit(?:y|ies)|calls?|meetings?|conversations?){part}\..*'),
	('identity', 'Customer identity', '{crm}', '{pim,bi}', false,
		'Names, contact, address. Credit limit and terms belong to finance.',
		'(?:e?mail|[a-z]*phone|mobile|fax)(?!(?:_[^.]*)?_(?:rating|score|counts?|templates?|sent|opened|clicked|bounced?))|(?:first|last)_?name|birth_?da(?:te|y)|dob|gender|company|contact_(?:name|person)|street|(?<!ip_)address_?\d?|city|zip(?:_?code)?|post(?:al)?_?code|province|region|country|(?:customers?|clients?|contacts?|persons?|people|accounts?)\.(?:name|salutation|title)|leads?\.(?:name|salutation)',
		'{customer}'),
	('content', 'Product content', '{pim}', '{erp,crm}', false,
		'Descriptions, media and channel texts. The ERP''s short name is a copy or a field of its own.',
		'description|body_html|images?|thumbnail|media|gallery|meta_(?:title|description|keywords?)|seo|slug|handle|url_key|{product}(?:_descriptions?|_translations?|_langs?)?\.(?:name|title|subtitle)',
		'{product}|{product}_(?:descriptions?|translations?|langs?|images?|media)\..*'),
	('attribute', 'Product attribute data', '{pim}', '{crm}', false,
		'An ERP often writes weight and dimensions, too.',
		'attributes?|colou?r|size|material|brand|weight|width|height|length|depth|ean|upc|gtin|isbn|mpn|barcode|family|variant|option\d?|product_type|origin_country|uom|product_attributes?{part}\.(?:name|value|text|label|title)',
		'{product}|product_attributes?{part}\..*'),
	('taxonomy', 'Product taxonomy', '{pim}', '{erp,crm}', false,
		'Categories and families.',
		'categor(?:y|ies)|collection|parent|(?:(?<!_)categor(?:y|ies)|product_categor(?:y|ies)|taxons?|taxonom(?:y|ies)){part}\.(?:name|title|code|level)',
		'{product}|(?:(?<!_)categor(?:y|ies)|product_categor(?:y|ies)|taxons?|taxonom(?:y|ies)){part}\..*')
) AS g (name, title, natural_owner, excluded_owner, blurred, note, column_pattern, table_pattern);

/* Words for risks and pictures. */
CREATE FUNCTION ownership.kind_label(kind text)
RETURNS text LANGUAGE SQL IMMUTABLE PARALLEL SAFE
RETURN 'the ' || CASE
	WHEN kind IN ('erp', 'crm', 'pim', 'oms', 'wms', 'mdm', 'pos', 'cdp') THEN pg_catalog.upper(kind)
	WHEN kind = 'bi' THEN 'BI system'
	WHEN kind = 'tax' THEN 'tax engine'
	WHEN kind IN ('loyalty', 'marketing') THEN kind || ' platform'
	ELSE kind END;
COMMENT ON FUNCTION ownership.kind_label(text) IS 'A kind of system in words, such as the ERP';

CREATE FUNCTION ownership.system_label(name text, kind text)
RETURNS text LANGUAGE SQL IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN pg_catalog.lower(name) = pg_catalog.lower(kind)
	THEN 'T' || pg_catalog.substr(ownership.kind_label(kind), 2)
	ELSE name || ', ' || ownership.kind_label(kind) || ',' END;
COMMENT ON FUNCTION ownership.system_label(text, text) IS 'A system in words, to begin a sentence with';

GRANT SELECT ON ownership.deleted_domain TO PUBLIC;
/* Proposals from the guide, and taking them. */
CREATE FUNCTION ownership.suggest(pattern text DEFAULT '*', OUT relation text, OUT column_name text, OUT domain text, OUT kind text, OUT system text, OUT sure boolean, OUT reason text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_suggest' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.suggest(text) IS 'For each column of the matching tables: its domain as far as names, comments, keys and traffic tell, who should own it, how sure that is and why';

CREATE FUNCTION ownership.adopt(pattern text, OUT relation text, OUT column_name text, OUT field text, OUT domain text, OUT owner text, OUT outcome text, OUT reason text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_adopt' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.adopt(text) IS 'Puts the columns of the matching tables on the map, with domain and owner where suggest() is sure, and guards the tables; what was decided before stays';
/* It looks at ownership.risks when it is called. */
CREATE FUNCTION ownership.assert_clean(severity text DEFAULT 'high')
RETURNS void AS 'MODULE_PATHNAME', 'ownership_assert_clean' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.assert_clean(text) IS 'Fails when a risk of that severity or a higher one is open';
/*
 * Copies that disagree.
 */

/*
 * One row a copy of a field, beside the authoritative one.  That is the one
 * which is marked so; else the one in the table whose source owns the field;
 * else the only shared one, which only the owner may write.  Where that leaves
 * it open, all copies are listed, and authoritative_* are NULL.
 */
CREATE VIEW ownership.linked_copy AS
SELECT entity, field, key, owner,
	CASE WHEN decided THEN first_schema END AS authoritative_schema,
	CASE WHEN decided THEN first_table END AS authoritative_table,
	CASE WHEN decided THEN first_column END AS authoritative_column,
	table_schema, table_name, column_name, source
FROM (
	SELECT k.*, bool_or(best) OVER (PARTITION BY entity, field) AS decided,
		first_value(table_schema) OVER first AS first_schema,
		first_value(table_name) OVER first AS first_table,
		first_value(column_name) OVER first AS first_column
	FROM (
		SELECT c.*, CASE WHEN marked THEN authoritative
			WHEN own > 0 THEN own = 1 AND source IS NOT DISTINCT FROM owner
			ELSE shared = 1 AND source IS NULL END AS best
		FROM (
			SELECT m.entity, m.field, f.key, f.owner, m.table_schema, m.table_name, m.column_name,
				m.authoritative, t.source,
				bool_or(m.authoritative) OVER (PARTITION BY m.entity, m.field) AS marked,
				count(*) FILTER (WHERE t.source = f.owner) OVER (PARTITION BY m.entity, m.field) AS own,
				count(*) FILTER (WHERE t.source IS NULL AND f.owner IS NOT NULL) OVER (PARTITION BY m.entity, m.field) AS shared
			FROM ownership.mirrored_column m
			JOIN ownership.mirrored_table t USING (table_schema, table_name)
			JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field
			WHERE (m.entity, m.field) IN (SELECT entity, field FROM ownership.mirrored_column
				GROUP BY entity, field HAVING count(*) > 1)
		) c
	) k
	WINDOW first AS (PARTITION BY entity, field ORDER BY best DESC)
) l
WHERE NOT (decided AND best);
COMMENT ON VIEW ownership.linked_copy IS 'Internal: one row a copy of a field, and the authoritative copy that it is compared with';

CREATE FUNCTION ownership.value_text(value "any")
RETURNS text AS 'MODULE_PATHNAME', 'ownership_value_text' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ownership.value_text("any") IS 'A value as text, as evidence has it, whatever the session''s settings';

/* not parallel: a cast that fails is caught in a subtransaction */
CREATE FUNCTION ownership.copy_differs(source_value "any", copy_value "any")
RETURNS boolean AS 'MODULE_PATHNAME', 'ownership_copy_differs' LANGUAGE C STABLE COST 10;
COMMENT ON FUNCTION ownership.copy_differs("any", "any") IS 'Whether two values differ, as the guard compares; one that cannot be cast to the other''s type does';

CREATE FUNCTION ownership.drift(field text, OUT row_key jsonb, OUT source_value text, OUT relation text, OUT column_name text, OUT copy_value text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_drift' LANGUAGE C STABLE STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.drift(text) IS 'The rows in which a copy of the field is another value than the authoritative one';

CREATE FUNCTION ownership.compare_copies(pattern text, thorough boolean, OUT entity text, OUT field text, OUT owner text, OUT authoritative text, OUT relation text, OUT column_name text, OUT source text, OUT rows_compared bigint, OUT rows_differing bigint, OUT state text, OUT problem text, OUT advice text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_compare_copies' LANGUAGE C STABLE STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.compare_copies(text, boolean) IS 'Internal: one row a copy, compared with the authoritative one; unless thorough, only whether any row differs';

CREATE FUNCTION ownership.drift_summary(pattern text DEFAULT '*', OUT entity text, OUT field text, OUT authoritative text, OUT relation text, OUT column_name text, OUT source text, OUT rows_compared bigint, OUT rows_differing bigint, OUT problem text)
RETURNS SETOF record LANGUAGE SQL STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.entity, c.field, c.authoritative, c.relation, c.column_name, c.source,
		c.rows_compared, c.rows_differing, c.problem
	FROM ownership.compare_copies(drift_summary.pattern, true) c;
END;
COMMENT ON FUNCTION ownership.drift_summary(text) IS 'One row a copy of a field: how many rows were compared with the authoritative copy, and how many differ';

/*
 * Without "SET search_path": the tables' own triggers run, and may need
 * theirs; what is run here is named with its schema.
 */
CREATE FUNCTION ownership.reconcile(field text, dry_run boolean DEFAULT false, max_rows bigint DEFAULT NULL)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_reconcile' LANGUAGE C;
COMMENT ON FUNCTION ownership.reconcile(text, boolean, bigint) IS 'Writes the authoritative value into the shared copies that hold another one; returns how many rows';

CREATE PROCEDURE ownership.reconcile_all(pattern text, batch_size integer DEFAULT 1000)
AS 'MODULE_PATHNAME', 'ownership_reconcile_all' LANGUAGE C;
COMMENT ON PROCEDURE ownership.reconcile_all(text, integer) IS 'Reconciles the fields that match, and commits after each batch';

/* the data is protected by the privileges on its tables: these run as their caller */
GRANT SELECT ON ownership.linked_copy TO PUBLIC;
/*
 * "Why did my price not arrive?"
 */
CREATE FUNCTION ownership.why(field_or_column text, row_key jsonb, OUT at timestamptz, OUT place text, OUT event text, OUT system text, OUT value text, OUT detail text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_why' LANGUAGE C STABLE STRICT ROWS 20
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.why(text, jsonb) IS 'What happened to one value: the value in every copy, refused attempts, the rules, the last writes, the state of the feeds, and an answer in short';
/*
 * Decisions on evidence.  The functions run with the caller's privileges, and
 * without a search_path of their own, because the triggers of the tables that
 * they write may need the caller's; they qualify names instead.
 */
CREATE FUNCTION ownership.resolve() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_resolve' LANGUAGE C;
COMMENT ON FUNCTION ownership.resolve() IS 'Trigger on ownership.conflict: says who resolved it, and when';
/* it is for the trigger that follows, and no other */
REVOKE ALL ON FUNCTION ownership.resolve() FROM PUBLIC;
CREATE TRIGGER resolve BEFORE UPDATE ON ownership.conflict
	FOR EACH ROW EXECUTE FUNCTION ownership.resolve();

CREATE FUNCTION ownership.accept(conflict_id bigint)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_accept' LANGUAGE C STRICT;
COMMENT ON FUNCTION ownership.accept(bigint) IS 'Writes a refused value, or creates or deletes a row as was refused, and marks the conflict accepted';

CREATE FUNCTION ownership.accept(conflict_ids bigint[])
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_accept_set' LANGUAGE C STRICT;
COMMENT ON FUNCTION ownership.accept(bigint[]) IS 'The same for several, all or none; returns how many';

CREATE FUNCTION ownership.dismiss(conflict_id bigint)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_dismiss' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.dismiss(bigint) IS 'Marks a conflict dismissed: what is stored stays';

CREATE FUNCTION ownership.dismiss(conflict_ids bigint[])
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_dismiss_set' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.dismiss(bigint[]) IS 'The same for several, all or none; returns how many';

CREATE FUNCTION ownership.disagreement(OUT conflict_id bigint, OUT recorded_at timestamptz, OUT table_schema text, OUT table_name text,
	OUT row_key jsonb, OUT column_name text, OUT system text, OUT role text, OUT operation text, OUT outcome text,
	OUT refused text, OUT stored text, OUT note text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_disagreement' LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION ownership.disagreement() IS 'For the view disagreements';

CREATE VIEW ownership.disagreements AS
SELECT d.conflict_id, d.recorded_at, ownership.relation_name(d.table_schema, d.table_name) AS relation, d.row_key, d.column_name,
	m.entity, m.field, f.owner, d.system, d.role, d.operation, d.outcome, d.refused, d.stored, d.note, d.table_schema, d.table_name
FROM ownership.disagreement() d
LEFT JOIN ownership.mirrored_column m ON m.table_schema = d.table_schema AND m.table_name = d.table_name AND m.column_name = d.column_name
LEFT JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field
ORDER BY d.table_schema COLLATE "C", d.table_name COLLATE "C", d.row_key, d.column_name COLLATE "C", d.conflict_id;
COMMENT ON VIEW ownership.disagreements IS 'The latest refused value of each row, column and system that still differs from what is stored';
COMMENT ON COLUMN ownership.disagreements.column_name IS 'NULL: the row as a whole was to be created or deleted';
COMMENT ON COLUMN ownership.disagreements.refused IS 'As text output; accept() writes it';
COMMENT ON COLUMN ownership.disagreements.note IS 'What else there is to know, such as why the stored value is not shown';

/* reads evidence and data as its caller: who may read neither sees nothing */
GRANT SELECT ON ownership.disagreements TO PUBLIC;

CREATE FUNCTION ownership.revert(system text, since timestamptz, until timestamptz DEFAULT now(), dry_run boolean DEFAULT true,
	OUT relation text, OUT row_key jsonb, OUT column_name text, OUT from_value text, OUT to_value text, OUT outcome text, OUT reason text, OUT conflict_id bigint)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_revert' LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION ownership.revert(text, timestamptz, timestamptz, boolean) IS 'Puts the values before a system''s writes back where they are still there, and tells what it did, or would do';
CREATE FUNCTION ownership.import_sheet(csv text, dry_run boolean DEFAULT true, OUT line integer, OUT field text, OUT change text, OUT problem text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_import_sheet' LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.import_sheet(text, boolean) IS 'Imports the spreadsheet as people keep it: tells every problem with its line, then what changes; a dry run changes nothing';
/*
 * The map as PostgreSQL's own privileges.  Where these say less than the map
 * does, they say no: a key without owner, a kept or filled column.
 */
CREATE VIEW ownership.grant_statements AS
WITH holder AS (
	SELECT i.system, i.name AS role, i.steward, i.carrier,
		EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = i.name::name) AS there
	FROM ownership.identity i
	WHERE i.kind = 'role'
), col AS MATERIALIZED (
	SELECT m.table_schema, m.table_name, m.column_name, c.oid AS relid, a.attnum, f.readers, k.key,
		k.key OR EXISTS (SELECT FROM pg_catalog.pg_index x
			WHERE x.indrelid = c.oid AND x.indisprimary AND a.attnum = ANY (x.indkey)) AS tells_row,
		CASE WHEN w.owners <> '{}' THEN w.owners ELSE f.writers END AS writers
	FROM ownership.mirrored_column m
	JOIN ownership.field_access f ON f.entity = m.entity AND f.field = m.field
	JOIN ownership.field k ON k.entity = m.entity AND k.name = m.field
	JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name::name AND c.relkind IN ('r', 'p', 'f')
	JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = m.column_name::name AND a.attnum > 0 AND NOT a.attisdropped
	/* whoever owns it in some rows, too: in which ones, the guard sees to */
	CROSS JOIN LATERAL (SELECT ARRAY(SELECT o.owner FROM ownership.row_owner o
		WHERE o.table_schema = m.table_schema AND o.table_name = m.table_name AND o.column_name = m.column_name AND o.owner IS NOT NULL
		UNION SELECT f.owner WHERE f.owner IS NOT NULL) AS owners) w
	UNION ALL
	/* without its key nobody can name a row, on the map or not */
	SELECT t.table_schema, t.table_name, a.attname::text, c.oid, a.attnum, '{}', false, true, '{}'
	FROM ownership.mirrored_table t
	JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')
	JOIN pg_catalog.pg_index x ON x.indrelid = c.oid AND x.indisprimary
	JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (x.indkey)
	WHERE NOT EXISTS (SELECT FROM ownership.mirrored_column m WHERE m.table_schema = t.table_schema AND m.table_name = t.table_name
		AND m.column_name = a.attname::text COLLATE "default")
), rel AS (
	SELECT t.table_schema, t.table_name, t.source, c.relid,
		array_agg(c.attnum) FILTER (WHERE c.tells_row) AS row_key
	FROM ownership.mirrored_table t
	JOIN col c USING (table_schema, table_name)
	GROUP BY t.table_schema, t.table_name, t.source, c.relid
), share AS (
	SELECT h.system, h.role, r.table_schema, r.table_name, r.relid,
		coalesce(h.steward OR r.source = h.system OR (h.carrier AND r.source IS NOT NULL), false) AS whole,
		s.reads, s.updates, s.creates
	FROM holder h
	CROSS JOIN rel r
	CROSS JOIN LATERAL (
		SELECT string_agg(quote_ident(c.column_name), ', ' ORDER BY c.attnum)
				FILTER (WHERE h.system = ANY (c.readers || c.writers) OR c.attnum = ANY (r.row_key)) AS reads,
			string_agg(quote_ident(c.column_name), ', ' ORDER BY c.attnum) FILTER (WHERE h.system = ANY (c.writers)) AS updates,
			bool_and(h.system = ANY (c.writers)) FILTER (WHERE c.key AND c.writers <> '{}') AS creates,
			bool_or(h.system = ANY (c.readers || c.writers)) AS any
		FROM col c
		WHERE c.relid = r.relid
	) s
	WHERE h.there AND (s.any OR h.steward OR r.source = h.system OR (h.carrier AND r.source IS NOT NULL))
)
SELECT system, role, rank, statement
FROM (
	SELECT s.system, s.role, 1 AS rank, format('GRANT USAGE ON SCHEMA %I TO %I;', s.table_schema, s.role) AS statement
	FROM share s
	GROUP BY s.system, s.role, s.table_schema
	UNION ALL
	SELECT s.system, s.role, 2, format('GRANT %s ON TABLE %I.%I TO %I;',
		CASE WHEN s.whole THEN 'SELECT, INSERT, UPDATE, DELETE'
			ELSE concat_ws(', ', 'SELECT (' || s.reads || ')', CASE WHEN s.creates THEN 'INSERT' END,
				'UPDATE (' || s.updates || ')', CASE WHEN s.creates THEN 'DELETE' END) END,
		s.table_schema, s.table_name, s.role)
	FROM share s
	UNION ALL
	/* what the defaults of new rows are drawn from */
	SELECT s.system, s.role, 3, format('GRANT USAGE ON SEQUENCE %I.%I TO %I;', n.nspname, q.relname, s.role)
	FROM share s
	JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = s.relid
		AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'a'
	JOIN pg_catalog.pg_class q ON q.oid = d.objid AND q.relkind = 'S'
	JOIN pg_catalog.pg_namespace n ON n.oid = q.relnamespace
	WHERE s.whole OR s.creates
	UNION ALL
	/* a name may hold a line's end; JSON's quotes do not */
	SELECT h.system, h.role, 0, format('-- role %s is not there', to_json(h.role))
	FROM holder h
	WHERE NOT h.there
	UNION ALL
	SELECT s.name, NULL, 0, format('-- system %s has no role', to_json(s.name))
	FROM ownership.system s
	WHERE NOT EXISTS (SELECT FROM holder h WHERE h.system = s.name)
) g
ORDER BY system COLLATE "C", role COLLATE "C", rank, statement COLLATE "C";
COMMENT ON VIEW ownership.grant_statements IS 'Internal: what ownership.grants() returns, and for which system and role';

CREATE FUNCTION ownership.grants(system text DEFAULT NULL)
RETURNS SETOF text AS 'MODULE_PATHNAME', 'ownership_grants' LANGUAGE C STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.grants(text) IS 'The map as native GRANT statements to the roles of a system (NULL: of all)';

GRANT SELECT ON ownership.grant_statements TO PUBLIC;
/*
 * Pictures: the nodes and the edges between them, the same for every format.
 * Fields are counted, not drawn, and what would be more than forty entities
 * is drawn by its schemas, and what is left then as one, which has no name.
 * What looks dangerous keeps a node of its own, as long as that is not the
 * rule.  Whoever owns or writes a field may be taken to read it.
 */
CREATE VIEW ownership.picture AS
WITH part AS MATERIALIZED (
	SELECT * FROM ownership.part
), entity AS (
	SELECT f.entity, count(*) AS fields, count(*) FILTER (WHERE f.owner IS NULL AND NOT f.local) AS unowned
	FROM ownership.field f
	GROUP BY f.entity
), party AS (
	SELECT p.entity, count(DISTINCT p.system) AS systems, bool_or(p.part = 'intruder') AS dangerous
	FROM part p
	GROUP BY p.entity
), folded AS (
	SELECT e.entity, e.fields, e.unowned, coalesce(p.systems, 0) AS systems, coalesce(p.dangerous, false) AS dangerous,
		CASE WHEN (SELECT count(*) FROM entity) <= 40
				OR (p.dangerous AND (SELECT count(*) FROM party WHERE dangerous) <= 20) THEN e.entity
			ELSE coalesce(substring(e.entity FROM '^(.*)\.') || '.*', e.entity) END AS node
	FROM entity e
	LEFT JOIN party p ON p.entity = e.entity
), ranked AS (
	SELECT node, row_number() OVER (ORDER BY bool_or(dangerous) DESC, max(systems) DESC, sum(fields) DESC, node COLLATE "C") AS position,
		count(*) OVER () AS nodes
	FROM folded
	GROUP BY node
), drawn AS MATERIALIZED (
	SELECT f.entity, f.fields, f.unowned, CASE WHEN r.nodes <= 40 OR r.position < 40 THEN f.node END AS node
	FROM folded f
	JOIN ranked r ON r.node = f.node
), field_part AS (
	SELECT p.entity, p.field, p.system, p.rank, p.part, bool_or(p.how = 'seen') AS seen, bool_or(p.how = 'declared') AS declared,
		bool_or(p.how = 'refused') AS refused, bool_or(p.how = 'some rows') AS some_rows,
		min(p.rank) OVER (PARTITION BY p.entity, p.field, p.system) AS closest
	FROM part p
	GROUP BY p.entity, p.field, p.system, p.rank, p.part
), edge AS (
	SELECT f.system, d.node, f.part, count(*) AS fields,
		count(*) FILTER (WHERE f.seen) AS seen,
		count(*) FILTER (WHERE f.declared IS NOT TRUE) AS undeclared,
		count(*) FILTER (WHERE f.refused) AS refused,
		count(*) FILTER (WHERE f.some_rows) AS some_rows
	FROM field_part f
	JOIN drawn d ON d.entity = f.entity
	WHERE f.part <> 'reader' OR f.closest > 2
	GROUP BY f.system, d.node, f.part
)
SELECT 'system' AS kind, s.name AS system, NULL::text AS node, NULL::text AS part, NULL::bigint AS fields, s.name AS label,
	nullif(concat_ws(', ', nullif(s.title, s.name), nullif(s.kind, s.name)), '') AS detail, false AS alarming
FROM ownership.system s
UNION ALL
SELECT 'system', '?', NULL, NULL, NULL, 'unidentified', 'no system of the map', true
WHERE EXISTS (SELECT FROM part p WHERE p.system = '?')
UNION ALL
SELECT 'entity', NULL, d.node, NULL, sum(d.fields),
	CASE WHEN d.node IS NULL THEN format('%s other entities', count(*)) WHEN count(*) > 1 THEN d.node ELSE min(d.entity) END,
	concat_ws(', ', CASE WHEN count(*) > 1 AND d.node IS NOT NULL THEN format('%s entities', count(*)) END,
		format('%s field%s', sum(d.fields), CASE sum(d.fields) WHEN 1 THEN '' ELSE 's' END),
		CASE WHEN sum(d.unowned) > 0 THEN format('%s without owner', sum(d.unowned)) END),
	sum(d.unowned) > 0
FROM drawn d
GROUP BY d.node
UNION ALL
SELECT 'edge', system, node, part, fields,
	concat(CASE part WHEN 'owner' THEN 'owns ' WHEN 'writer' THEN 'writes ' WHEN 'intruder' THEN 'intrudes on ' ELSE 'reads ' END, fields,
		' (' || nullif(concat_ws(', ',
			CASE WHEN some_rows > 0 THEN some_rows || ' in some rows' END,
			CASE WHEN seen > 0 AND undeclared < fields AND part IN ('reader', 'writer') THEN seen || ' seen' END,
			CASE WHEN undeclared > 0 AND part IN ('reader', 'writer') THEN concat_ws(' ', nullif(undeclared, fields), 'undeclared') END,
			CASE WHEN refused > 0 THEN refused || ' refused' END), '') || ')'),
	NULL, part = 'intruder'
FROM edge;
COMMENT ON VIEW ownership.picture IS 'Internal: the systems and entities of a picture, and the lines between them';

/* their queries are many and short: compiling them would take longer than they do */
CREATE FUNCTION ownership.diagram(format text DEFAULT 'mermaid')
RETURNS text AS 'MODULE_PATHNAME', 'ownership_diagram' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.diagram(text) IS 'The map as a picture for Mermaid (mermaid) or Graphviz (dot): systems, entities, who owns, writes and reads';

CREATE FUNCTION ownership.page()
RETURNS text AS 'MODULE_PATHNAME', 'ownership_page' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.page() IS 'The map, its risks and its evidence, as far as the caller may read them, as one HTML page';

GRANT SELECT ON ownership.picture, ownership.part TO PUBLIC;
/*
 * The map's own history.  It is data that is nowhere else, so it is dumped.
 */
CREATE TABLE ownership.map_history (
	id					bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	changed_at			timestamptz NOT NULL,
	role				text,
	login				text,
	application_name	text,
	map_table			text NOT NULL,
	item				text NOT NULL,
	entity				text,
	field				text,
	old					jsonb,
	new					jsonb
);
COMMENT ON TABLE ownership.map_history IS 'Who changed what on the map, and when: one row a changed row';
COMMENT ON COLUMN ownership.map_history.changed_at IS 'When the transaction began; its changes have it in common';
COMMENT ON COLUMN ownership.map_history.role IS 'The role, as SET ROLE left it';
COMMENT ON COLUMN ownership.map_history.login IS 'The role that the session was authorised as';
COMMENT ON COLUMN ownership.map_history.map_table IS 'The table of the map; guard: the guard of the table went away or came back';
COMMENT ON COLUMN ownership.map_history.item IS 'What the row is about, after the change: a system, a field, a table, a column ...';
COMMENT ON COLUMN ownership.map_history.entity IS 'The field''s, where it is about one';
COMMENT ON COLUMN ownership.map_history.old IS 'What the changed columns held; NULL: the row is new';
COMMENT ON COLUMN ownership.map_history.new IS 'What they hold now; NULL: the row is gone';

CREATE FUNCTION ownership.map_recorded() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_map_recorded' LANGUAGE C;
COMMENT ON FUNCTION ownership.map_recorded() IS 'Trigger on the map''s tables: writes ownership.map_history';
/* on a table of somebody's own it would write what he likes */
REVOKE EXECUTE ON FUNCTION ownership.map_recorded() FROM PUBLIC;

CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.system
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.system
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.system ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.system ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.identity
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.identity
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.identity ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.identity ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.domain
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.domain
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.field
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.field
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.field ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.field ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.declared_access
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.declared_access
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.declared_access ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.declared_access ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.mirrored_table
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.mirrored_table
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.mirrored_table ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.mirrored_table ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.mirrored_column
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.mirrored_column
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.mirrored_column ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.mirrored_column ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.row_owner
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.row_owner
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.row_owner ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.row_owner ENABLE ALWAYS TRIGGER history_truncate;

SELECT pg_catalog.pg_extension_config_dump('ownership.map_history', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.map_history_id_seq', '');

/*
 * The same for people: one row a decision, however many fields it was about.
 * What was only put on the map is no decision yet.
 */
CREATE VIEW ownership.decisions WITH (security_invoker = true) AS
WITH told AS (
	SELECT h.id, h.changed_at, h.role, h.login, h.application_name, h.map_table,
		CASE WHEN h.entity IS NULL THEN h.item ELSE h.entity || '.' || h.field END AS item, t.decided, t.old, t.new
	FROM ownership.map_history h
	CROSS JOIN LATERAL (
		SELECT CASE
				WHEN h.map_table = 'declared_access' THEN CASE coalesce(h.new, h.old) ->> 'mode' WHEN 'read' THEN 'reader' ELSE 'writer' END
				WHEN h.map_table = 'row_owner' THEN 'row owner' || coalesce(' where ' || (coalesce(h.new, h.old) ->> 'row_filter'), '')
				WHEN h.map_table = 'system' AND k = 'kind' THEN 'system'
				WHEN h.map_table = 'identity' AND k = 'system' THEN 'writes as'
				WHEN k = 'owner' THEN 'owner'
				ELSE replace(h.map_table, '_', ' ') || ' ' || k END AS decided,
			/* a row owner that comes or goes may be nobody */
			h.old ->> CASE WHEN h.map_table = 'row_owner' AND h.new IS NULL THEN 'owner' ELSE k END AS old,
			h.new ->> CASE WHEN h.map_table = 'row_owner' AND h.old IS NULL THEN 'owner' ELSE k END AS new
		/* an array, because few keys are expected of one */
		FROM unnest(ARRAY(SELECT jsonb_object_keys(coalesce(h.new, h.old)))) k
		WHERE CASE h.map_table
			WHEN 'declared_access' THEN k = 'system'
			WHEN 'row_owner' THEN k = 'owner' OR (k = 'row_filter' AND NOT coalesce(h.new, h.old) ? 'owner')
			WHEN 'mirrored_column' THEN k = 'authoritative'
			WHEN 'guard' THEN k = 'state'
			WHEN 'system' THEN k = 'kind' OR (h.old IS NOT NULL AND h.new IS NOT NULL)
			ELSE k NOT IN ('decided_by', 'decided_on', 'key', 'shipped') END
		  /* a row that comes or goes tells of no lists that are empty */
		  AND NOT ((h.old IS NULL OR h.new IS NULL) AND coalesce(h.new, h.old) ->> k = '{}')
		UNION ALL
		SELECT 'off the map', h.item, NULL
		WHERE h.map_table IN ('field', 'system', 'domain') AND h.new IS NULL AND h.old - '{key,decided_by,decided_on}'::text[] = '{}'
	) t
)
SELECT changed_at, role, login, application_name, decided, old, new,
	count(*) AS items,
	(array_agg(item ORDER BY item COLLATE "C"))[:5] AS sample,
	min(id) AS first_id
FROM told
GROUP BY changed_at, role, login, application_name, map_table, decided, old, new
ORDER BY changed_at, min(id);
COMMENT ON VIEW ownership.decisions IS 'The map''s history for people: one row a decision, however many fields it was about';
COMMENT ON COLUMN ownership.decisions.decided IS 'What was decided: owner, reader, writer, policy ...';
COMMENT ON COLUMN ownership.decisions.sample IS 'The first five of them';

/* not the history: it names other people's roles and applications; the view shows it to who may read it */
GRANT SELECT ON ownership.decisions TO PUBLIC;
/*
 * The map follows DDL.
 *
 * The map names tables and columns as text.  What those names are bound to in
 * this database is remembered here, so that a rename is told from a new table;
 * none of it is dumped: OIDs mean nothing elsewhere.  Nothing here refers to
 * the map by a foreign key, which would be in the way of a TRUNCATE there; a
 * row about what is not on the map means nothing.
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
COMMENT ON TABLE ownership.mirrored_pattern IS 'What add_tables() was told: tables and columns that appear later under a pattern are put on the map and guarded';
COMMENT ON COLUMN ownership.mirrored_pattern.pattern IS 'As for add_tables(): "netsuite.*" is a schema; where several match a table, the most specific one counts';
COMMENT ON COLUMN ownership.mirrored_pattern.owner IS 'System of record of the fields; NULL: the source, if there is one';
COMMENT ON COLUMN ownership.mirrored_pattern.exclude IS 'Patterns of tables and columns that stay off the map';
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
COMMENT ON TABLE ownership.bound_table IS 'Internal: the table and the columns that a name on the map was bound to when last looked at';
COMMENT ON COLUMN ownership.bound_table.relid IS 'Its OID; 0: the map waits for a table of that name';
COMMENT ON COLUMN ownership.bound_table.columns IS 'Its columns'' names by attribute number; empty where one was dropped';
COMMENT ON COLUMN ownership.bound_table.guarded IS 'The guard belongs on the table that carries the name';
COMMENT ON COLUMN ownership.bound_table.generated IS 'Names of those columns that were generated, and so could not be on the map';
COMMENT ON COLUMN ownership.bound_table.types IS 'The OIDs of its columns'' types by attribute number';
COMMENT ON COLUMN ownership.bound_table.away_since IS 'When a trigger of its guard was dropped or switched off; NULL: it is in place';

CREATE TABLE ownership.bound_schema (
	name	text PRIMARY KEY,
	schema	oid NOT NULL,
	role	oid NOT NULL
);
COMMENT ON TABLE ownership.bound_schema IS 'Internal: the schema that a name on the map was bound to, and its owner then';

CREATE TABLE ownership.left_off (
	relid			oid PRIMARY KEY,
	table_schema	text NOT NULL,
	table_name		text NOT NULL
);
COMMENT ON TABLE ownership.left_off IS 'Internal: tables that were taken off the map, or were off it in a dump: no pattern missed them';
COMMENT ON COLUMN ownership.left_off.table_schema IS 'The name that it had then';

CREATE TABLE ownership.former_table (
	former_schema	text NOT NULL,
	former_name		text NOT NULL,
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	left_in			xid8 NOT NULL,
	twin			boolean NOT NULL DEFAULT false,
	PRIMARY KEY (former_schema, former_name)
);
COMMENT ON TABLE ownership.former_table IS 'Internal: names that mirrored tables had before they were renamed';
COMMENT ON COLUMN ownership.former_table.left_in IS 'The transaction that renamed it';
COMMENT ON COLUMN ownership.former_table.twin IS 'The map was copied to another table that took that name';

CREATE TABLE ownership.former_column (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	former_name		text NOT NULL,
	column_name		text NOT NULL,
	left_in			xid8 NOT NULL,
	PRIMARY KEY (table_schema, table_name, former_name)
);
COMMENT ON TABLE ownership.former_column IS 'Internal: names that mirrored columns had before they were renamed';
COMMENT ON COLUMN ownership.former_column.left_in IS 'The transaction that renamed it';

/*
 * What is to be done when the transaction commits: only then is it known
 * which table carries a name.  Rows live no longer than their transaction.
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
COMMENT ON TABLE ownership.ddl_queue IS 'Internal: what DDL of this transaction leaves to be done at its commit';
COMMENT ON COLUMN ownership.ddl_queue.classid IS 'Of a table or of a schema';
COMMENT ON COLUMN ownership.ddl_queue.table_schema IS 'Where the map named it at the beginning of the transaction';
COMMENT ON COLUMN ownership.ddl_queue.arrived IS 'It came to its name in this transaction';
COMMENT ON COLUMN ownership.ddl_queue.guard IS 'Its triggers are to be looked at';
COMMENT ON COLUMN ownership.ddl_queue.fresh IS 'Columns that came in this transaction';
COMMENT ON COLUMN ownership.ddl_queue.gone IS 'Mirrored columns that were dropped in this transaction';
COMMENT ON COLUMN ownership.ddl_queue.gone_types IS 'Their types';

CREATE FUNCTION ownership.ddl_settle() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_ddl_settle' LANGUAGE C;
COMMENT ON FUNCTION ownership.ddl_settle() IS 'Trigger on ownership.ddl_queue, at commit: puts on the map and guards what came under its patterns and names';
CREATE CONSTRAINT TRIGGER settle AFTER INSERT ON ownership.ddl_queue DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION ownership.ddl_settle();
ALTER TABLE ownership.ddl_queue ENABLE ALWAYS TRIGGER settle;

/* for evidence of a column that was renamed */
CREATE FUNCTION ownership.key_renamed(object jsonb, old text, new text)
RETURNS jsonb LANGUAGE SQL IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(object) = 'object' AND object ? old
	THEN (object - old) || jsonb_build_object(new, object -> old) ELSE object END;
COMMENT ON FUNCTION ownership.key_renamed(jsonb, text, text) IS 'Internal: an object with another name for one of its keys';

CREATE FUNCTION ownership.mirrored_table_bind() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_mirrored_table_bind' LANGUAGE C;
COMMENT ON FUNCTION ownership.mirrored_table_bind() IS 'Trigger on ownership.mirrored_table: remembers which table is meant';
CREATE TRIGGER bind AFTER INSERT OR UPDATE OR DELETE ON ownership.mirrored_table
	FOR EACH ROW EXECUTE FUNCTION ownership.mirrored_table_bind();
ALTER TABLE ownership.mirrored_table ENABLE ALWAYS TRIGGER bind;

CREATE FUNCTION ownership.pattern_readers() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_pattern_readers' LANGUAGE C;
COMMENT ON FUNCTION ownership.pattern_readers() IS 'Trigger on ownership.system: renames a system among the readers of patterns, too';
CREATE TRIGGER pattern_readers AFTER UPDATE OF name ON ownership.system
	FOR EACH ROW EXECUTE FUNCTION ownership.pattern_readers();

CREATE FUNCTION ownership.mirrored_pattern_bind() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_mirrored_pattern_bind' LANGUAGE C;
COMMENT ON FUNCTION ownership.mirrored_pattern_bind() IS 'Trigger on ownership.mirrored_pattern: binds the schema that it names, and, while a dump is restored, remembers which tables are off the map';
CREATE TRIGGER bind AFTER INSERT ON ownership.mirrored_pattern
	FOR EACH ROW EXECUTE FUNCTION ownership.mirrored_pattern_bind();
ALTER TABLE ownership.mirrored_pattern ENABLE ALWAYS TRIGGER bind;

/*
 * A dump's map is right in itself, and comes in any order.  pg_restore does
 * not tell its parallel workers which table of the map refers to which, so
 * foreign keys are not checked while it is restored.
 */
CREATE FUNCTION ownership.map_restored() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_map_restored' LANGUAGE C;
COMMENT ON FUNCTION ownership.map_restored() IS 'Trigger on the map''s tables: lets a dump be restored in any order';
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
 * Event triggers, on the commands that can change what a table or a column is
 * called or what lies below it; all other DDL does not come here.  They fire
 * in every session_replication_role.
 */
CREATE FUNCTION ownership.ddl_start() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'ownership_ddl_start' LANGUAGE C;
COMMENT ON FUNCTION ownership.ddl_start() IS 'Event trigger: lets a table that is guarded for itself be attached as a partition';
CREATE FUNCTION ownership.ddl_end() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'ownership_ddl_end' LANGUAGE C;
COMMENT ON FUNCTION ownership.ddl_end() IS 'Event trigger: the map follows what was renamed, and takes in what is new';
CREATE FUNCTION ownership.ddl_drop() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'ownership_ddl_drop' LANGUAGE C;
COMMENT ON FUNCTION ownership.ddl_drop() IS 'Event trigger: the map of what was dropped waits for its name';

CREATE EVENT TRIGGER ownership_start ON ddl_command_start
	WHEN TAG IN ('ALTER TABLE')
	EXECUTE FUNCTION ownership.ddl_start();
/* ALTER INDEX renames tables, too */
CREATE EVENT TRIGGER ownership_end ON ddl_command_end
	WHEN TAG IN ('ALTER FOREIGN TABLE', 'ALTER INDEX', 'ALTER SCHEMA', 'ALTER SUBSCRIPTION', 'ALTER TABLE', 'ALTER TYPE',
		'CREATE FOREIGN TABLE', 'CREATE SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'CREATE TRIGGER',
		'IMPORT FOREIGN SCHEMA', 'SELECT INTO')
	EXECUTE FUNCTION ownership.ddl_end();
/* columns go with what they depend on */
CREATE EVENT TRIGGER ownership_drop ON sql_drop
	WHEN TAG IN ('DROP COLLATION', 'DROP DOMAIN', 'DROP EXTENSION', 'DROP FOREIGN DATA WRAPPER', 'DROP FOREIGN TABLE',
		'DROP FUNCTION', 'DROP OWNED', 'DROP ROUTINE', 'DROP SCHEMA', 'DROP SERVER', 'DROP TABLE', 'DROP TRIGGER', 'DROP TYPE')
	EXECUTE FUNCTION ownership.ddl_drop();
ALTER EVENT TRIGGER ownership_start ENABLE ALWAYS;
ALTER EVENT TRIGGER ownership_end ENABLE ALWAYS;
ALTER EVENT TRIGGER ownership_drop ENABLE ALWAYS;

/* What the map missed, found in the catalogs, whatever event triggers saw. */
CREATE FUNCTION ownership.map_behind(OUT relation text, OUT column_name text, OUT detail text, OUT advice text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_map_behind' LANGUAGE C STABLE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.map_behind() IS 'Internal: what DDL did and the map did not follow; for the view risks';

/* What DDL broke, or could, and what the extension itself lacks; part of ownership.risks. */
CREATE VIEW ownership.ddl_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
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
COMMENT ON VIEW ownership.ddl_risk IS 'Internal: the part of ownership.risks that is about DDL';

/* they write what nobody may write otherwise: not for triggers on other tables */
REVOKE ALL ON FUNCTION ownership.ddl_settle(), ownership.mirrored_table_bind(), ownership.mirrored_pattern_bind(), ownership.pattern_readers(),
	ownership.map_restored(), ownership.ddl_start(), ownership.ddl_end(), ownership.ddl_drop() FROM PUBLIC;
GRANT SELECT ON ownership.mirrored_pattern, ownership.bound_table, ownership.bound_schema, ownership.left_off, ownership.former_table, ownership.former_column,
	ownership.ddl_risk TO PUBLIC;
/*
 * A column that was dropped, and one of its type that was added in the same
 * transaction: schema tools rename so.  Which of a table's columns came is
 * told by number, so that renames of table and column need not be followed.
 */
CREATE TABLE ownership.replaced_column (
	relid		oid NOT NULL,
	former_name	text NOT NULL,
	attnum		int2 NOT NULL,
	PRIMARY KEY (relid, former_name)
);
COMMENT ON TABLE ownership.replaced_column IS 'Internal: mirrored columns that were dropped, and the columns that may have taken their place';

/* Part of ownership.risks. */
CREATE VIEW ownership.renamed_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
SELECT 3, 'medium', 'renamed', m.entity, m.field, ownership.relation_name(m.table_schema, m.table_name), m.column_name,
	CASE WHEN f.owner IS NULL THEN '{}' ELSE ARRAY[f.owner] END,
	format('Column %I of %s was dropped, and %I, of its type, was added in the same transaction: its map waits for a column that may be called %I now.',
		m.column_name, ownership.relation_name(m.table_schema, m.table_name), a.attname, a.attname),
	'If it is the same, carry the map over: ' || concat_ws('; ',
		CASE WHEN n.field IS NOT NULL THEN format('DELETE FROM ownership.field WHERE (entity, name) = (%L, %L)', n.entity, n.field) END,
		format('UPDATE ownership.mirrored_column SET column_name = %L WHERE (table_schema, table_name, column_name) = (%L, %L, %L)',
				a.attname, m.table_schema, m.table_name, m.column_name))
FROM ownership.replaced_column r
JOIN ownership.bound_table b ON b.relid = r.relid
JOIN ownership.mirrored_column m ON m.table_schema = b.table_schema AND m.table_name = b.table_name AND m.column_name = r.former_name
LEFT JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.relid AND a.attnum = r.attnum AND NOT a.attisdropped
LEFT JOIN ownership.mirrored_column n ON n.table_schema = b.table_schema AND n.table_name = b.table_name
	AND n.column_name = a.attname::text COLLATE "default"
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute o
	WHERE o.attrelid = r.relid AND o.attname = r.former_name::name AND NOT o.attisdropped)
  /* nobody decided about the new one */
  AND (n.field IS NULL OR EXISTS (SELECT FROM ownership.field u
	WHERE u.entity = n.entity AND u.name = n.field AND num_nonnulls(u.domain, u.policy, u.rationale, u.decided_by, u.decided_on) = 0
	  AND NOT u.local AND NOT EXISTS (SELECT FROM ownership.mirrored_column c WHERE c.entity = n.entity AND c.field = n.field
		AND (c.table_schema, c.table_name, c.column_name) <> (n.table_schema, n.table_name, n.column_name))));
COMMENT ON VIEW ownership.renamed_risk IS 'Internal: the part of ownership.risks that is about columns which may have been renamed';

GRANT SELECT ON ownership.replaced_column, ownership.renamed_risk TO PUBLIC;
/*
 * The extension's tables in publications: FOR ALL TABLES takes them along.
 * Each has a primary key, so that it may be published, and leaves out what a
 * subscription brings: another hub's evidence, activity, history and bindings
 * are about that hub's rows, and its ids are not this one's.
 *
 * The triggers are the first to fire by their name.  ddl_queue is unlogged,
 * and so in no publication.
 */
CREATE FUNCTION ownership.another_hub() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_another_hub' LANGUAGE C;
COMMENT ON FUNCTION ownership.another_hub() IS 'Trigger on the extension''s tables: leaves out what a subscription brings of another hub''s';
REVOKE ALL ON FUNCTION ownership.another_hub() FROM PUBLIC;

DO $$
DECLARE
	own regclass;
BEGIN
	FOR own IN SELECT c.oid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid
		WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e'
		  AND d.refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'ownership')
		  AND c.relkind = 'r' AND c.relpersistence = 'p'
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON %s
			FOR EACH ROW EXECUTE FUNCTION ownership.another_hub()', own);
		EXECUTE pg_catalog.format('CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON %s
			FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub()', own);
		EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER another_hub', own);
		EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER another_hub_truncate', own);
	END LOOP;
END $$;
/*
 * Whom the guard cannot hold back: whoever owns a table may switch its
 * triggers off, or put another table in its place.
 */

/*
 * What other systems own in a mirrored table.  A source may write all of its
 * own copy; there, only what is mirrored nowhere else is in danger.
 */
CREATE VIEW ownership.foreign_in AS
WITH owned AS (
	SELECT c.table_schema, c.table_name, c.column_name, c.entity, c.field, o.owner
	FROM ownership.mirrored_column c
	JOIN (SELECT f.entity, f.name AS field, f.owner, NULL::text AS table_schema, NULL::text AS table_name, NULL::text AS column_name
		FROM ownership.field f WHERE f.owner IS NOT NULL
		UNION
		SELECT m.entity, m.field, r.owner, r.table_schema, r.table_name, r.column_name
		FROM ownership.row_owner r
		JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
		WHERE r.owner IS NOT NULL) o
		ON o.entity = c.entity AND o.field = c.field
		AND (o.column_name IS NULL OR (o.table_schema, o.table_name, o.column_name) = (c.table_schema, c.table_name, c.column_name))
)
SELECT o.table_schema, o.table_name, o.column_name, o.owner, t.source,
	t.source IS NOT NULL AND (o.entity, o.field, t.source) IN (SELECT s.entity, s.field, s.source FROM ownership.only_copy s) AS only_here
FROM owned o
JOIN ownership.mirrored_table t USING (table_schema, table_name);
COMMENT ON VIEW ownership.foreign_in IS 'Internal: who owns what in which mirrored table';
COMMENT ON COLUMN ownership.foreign_in.only_here IS 'No table but those of this source holds the field';

/* Part of ownership.risks. */
CREATE VIEW ownership.loader_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
WITH loader AS MATERIALIZED (
	/* a steward may write every field */
	SELECT i.name AS role, r.oid, i.system, i.carrier, r.rolsuper, p.settable,
		r.rolsuper OR p.settable IS NOT NULL AS switches_off
	FROM ownership.identity i
	JOIN ownership.bound_role b ON b.name = i.name
	JOIN pg_catalog.pg_roles r ON r.oid = b.role AND r.rolname = i.name::name
	CROSS JOIN LATERAL (SELECT string_agg(name, ', ') AS settable
		FROM unnest('{ownership.enforcement,ownership.default_policy}'::text[]) AS name
		WHERE has_parameter_privilege(r.oid, name, 'SET')) p
	WHERE i.kind = 'role' AND NOT i.steward
), holder AS (
	/* the table itself, or anything below it */
	SELECT DISTINCT g.table_schema, g.table_name, c.relowner, o.rolname, o.rolsuper
	FROM ownership.guarded_relation g
	JOIN pg_catalog.pg_class c ON c.oid = g.relid
	JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
	WHERE EXISTS (SELECT FROM loader)
), holding AS (
	SELECT h.table_schema, h.table_name, w.system, CASE WHEN k.acts THEN l.role ELSE h.rolname::text END AS role,
		CASE WHEN l.oid = h.relowner THEN format('Role %I', l.role)
			WHEN k.acts THEN format('Role %I, as a member of %I', l.role, h.rolname)
			ELSE format('Role %I, a member of %I', h.rolname, l.role) END AS holder
	FROM holder h
	JOIN ownership.mirrored_table t USING (table_schema, table_name)
	CROSS JOIN loader l
	/* the system's role may act as the owner, or the owner writes as the system */
	CROSS JOIN LATERAL (SELECT pg_has_role(l.oid, h.relowner, 'MEMBER') AS acts) k
	CROSS JOIN LATERAL (SELECT coalesce(l.system, CASE WHEN l.carrier THEN t.source END) AS system) w
	WHERE NOT l.switches_off AND (k.acts OR (NOT h.rolsuper AND pg_has_role(h.relowner, l.oid, 'USAGE')))
)
SELECT 13, 'medium', 'foreign_loader', NULL::text, NULL::text, ownership.relation_name(h.table_schema, h.table_name), NULL::text,
	array_remove(ARRAY[h.system], NULL),
	format('%s, %s, owns %s or a part of it, in which %s own%s fields: it may switch the guard off, or put another table in its place.',
		string_agg(DISTINCT h.holder, '; ' ORDER BY h.holder), coalesce('which writes as ' || h.system, 'which loads the tables of several systems'),
		ownership.relation_name(h.table_schema, h.table_name), array_to_string(f.owners, ', '), CASE cardinality(f.owners) WHEN 1 THEN 's' ELSE '' END),
	format('Have a role own it that is no system''s: ALTER TABLE %s OWNER TO ...; then GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s',
		ownership.relation_name(h.table_schema, h.table_name), ownership.relation_name(h.table_schema, h.table_name),
		string_agg(DISTINCT quote_ident(h.role), ', '))
FROM holding h
CROSS JOIN LATERAL (SELECT array_agg(DISTINCT f.owner ORDER BY f.owner) AS owners FROM ownership.foreign_in f
	WHERE f.table_schema = h.table_schema AND f.table_name = h.table_name AND f.owner IS DISTINCT FROM h.system
	  AND (h.system IS NULL OR f.source IS DISTINCT FROM h.system OR f.only_here)) f
WHERE f.owners IS NOT NULL
GROUP BY h.table_schema, h.table_name, h.system, f.owners
UNION ALL
/* everywhere */
SELECT 13, 'medium', 'foreign_loader', NULL, NULL, NULL, NULL, array_remove(ARRAY[l.system], NULL),
	format('Role %I, which %s, %s: no guard holds it back.', l.role,
		coalesce('writes as ' || l.system, 'loads the tables of several systems'),
		CASE WHEN l.rolsuper THEN 'is a superuser' ELSE 'may set ' || l.settable END),
	CASE WHEN l.rolsuper THEN format('Have the system use a role that is no superuser, or ALTER ROLE %I NOSUPERUSER', l.role)
		ELSE format('REVOKE SET ON PARAMETER %s FROM %I, or from the role by which it has that.', l.settable, l.role) END
FROM loader l
WHERE l.switches_off AND EXISTS (SELECT FROM ownership.foreign_in f WHERE f.owner IS DISTINCT FROM l.system);
COMMENT ON VIEW ownership.loader_risk IS 'Internal: the part of ownership.risks that is about roles of systems which the guard cannot hold back';

GRANT SELECT ON ownership.foreign_in, ownership.loader_risk TO PUBLIC;
/*
 * Risks, by what would hurt most; doc/risks.md tells the order.  High: values
 * can be lost at any time, because nobody owns a field, several systems write
 * it, or a guard that people rely on has a gap.  Medium: a rule is not
 * enforced, or is likely to be the wrong one.  Low: something is not written
 * down.
 */
CREATE VIEW ownership.risks AS
WITH guard AS MATERIALIZED (
	SELECT * FROM ownership.guards
), seen AS MATERIALIZED (
	SELECT * FROM ownership.seen
), spoken AS (
	/*
	 * All that is known of the writers of a field, a row each; together they
	 * tell of its quarrels.  What is local is nobody's quarrel, and whoever
	 * owns some of the rows may write them.
	 */
	SELECT f.entity, f.name AS field, f.owner, f.owner AS system, f.owner IS NOT NULL AS writes,
		0::bigint AS disputed, 0::bigint AS refused, NULL::timestamptz AS last_disputed, false AS undeclared, false AS owner_writes
	FROM ownership.field f
	WHERE NOT f.local
	UNION ALL
	/* who may only fill what is blank takes nothing from the owner */
	SELECT f.entity, f.name, f.owner, a.system, true, 0, 0, NULL, false, false
	FROM ownership.declared_access a
	JOIN ownership.field f ON f.entity = a.entity AND f.name = a.field
	LEFT JOIN ownership.domain d ON d.name = f.domain
	WHERE a.mode = 'write' AND NOT f.local
	  AND (f.owner IS NULL OR (coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') <> 'fill'
		AND (a.entity, a.field, a.system) NOT IN (SELECT r.entity, r.field, r.system FROM ownership.row_part r)))
	UNION ALL
	SELECT s.entity, s.field, f.owner, s.system, s.disputed > 0 AND s.system IS NOT NULL, s.disputed, s.refused, s.last_disputed,
		f.owner IS DISTINCT FROM s.system AND (s.system IS NULL
			OR (s.entity, s.field, s.system) NOT IN (SELECT a.entity, a.field, a.system FROM ownership.declared_access a WHERE a.mode = 'write')),
		s.as_owner > 0
	FROM seen s
	JOIN ownership.field f ON f.entity = s.entity AND f.name = s.field
	WHERE (s.disputed > 0 OR s.refused > 0 OR s.as_owner > 0) AND NOT f.local
	  AND (s.system IS NULL OR (s.entity, s.field, s.system) NOT IN (SELECT r.entity, r.field, r.system FROM ownership.row_part r))
), quarrel AS (
	SELECT entity, field, owner, array_agg(DISTINCT system COLLATE "C") FILTER (WHERE writes) AS writers,
		count(DISTINCT system) FILTER (WHERE writes) > 1 AS contested,
		string_agg(format('%s %s time%s, last on %s', coalesce(system, 'somebody unidentified'), disputed,
			CASE disputed WHEN 1 THEN '' ELSE 's' END, to_char(last_disputed, 'YYYY-MM-DD')), '; ' ORDER BY system COLLATE "C")
			FILTER (WHERE disputed > 0) AS seen,
		owner IS NOT NULL AND bool_or(disputed > 0) AND NOT bool_or(owner_writes) AS silent,
		array_agg(system ORDER BY system COLLATE "C") FILTER (WHERE undeclared AND system IS NOT NULL) AS undeclared,
		coalesce(bool_or(undeclared AND system IS NULL), false) AS unidentified,
		/* the undeclared ones as a part of a sentence, and as sentences */
		string_agg(concat(coalesce(system, 'somebody unidentified'), ', was refused ' || nullif(refused, 0) || ' time' || CASE refused WHEN 1 THEN '' ELSE 's' END),
			'; ' ORDER BY system COLLATE "C") FILTER (WHERE undeclared) AS listed,
		string_agg(format('%s %s, and is not declared to write it%s.', coalesce(system, 'Somebody unidentified'),
			concat(CASE WHEN disputed > 0
				THEN format('wrote %s.%s %s time%s', entity, field, disputed, CASE disputed WHEN 1 THEN '' ELSE 's' END)
				ELSE format('tried to write %s.%s', entity, field) END,
				', was refused ' || nullif(refused, 0) || ' time' || CASE refused WHEN 1 THEN '' ELSE 's' END),
			'; its system of record is ' || owner), ' ' ORDER BY system COLLATE "C") FILTER (WHERE undeclared) AS undeclared_told
	FROM spoken
	GROUP BY entity, field, owner
), copies AS MATERIALIZED (
	SELECT * FROM ownership.compare_copies('*', false)
), guide AS MATERIALIZED (
	/* to be said in the middle of a sentence */
	SELECT d.name, d.excluded_owner, lower(left(coalesce(d.title, d.name), 1)) || substr(coalesce(d.title, d.name), 2) AS subject,
		(SELECT string_agg(ownership.kind_label(k), ' or ' ORDER BY i) FROM unnest(d.natural_owner) WITH ORDINALITY u(k, i)) AS kinds
	FROM ownership.domain d
), found (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS (
	/* everything is written down, and nothing of it holds */
	SELECT 0, 'high', 'enforcement_off', NULL::text, NULL::text, NULL::text, NULL::text, '{}'::text[],
		format('%s is %s %s: %s.', w.setting, w.value, w.place, CASE
			WHEN w.setting = 'ownership.default_policy' THEN 'what the map says of fields without a policy does not hold there'
			WHEN w.value = 'observe' THEN 'every write goes through, and is only recorded'
			ELSE 'every write goes through, and nothing is recorded' END),
		format('Ask who set it and why. If it is not meant to stay: %s', w.advice)
	FROM ownership.weakened w
	WHERE EXISTS (SELECT FROM ownership.mirrored_table)
	UNION ALL
	/* no system of record */
	SELECT 1, 'high', 'unowned', f.entity, f.field, NULL::text, NULL::text, f.writers,
		format('Nobody is the system of record of %s.%s%s.', f.entity, f.field,
			CASE WHEN f.writers = '{}' THEN '' ELSE '; declared to write it: ' || array_to_string(f.writers, ', ') END),
		concat_ws(' ', 'Decide with the people who work with it which system has the right value, and make that one the owner. Until then any system may overwrite it.',
			'By the guide, ' || g.subject || ' belongs in ' || g.kinds || '.')
	FROM ownership.field_access f
	LEFT JOIN guide g ON g.name = f.domain
	WHERE f.owner IS NULL AND NOT f.local
	UNION ALL
	/* several writers, declared or seen, the owner among them or not */
	SELECT 2, 'high', 'contested', q.entity, q.field, NULL, NULL, q.writers,
		concat_ws(' ', format('%s systems write %s.%s: %s%s.', cardinality(q.writers), q.entity, q.field, array_to_string(q.writers, ', '),
				'; its system of record is ' || q.owner),
			'Seen: ' || q.seen || '.', 'Not declared to write it: ' || q.listed || '.',
			CASE WHEN q.silent THEN q.owner || ' was never seen writing it.' END),
		CASE WHEN q.owner IS NULL THEN 'Whoever writes last wins. Decide which of them owns it; the others only read it.'
			WHEN q.silent THEN format('Ask the teams which of them maintains it, and make that system the owner. If it is %s, have the others make their changes there.', q.owner)
			ELSE format('Ask the others why they write it: only %s owns it. Have what they must change be changed there, before they stop.', q.owner) END
	FROM quarrel q
	WHERE q.contested
	UNION ALL
	/* a guard that lost a trigger, or whose trigger is switched off */
	SELECT 3, 'high', 'unguarded', NULL, NULL, g.relation, NULL, '{}',
		format('The guard of %s has a gap: %s.', g.relation, array_to_string(g.problems, '; ')),
		format('Ask the database administrator who switched it off and why, then switch it on again: SELECT ownership.guard(%L)', g.relation)
	FROM guard g
	WHERE NOT g.guarded AND g.touched
	UNION ALL
	SELECT 4, 'medium', 'unguarded', NULL, NULL, g.relation, NULL, '{}',
		format('%s is on the map, but nothing enforces it.', g.relation),
		format('Have it guarded when the owners are decided: SELECT ownership.guard(%L), or CALL ownership.guard_all() for all tables.', g.relation)
	FROM guard g
	WHERE NOT g.guarded AND NOT g.touched AND g.problems <> ARRAY['the table is not there']
	  AND NOT EXISTS (SELECT FROM ownership.bound_table b WHERE b.table_schema = g.table_schema AND b.table_name = g.table_name AND b.guarded)
	UNION ALL
	/* rows that anyone may create and delete */
	SELECT 5, 'medium', 'unowned_key', k.entity, k.field, ownership.relation_name(t.table_schema, t.table_name), k.column_name, '{}',
		CASE WHEN k.field IS NULL
			THEN format('No mirrored column of %s is a key: every system may create and delete its rows.', ownership.relation_name(t.table_schema, t.table_name))
			ELSE format('Key %s.%s has no system of record: every system may create and delete rows of %s.', k.entity, k.field, ownership.relation_name(t.table_schema, t.table_name)) END,
		'Decide which system creates and deletes these records, and make it the owner of the key.'
	FROM ownership.mirrored_table t
	LEFT JOIN LATERAL (SELECT c.entity, c.field, c.column_name, f.owner FROM ownership.mirrored_column c
		JOIN ownership.field f ON f.entity = c.entity AND f.name = c.field
		WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name AND f.key) k ON true
	WHERE k.owner IS NULL AND t.source IS NULL
	UNION ALL
	/* a kind of system that must not own such data, everywhere or in some rows */
	SELECT 9, 'medium', 'out_of_bounds', o.entity, o.field, o.relation, o.column_name, ARRAY[s.name],
		format('%s owns %s.%s%s; %s %s.', ownership.system_label(s.name, s.kind), o.entity, o.field, ' where ' || o.row_filter,
			g.subject, coalesce('belongs in ' || g.kinds, 'does not belong there')),
		format('Ask whether %s should own it instead, and %s only read it. If this is meant, take %s out of the domain''s excluded_owner.',
			coalesce(g.kinds, 'another system'), s.name, s.kind)
	FROM (SELECT f.entity, f.name AS field, f.domain, f.owner, NULL::text AS relation, NULL::text AS column_name, NULL::text AS row_filter
		FROM ownership.field f
		UNION ALL
		SELECT c.entity, c.field, f.domain, r.owner, ownership.relation_name(r.table_schema, r.table_name), r.column_name, r.row_filter
		FROM ownership.row_owner r
		JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
		JOIN ownership.field f ON f.entity = c.entity AND f.name = c.field) o
	JOIN guide g ON g.name = o.domain
	JOIN ownership.system s ON s.name = o.owner
	WHERE s.kind = ANY (g.excluded_owner)
	UNION ALL
	/* others write, the owner never does */
	SELECT 11, 'medium', 'silent_owner', q.entity, q.field, NULL, NULL, ARRAY[q.owner],
		format('%s is the system of record of %s.%s and was never seen writing it. Seen: %s.', q.owner, q.entity, q.field, q.seen),
		format('Ask the team of %s whether it still maintains this. If not, the owner should be who does.', q.owner)
	FROM quarrel q
	WHERE q.silent AND NOT q.contested AND q.undeclared_told IS NULL
	UNION ALL
	SELECT 12, CASE WHEN q.undeclared IS NULL AND NOT q.silent THEN 'low' ELSE 'medium' END, 'undeclared_writer', q.entity, q.field, NULL, NULL,
		coalesce(q.undeclared, '{}'),
		concat_ws(' ', q.undeclared_told, CASE WHEN q.silent THEN q.owner || ' was never seen writing it.' END),
		concat_ws(' ', CASE WHEN q.undeclared IS NULL THEN NULL
			WHEN q.owner IS NULL THEN format('Ask the team of %s why. If it should, make it the owner, or declare it as a writer.', array_to_string(q.undeclared, ' and that of '))
			ELSE format('Ask the team of %s why. If it should, declare it as a writer or make it the owner; if not, have what it must change be changed in %s, before it stops.',
				array_to_string(q.undeclared, ' and that of '), q.owner) END,
			CASE WHEN q.unidentified THEN 'Find out which system the unidentified one is, and tell the database: ownership.identify() says which role or feed is which system.' END)
	FROM quarrel q
	WHERE q.undeclared_told IS NOT NULL AND NOT q.contested
	UNION ALL
	SELECT 14, 'low', 'undeclared_reader', s.entity, s.field, NULL, NULL, ARRAY[s.system],
		format('%s read %s.%s %s time%s, and is not declared to read it.', s.system, s.entity, s.field, s.reads,
			CASE s.reads WHEN 1 THEN '' ELSE 's' END),
		format('Add %s to the readers of the field: then its team is asked before the field changes.', s.system)
	FROM seen s
	JOIN ownership.field f ON f.entity = s.entity AND f.name = s.field
	WHERE s.reads > 0 AND s.system IS NOT NULL AND f.owner IS DISTINCT FROM s.system
	  AND NOT EXISTS (SELECT FROM ownership.declared d
		WHERE d.entity = s.entity AND d.field = s.field AND d.system = s.system)
	UNION ALL
	SELECT 6, 'medium', 'unidentified_feed', NULL, NULL, g.relation, NULL, '{}',
		format('Subscription %s feeds %s, but is no system''s: what it writes to owned fields is kept out.', s, g.relation),
		format('Find out which system sends it, and tell the database: SELECT ownership.identify(''...'', subscription => %L)', s)
	FROM guard g
	CROSS JOIN LATERAL unnest(g.subscriptions) s
	WHERE g.touched AND NOT EXISTS (SELECT FROM ownership.identity i WHERE i.kind = 'subscription' AND i.name = s)
	UNION ALL
	SELECT 7, 'medium', 'unknown_identity', NULL, NULL, NULL, NULL,
		CASE WHEN i.system IS NULL THEN '{}' ELSE ARRAY[i.system] END,
		CASE WHEN i.kind = 'role' AND r.oid IS NOT NULL
			THEN format('Role %s is another one than was identified; it writes as nobody.', i.name)
			ELSE format('%s %s is not there.', initcap(i.kind), i.name) END,
		CASE WHEN i.kind = 'role' AND r.oid IS NOT NULL
			THEN 'Somebody dropped the role and made another of that name. Check who and why; if it is the same system, call ownership.identify() for it again.'
			ELSE 'Correct the name, if it is misspelt; else create it, or delete its row from ownership.identity.' END
	FROM ownership.identity i
	LEFT JOIN pg_catalog.pg_roles r ON i.kind = 'role' AND r.rolname = i.name::name
	LEFT JOIN ownership.bound_role b ON i.kind = 'role' AND b.name = i.name
	LEFT JOIN pg_catalog.pg_subscription s ON i.kind = 'subscription' AND s.subname = i.name::name
		AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
	WHERE (i.kind = 'role' AND (r.oid IS NULL OR b.role <> r.oid))
	   OR (i.kind = 'subscription' AND s.oid IS NULL)
	UNION ALL
	/* what the map names and the database does not have */
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, ownership.relation_name(t.table_schema, t.table_name), NULL, '{}',
		format('Table %s is on the map, but not in the database.', ownership.relation_name(t.table_schema, t.table_name)),
		'If it was renamed, rename it on the map, too; if it is gone for good, delete its row from ownership.mirrored_table.'
	FROM ownership.mirrored_table t
	JOIN guard g USING (table_schema, table_name)
	WHERE g.problems = ARRAY['the table is not there']
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', m.entity, m.field, ownership.relation_name(m.table_schema, m.table_name), m.column_name, '{}',
		CASE WHEN a.attnum IS NULL
			THEN format('Column %s of %s is on the map, but not in the database.', m.column_name, ownership.relation_name(m.table_schema, m.table_name))
			ELSE format('Column %s of %s cannot be guarded: it is a system or generated column.', m.column_name, ownership.relation_name(m.table_schema, m.table_name)) END,
		'If it was renamed, rename it on the map, too; if it is gone for good, delete its row from ownership.mirrored_column.'
	FROM ownership.mirrored_column m
	JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name::name AND c.relkind IN ('r', 'p', 'f')
	LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = m.column_name::name AND NOT a.attisdropped
	WHERE a.attnum IS NULL OR a.attnum < 0 OR a.attgenerated <> ''
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', m.entity, m.field, ownership.relation_name(o.table_schema, o.table_name), o.column_name,
		CASE WHEN o.owner IS NULL THEN '{}' ELSE ARRAY[o.owner] END,
		format('Row filter "%s" does not work: %s. Writes to the table fail.', o.row_filter, ownership.row_filter_problem(c.oid, o.row_filter)),
		'Ask whoever changed the table, and correct the filter in ownership.row_owner.'
	FROM ownership.row_owner o
	JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
	JOIN pg_catalog.pg_namespace n ON n.nspname = o.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = o.table_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE ownership.row_filter_problem(c.oid, o.row_filter) IS NOT NULL
	UNION ALL
	/* what means different things to different people */
	SELECT 13, 'low', 'blurred', f.entity, f.name, NULL, NULL, CASE WHEN f.owner IS NULL THEN '{}' ELSE ARRAY[f.owner] END,
		format('%s.%s is of the domain %s, by which people mean different things, and nobody wrote down what it is here.', f.entity, f.name, d.name),
		concat_ws(' ', 'Write down, as the field''s rationale, what exactly it holds and why its owner owns it.', d.note)
	FROM ownership.field f
	JOIN ownership.domain d ON d.name = f.domain AND d.blurred
	WHERE NOT f.local AND coalesce(btrim(f.rationale), '') = ''
	UNION ALL
	/* copies that hold different values, as far as the reader may look at them */
	SELECT 10, 'medium', 'drifting', c.entity, c.field, c.relation, c.column_name,
		array_remove(ARRAY[c.owner, nullif(c.source, c.owner)], NULL),
		format('Copies of %s.%s disagree: %s.%s is not everywhere what %s says.',
			c.entity, c.field, c.relation, quote_ident(c.column_name), c.authoritative),
		format('See which rows differ, and which value is right: SELECT * FROM ownership.drift(%L); ', c.entity || '.' || c.field)
			|| CASE WHEN c.source IS NULL THEN format('where this copy is right, correct %s first; then SELECT ownership.reconcile(%L) makes this copy agree.',
					c.authoritative, c.entity || '.' || c.field)
				ELSE format('where this copy is right, have %s corrected; the rest %s is to take over.', c.authoritative, c.source) END
	FROM copies c
	WHERE c.state = 'differ'
	UNION ALL
	SELECT DISTINCT 15, 'low', 'drifting', c.entity, c.field,
		CASE WHEN c.authoritative IS NOT NULL THEN c.relation END, CASE WHEN c.authoritative IS NOT NULL THEN c.column_name END,
		array_remove(ARRAY[c.owner, CASE WHEN c.authoritative IS NOT NULL THEN nullif(c.source, c.owner) END], NULL),
		format('Whether the copies of %s.%s agree is not known: %s.', c.entity, c.field, c.problem), c.advice
	FROM copies c
	WHERE c.state = 'unlinked'
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.ddl_risk
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.loader_risk
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.renamed_risk
	UNION ALL
	SELECT 16, 'low', 'unmapped', NULL, NULL, u.relation, u.column_name, '{}',
		format('Column %s of %s is not on the map.', u.column_name, u.relation),
		'Decide which system owns it; if no other system ever needs it, list it as local.'
	FROM ownership.unmapped u
)
SELECT severity, risk, entity, field, relation, column_name, systems COLLATE "C" AS systems, detail, advice
FROM found
ORDER BY array_position('{high,medium,low}', severity), rank, entity COLLATE "C", field COLLATE "C", relation COLLATE "C", column_name COLLATE "C", detail COLLATE "C";
COMMENT ON VIEW ownership.risks IS 'Places where the map is unsafe, the worst first';
COMMENT ON COLUMN ownership.risks.severity IS 'high, medium or low';
/*
 * Everyone may read the map; whoever is granted it may change it.  Evidence
 * holds values of tables that not everyone may read, so it is for those only
 * to whom it is granted.  Which functions may be used is decided by these
 * privileges, too: they run as their caller.
 */
GRANT USAGE ON SCHEMA ownership TO PUBLIC;
GRANT SELECT ON ownership.system, ownership.identity, ownership.domain, ownership.field,
	ownership.declared_access, ownership.mirrored_table, ownership.mirrored_column,
	ownership.row_owner, ownership.bound_role,
	ownership.map, ownership.sheet, ownership.guards, ownership.unmapped, ownership.risks,
	ownership.guarded_relation, ownership.weakened, ownership.only_copy, ownership.field_access,
	ownership.activity, ownership.declared, ownership.row_part, ownership.seen, ownership.matrix, ownership.status TO PUBLIC;
/* not ownership.readiness: it names other people's roles and applications */
