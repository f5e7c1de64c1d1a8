/* ownership: the ownership map of an integration database */

\echo Use "CREATE EXTENSION ownership" to load this file. \quit

/* the script creates the schema: so it belongs to the extension, and no other role owned it before */
CREATE SCHEMA ownership;
COMMENT ON SCHEMA ownership IS 'The ownership map: which system is the system of record of each field, and the evidence of writes by other systems.';

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
	/* lists of names are separated by ";", and some words mean "no system" */
	CONSTRAINT system_name_check CHECK (name <> '' AND name = btrim(name) AND name !~ '[;"[:cntrl:]]' AND lower(name) NOT IN ('?', 'tbd', 'both')),
	/* shared memory has room for so long a name */
	CONSTRAINT system_name_length_check CHECK (octet_length(name) < 64),
	CONSTRAINT system_kind_check CHECK (kind <> '' AND kind = btrim(kind))
);
COMMENT ON TABLE ownership.system IS 'The business applications that exchange data. One row is one system.';
COMMENT ON COLUMN ownership.system.name IS 'Short name. It is at most 63 bytes long. When a role changes it, the extension changes it everywhere on the map.';
COMMENT ON COLUMN ownership.system.kind IS 'Kind of application: erp, crm, pim, storefront, oms, wms, mdm, pos, marketing, helpdesk, tax, bi, other, or a kind of your own. The guide proposes owners by kind. Default: other.';
COMMENT ON COLUMN ownership.system.title IS 'Name that people use for the system. NULL: it has no other name.';
COMMENT ON COLUMN ownership.system.contact IS 'Person or team that answers questions about the system.';
COMMENT ON COLUMN ownership.system.note IS 'Free text. The extension does not read it.';

