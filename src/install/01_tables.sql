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