CREATE TABLE ownership.identity (
	kind	text NOT NULL,
	name	text NOT NULL,
	system	text REFERENCES ownership.system ON UPDATE CASCADE,
	strict	boolean NOT NULL DEFAULT false,
	steward	boolean NOT NULL DEFAULT false,
	carrier	boolean NOT NULL DEFAULT false,
	relay	boolean NOT NULL DEFAULT false,
	PRIMARY KEY (kind, name),
	CONSTRAINT identity_kind_check CHECK (kind IN ('role', 'subscription', 'origin')),
	CONSTRAINT identity_name_check CHECK (name <> ''),
	CONSTRAINT identity_system_check CHECK (system IS NOT NULL OR steward OR carrier OR relay),
	CONSTRAINT identity_relay_check CHECK (NOT relay OR kind <> 'role')
);
COMMENT ON TABLE ownership.identity IS 'The role, subscription or replication origin from which the guard recognises each system. One row is one identity.';
COMMENT ON COLUMN ownership.identity.kind IS 'Kind of identity: role, subscription or origin.';
COMMENT ON COLUMN ownership.identity.name IS 'Name of the role, of the subscription or of the replication origin. It may be a name that does not exist yet.';
COMMENT ON COLUMN ownership.identity.system IS 'System that the identity writes as. NULL: only a steward or a carrier may have no system.';
COMMENT ON COLUMN ownership.identity.strict IS 'true: in a replication worker, the policy reject raises an error, which stops the stream. false, the default: reject acts as keep there. Only for subscriptions and origins.';
COMMENT ON COLUMN ownership.identity.steward IS 'true: the identity may write every field. Each write to a field of another system leaves evidence with the outcome overridden. Default: false.';
COMMENT ON COLUMN ownership.identity.carrier IS 'true: the identity loads tables of several systems. It writes as the source of the table that it writes. In a shared table it writes as the system that the setting ownership.system names, else it is unidentified. Default: false.';
COMMENT ON COLUMN ownership.identity.relay IS 'true: the subscription or origin is the stream of another hub that guards by the same map. What it brings was judged there. Default: false.';

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
	on_blank		text,
	sensitive		boolean NOT NULL DEFAULT false,
	CONSTRAINT domain_name_check CHECK (name <> '' AND name = btrim(name, E' \t\r\n')),
	CONSTRAINT domain_policy_check CHECK (policy IN ('observe', 'fill', 'create_only', 'keep', 'reject')),
	CONSTRAINT domain_on_blank_check CHECK (on_blank IN ('allow', 'observe', 'keep', 'reject'))
);
COMMENT ON TABLE ownership.domain IS 'The guide: kinds of data, such as price or stock, and the kinds of systems that should own them. One row is one domain.';
COMMENT ON COLUMN ownership.domain.name IS 'Short name.';
COMMENT ON COLUMN ownership.domain.title IS 'Name that people use for the domain. NULL: the short name.';
COMMENT ON COLUMN ownership.domain.natural_owner IS 'Kinds of systems that should own such data, the preferred kind first. suggest() proposes the first kind that has a system on the map. NULL: no kind.';
COMMENT ON COLUMN ownership.domain.excluded_owner IS 'Kinds of systems that must not own such data. A field that such a system owns is the risk out_of_bounds.';
COMMENT ON COLUMN ownership.domain.blurred IS 'true: people mean different things by this domain. Each of its fields needs a rationale, else it is the risk blurred. Default: false.';
COMMENT ON COLUMN ownership.domain.policy IS 'Policy of the fields of this domain that have no policy of their own: observe, fill, create_only, keep or reject. NULL: the setting ownership.default_policy.';
COMMENT ON COLUMN ownership.domain.column_pattern IS 'Regular expression for words of a column name. A column with such a name belongs to the domain. The form table\.column is for columns of certain tables only.';
COMMENT ON COLUMN ownership.domain.table_pattern IS 'Regular expression for words of a table name. In such a table, suggest() relies on the column name. The form table\..* says that all columns of such a table belong to the domain.';
COMMENT ON COLUMN ownership.domain.note IS 'Text for people. It is part of the advice of the risk blurred.';
COMMENT ON COLUMN ownership.domain.position IS 'Order in which suggest() tries the domains, the lowest number first. Domains without a number come before all others.';
COMMENT ON COLUMN ownership.domain.shipped IS 'true: the row is as the extension ships it. pg_dump leaves such rows out. A trigger maintains the column.';
COMMENT ON COLUMN ownership.domain.on_blank IS 'What the guard does with a change of a stored value to a blank one, in the fields of this domain that have no value of their own here: allow, observe, keep or reject. NULL: allow.';
COMMENT ON COLUMN ownership.domain.sensitive IS 'true: the fields of this domain are sensitive, as with field.sensitive. Default: false.';

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
	label			text,
	on_blank		text,
	history			boolean NOT NULL DEFAULT false,
	sensitive		boolean NOT NULL DEFAULT false,
	column_group	text,
	match_key		boolean NOT NULL DEFAULT false,
	fresh_within	interval,
	PRIMARY KEY (entity, name),
	CONSTRAINT field_entity_check CHECK (entity <> '' AND entity = btrim(entity, E' \t\r\n')),
	CONSTRAINT field_name_check CHECK (name <> '' AND name = btrim(name, E' \t\r\n') AND strpos(name, '.') = 0),
	CONSTRAINT field_policy_check CHECK (policy IN ('observe', 'fill', 'create_only', 'keep', 'reject')),
	CONSTRAINT field_on_blank_check CHECK (on_blank IN ('allow', 'observe', 'keep', 'reject')),
	CONSTRAINT field_history_check CHECK (NOT (history AND sensitive)),
	CONSTRAINT field_column_group_check CHECK (column_group <> '' AND column_group = btrim(column_group, E' \t\r\n')),
	CONSTRAINT field_fresh_within_check CHECK (fresh_within > '0')
);
CREATE INDEX field_owner_idx ON ownership.field (owner);
CREATE INDEX field_domain_idx ON ownership.field (domain);
COMMENT ON TABLE ownership.field IS 'The data points that cross a system boundary. One row is one field; entity.name is its full name.';
COMMENT ON COLUMN ownership.field.entity IS 'Business object that the field belongs to, such as product.';
COMMENT ON COLUMN ownership.field.name IS 'Name of the field within its entity, such as price. It contains no dot.';
COMMENT ON COLUMN ownership.field.domain IS 'Domain of the field: a name in ownership.domain. NULL: none.';
COMMENT ON COLUMN ownership.field.owner IS 'System of record: the only system whose writes the guard does not judge. NULL: the field has no system of record, and every system may write it. That is the risk unowned.';
COMMENT ON COLUMN ownership.field.policy IS
'What the guard does with a write of a system that is not the system of record. NULL: the policy of the domain, else the setting ownership.default_policy.
- observe: The guard lets the write through and records it as evidence.
- fill: The guard lets the write through where the stored value is blank (see on_blank), and in a new row. Otherwise it acts as keep.
- create_only: The guard lets every system create a row with a value in the column. Otherwise it acts as keep, also where the stored value is blank.
- keep: The guard keeps the stored value and records the refused value. The rest of the row is written. In a new row the column gets its default. The guard does not create or delete a row that the writer may not create or delete. TRUNCATE and foreign-key actions fail with an error instead.
- reject: The guard fails the statement with SQLSTATE 42501. In a replication worker it acts as keep, with a WARNING in the server log, unless the identity is strict.';
COMMENT ON COLUMN ownership.field.key IS 'true: the field is part of the key of its entity. Its system of record decides which rows exist. assign(), add_tables() and link() set it for columns of a primary key. Default: false.';
COMMENT ON COLUMN ownership.field.local IS 'true: the field does not cross a system boundary. It is on the map, and it is not a risk that it has no system of record. Default: false.';
COMMENT ON COLUMN ownership.field.rationale IS 'Why the system of record owns the field, and what exactly the field contains. Text for people.';
COMMENT ON COLUMN ownership.field.decided_by IS 'Person or group that decided on the system of record. Text for people.';
COMMENT ON COLUMN ownership.field.decided_on IS 'Day of that decision.';
COMMENT ON COLUMN ownership.field.label IS 'Name that people use for the field. NULL: the name.';
COMMENT ON COLUMN ownership.field.on_blank IS
'What the guard does when an UPDATE in a shared table changes a stored value to a blank one: NULL, a text that is empty or white space, the JSON values null, {} and [], an empty array. It is the same for every writer, the system of record included. NULL: what the domain says, else allow. If the policy is stricter, the policy counts.
- allow: The guard lets the change through.
- observe: The guard lets it through and records it as evidence.
- keep: The guard keeps the stored value and records the refused value. The rest of the row is written.
- reject: The guard fails the statement with SQLSTATE 42501. In a replication worker it acts as keep, unless the identity is strict.';
COMMENT ON COLUMN ownership.field.history IS 'true: every change of a stored value by UPDATE is recorded in ownership.history, whoever makes it. A sensitive field, or one of a sensitive domain, has no history. Default: false.';
COMMENT ON COLUMN ownership.field.sensitive IS 'true: evidence of allowed and rejected writes does not contain the values of the field, and its values in a deleted row are remembered until the transaction ends, and not longer. Values that are kept out, discarded or parked are recorded whole, because they are nowhere else. The key of a row (row_key) is always recorded. Default: false.';
COMMENT ON COLUMN ownership.field.column_group IS 'Fields of one entity with the same group are one value, such as an address: where the guard keeps one of them in a row, it keeps all that the statement changes. They have one system of record and one policy, and no key is among them. NULL: the field is a value of its own.';
COMMENT ON COLUMN ownership.field.match_key IS 'true: the field says which rows of different tables are the same record, when copies are compared. Where no field of the entity is true, its key fields do. Default: false.';
COMMENT ON COLUMN ownership.field.fresh_within IS 'Longest time in which no row of the field''s tables comes from the system of record, changed or not. After that the field is the risk stale. NULL: it is never stale.';

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
COMMENT ON TABLE ownership.declared_access IS 'The readers and writers of fields that people have declared. One row is one system that reads or writes one field today.';
COMMENT ON COLUMN ownership.declared_access.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.declared_access.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.declared_access.system IS 'System that reads or writes the field.';
COMMENT ON COLUMN ownership.declared_access.mode IS 'read or write.';

CREATE TABLE ownership.mirrored_table (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	source			text REFERENCES ownership.system ON UPDATE CASCADE,
	remember		interval,
	PRIMARY KEY (table_schema, table_name),
	CONSTRAINT mirrored_table_remember_check CHECK (remember >= '0')
);
COMMENT ON TABLE ownership.mirrored_table IS 'The tables of this database that mirror the data of a system. One row is one table.';
COMMENT ON COLUMN ownership.mirrored_table.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.mirrored_table.table_name IS 'Name of the table. It may be a name that does not exist yet.';
COMMENT ON COLUMN ownership.mirrored_table.source IS 'System of which the table is a private copy. That system may write all columns of the table. NULL: the table is shared; several systems write it.';
COMMENT ON COLUMN ownership.mirrored_table.remember IS 'How long the values of other systems that a DELETE or TRUNCATE took along are remembered. 0: until the transaction ends. NULL: the setting ownership.remember.';

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
COMMENT ON TABLE ownership.mirrored_column IS 'The columns that contain a field. One row is one column. Several columns that contain the same field are its copies.';
COMMENT ON COLUMN ownership.mirrored_column.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.mirrored_column.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.mirrored_column.column_name IS 'Name of the column.';
COMMENT ON COLUMN ownership.mirrored_column.entity IS 'Entity of the field that the column contains.';
COMMENT ON COLUMN ownership.mirrored_column.field IS 'Name of the field that the column contains.';
COMMENT ON COLUMN ownership.mirrored_column.authoritative IS 'true: drift() and reconcile() compare the other copies of the field with this one. A field has at most one such column. Default: false.';

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
COMMENT ON TABLE ownership.row_owner IS 'The systems of record of single rows. In the rows for which the filter is true, the owner owns the column. The first filter that is true counts, in the order of position; where no filter is true, the owner of the field counts.';
COMMENT ON COLUMN ownership.row_owner.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.row_owner.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.row_owner.column_name IS 'Name of the column. It must be on the map.';
COMMENT ON COLUMN ownership.row_owner.position IS 'Order of the filters of one column, the lowest number first.';
COMMENT ON COLUMN ownership.row_owner.row_filter IS 'Boolean SQL expression over the stored row: the old row for UPDATE and DELETE, the new row for INSERT. It contains no subquery and no volatile function. It names functions and operators outside pg_catalog with their schema.';
COMMENT ON COLUMN ownership.row_owner.owner IS 'System of record in these rows. NULL: these rows have no system of record.';

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
	problem				text,
	CONSTRAINT conflict_operation_check CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')),
	CONSTRAINT conflict_outcome_check CHECK (outcome IN ('observed', 'filled', 'kept', 'discarded', 'rejected', 'overridden', 'parked', 'remembered'))
);
/*
 * Finds the evidence about a row: by a hash, because the key itself can be too large for
 * an index.  In it, finds the latest evidence of what one writer was refused in the
 * row, for one set of columns, or for the whole row, however much evidence there is.
 * Where the key does not identify the row, the second index finds it by what was
 * proposed.  See src/evidence/repeat.c.
 */
CREATE INDEX conflict_row_idx ON ownership.conflict
	(jsonb_hash_extended(row_key, 0),
	(CASE WHEN outcome IN ('kept', 'discarded') THEN hashtext(table_schema || '.' || table_name || ' '
		|| coalesce('s' || system, 'o' || origin, 'r' || role, '') || ' '
		|| CASE outcome WHEN 'discarded' THEN operation ELSE '' END) ELSE 0 END),
	(CASE outcome WHEN 'kept' THEN hash_array(columns) ELSE 0 END), id);
CREATE INDEX conflict_proposal_idx ON ownership.conflict
	(jsonb_hash_extended(proposed, hashtextextended(coalesce('s' || system, 'o' || origin, 'r' || role, ''),
		hashtextextended(table_name, hashtextextended(table_schema, 0)))), id)
	WHERE outcome = 'discarded' AND operation = 'INSERT' AND row_key IS NOT NULL;
/*
 * Finds what waits for a row, or for any row of a table: values that were parked
 * or remembered.  Rows are decided on, applied or expired one by one, and leave it.
 */
CREATE INDEX conflict_waiting_idx ON ownership.conflict
	(hashtextextended(table_name, hashtextextended(table_schema, 0)), jsonb_hash_extended(row_key, 0), id)
	WHERE outcome IN ('parked', 'remembered') AND resolved_at IS NULL AND row_key IS NOT NULL;
/* finds the values that were remembered long enough */
CREATE INDEX conflict_remembered_idx ON ownership.conflict (recorded_at) WHERE outcome = 'remembered';
/* finds what a feed sent for rows that it may not create; see src/decisions/lost.c */
CREATE INDEX conflict_parked_idx ON ownership.conflict (id) WHERE outcome = 'parked' AND origin IS NOT NULL;
COMMENT ON TABLE ownership.conflict IS 'Evidence: the writes to fields by writers that are not their system of record. One row is one conflict of one written row.';
COMMENT ON COLUMN ownership.conflict.id IS 'Number of the conflict. accept() and dismiss() take it.';
COMMENT ON COLUMN ownership.conflict.recorded_at IS 'Time at which the guard recorded the conflict.';
COMMENT ON COLUMN ownership.conflict.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.conflict.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.conflict.row_key IS 'Key columns of the row and their values, as text. It leaves out the key columns that a refused INSERT did not name. NULL: the table has no key.';
COMMENT ON COLUMN ownership.conflict.operation IS 'Kind of write: INSERT, UPDATE, DELETE or TRUNCATE.';
COMMENT ON COLUMN ownership.conflict.system IS 'System that wrote. NULL: the writer was unidentified, or was a steward without a system.';
COMMENT ON COLUMN ownership.conflict.role IS 'Role that wrote, as SET ROLE left it.';
COMMENT ON COLUMN ownership.conflict.origin IS 'Replication origin or subscription of the write. NULL: the write did not come from replication.';
COMMENT ON COLUMN ownership.conflict.application_name IS 'Setting application_name of the session that wrote. The client chooses it.';
COMMENT ON COLUMN ownership.conflict.outcome IS
'What became of the write.
- observed: The write went through, because the policy is observe or because ownership.enforcement is observe.
- filled: The write went through, because the policy is fill and there was no stored value, or because the policy is create_only and the row was new.
- kept: The guard kept the stored value of the column. The rest of the row was written.
- discarded: The guard did not create, or did not delete, the row.
- rejected: The statement failed with SQLSTATE 42501. The background worker records such a conflict when the library is preloaded; else only the server log has it.
- overridden: A steward wrote the value, or a role wrote it by accept(), revert() or reconcile().
- parked: The writer may not create the row. The values of the fields that the writer owns wait for it.
- remembered: The row was deleted. The values of other systems in it wait for its return.';
COMMENT ON COLUMN ownership.conflict.columns IS 'Columns in conflict.';
COMMENT ON COLUMN ownership.conflict.stored IS 'Values of these columns before the write, as text. Where a row was deleted: the whole row.';
COMMENT ON COLUMN ownership.conflict.proposed IS 'Values that the writer proposed for these columns, as text. Where a row was discarded: the whole row. A number instead of an object: so many more rows of the statement were observed, and only counted.';
COMMENT ON COLUMN ownership.conflict.resolved_at IS 'Time of the decision on the conflict. A trigger sets it. NULL: the conflict is open.';
COMMENT ON COLUMN ownership.conflict.resolution IS 'Decision on the conflict: accepted or dismissed; of a value that waited also applied, or superseded by another; erased: erase() has removed all values. NULL: the conflict is open.';
COMMENT ON COLUMN ownership.conflict.resolved_by IS 'Role that decided. A trigger sets it.';
COMMENT ON COLUMN ownership.conflict.problem IS 'Why a value that waits could not be written into its row. NULL: no attempt failed.';

/*
 * The changes of fields that have a history.  Its ids are those of ownership.conflict,
 * so that decisions and revert() can name a row of both.
 */
CREATE TABLE ownership.history (
	id					bigint PRIMARY KEY DEFAULT nextval('ownership.conflict_id_seq'),
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
	CONSTRAINT history_operation_check CHECK (operation = 'UPDATE'),
	CONSTRAINT history_outcome_check CHECK (outcome = 'written')
);
CREATE INDEX history_row_key_idx ON ownership.history (jsonb_hash_extended(row_key, 0), id);
COMMENT ON TABLE ownership.history IS 'The changes of the values of fields with a history, by the system of record and by others. One row is one changed row. revert() puts the values back.';
COMMENT ON COLUMN ownership.history.id IS 'Number of the change. The numbers are shared with ownership.conflict.';
COMMENT ON COLUMN ownership.history.recorded_at IS 'Time at which the guard recorded the change.';
COMMENT ON COLUMN ownership.history.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.history.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.history.row_key IS 'Key columns of the row and their values, as text. NULL: the table has no key.';
COMMENT ON COLUMN ownership.history.operation IS 'Always UPDATE.';
COMMENT ON COLUMN ownership.history.system IS 'System that wrote. NULL: the writer was unidentified, or was a steward without a system.';
COMMENT ON COLUMN ownership.history.role IS 'Role that wrote, as SET ROLE left it.';
COMMENT ON COLUMN ownership.history.origin IS 'Replication origin or subscription of the write. NULL: the write did not come from replication.';
COMMENT ON COLUMN ownership.history.application_name IS 'Setting application_name of the session that wrote. The client chooses it.';
COMMENT ON COLUMN ownership.history.outcome IS 'Always written.';
COMMENT ON COLUMN ownership.history.columns IS 'Columns that were changed.';
COMMENT ON COLUMN ownership.history.stored IS 'Values of these columns before the change, as text.';
COMMENT ON COLUMN ownership.history.proposed IS 'Values of these columns after the change, as text.';
COMMENT ON COLUMN ownership.history.resolved_at IS 'Time of the decision on the change. NULL: there was none.';
COMMENT ON COLUMN ownership.history.resolution IS 'Decision on the change. NULL: there was none.';
COMMENT ON COLUMN ownership.history.resolved_by IS 'Role that decided.';

/* Values that stay as they are, against the next save of their system of record. */
CREATE TABLE ownership.pin (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	row_key			jsonb NOT NULL,
	column_name		text NOT NULL,
	value			text,
	replaced		text,
	until			timestamptz,
	reason			text,
	pinned_by		text NOT NULL,
	pinned_at		timestamptz NOT NULL DEFAULT clock_timestamp(),
	ended_at		timestamptz,
	ended_by		text,
	/* the replica identity of a published table has no NULLs */
	id				bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	replaced_known	boolean NOT NULL DEFAULT false,
	pending			boolean NOT NULL DEFAULT false,
	gone_at			timestamptz
);
/* a value has at most one pin that has not ended */
CREATE UNIQUE INDEX pin_open_idx ON ownership.pin (table_schema, table_name, column_name, jsonb_hash_extended(row_key, 0)) WHERE ended_at IS NULL;
COMMENT ON TABLE ownership.pin IS 'Values that are pinned: the next save of the system of record does not replace them. One row is one value of one row; the columns of a group have a row each. pin() and pin_value() add pins, and unpin() ends them.';
COMMENT ON COLUMN ownership.pin.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.pin.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.pin.row_key IS 'Key columns of the row and their values, as text.';
COMMENT ON COLUMN ownership.pin.column_name IS 'Name of the column.';
COMMENT ON COLUMN ownership.pin.value IS 'Value that is pinned, as text. NULL: the value NULL is pinned.';
COMMENT ON COLUMN ownership.pin.replaced IS 'Last value of the system of record, as text. The pin keeps it out.';
COMMENT ON COLUMN ownership.pin.until IS 'Time at which the pin ends. NULL: it ends when the system of record sends another value.';
COMMENT ON COLUMN ownership.pin.reason IS 'Why the value is pinned. Text for people.';
COMMENT ON COLUMN ownership.pin.pinned_by IS 'Role that pinned the value.';
COMMENT ON COLUMN ownership.pin.pinned_at IS 'Time at which the role pinned it.';
COMMENT ON COLUMN ownership.pin.ended_at IS 'Time at which the pin ended. NULL: it has not ended.';
COMMENT ON COLUMN ownership.pin.ended_by IS 'Role or system that ended the pin.';
COMMENT ON COLUMN ownership.pin.id IS 'Key of the row for publications. It has no other meaning.';
COMMENT ON COLUMN ownership.pin.replaced_known IS 'true: replaced is known. false: it becomes the first other value that the system of record sends.';
COMMENT ON COLUMN ownership.pin.pending IS 'true: the system of record has sent replaced since, and it goes in at the time until.';
COMMENT ON COLUMN ownership.pin.gone_at IS 'Time at which the row was deleted. NULL: it is there.';

/* Fields that get another owner at a moment. */
CREATE TABLE ownership.handover (
	entity		text NOT NULL,
	field		text NOT NULL,
	from_system	text NOT NULL,
	to_system	text NOT NULL,
	at			timestamptz NOT NULL,
	decided_by	text,
	note		text,
	done_at		timestamptz,
	passed		text[],
	PRIMARY KEY (entity, field, at, from_system),
	CONSTRAINT handover_systems_check CHECK (from_system <> to_system),
	CONSTRAINT handover_at_check CHECK (isfinite(at))
);
/* what is planned, the next first */
CREATE INDEX handover_due_idx ON ownership.handover (at) WHERE done_at IS NULL;
COMMENT ON TABLE ownership.handover IS 'The fields that pass from one system of record to another at a moment, with their row owners. One row is one field, one moment and one system that hands over. hand_over() plans them. A row that is deleted before its moment is not planned any more.';
COMMENT ON COLUMN ownership.handover.entity IS 'Entity of the field. Where field is *: pattern of ownership.mirrored_pattern.';
COMMENT ON COLUMN ownership.handover.field IS 'Name of the field. *: a pattern of add_tables() passes.';
COMMENT ON COLUMN ownership.handover.from_system IS 'System that owns the field, or rows of it, until the moment. What another system owns does not pass.';
COMMENT ON COLUMN ownership.handover.to_system IS 'System of record from the moment on.';
COMMENT ON COLUMN ownership.handover.at IS 'The moment, by the clock of this database. Statements that begin then or later are judged by the new owner.';
COMMENT ON COLUMN ownership.handover.decided_by IS 'Person or group that decided. Text for people.';
COMMENT ON COLUMN ownership.handover.note IS 'Free text.';
COMMENT ON COLUMN ownership.handover.done_at IS 'Time at which the owner was written into ownership.field, ownership.row_owner and ownership.mirrored_pattern. NULL: it was not yet.';
COMMENT ON COLUMN ownership.handover.passed IS 'Internal: what passed when it was written. NULL: it was not yet.';

/*
 * The columns that the stream of a subscription was seen to publish.  Each transaction
 * that tells some has a row of its own: several workers never wait for each other.
 * pg_dump leaves it out: OIDs mean nothing in another database.
 */
CREATE TABLE ownership.feed_column (
	subscription	oid NOT NULL,
	relid			oid NOT NULL,
	columns			name[] NOT NULL,
	told_by			xid8 NOT NULL DEFAULT pg_current_xact_id(),
	PRIMARY KEY (subscription, relid, told_by)
);
COMMENT ON TABLE ownership.feed_column IS 'Internal: the columns that a subscription is known to publish of a table.';
COMMENT ON COLUMN ownership.feed_column.subscription IS 'OID of the subscription.';
COMMENT ON COLUMN ownership.feed_column.relid IS 'OID of the table in this database.';
COMMENT ON COLUMN ownership.feed_column.columns IS 'Names of the columns.';
COMMENT ON COLUMN ownership.feed_column.told_by IS 'Transaction in which the subscription was seen to publish them.';

/*
 * Reads and writes that were seen; the background worker writes them.  pg_dump
 * leaves them out: they are about this database.  The worker updates rows all the
 * time, so pages keep room for new row versions.
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
	/* the replica identity of a published table has no NULLs */
	id				bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	UNIQUE NULLS NOT DISTINCT (table_schema, table_name, column_name, system)
) WITH (fillfactor = 50);
COMMENT ON TABLE ownership.activity IS 'The reads and writes of each mirrored column by each system. One row is one column and one system. The background worker writes it when the library is preloaded.';
COMMENT ON COLUMN ownership.activity.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.activity.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.activity.column_name IS 'Name of the column. Empty: rows of the table that came and wrote no column, because their values were stored already or were kept out; only first_seen and last_write are set.';
COMMENT ON COLUMN ownership.activity.system IS 'System that reads or writes. NULL: an unidentified writer, or a steward without a system.';
COMMENT ON COLUMN ownership.activity.reads IS 'Number of statements that read the column.';
COMMENT ON COLUMN ownership.activity.writes IS 'Number of committed statements, or of replicated row changes, that wrote the column.';
COMMENT ON COLUMN ownership.activity.observed IS 'Number of rows in which a conflict had the outcome observed.';
COMMENT ON COLUMN ownership.activity.filled IS 'Number of rows in which a conflict had the outcome filled.';
COMMENT ON COLUMN ownership.activity.kept IS 'Number of rows in which a conflict had the outcome kept or discarded.';
COMMENT ON COLUMN ownership.activity.rejected IS 'Number of attempts that the guard rejected with an error.';
COMMENT ON COLUMN ownership.activity.overridden IS 'Number of rows in which a conflict had the outcome overridden.';
COMMENT ON COLUMN ownership.activity.first_seen IS 'Time of the first read, write or attempt.';
COMMENT ON COLUMN ownership.activity.last_read IS 'Time of the last read. NULL: none.';
COMMENT ON COLUMN ownership.activity.last_write IS 'Time of the last write. NULL: none.';
COMMENT ON COLUMN ownership.activity.id IS 'Key of the row for publications. It has no other meaning.';

/*
 * How many rows were in conflict.  Evidence tells more, but is pruned, and a refused
 * value that is sent again leaves none.
 */
CREATE TABLE ownership.conflict_count (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	system			text REFERENCES ownership.system ON UPDATE CASCADE ON DELETE CASCADE,
	outcome			text NOT NULL,
	rows			bigint NOT NULL DEFAULT 0,
	id				bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	UNIQUE NULLS NOT DISTINCT (table_schema, table_name, system, outcome)
) WITH (fillfactor = 50);
COMMENT ON TABLE ownership.conflict_count IS 'The number of rows that were in conflict. One row is one table, one writing system and one outcome. The background worker writes it when the library is preloaded.';
COMMENT ON COLUMN ownership.conflict_count.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.conflict_count.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.conflict_count.system IS 'System that wrote. NULL: an unidentified writer, or a steward without a system.';
COMMENT ON COLUMN ownership.conflict_count.outcome IS 'What became of the write, as in ownership.conflict: observed, filled, kept, discarded, rejected, overridden or parked.';
COMMENT ON COLUMN ownership.conflict_count.rows IS 'Number of rows. A row counts once for each outcome, and again when it is sent again. Rejected attempts count, too.';
COMMENT ON COLUMN ownership.conflict_count.id IS 'Key of the row for publications. It has no other meaning.';

/*
 * The role that had an identity's name when it was identified.  pg_dump leaves it
 * out: OIDs mean nothing in another database.
 */
CREATE TABLE ownership.bound_role (
	name	text PRIMARY KEY,
	role	oid NOT NULL
);
COMMENT ON TABLE ownership.bound_role IS 'Internal: the OID that the role of each identity had when it was identified.';
COMMENT ON COLUMN ownership.bound_role.name IS 'Name of the role.';
COMMENT ON COLUMN ownership.bound_role.role IS 'OID of the role.';

/* one call in each statement: two calls in one statement would update the same catalog row twice, an error */
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
SELECT pg_catalog.pg_extension_config_dump('ownership.history', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.pin', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.pin_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.handover', '');
