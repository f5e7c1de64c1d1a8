/* ownership: from 0.2.0 to 0.3.0 */

\echo Use "ALTER EXTENSION ownership UPDATE" to load this file. \quit

/* Rows that several systems make, and what later parts of 0.3.0 use: columns, tables, indexes. */

ALTER TABLE ownership.identity ADD relay boolean NOT NULL DEFAULT false,
	DROP CONSTRAINT identity_system_check,
	ADD CONSTRAINT identity_system_check CHECK (system IS NOT NULL OR steward OR carrier OR relay),
	ADD CONSTRAINT identity_relay_check CHECK (NOT relay OR kind <> 'role');
COMMENT ON COLUMN ownership.identity.relay IS 'true: the subscription or origin is the stream of another hub that guards by the same map. What it brings was judged there. Default: false.';
ALTER TABLE ownership.domain ADD on_blank text,
	ADD sensitive boolean NOT NULL DEFAULT false,
	DROP CONSTRAINT domain_policy_check,
	ADD CONSTRAINT domain_policy_check CHECK (policy IN ('observe', 'fill', 'create_only', 'keep', 'reject')),
	ADD CONSTRAINT domain_on_blank_check CHECK (on_blank IN ('allow', 'observe', 'keep', 'reject'));
COMMENT ON COLUMN ownership.domain.on_blank IS 'What the guard does with a change of a stored value to a blank one, in the fields of this domain that have no value of their own here: allow, observe, keep or reject. NULL: allow.';
COMMENT ON COLUMN ownership.domain.sensitive IS 'true: the fields of this domain are sensitive, as with field.sensitive. Default: false.';
/* data that shops show: a blank is rarely meant */
UPDATE ownership.domain SET on_blank = 'observe' WHERE shipped AND name IN ('content', 'attribute', 'taxonomy', 'price', 'cost');
UPDATE ownership.domain SET column_pattern = '^(?:_(?!(?:id|uuid|sku|key|token)$).*|(?:(?:.*_)?last_(?:update|change|sync)|(?:(?:.*_)?last_)?(?:created|updated|modified|changed|synced)|(?:create|creation)(?=_(?:at|on|by|date|time|datetime|timestamp|ts|uid|user)$))(?:_(?:at|on|by(?:_.*)?|date|time|datetime|timestamp|ts|utc|gmt|user(?:_.*)?|from|via))*|(?:.*_)?date_(?:added|created|modified|updated)(?:_(?:utc|gmt))?|(?:.*_)?(?:created|updated|modified|added|uploaded|attached|inserted)_(?:at|on|by)|write_(?:date|uid)|sync.*|raw_(?:data|json|xml|html|payload|response|request|body|message|event|record|row|input|output|text|headers?)|metadata|sort_order|lft|rgt|lock_version|(?:.*_)?ip(?:_address)?|user_agent|accept_language)$|(?:{product}|{order}|categor(?:y|ies)|collections?|taxons?|attributes?|options?|media){part}\.position'
WHERE shipped AND name = 'technical';
ALTER TABLE ownership.field ADD label text,
	ADD on_blank text,
	ADD history boolean NOT NULL DEFAULT false,
	ADD sensitive boolean NOT NULL DEFAULT false,
	ADD column_group text,
	ADD match_key boolean NOT NULL DEFAULT false,
	ADD fresh_within interval,
	DROP CONSTRAINT field_policy_check,
	ADD CONSTRAINT field_policy_check CHECK (policy IN ('observe', 'fill', 'create_only', 'keep', 'reject')),
	ADD CONSTRAINT field_on_blank_check CHECK (on_blank IN ('allow', 'observe', 'keep', 'reject')),
	ADD CONSTRAINT field_history_check CHECK (NOT (history AND sensitive)),
	ADD CONSTRAINT field_column_group_check CHECK (column_group <> '' AND column_group = btrim(column_group, E' \t\r\n')),
	ADD CONSTRAINT field_fresh_within_check CHECK (fresh_within > '0');
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
ALTER TABLE ownership.mirrored_table ADD remember interval,
	ADD CONSTRAINT mirrored_table_remember_check CHECK (remember >= '0');
COMMENT ON COLUMN ownership.mirrored_table.remember IS 'How long the values of other systems that a DELETE or TRUNCATE took along are remembered. 0: until the transaction ends. NULL: the setting ownership.remember.';
ALTER TABLE ownership.conflict ADD problem text;
/* finds what conflict_row_key_idx and conflict_latest_idx found */
CREATE INDEX conflict_row_idx ON ownership.conflict
	(jsonb_hash_extended(row_key, 0),
	(CASE WHEN outcome IN ('kept', 'discarded') THEN hashtext(table_schema || '.' || table_name || ' '
		|| coalesce('s' || system, 'o' || origin, 'r' || role, '') || ' '
		|| CASE outcome WHEN 'discarded' THEN operation ELSE '' END) ELSE 0 END),
	(CASE outcome WHEN 'kept' THEN hash_array(columns) ELSE 0 END), id);
DROP INDEX ownership.conflict_row_key_idx, ownership.conflict_latest_idx;
ALTER TABLE ownership.conflict DROP CONSTRAINT conflict_outcome_check,
	ADD CONSTRAINT conflict_outcome_check CHECK (outcome IN ('observed', 'filled', 'kept', 'discarded', 'rejected', 'overridden', 'parked', 'remembered'));
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
SELECT pg_catalog.pg_extension_config_dump('ownership.history', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.pin', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.pin_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.handover', '');
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE ON ownership.pin
	FOR EACH ROW EXECUTE FUNCTION ownership.map_changed();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON ownership.pin
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.pin ENABLE ALWAYS TRIGGER signal;
ALTER TABLE ownership.pin ENABLE ALWAYS TRIGGER signal_truncate;
CREATE TRIGGER signal AFTER INSERT OR UPDATE OR DELETE ON ownership.handover
	FOR EACH ROW EXECUTE FUNCTION ownership.map_changed();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON ownership.handover
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.handover ENABLE ALWAYS TRIGGER signal;
ALTER TABLE ownership.handover ENABLE ALWAYS TRIGGER signal_truncate;
CREATE TRIGGER signal AFTER INSERT OR UPDATE ON ownership.conflict
	FOR EACH ROW WHEN (NEW.outcome IN ('parked', 'remembered') AND NEW.resolved_at IS NULL) EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.conflict ENABLE ALWAYS TRIGGER signal;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.pin
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.pin
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.pin ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.pin ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.handover
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.handover
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.handover ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.handover ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.history
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.history
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.history ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.history ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.pin
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.pin
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.pin ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.pin ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.handover
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.handover
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.handover ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.handover ENABLE ALWAYS TRIGGER another_hub_truncate;
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.feed_column
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.feed_column
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.feed_column ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.feed_column ENABLE ALWAYS TRIGGER another_hub_truncate;
GRANT SELECT ON ownership.handover TO PUBLIC;

/*
 * Who owns what at a time, where fields pass from one system to another at a moment.
 * Nothing is asked row by row while no moment has come that is not written yet.
 */
CREATE FUNCTION ownership.owner_at(entity text, field text, part text, owner text, at timestamptz)
RETURNS text AS 'MODULE_PATHNAME', 'ownership_owner_at' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ownership.owner_at(text, text, text, text, timestamptz) IS 'Internal: the owner that a field, or a row owner''s part of it, has for statements which begin at a time; owner is what the tables of the map say.';
CREATE VIEW ownership.field_now AS
SELECT f.entity, f.name, f.domain,
	CASE WHEN (SELECT EXISTS (SELECT FROM ownership.handover h WHERE h.done_at IS NULL AND h.at <= greatest(statement_timestamp(), now())))
		THEN ownership.owner_at(f.entity, f.name, '', f.owner, greatest(statement_timestamp(), now())) ELSE f.owner END AS owner,
	f.policy, f.key, f.local, f.rationale, f.decided_by, f.decided_on, f.label, f.on_blank, f.history, f.sensitive,
	f.column_group, f.match_key, f.fresh_within
FROM ownership.field f;
COMMENT ON VIEW ownership.field_now IS 'Internal: ownership.field with the owners that are in force now.';
CREATE VIEW ownership.row_owner_now AS
SELECT r.table_schema, r.table_name, r.column_name, r.position, r.row_filter,
	CASE WHEN (SELECT EXISTS (SELECT FROM ownership.handover h WHERE h.done_at IS NULL AND h.at <= greatest(statement_timestamp(), now())))
		THEN (SELECT ownership.owner_at(c.entity, c.field, format('%s.%s.%s.%s', r.table_schema, r.table_name, r.column_name, r.position), r.owner,
				greatest(statement_timestamp(), now()))
			FROM ownership.mirrored_column c
			WHERE c.table_schema = r.table_schema AND c.table_name = r.table_name AND c.column_name = r.column_name) ELSE r.owner END AS owner
FROM ownership.row_owner r;
COMMENT ON VIEW ownership.row_owner_now IS 'Internal: ownership.row_owner with the owners that are in force now.';
GRANT SELECT ON ownership.field_now, ownership.row_owner_now TO PUBLIC;

/* Groups. */

CREATE FUNCTION ownership.group_check() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_group_check' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.group_check() IS 'Trigger on ownership.field and ownership.domain: at the end of the transaction, refuses a group whose fields are not one value.';
REVOKE ALL ON FUNCTION ownership.group_check() FROM PUBLIC;
/* deferred: an edit of a group may take several statements; what replication brings was checked where it was made */
CREATE CONSTRAINT TRIGGER group_check AFTER INSERT OR UPDATE ON ownership.field DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.column_group IS NOT NULL) EXECUTE FUNCTION ownership.group_check();
CREATE CONSTRAINT TRIGGER group_check AFTER UPDATE ON ownership.domain DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.policy IS DISTINCT FROM OLD.policy) EXECUTE FUNCTION ownership.group_check();

CREATE FUNCTION ownership.history_check() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_history_check' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.history_check() IS 'Trigger on ownership.field and ownership.domain: refuses a field with a history in a sensitive domain.';
REVOKE ALL ON FUNCTION ownership.history_check() FROM PUBLIC;
CREATE TRIGGER history_check AFTER INSERT OR UPDATE ON ownership.field
	FOR EACH ROW WHEN (NEW.history AND NEW.domain IS NOT NULL) EXECUTE FUNCTION ownership.history_check();
CREATE TRIGGER history_check AFTER UPDATE ON ownership.domain
	FOR EACH ROW WHEN (NEW.sensitive AND NOT OLD.sensitive) EXECUTE FUNCTION ownership.history_check();

/* Comments describe arguments, results and columns. */

COMMENT ON SCHEMA ownership IS 'The ownership map: which system is the system of record of each field, and the evidence of writes by other systems.';
COMMENT ON TABLE ownership.system IS 'The business applications that exchange data. One row is one system.';
COMMENT ON COLUMN ownership.system.name IS 'Short name. It is at most 63 bytes long. When a role changes it, the extension changes it everywhere on the map.';
COMMENT ON COLUMN ownership.system.kind IS 'Kind of application: erp, crm, pim, storefront, oms, wms, mdm, pos, marketing, helpdesk, tax, bi, other, or a kind of your own. The guide proposes owners by kind. Default: other.';
COMMENT ON COLUMN ownership.system.title IS 'Name that people use for the system. NULL: it has no other name.';
COMMENT ON COLUMN ownership.system.contact IS 'Person or team that answers questions about the system.';
COMMENT ON COLUMN ownership.system.note IS 'Free text. The extension does not read it.';
COMMENT ON TABLE ownership.identity IS 'The role, subscription or replication origin from which the guard recognises each system. One row is one identity.';
COMMENT ON COLUMN ownership.identity.kind IS 'Kind of identity: role, subscription or origin.';
COMMENT ON COLUMN ownership.identity.name IS 'Name of the role, of the subscription or of the replication origin. It may be a name that does not exist yet.';
COMMENT ON COLUMN ownership.identity.system IS 'System that the identity writes as. NULL: only a steward or a carrier may have no system.';
COMMENT ON COLUMN ownership.identity.strict IS 'true: in a replication worker, the policy reject raises an error, which stops the stream. false, the default: reject acts as keep there. Only for subscriptions and origins.';
COMMENT ON COLUMN ownership.identity.steward IS 'true: the identity may write every field. Each write to a field of another system leaves evidence with the outcome overridden. Default: false.';
COMMENT ON COLUMN ownership.identity.carrier IS 'true: the identity loads tables of several systems. It writes as the source of the table that it writes. In a shared table it writes as the system that the setting ownership.system names, else it is unidentified. Default: false.';
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
COMMENT ON TABLE ownership.declared_access IS 'The readers and writers of fields that people have declared. One row is one system that reads or writes one field today.';
COMMENT ON COLUMN ownership.declared_access.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.declared_access.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.declared_access.system IS 'System that reads or writes the field.';
COMMENT ON COLUMN ownership.declared_access.mode IS 'read or write.';
COMMENT ON TABLE ownership.mirrored_table IS 'The tables of this database that mirror the data of a system. One row is one table.';
COMMENT ON COLUMN ownership.mirrored_table.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.mirrored_table.table_name IS 'Name of the table. It may be a name that does not exist yet.';
COMMENT ON COLUMN ownership.mirrored_table.source IS 'System of which the table is a private copy. That system may write all columns of the table. NULL: the table is shared; several systems write it.';
COMMENT ON TABLE ownership.mirrored_column IS 'The columns that contain a field. One row is one column. Several columns that contain the same field are its copies.';
COMMENT ON COLUMN ownership.mirrored_column.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.mirrored_column.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.mirrored_column.column_name IS 'Name of the column.';
COMMENT ON COLUMN ownership.mirrored_column.entity IS 'Entity of the field that the column contains.';
COMMENT ON COLUMN ownership.mirrored_column.field IS 'Name of the field that the column contains.';
COMMENT ON COLUMN ownership.mirrored_column.authoritative IS 'true: drift() and reconcile() compare the other copies of the field with this one. A field has at most one such column. Default: false.';
COMMENT ON TABLE ownership.row_owner IS 'The systems of record of single rows. In the rows for which the filter is true, the owner owns the column. The first filter that is true counts, in the order of position; where no filter is true, the owner of the field counts.';
COMMENT ON COLUMN ownership.row_owner.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.row_owner.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.row_owner.column_name IS 'Name of the column. It must be on the map.';
COMMENT ON COLUMN ownership.row_owner.position IS 'Order of the filters of one column, the lowest number first.';
COMMENT ON COLUMN ownership.row_owner.row_filter IS 'Boolean SQL expression over the stored row: the old row for UPDATE and DELETE, the new row for INSERT. It contains no subquery and no volatile function. It names functions and operators outside pg_catalog with their schema.';
COMMENT ON COLUMN ownership.row_owner.owner IS 'System of record in these rows. NULL: these rows have no system of record.';
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
COMMENT ON TABLE ownership.bound_role IS 'Internal: the OID that the role of each identity had when it was identified.';
COMMENT ON COLUMN ownership.bound_role.name IS 'Name of the role.';
COMMENT ON COLUMN ownership.bound_role.role IS 'OID of the role.';

COMMENT ON FUNCTION ownership.map_changed() IS 'Trigger on the tables of the map: informs all sessions that the map changed.';
COMMENT ON FUNCTION ownership.identity_bind() IS 'Trigger on ownership.identity: records which role the name means.';
COMMENT ON FUNCTION ownership.mirrored_column_table() IS 'Trigger on ownership.mirrored_column: puts the table of the column on the map.';
COMMENT ON FUNCTION ownership.row_owner_check() IS 'Trigger on ownership.row_owner: refuses a row filter that cannot work.';

COMMENT ON FUNCTION ownership.guard_amend() IS 'The guard before a row is written: it keeps out what the policy keeps out. A trigger of each guarded table.';
COMMENT ON FUNCTION ownership.guard_judge() IS 'The guard after a row is written: it rejects the write, or records what went through. A trigger of each guarded table.';
COMMENT ON FUNCTION ownership.guard_truncate() IS 'The guard before a table is truncated. A trigger of each guarded table.';
COMMENT ON FUNCTION ownership.add_system(text, text, text, text, text) IS
'Registers a system, and the role and the subscription that write as it.
Arguments:
- name: Short name of the new system, at most 63 bytes.
- kind: Kind of application, such as erp, crm, pim or storefront.
- role: Role that writes as the system. It must exist. NULL, the default: no role.
- subscription: Subscription of this database that writes as the system. It may be one that does not exist yet; a NOTICE says so. NULL, the default: no subscription.
- title: Name that people use for the system. NULL, the default: none.
Returns nothing.';
COMMENT ON FUNCTION ownership.add_tables(text, text, text, text[], text[]) IS
'Puts every column of every matching table on the map and guards these tables. Columns that are on the map stay as they are. The function records the pattern: tables and columns that appear later under it go on the map, too. The caller must own the tables. A table that another session uses is not guarded, and a NOTICE says so.
Arguments:
- pattern: Pattern of table names: * stands for any characters, ? for one. "netsuite.*" is a schema, "order_*" matches tables of schema public, "*" matches every table.
- source: System of which the tables are private copies. NULL, the default: the tables are shared.
- owner: System of record of the new fields. NULL, the default: the source.
- readers: Systems that read the new fields. NULL, the default: none.
- exclude: Patterns of tables, and of columns as table.column, that stay off the map. Default: none.
Returns the number of columns that are new on the map.';
COMMENT ON FUNCTION ownership.link(text, text[], text) IS
'Makes columns the copies of one field, so that drift() and reconcile() can compare them. The function guards those of their tables that the caller owns.
Arguments:
- field: The field, as entity.name. When no field of that name exists, the function creates it with the decisions of the field that one of the columns contains.
- columns: The columns, as table.column or schema.table.column.
- authoritative: The column that the other copies are compared with. NULL, the default: the copy that is marked stays so.
Returns nothing.';
COMMENT ON FUNCTION ownership.assign_rows(regclass, name[], text, text) IS
'Records which system owns columns in the rows for which a filter is true. The function adds the filter after those of the column; a second call with the same filter replaces its owner. It guards the table.
Arguments:
- relation: The table.
- columns: The columns. They must be on the map.
- owner: System of record in these rows. NULL: these rows have no system of record.
- row_filter: Boolean SQL expression over the row, such as status = ''cart''. It contains no subquery and no volatile function.
Returns nothing.';
COMMENT ON FUNCTION ownership.guard(regclass) IS
'Creates the guard on a mirrored table and on everything below it, or completes and arms it again. The caller must own the table.
Arguments:
- relation: The table. It must be on the map.
Returns nothing.';
COMMENT ON FUNCTION ownership.unguard(regclass) IS
'Drops the guard from a table and from everything below it. The map stays. The caller must own the table.
Arguments:
- relation: The table.
Returns nothing.';
COMMENT ON PROCEDURE ownership.guard_all(text, text) IS
'Guards the mirrored tables that match a pattern, and commits after each table. It cannot run in a transaction block. A table that it cannot guard is a WARNING; it goes on with the others.
Arguments:
- pattern: Pattern of table names, as in add_tables(). Default: * (every mirrored table).
- lock_timeout: Longest time to wait for the lock of a table, as in the setting lock_timeout: a number of milliseconds, or a number with a unit. Default: 2s.';
COMMENT ON FUNCTION ownership.current_system() IS 'Returns the system that this session writes as. NULL: the session is unidentified, or it is a steward or a carrier without a system.';
COMMENT ON FUNCTION ownership.explain(regclass, name, text, jsonb) IS
'Explains the rule for an UPDATE of one column by one system, for all rows or for one row. It writes nothing.
Arguments:
- relation: The table.
- column_name: The column.
- system: The system that would write. NULL: an unidentified writer. Default: the system that this session writes as.
- row_key: Key of one row, as an object with the names and values of the columns that identify it. NULL, the default: the answer is about a row whose stored value is not NULL.
Returns one row:
- allowed: Whether the new value would be stored. NULL: it depends on the row.
- outcome: allowed, or the outcome of the conflict: observed, filled, kept, rejected or overridden. NULL: it depends on the row.
- owner: System of record. NULL: none, or the column is not on the map.
- policy: Policy that applies.
- reason: The rule in one sentence.';
CREATE FUNCTION ownership.impact(field text, OUT kind text, OUT object text, OUT depth integer, OUT detail text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_impact' LANGUAGE C STABLE STRICT ROWS 20;
COMMENT ON FUNCTION ownership.impact(text) IS
'Returns what reads a field by definition, to any depth, and the systems that read it: what breaks if it changes? The function reads definitions, not rows, and stores nothing.
Arguments:
- field: The field, as entity.name, or a column, as table.column or schema.table.column; the column need not be on the map.
Returns one row for each object, in no particular order. Functions whose body PostgreSQL does not parse are known by the words in it only: they "may read it".
- kind: system, view, materialized view, rule, generated column, default, constraint, index, statistics, policy, trigger, publication, row filter (of the map), partition key, foreign table, function or procedure.
- object: Name of the object, with its schema unless that is public.
- depth: 1: it reads the field itself. 2: it reads something of depth 1, and so on.
- detail: How it reads it, and through what.';

CREATE FUNCTION ownership.explain(relation regclass, row_key jsonb DEFAULT NULL, system text DEFAULT ownership.current_system(), OUT column_name name, OUT allowed boolean, OUT outcome text, OUT owner text, OUT policy text, OUT reason text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_explain_columns' LANGUAGE C STABLE ROWS 50;
COMMENT ON FUNCTION ownership.explain(regclass, jsonb, text) IS
'Explains the rules for an UPDATE of each column of a table, for all rows or for one row: what may the writer change here? It answers for each column as explain(relation, column_name, system, row_key) does, and writes nothing.
Arguments:
- relation: The table.
- row_key: Key of one row, as an object with the names and values of the columns that identify it. The caller must be able to read the row. NULL, the default: the answer is about rows whose stored values are not NULL. A key that is a literal needs its type or its name: row_key => ''{"sku": "A1"}''.
- system: The system that would write. NULL: an unidentified writer. Default: the system that this session writes as.
Returns one row for each column, in their order:
- column_name: Name of the column.
- allowed: Whether a new value would be stored, as far as the map is concerned: it says nothing of GRANTs, and of generated columns. NULL: it depends on the row.
- outcome: allowed, or the outcome of the conflict: observed, filled, kept, rejected or overridden. NULL: it depends on the row.
- owner: System of record. NULL: none, or the column is not on the map.
- policy: Policy that applies.
- reason: The rule in one sentence.';
COMMENT ON FUNCTION ownership.row_filter_problem(regclass, text) IS 'Internal: the error that a row filter raises on a table. NULL: it raises none.';
COMMENT ON FUNCTION ownership.flush() IS
'Waits until everything that sessions have handed over, and everything that this session has counted, is in ownership.activity and ownership.conflict. It also deletes remembered values whose time is over; it does nothing else when the library is not preloaded, and a NOTICE says so. It fails on a standby, and when the background worker fails.
Returns nothing.';
COMMENT ON FUNCTION ownership.loaded() IS 'Internal: true. The call loads the library, which defines the settings.';

COMMENT ON FUNCTION ownership.relation_name(text, text) IS 'Internal: the name of a table as the views show it.';
COMMENT ON FUNCTION ownership.status() IS 'Internal: the rows of the view status.';
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
SELECT m.table_schema, m.table_name, m.root, m.relid, m.relkind, g.amends, g.judges, g.refuses_truncate
FROM member m
/* as guard() makes them: a trigger with a condition, or for only some events or columns, does not guard */
LEFT JOIN LATERAL (SELECT
		bool_and(t.tgenabled = 'A') FILTER (WHERE t.tgfoid = 'ownership.guard_amend()'::regprocedure AND t.tgtype = 31) AS amends,
		bool_and(t.tgenabled = 'O') FILTER (WHERE t.tgfoid = 'ownership.guard_judge()'::regprocedure AND t.tgtype = 29 AND t.tgconstraint = 0) AS judges,
		bool_and(t.tgenabled = 'A') FILTER (WHERE t.tgfoid = 'ownership.guard_truncate()'::regprocedure AND t.tgtype = 34) AS refuses_truncate
	FROM pg_catalog.pg_trigger t
	WHERE t.tgrelid = m.relid AND t.tgqual IS NULL AND cardinality(t.tgattr) = 0) g ON true;
COMMENT ON VIEW ownership.guarded_relation IS 'Internal: the state of the guard on each mirrored table, its partitions and inheritance children.';
COMMENT ON VIEW ownership.weakened IS 'Internal: settings of the server, the database and roles by which sessions are guarded less than the map says.';
COMMENT ON COLUMN ownership.weakened.everybody IS 'true: the setting is not for one role only.';
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
	/* a hook sees the TRUNCATE of a foreign table that has no trigger for it */
	SELECT g.root, 4, format('TRUNCATE of foreign table %s cannot be refused on this PostgreSQL version unless the library is preloaded', g.relid::regclass)
	FROM member g
	WHERE g.relkind = 'f' AND current_setting('server_version_num')::int < 160000
	  AND EXISTS (SELECT FROM ownership.status() s WHERE s.fact = 'preloaded' AND s.value = 'no')
	UNION ALL
	/* BEFORE ROW triggers for INSERT or UPDATE */
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
LEFT JOIN (SELECT table_schema, table_name, root AS oid FROM member WHERE relid = root) c USING (table_schema, table_name)
LEFT JOIN state s ON s.root = c.oid
LEFT JOIN feed f ON f.root = c.oid
LEFT JOIN told ON told.root = c.oid;
COMMENT ON VIEW ownership.guards IS 'The guard of each mirrored table. One row is one table: whether and how it is guarded, which subscriptions feed it, and what is wrong.';
COMMENT ON COLUMN ownership.guards.relation IS 'Name of the table, with its schema unless that is public.';
COMMENT ON COLUMN ownership.guards.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.guards.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.guards.source IS 'System of which the table is a private copy. NULL: the table is shared.';
COMMENT ON COLUMN ownership.guards.guarded IS 'true: every trigger of the guard is in place on the table and on everything below it.';
COMMENT ON COLUMN ownership.guards.triggers IS 'Names of the guard''s triggers on the table itself.';
COMMENT ON COLUMN ownership.guards.partitions IS 'Number of partitions or inheritance children, at every depth.';
COMMENT ON COLUMN ownership.guards.partitions_guarded IS 'Number of those that are guarded.';
COMMENT ON COLUMN ownership.guards.subscriptions IS 'Subscriptions that feed the table or a partition of it.';
COMMENT ON COLUMN ownership.guards.truncate_note IS 'What to check at the source of the feeds, because this database does not know whether they publish TRUNCATE. NULL: no subscription feeds the table.';
COMMENT ON COLUMN ownership.guards.problems IS 'What is wrong with the guard, one text for each problem. Empty: nothing is wrong.';
COMMENT ON COLUMN ownership.guards.touched IS 'true: at least one trigger of the guard exists.';
COMMENT ON FUNCTION ownership.subscriber() IS 'Internal: the systems whose roles subscribe to publications of this database at this moment.';
COMMENT ON VIEW ownership.declared IS 'Internal: the declared readers and writers of fields. A system whose role subscribes to a publication with a column list is a declared reader, too.';
COMMENT ON VIEW ownership.field_access IS 'Internal: one row for each field, with its declared readers and writers.';
COMMENT ON VIEW ownership.row_part IS 'Internal: the systems that own a field in some of its rows only.';
COMMENT ON VIEW ownership.only_copy IS 'Internal: the fields that are mirrored in tables of one source only, and that source.';
COMMENT ON VIEW ownership.seen IS 'Internal: how often each system was seen reading and writing each field, and how often the guard refused it.';
COMMENT ON COLUMN ownership.seen.writes IS 'Number of statements or replicated row changes that wrote the field. Those of a source in its own copy, and those of a steward, do not count.';
COMMENT ON COLUMN ownership.seen.disputed IS 'Number of those writes that did more than fill in a blank, and of the writes of a source over values of another system that no other table contains.';
COMMENT ON COLUMN ownership.seen.as_owner IS 'Number of writes of the system of record of the field, in every table.';
COMMENT ON VIEW ownership.map IS 'The map, one row for each mirrored column: which field it contains, which systems own, read and write it, and which policy applies.';
COMMENT ON COLUMN ownership.map.relation IS 'Name of the table, with its schema unless that is public.';
COMMENT ON COLUMN ownership.map.column_name IS 'Name of the column.';
COMMENT ON COLUMN ownership.map.entity IS 'Entity of the field that the column contains.';
COMMENT ON COLUMN ownership.map.field IS 'Name of the field that the column contains.';
COMMENT ON COLUMN ownership.map.domain IS 'Domain of the field.';
COMMENT ON COLUMN ownership.map.owner IS 'System of record of the field. NULL: none.';
COMMENT ON COLUMN ownership.map.source IS 'System of which the table is a private copy. NULL: the table is shared.';
COMMENT ON COLUMN ownership.map.readers IS 'Systems that are declared to read the field.';
COMMENT ON COLUMN ownership.map.writers IS 'Systems that are declared to write the field.';
COMMENT ON COLUMN ownership.map.seen_readers IS 'Systems that were seen reading the column. ? stands for an unidentified reader.';
COMMENT ON COLUMN ownership.map.seen_writers IS 'Systems that were seen writing the column. ? stands for an unidentified writer.';
COMMENT ON COLUMN ownership.map.policy IS 'Policy that applies: that of the field, else that of its domain, else the setting ownership.default_policy.';
COMMENT ON COLUMN ownership.map.guarded IS 'true: the guard of the table is complete.';
COMMENT ON COLUMN ownership.map.row_owners IS 'Systems of record of single rows, each with its filter, in the order in which the guard tries them.';
COMMENT ON COLUMN ownership.map.authoritative IS 'true: the column is marked as the authoritative copy of its field.';
COMMENT ON COLUMN ownership.map.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.map.table_name IS 'Name of the table.';
COMMENT ON VIEW ownership.part IS 'Internal: what each system is to each field, one row for each reason.';
COMMENT ON VIEW ownership.matrix IS 'What each system is to each field. One row is one field.';
COMMENT ON COLUMN ownership.matrix.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.matrix.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.matrix.owner IS 'System of record of the field. NULL: none.';
COMMENT ON COLUMN ownership.matrix.systems IS 'Object with one entry for each system that has to do with the field: owner, writer, reader or intruder. An intruder writes a field of another system and is not declared to write it. In parentheses: declared, seen, refused, some rows, or by default: the system owns the field only as the source of its tables, and nobody decided. ? stands for an unidentified system.';
COMMENT ON VIEW ownership.readiness IS 'The writes that the guard would refuse if the policy of the field were reject. One row is one field and one writer.';
COMMENT ON COLUMN ownership.readiness.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.readiness.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.readiness.owner IS 'System of record of the field.';
COMMENT ON COLUMN ownership.readiness.policy IS 'Policy that applies today.';
COMMENT ON COLUMN ownership.readiness.system IS 'System that wrote. NULL: an unidentified writer.';
COMMENT ON COLUMN ownership.readiness.rows IS 'Number of rows in conflict that ownership.conflict contains.';
COMMENT ON COLUMN ownership.readiness.writes IS 'Number of statements or replicated row changes that ownership.activity has counted.';
COMMENT ON COLUMN ownership.readiness.roles IS 'Roles that wrote.';
COMMENT ON COLUMN ownership.readiness.origins IS 'Replication origins from which the writes came.';
COMMENT ON COLUMN ownership.readiness.application_names IS 'Settings application_name of the sessions that wrote.';
COMMENT ON COLUMN ownership.readiness.last_seen IS 'Time of the last such write.';
COMMENT ON VIEW ownership.status IS 'The state of what the library remembers, one row for each fact: whether it is preloaded, its worker, its shared memory and what it dropped.';
COMMENT ON COLUMN ownership.status.fact IS 'Name of the fact: preloaded, enforcement, track_reads, standby, worker, flush_interval, activity_size, folded, queue_size, waiting, dropped, dropped_counts, oldest_unflushed. The facts from standby on exist only when the library is preloaded and ownership.activity_size is not 0.';
COMMENT ON COLUMN ownership.status.value IS 'Value of the fact. Sizes and intervals contain their unit.';
COMMENT ON COLUMN ownership.status.note IS 'What the value means, or what to do. NULL: nothing.';
COMMENT ON VIEW ownership.own_risk IS 'Internal: the part of ownership.risks that is about the work of the extension itself.';
COMMENT ON VIEW ownership.sheet IS 'The map as a spreadsheet, one row for each field. All cells are text. A row that a role inserts or copies into the view replaces the field of that name on the map.';
COMMENT ON COLUMN ownership.sheet.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.sheet.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.sheet.domain IS 'Domain of the field.';
COMMENT ON COLUMN ownership.sheet.owner IS 'System of record. On import, a blank cell, ?, TBD, both, or a list of systems means that the field has no system of record; the systems in the list become declared writers.';
COMMENT ON COLUMN ownership.sheet.readers IS 'Systems that are declared to read the field, separated by semicolons.';
COMMENT ON COLUMN ownership.sheet.writers IS 'Systems that are declared to write the field, separated by semicolons.';
COMMENT ON COLUMN ownership.sheet.columns IS 'Columns that contain the field, separated by semicolons: table.column or schema.table.column. The authoritative copy comes first.';
COMMENT ON COLUMN ownership.sheet.policy IS 'Policy of the field: observe, fill, create_only, keep or reject. Blank: that of the domain, else the setting ownership.default_policy.';
COMMENT ON COLUMN ownership.sheet.key IS 't or f: whether the field is part of the key of its entity.';
COMMENT ON COLUMN ownership.sheet.local IS 't or f: whether the field does not cross a system boundary.';
COMMENT ON COLUMN ownership.sheet.rationale IS 'Why the system of record owns the field.';
COMMENT ON COLUMN ownership.sheet.decided_by IS 'Person or group that decided.';
COMMENT ON COLUMN ownership.sheet.decided_on IS 'Day of the decision, as YYYY-MM-DD.';
COMMENT ON FUNCTION ownership.sheet_row() IS 'Trigger on ownership.sheet: puts the rows of the spreadsheet on the map.';
CREATE TRIGGER sheet_begin BEFORE INSERT ON ownership.sheet
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.sheet_row();
CREATE TRIGGER sheet_end AFTER INSERT ON ownership.sheet
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.sheet_row();
COMMENT ON VIEW ownership.unmapped IS 'The columns of mirrored tables that are not on the map. One row is one column.';
COMMENT ON COLUMN ownership.unmapped.relation IS 'Name of the table, with its schema unless that is public.';
COMMENT ON COLUMN ownership.unmapped.column_name IS 'Name of the column.';
COMMENT ON COLUMN ownership.unmapped.data_type IS 'Type of the column.';
COMMENT ON COLUMN ownership.unmapped.source IS 'System of which the table is a private copy. NULL: the table is shared.';
COMMENT ON COLUMN ownership.unmapped.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.unmapped.table_name IS 'Name of the table.';

COMMENT ON TABLE ownership.deleted_domain IS 'Internal: the names of domains that a role deleted, so that no restore and no update brings them back.';
COMMENT ON COLUMN ownership.deleted_domain.name IS 'Name of the domain.';
COMMENT ON FUNCTION ownership.domain_edit() IS 'Trigger on ownership.domain and ownership.deleted_domain: checks patterns, and marks which rows differ from what is shipped.';
COMMENT ON FUNCTION ownership.kind_label(text) IS 'Internal: a kind of system in words, such as the ERP.';
COMMENT ON FUNCTION ownership.system_label(text, text) IS 'Internal: a system in words, at the beginning of a sentence.';

COMMENT ON FUNCTION ownership.suggest(text) IS
'Proposes a domain and a system of record for each column of the matching tables, from names, comments, keys and traffic. It writes nothing. The reason says who wrote the rows, too, by a sample of up to 10,000 rows of each table that the caller may read.
Arguments:
- pattern: Pattern of table names, as in add_tables(). The tables need not be on the map. Default: * (every table).
Returns one row for each column:
- relation: Name of the table.
- column_name: Name of the column.
- domain: Proposed domain. NULL: unknown.
- kind: Kind of system that should own such data. NULL: unknown.
- system: The system of that kind. NULL: no system, or several systems, are of that kind.
- sure: true: at least two pieces of evidence agree, and none contradicts them.
- reason: The evidence, in words.';
COMMENT ON FUNCTION ownership.adopt(text) IS
'Puts the columns of the matching tables on the map and guards the tables. A field gets the system of record that suggest() is sure of, and a field without a domain gets the domain that suggest() is sure of. Earlier decisions stay.
Arguments:
- pattern: Pattern of table names, as in add_tables().
Returns one row for each column:
- relation: Name of the table.
- column_name: Name of the column.
- field: The field that the column contains, as entity.name.
- domain: Domain of the field.
- owner: System of record of the field.
- outcome: adopted: the field has the proposed system of record. local: the field is local. no owner: suggest() was not sure, or has no system. domain added: the field has a system of record, which stays, and gets the domain. by default: the field stays with the source of its tables, which nobody decided on. decided before: an earlier decision stays. left out: the name of the column cannot be the name of a field.
- reason: The reason that suggest() gave.';

/* Copies of one field, found by their values. */
CREATE FUNCTION ownership.suggest_links(pattern text DEFAULT '*', OUT field text, OUT columns text[], OUT key text, OUT contained numeric, OUT agree numeric, OUT sure boolean, OUT reason text, OUT statement text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_suggest_links' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.suggest_links(text) IS
'Finds columns of different tables that contain the same field, by their values: a key that both tables have aligns their rows, and the other columns are compared row by row. It reads the tables with the privileges of the caller, large ones in samples, and writes nothing.
Arguments:
- pattern: Pattern of table names, as in add_tables(). The tables need not be on the map. Default: * (every table). Foreign tables, columns that the caller may not read, and columns that the database or a tool writes (created_at) are left out.
Returns one row for each field that is not linked like that yet, the sure ones first:
- field: The field that the columns would become copies of, as entity.name.
- columns: The columns, as link() takes them.
- key: The columns whose equal values align the rows, as schema.table.column = schema.table.column, separated by semicolons.
- contained: Share of the values of the column with fewer of them that the other column has, too; of several pairs, the least. NULL: not known, because large tables are read in samples.
- agree: Share of the compared rows in which both columns have the same value, as drift() compares them; of several pairs, the least. Rows in which one of them is NULL do not count. NULL: the columns are the key, and no other key tells.
- sure: true: the columns agree far beyond chance, and no other column does about as well.
- reason: The evidence in words, with an example, and with one of the rows that differ.
- statement: The statements that link the columns, separated by semicolons.';

COMMENT ON FUNCTION ownership.assert_clean(text) IS
'Fails with SQLSTATE P0004 when a risk of this severity or a higher one is open. It is for deployment pipelines.
Arguments:
- severity: Lowest severity that makes it fail: high, medium or low. Default: high.
Returns nothing.';

COMMENT ON VIEW ownership.linked_copy IS 'Internal: one row for each copy of a field, with the authoritative copy that it is compared with.';
COMMENT ON FUNCTION ownership.value_text("any") IS 'Internal: a value as text, in the form that evidence has, whatever the settings of the session are.';
COMMENT ON FUNCTION ownership.copy_differs("any", "any") IS 'Internal: whether two values differ, as the guard compares them. A value that cannot be cast to the type of the other differs.';

CREATE FUNCTION ownership.copy_misread(source_value "any", copy_value "any")
RETURNS boolean AS 'MODULE_PATHNAME', 'ownership_copy_misread' LANGUAGE C STABLE COST 10;
COMMENT ON FUNCTION ownership.copy_misread("any", "any") IS 'Internal: whether two values differ because one of them cannot be cast to the type in which they are compared.';

CREATE FUNCTION ownership.value_as(value "any", type anyelement)
RETURNS anyelement AS 'MODULE_PATHNAME', 'ownership_value_as' LANGUAGE C STABLE COST 10;
COMMENT ON FUNCTION ownership.value_as("any", anyelement) IS 'Internal: a value as one of the type of the second argument, as copies are compared; NULL if it cannot be cast.';
COMMENT ON FUNCTION ownership.drift(text) IS
'Lists the rows in which a copy of a field differs from the authoritative copy. It reads the tables with the privileges of the caller.
Arguments:
- field: The field, as entity.name. If it has one copy, the function returns no rows.
Returns one row for each difference:
- row_key: Fields of the entity by which rows are matched (its match keys, else its key fields), and their values in the row of the authoritative copy.
- source_value: Value in the authoritative copy, as text.
- relation: Table of the other copy.
- column_name: Column of the other copy.
- copy_value: Value in the other copy, as text.';
COMMENT ON FUNCTION ownership.compare_copies(text, boolean) IS 'Internal: one row for each copy, compared with the authoritative copy. Unless thorough is true, it stops at the first row that differs.';
COMMENT ON FUNCTION ownership.drift_summary(text) IS
'Counts the rows in which copies of fields differ from the authoritative copy.
Arguments:
- pattern: Pattern of field names as entity.name: * stands for any characters, ? for one. Default: * (every field).
Returns one row for each copy:
- entity: Entity of the field.
- field: Name of the field.
- authoritative: The authoritative copy, as schema.table.column. NULL: the map does not say which one it is.
- relation: Table of the other copy.
- column_name: Column of the other copy.
- source: System of which that table is a private copy. NULL: the table is shared.
- rows_compared: Number of compared rows. NULL: the copy was not compared.
- rows_differing: Number of rows that differ.
- problem: Why the copy, or some of its rows, was not compared, or how many values could not be read as values of the type in which they are compared. NULL: none of these.';
COMMENT ON FUNCTION ownership.reconcile(text, boolean, bigint) IS
'Writes the authoritative value of a field into its shared copies that contain another value. It never writes the private copy of a source. The caller is the system of record, a steward or a superuser, and has the UPDATE privilege; for a field without a system of record the privilege is enough. Of a group (field.column_group) it writes all columns that a copy''s table has, or none.
Arguments:
- field: The field, as entity.name. If it has one copy, the function writes nothing.
- dry_run: true: the function writes nothing and only counts. Default: false.
- max_rows: Greatest number of rows that one call writes. NULL, the default: no limit.
Returns the number of rows that it wrote, or would write in a dry run.';
COMMENT ON PROCEDURE ownership.reconcile_all(text, integer) IS
'Calls reconcile() for each matching field that has several copies, and commits after each batch. It cannot run in a transaction block.
Arguments:
- pattern: Pattern of field names as entity.name: * stands for any characters, ? for one.
- batch_size: Number of rows between two commits, greater than 0. Default: 1000.';

COMMENT ON FUNCTION ownership.why(text, jsonb) IS
'Reports what happened to one value: the value in every copy, the evidence and history, the rules, the last writes, the state of the feeds, and a short answer. It reads with the privileges of the caller.
Arguments:
- field_or_column: A field as entity.name, or a column as schema.table.column.
- row_key: Key of the row, as an object with names and values: the key fields of the entity, or, with a column, the columns that identify a row of its table.
Returns one row for each fact, the short answer first:
- at: Time of the fact. NULL: not known.
- place: The field, the column or the table that the fact is about.
- event: answer, value, no row, unknown, rule, last write, feed, the outcome of a conflict, or written: a change in ownership.history. For a value that waited also applied, superseded, accepted or dismissed; not applied: it waits, although the row is there.
- system: System that the fact is about. NULL: none, or unidentified.
- value: For value: the stored value. For a conflict: the proposed value; for remembered: the value of the deleted row. For written: the new value. For rule: the outcome that the rule gives. For feed: the state of the subscription; standby: the server is one, and its primary has the worker.
- detail: The fact in words.';

COMMENT ON FUNCTION ownership.resolve() IS 'Trigger on ownership.conflict: records which role resolves a conflict, and when.';
COMMENT ON FUNCTION ownership.dismiss(bigint) IS
'Marks a conflict dismissed: the stored value stays, and a value that waits is never applied. The caller needs UPDATE (resolution) on ownership.conflict.
Arguments:
- conflict_id: Number of the conflict.
Returns 1, the number of dismissed conflicts.';
COMMENT ON FUNCTION ownership.dismiss(bigint[]) IS
'Dismisses several conflicts, all of them or none.
Arguments:
- conflict_ids: Numbers of the conflicts.
Returns the number of dismissed conflicts.';
CREATE FUNCTION ownership.disagreement_rows(OUT conflict_id bigint, OUT recorded_at timestamptz, OUT relation text, OUT row_key jsonb,
	OUT column_name text, OUT entity text, OUT field text, OUT owner text, OUT system text, OUT role text, OUT operation text, OUT outcome text,
	OUT refused text, OUT stored text, OUT note text, OUT table_schema text, OUT table_name text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_disagreement' LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION ownership.disagreement_rows() IS 'Internal: the rows of the view disagreements.';
/* in a list of columns, not in FROM, the function is called for one row after the other, and LIMIT ends that */
CREATE OR REPLACE VIEW ownership.disagreements AS
SELECT (d.row).conflict_id, (d.row).recorded_at, (d.row).relation, (d.row).row_key, (d.row).column_name, (d.row).entity, (d.row).field, (d.row).owner,
	(d.row).system, (d.row).role, (d.row).operation, (d.row).outcome, (d.row).refused, (d.row).stored, (d.row).note, (d.row).table_schema, (d.row).table_name
FROM (SELECT ownership.disagreement_rows() AS row) d;
DROP FUNCTION ownership.disagreement();
COMMENT ON VIEW ownership.disagreements IS 'The latest refused value of each row, column and system that still differs from the stored value, in no particular order. The view shows what the caller may read.';
COMMENT ON COLUMN ownership.disagreements.conflict_id IS 'Number of the conflict in ownership.conflict. accept() and dismiss() take it.';
COMMENT ON COLUMN ownership.disagreements.recorded_at IS 'Time at which the guard recorded the conflict.';
COMMENT ON COLUMN ownership.disagreements.relation IS 'Name of the table, with its schema unless that is public.';
COMMENT ON COLUMN ownership.disagreements.row_key IS 'Key columns of the row and their values.';
COMMENT ON COLUMN ownership.disagreements.column_name IS 'Name of the column. NULL: the row as a whole was refused; the writer wanted to create or delete it.';
COMMENT ON COLUMN ownership.disagreements.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.disagreements.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.disagreements.owner IS 'System of record of the field.';
COMMENT ON COLUMN ownership.disagreements.system IS 'System that wrote. NULL: an unidentified writer.';
COMMENT ON COLUMN ownership.disagreements.role IS 'Role that wrote.';
COMMENT ON COLUMN ownership.disagreements.operation IS 'Kind of write: INSERT, UPDATE or DELETE.';
COMMENT ON COLUMN ownership.disagreements.outcome IS 'What became of the write: kept, discarded or rejected.';
COMMENT ON COLUMN ownership.disagreements.refused IS 'Refused value, as text. accept() writes it.';
COMMENT ON COLUMN ownership.disagreements.stored IS 'Stored value, as text. NULL: it is NULL, or the note says why the view does not show it.';
COMMENT ON COLUMN ownership.disagreements.note IS 'What else there is to know, such as why the view does not show the stored value.';
COMMENT ON COLUMN ownership.disagreements.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.disagreements.table_name IS 'Name of the table.';
COMMENT ON FUNCTION ownership.revert(text, timestamptz, timestamptz, boolean) IS
'Puts back the values that a system replaced by writes that went through (outcomes observed, filled and overridden), and by any writes of fields with a history, its own fields included, where the row still contains what the system wrote. A group (field.column_group) goes back whole, or stays. Values of other systems that its DELETEs and TRUNCATEs took along, and that wait, go back where the row is there again and has NULL or the default in their place; else they go on waiting. The caller needs the privileges to read evidence and history, and to write the tables.
Arguments:
- system: System whose writes the function reverts. NULL: unidentified writers, and stewards without a system.
- since: Begin of the period in which the writes were recorded.
- until: End of that period. Default: now. A write that was recorded exactly then counts, too.
- dry_run: true, the default: the function writes nothing and only reports.
Returns one row for each value, or for each row as a whole:
- relation: Name of the table.
- row_key: Key columns of the row and their values.
- column_name: Name of the column. NULL: the row as a whole.
- from_value: Stored value, as text.
- to_value: Value that goes back, as text.
- outcome: reverted, would be reverted, or skipped.
- reason: Why the value was skipped. NULL: it was not.
- conflict_id: Number of the conflict in ownership.conflict, or of the change in ownership.history.';

COMMENT ON VIEW ownership.grant_statements IS 'Internal: what ownership.grants() returns, with the system and the role of each statement.';
COMMENT ON FUNCTION ownership.grants(text) IS
'Returns the map as GRANT statements for the roles of systems. It grants nothing itself.
Arguments:
- system: The system. NULL, the default: all systems.
Returns one statement, or one comment line, in each row.';

COMMENT ON VIEW ownership.picture IS 'Internal: the systems and entities of a picture, and the lines between them.';
COMMENT ON FUNCTION ownership.diagram(text) IS
'Returns the map as a diagram: systems, entities, and which system owns, writes and reads what.
Arguments:
- format: mermaid or dot (for Graphviz). Default: mermaid.
Returns the source text of the diagram.';

COMMENT ON TABLE ownership.map_history IS 'The changes of the map and of guards. One row is one changed row of a table of the map.';
COMMENT ON COLUMN ownership.map_history.id IS 'Number of the change.';
COMMENT ON COLUMN ownership.map_history.changed_at IS 'Time at which the transaction began. All changes of one transaction have the same time.';
COMMENT ON COLUMN ownership.map_history.role IS 'Role that made the change, as SET ROLE left it.';
COMMENT ON COLUMN ownership.map_history.login IS 'Role that the session was authorised as.';
COMMENT ON COLUMN ownership.map_history.application_name IS 'Setting application_name of the session.';
COMMENT ON COLUMN ownership.map_history.map_table IS 'Table of the map, without its schema. The value guard: the guard of a table was taken away or came back.';
COMMENT ON COLUMN ownership.map_history.item IS 'Name of what the row is about, after the change: a system, a field, a table, a column.';
COMMENT ON COLUMN ownership.map_history.entity IS 'Entity of the field, where the change is about a field.';
COMMENT ON COLUMN ownership.map_history.field IS 'Name of the field, where the change is about a field.';
COMMENT ON COLUMN ownership.map_history.old IS 'Values of the changed columns before the change. NULL: the row is new.';
COMMENT ON COLUMN ownership.map_history.new IS 'Values of the changed columns after the change. NULL: the row was deleted.';
COMMENT ON FUNCTION ownership.map_recorded() IS 'Trigger on the tables of the map: writes ownership.map_history.';
COMMENT ON VIEW ownership.decisions IS 'The history of the map for people. One row is one decision, for however many fields it was made. The view shows it to roles that may read ownership.map_history.';
COMMENT ON COLUMN ownership.decisions.changed_at IS 'Time at which the transaction of the decision began.';
COMMENT ON COLUMN ownership.decisions.role IS 'Role that made the decision, as SET ROLE left it.';
COMMENT ON COLUMN ownership.decisions.login IS 'Role that the session was authorised as.';
COMMENT ON COLUMN ownership.decisions.application_name IS 'Setting application_name of the session.';
COMMENT ON COLUMN ownership.decisions.decided IS 'What was decided on: owner, reader, writer, field policy, row owner, guard state and others.';
COMMENT ON COLUMN ownership.decisions.old IS 'Value before the decision. NULL: none.';
COMMENT ON COLUMN ownership.decisions.new IS 'Value after the decision. NULL: none.';
COMMENT ON COLUMN ownership.decisions.items IS 'Number of fields, tables or other things that the decision is about.';
COMMENT ON COLUMN ownership.decisions.sample IS 'Names of the first five of them.';
COMMENT ON COLUMN ownership.decisions.first_id IS 'Number of the first change of the decision in ownership.map_history.';

COMMENT ON TABLE ownership.mirrored_pattern IS 'The patterns that add_tables() was called with. When a table or a column that matches a pattern appears later, the extension puts it on the map and guards the table.';
COMMENT ON COLUMN ownership.mirrored_pattern.pattern IS 'Pattern of table names, as in add_tables(): * stands for any characters, ? for one. Where several patterns match a table, the most specific one counts.';
COMMENT ON COLUMN ownership.mirrored_pattern.source IS 'System of which the tables are private copies. NULL: the tables are shared.';
COMMENT ON COLUMN ownership.mirrored_pattern.owner IS 'System of record of the fields. NULL: the source; without a source the fields have no system of record.';
COMMENT ON COLUMN ownership.mirrored_pattern.readers IS 'Systems that are declared to read the fields. Default: none.';
COMMENT ON COLUMN ownership.mirrored_pattern.exclude IS 'Patterns of tables, and of columns as table.column, that stay off the map. Default: none.';
COMMENT ON TABLE ownership.bound_table IS 'Internal: the table and the columns to which a name on the map was bound at the last look.';
COMMENT ON COLUMN ownership.bound_table.table_schema IS 'Schema that the map names.';
COMMENT ON COLUMN ownership.bound_table.table_name IS 'Table that the map names.';
COMMENT ON COLUMN ownership.bound_table.relid IS 'OID of the table. 0: the map waits for a table of that name.';
COMMENT ON COLUMN ownership.bound_table.columns IS 'Names of its columns by attribute number. An empty text stands for a dropped column.';
COMMENT ON COLUMN ownership.bound_table.guarded IS 'true: the guard belongs on the table that has the name.';
COMMENT ON COLUMN ownership.bound_table.generated IS 'Names of those columns that were generated, and so could not be on the map.';
COMMENT ON COLUMN ownership.bound_table.types IS 'OIDs of the types of its columns by attribute number.';
COMMENT ON COLUMN ownership.bound_table.away_since IS 'Time at which a trigger of its guard was dropped or switched off. NULL: the guard is in place.';
COMMENT ON TABLE ownership.bound_schema IS 'Internal: the schema to which a name on the map was bound, and its owner at that time.';
COMMENT ON COLUMN ownership.bound_schema.name IS 'Name of the schema.';
COMMENT ON COLUMN ownership.bound_schema.schema IS 'OID of the schema.';
COMMENT ON COLUMN ownership.bound_schema.role IS 'OID of its owner.';
COMMENT ON TABLE ownership.left_off IS 'Internal: the tables that were taken off the map, or that were off it in a dump. They are no tables that a pattern has missed.';
COMMENT ON COLUMN ownership.left_off.relid IS 'OID of the table.';
COMMENT ON COLUMN ownership.left_off.table_schema IS 'Schema of the table at that time.';
COMMENT ON COLUMN ownership.left_off.table_name IS 'Name of the table at that time.';
COMMENT ON TABLE ownership.former_table IS 'Internal: the names that mirrored tables had before they were renamed.';
COMMENT ON COLUMN ownership.former_table.former_schema IS 'Schema before.';
COMMENT ON COLUMN ownership.former_table.former_name IS 'Name before.';
COMMENT ON COLUMN ownership.former_table.table_schema IS 'Schema after.';
COMMENT ON COLUMN ownership.former_table.table_name IS 'Name after.';
COMMENT ON COLUMN ownership.former_table.left_in IS 'Transaction that renamed it.';
COMMENT ON COLUMN ownership.former_table.twin IS 'true: the map was copied to another table that took the former name.';
COMMENT ON TABLE ownership.former_column IS 'Internal: the names that mirrored columns had before they were renamed.';
COMMENT ON COLUMN ownership.former_column.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.former_column.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.former_column.former_name IS 'Name before.';
COMMENT ON COLUMN ownership.former_column.column_name IS 'Name after.';
COMMENT ON COLUMN ownership.former_column.left_in IS 'Transaction that renamed it.';
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
COMMENT ON FUNCTION ownership.ddl_settle() IS 'Trigger on ownership.ddl_queue, at commit: puts on the map and guards the tables that came under its patterns and names.';
COMMENT ON FUNCTION ownership.key_renamed(jsonb, text, text) IS 'Internal: an object in which one key has a new name.';
COMMENT ON FUNCTION ownership.mirrored_table_bind() IS 'Trigger on ownership.mirrored_table: records which table the name means.';
COMMENT ON FUNCTION ownership.pattern_readers() IS 'Trigger on ownership.system: renames the system among the readers of patterns, in ownership.handover, and in evidence.';
CREATE FUNCTION ownership.field_renamed() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_field_renamed' LANGUAGE C;
COMMENT ON FUNCTION ownership.field_renamed() IS 'Trigger on ownership.field: renames the field in ownership.handover.';
CREATE TRIGGER field_renamed AFTER UPDATE OF entity, name ON ownership.field
	FOR EACH ROW EXECUTE FUNCTION ownership.field_renamed();
REVOKE ALL ON FUNCTION ownership.field_renamed() FROM PUBLIC;
COMMENT ON FUNCTION ownership.mirrored_pattern_bind() IS 'Trigger on ownership.mirrored_pattern: binds the schema that the pattern names. While a dump is restored, it records which tables are off the map.';
COMMENT ON FUNCTION ownership.map_restored() IS 'Trigger on the tables of the map: lets a dump be restored in any order.';
COMMENT ON FUNCTION ownership.ddl_start() IS 'Event trigger: lets a table with a guard of its own be attached as a partition, and looks for what DROP takes along.';
COMMENT ON FUNCTION ownership.ddl_end() IS 'Event trigger: the map follows renamed tables and columns, and takes in new ones.';
COMMENT ON FUNCTION ownership.ddl_drop() IS 'Event trigger: the map of a dropped table or column waits for its name.';
/* the tags of an event trigger cannot be altered */
DROP EVENT TRIGGER ownership_start;
CREATE EVENT TRIGGER ownership_start ON ddl_command_start
	WHEN TAG IN ('ALTER TABLE', 'DROP OWNED', 'DROP SCHEMA', 'DROP TABLE', 'DROP TYPE')
	EXECUTE FUNCTION ownership.ddl_start();
ALTER EVENT TRIGGER ownership_start ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER ownership_start IS 'Before ALTER TABLE: lets a table with a guard of its own be attached as a partition. Before DROP and DETACH: looks for values of other systems.';
COMMENT ON EVENT TRIGGER ownership_end IS 'After DDL that can create, rename or move a table or column: the map follows.';
COMMENT ON EVENT TRIGGER ownership_drop IS 'After DDL that drops tables or columns: their map waits for the name.';
COMMENT ON FUNCTION ownership.map_behind() IS 'Internal: what DDL did and the map did not follow, for the view risks.';
COMMENT ON VIEW ownership.ddl_risk IS 'Internal: the part of ownership.risks that is about DDL.';

COMMENT ON TABLE ownership.replaced_column IS 'Internal: the mirrored columns that were dropped, and the columns that may have taken their place.';
COMMENT ON COLUMN ownership.replaced_column.relid IS 'OID of the table.';
COMMENT ON COLUMN ownership.replaced_column.former_name IS 'Name of the dropped column.';
COMMENT ON COLUMN ownership.replaced_column.attnum IS 'Attribute number of the column that may have taken its place.';
COMMENT ON VIEW ownership.renamed_risk IS 'Internal: the part of ownership.risks that is about columns which may have been renamed.';

COMMENT ON FUNCTION ownership.another_hub() IS 'Trigger on the tables of the extension: leaves out what a subscription brings from the extension of another database.';

COMMENT ON VIEW ownership.foreign_in IS 'Internal: which system owns which column of which mirrored table.';
COMMENT ON COLUMN ownership.foreign_in.only_here IS 'true: no table but those of this source contains the field.';
COMMENT ON VIEW ownership.loader_risk IS 'Internal: the part of ownership.risks that is about roles of systems that the guard does not hold back.';

COMMENT ON VIEW ownership.risks IS 'The places where the map or the traffic is unsafe, the worst first. One row is one finding.';
COMMENT ON COLUMN ownership.risks.severity IS 'high, medium or low.';
COMMENT ON COLUMN ownership.risks.risk IS
'Name of the risk.
- enforcement_off (high): A setting of the server, of the database or of a role switches the guard off, or to a weaker policy.
- unowned (high): The field has no system of record. Every system may write it.
- contested (high): Several systems write the field, as declared or as seen.
- unguarded (high, medium): high: the guard of the table was complete, and a part of it is missing or switched off. medium: the table is on the map and was never guarded.
- unrecorded (high, medium): high: rejected attempts or activity do not reach the tables. medium: counts of reads and writes found no room in shared memory.
- map_behind (high): A table or column was renamed, replaced or added, and the map did not follow. Or what another hub decides does not arrive: its map comes by a subscription that is not current.
- renamed (medium): A mirrored column was dropped, and one column of its type was added in the same transaction.
- unowned_key (medium): The key of a shared table has no system of record, or no column of the table is a key. Every system may create and delete its rows.
- unidentified_feed (medium): A subscription that feeds a guarded table writes as no system.
- unknown_identity (medium): The role or subscription that the map names does not exist, or is another role of the same name.
- broken_mirror (medium): The map names a table, column, schema, system or domain that does not exist, or a row filter fails.
- out_of_bounds (medium): The domain of the field excludes the kind of its system of record.
- drifting (medium, low): medium: copies of the field contain different values. low: the map does not say how to compare the copies.
- split_group (medium): Fields of one group are judged apart, because row owners, a partition key or several systems of record split it, or because no table has all of them.
- silent_owner (medium): Other systems write the field, and its system of record was never seen writing it.
- stale (medium): No row of the field''s tables came from its system of record within field.fresh_within, changed or not.
- undeclared_writer (medium, low): medium: a system that is not declared as a writer writes the field, or tries to. low: the writer is unidentified.
- foreign_loader (medium): The role of a system owns a table, is a superuser or may set ownership.enforcement or ownership.default_policy, and other systems own fields there. The guard does not stop this role.
- blurred (low): The domain of the field is blurred, and the field has no rationale.
- undeclared_reader (low): A system reads a field, or several fields, and is not declared as a reader. It is one row for each system.
- updates_lost (medium): A subscription brings rows that it may not create. PostgreSQL drops their UPDATEs and DELETEs until the rows are there.
- values_replaced (medium): Another table took the name of a table, and values of a system that does not own the key were in that one. Nothing remembers them.
- parked (medium, low): low: values of a system wait for rows that it may not create. medium: a value that waits could not be written into its row.
- pinned (low): A value has been pinned for more than 90 days.
- no_column (low): No column of a mirrored table contains the field.
- unmapped (medium, low): A column of a mirrored table is not on the map. medium: a system deletes rows of that table.';
COMMENT ON COLUMN ownership.risks.entity IS 'Entity of the field. NULL: the risk is not about a field.';
COMMENT ON COLUMN ownership.risks.field IS 'Name of the field. NULL: the risk is not about a field.';
COMMENT ON COLUMN ownership.risks.relation IS 'Name of the table, with its schema unless that is public. NULL: the risk is not about one table.';
COMMENT ON COLUMN ownership.risks.column_name IS 'Name of the column. NULL: the risk is not about one column.';
COMMENT ON COLUMN ownership.risks.systems IS 'Systems that the risk is about.';
COMMENT ON COLUMN ownership.risks.detail IS 'What is unsafe, in one or more sentences.';
COMMENT ON COLUMN ownership.risks.advice IS 'What to do about it.';

/* The texts of risks are plainer. */

CREATE OR REPLACE VIEW ownership.own_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	SELECT 3, 'high', 'unrecorded', NULL::text, NULL::text, NULL::text, NULL::text, '{}'::text[],
		CASE
			WHEN s.fact = 'dropped' THEN format('%s rejected attempt%s found no room in shared memory since the server started, and left no evidence.',
				s.value, CASE s.value WHEN '1' THEN '' ELSE 's' END)
			WHEN s.value LIKE 'failed%' THEN format('Rejected attempts and activity do not come to the tables: the worker that writes them fails. %s', s.note)
			WHEN s.value LIKE 'cannot%' THEN 'Rejected attempts and activity do not come to the tables: there is no process for the worker that writes them.'
			ELSE 'Rejected attempts and activity have waited for more than a minute to be written to the tables.' END,
		CASE
			WHEN s.fact = 'dropped' THEN 'Raise ownership.queue_size, and restart the server. The server log contains the errors that the clients received.'
			WHEN s.value LIKE 'failed%' THEN 'Correct what the error names; SELECT ownership.flush() shows whether the worker works again. Until then all of it waits in shared memory, whose size is limited.'
			WHEN s.value LIKE 'cannot%' THEN 'Raise max_worker_processes, and restart the server.'
			ELSE 'See in pg_locks which session locks ownership.activity or ownership.conflict, and have it end its transaction; SELECT ownership.flush() starts the worker where there is none.' END
	FROM ownership.status() s
	WHERE (s.fact = 'worker' AND s.value ~ '^(failed|cannot|behind)') OR (s.fact = 'dropped' AND s.value <> '0')
	UNION ALL
	SELECT 11, 'medium', 'unrecorded', NULL, NULL, NULL, NULL, '{}',
		format('%s counts of reads and writes found no room in shared memory since the server started: ownership.activity contains fewer than there were.', s.value),
		'Raise ownership.activity_size, and restart the server.'
	FROM ownership.status() s
	WHERE s.fact = 'dropped_counts' AND s.value <> '0'
	UNION ALL
	/* the table has no trigger for it, and without preloading the hook is missing until a session loads the library */
	SELECT 3, 'high', 'unguarded', NULL, NULL, ownership.relation_name(g.table_schema, g.table_name), NULL, '{}',
		format('The guard of %s has a gap: TRUNCATE of foreign table %s is not refused, nor recorded, in sessions that have not written a guarded table.',
			ownership.relation_name(g.table_schema, g.table_name), g.relid::regclass),
		'Set shared_preload_libraries = ''ownership'' and restart the server; from PostgreSQL 16 on a trigger does it.'
	FROM ownership.guarded_relation g
	WHERE g.relkind = 'f' AND g.amends AND g.refuses_truncate IS NULL AND current_setting('server_version_num')::int < 160000
	  AND EXISTS (SELECT FROM ownership.status() s WHERE s.fact = 'preloaded' AND s.value = 'no');

/*
 * The subscriptions that bring the map of another hub, and whether what is decided there
 * holds here: as far as this database can know it.
 */
CREATE FUNCTION ownership.applied_position(subscription oid)
RETURNS pg_lsn AS 'MODULE_PATHNAME', 'ownership_applied_position' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION ownership.applied_position(oid) IS 'Internal: up to where a subscription has applied what its publisher has written, for the view map_feed.';

CREATE VIEW ownership.map_feed AS
SELECT s.subname::text AS subscription,
	CASE WHEN NOT s.subenabled THEN 'disabled'
		WHEN w.pid IS NULL THEN 'stopped'
		WHEN t.copying IS NOT NULL THEN 'copying'
		WHEN w.heard_at IS NULL THEN 'starting'
		/* after half of that time a worker asks for an answer; after all of it, it ends, if it does not wait for something else */
		WHEN statement_timestamp() - w.heard_at > coalesce(nullif(current_setting('wal_receiver_timeout')::interval, '0'), '2 minutes') THEN 'silent'
		ELSE 'current' END AS state,
	w.heard_at, ownership.applied_position(s.oid) AS applied, coalesce(e.apply_error_count, 0) AS errors, t.copying
FROM (SELECT r.srsubid, array_agg(c.relname::text ORDER BY c.relname COLLATE "C") FILTER (WHERE r.srsubstate NOT IN ('s', 'r')) AS copying
	FROM pg_catalog.pg_subscription_rel r
	JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
	WHERE c.relnamespace = 'ownership'::regnamespace
	GROUP BY r.srsubid
	/* as the trigger another_hub() decides */
	HAVING bool_or(c.relname IN ('system', 'identity', 'domain', 'deleted_domain', 'field', 'declared_access', 'mirrored_pattern', 'mirrored_table', 'mirrored_column', 'row_owner', 'handover', 'pin'))
	   AND NOT bool_or(c.relname IN ('conflict', 'history', 'activity', 'map_history', 'bound_table'))) t
JOIN pg_catalog.pg_subscription s ON s.oid = t.srsubid
LEFT JOIN (SELECT subid, max(pid) AS pid, nullif(max(last_msg_receipt_time), '-infinity') AS heard_at
	FROM pg_catalog.pg_stat_subscription
	WHERE relid IS NULL
	GROUP BY subid) w ON w.subid = s.oid
LEFT JOIN pg_catalog.pg_stat_subscription_stats e ON e.subid = s.oid
/* no subscription of a standby runs */
WHERE NOT pg_catalog.pg_is_in_recovery();
COMMENT ON VIEW ownership.map_feed IS 'The subscriptions that bring the map of another hub. One row is one subscription. A standby has none.';
COMMENT ON COLUMN ownership.map_feed.subscription IS 'Name of the subscription.';
COMMENT ON COLUMN ownership.map_feed.state IS 'current: what is decided on the other hub arrives. disabled: the subscription is disabled. stopped: it has no worker, as after an error. copying: the first copy of some tables has not ended. starting: its worker has not heard from the other hub yet. silent: its worker has heard nothing for wal_receiver_timeout (two minutes, if that is 0), as when it waits for a lock. All but current are the risk map_behind.';
COMMENT ON COLUMN ownership.map_feed.heard_at IS 'When the worker last heard from the other hub. NULL: no worker runs, or it has not heard anything yet.';
COMMENT ON COLUMN ownership.map_feed.applied IS 'Position in the WAL of the other hub up to which this one has applied it. NULL: nothing was applied yet.';
COMMENT ON COLUMN ownership.map_feed.errors IS 'How often the worker was stopped by an error, since the statistics were reset.';
COMMENT ON COLUMN ownership.map_feed.copying IS 'Tables of the map whose first copy has not ended. NULL: none.';
GRANT SELECT ON ownership.map_feed TO PUBLIC;

CREATE OR REPLACE VIEW ownership.ddl_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
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

/* Values that wait. */

/* Like all settings, it exists only when the library is loaded. */
CREATE FUNCTION ownership.remember_time()
RETURNS interval AS 'MODULE_PATHNAME', 'ownership_remember_time' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ownership.remember_time() IS 'Internal: the setting ownership.remember as an interval.';

CREATE OR REPLACE FUNCTION ownership.prune(older_than interval)
RETURNS bigint
LANGUAGE SQL
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM ownership.conflict
		WHERE (outcome <> 'remembered' AND recorded_at < now() - prune.older_than
			AND (outcome NOT IN ('kept', 'discarded', 'parked') OR resolved_at IS NOT NULL))
		   OR (outcome = 'remembered' AND recorded_at <= now() - coalesce(
			(SELECT t.remember FROM ownership.mirrored_table t WHERE t.table_schema = conflict.table_schema AND t.table_name = conflict.table_name),
			ownership.remember_time()))
		RETURNING 1
	)
	SELECT count(*) FROM gone;
END;

/*
 * What waits for rows: how many values of each column and system.  It contains no
 * values and no keys, and so everybody may read it.
 */
CREATE FUNCTION ownership.count_waiting(OUT table_schema text, OUT table_name text, OUT column_name text, OUT system text, OUT outcome text,
	OUT waiting bigint, OUT problems bigint, OUT since timestamptz)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_count_waiting' LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION ownership.count_waiting() IS 'Internal: the rows of the view waiting_count.';

CREATE FUNCTION ownership.deleter(OUT table_schema text, OUT table_name text, OUT systems text[])
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_deleter' LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION ownership.deleter() IS 'Internal: the systems that were seen to delete rows with values of other systems, by table.';

CREATE VIEW ownership.waiting_count AS
SELECT table_schema, table_name, column_name, system, outcome, waiting, problems, since
FROM ownership.count_waiting();
COMMENT ON VIEW ownership.waiting_count IS 'Internal: how many values wait for their rows, by column, system and outcome.';
GRANT SELECT ON ownership.waiting_count TO PUBLIC;

/*
 * A source owns its own copy of the data.  That is no decision about a field: such an
 * owner is one by default.
 */
CREATE VIEW ownership.by_default AS
SELECT f.entity, f.name AS field
FROM ownership.field_now f
JOIN ownership.mirrored_column c ON c.entity = f.entity AND c.field = f.name
JOIN ownership.mirrored_table t USING (table_schema, table_name)
WHERE f.owner IS NOT NULL AND concat(f.rationale, f.decided_by, f.decided_on) = ''
GROUP BY f.entity, f.name
HAVING bool_and(t.source IS NOT DISTINCT FROM f.owner);
COMMENT ON VIEW ownership.by_default IS 'Internal: the fields whose owner nobody decided on: it is the source of all tables that contain the field.';
GRANT SELECT ON ownership.by_default TO PUBLIC;

/* What systems are to fields besides the owner of all rows, one row for each reason. */
CREATE VIEW ownership.known_part AS
SELECT r.entity, r.field, r.system, 1 AS rank, 'owner' AS part, 'some rows' AS how
FROM ownership.row_part r
UNION ALL
SELECT d.entity, d.field, d.system, 4, 'reader', 'declared'
FROM ownership.declared d
WHERE d.mode = 'read'
UNION ALL
SELECT a.entity, a.field, a.system, 2, 'writer', 'declared'
FROM ownership.declared_access a
JOIN ownership.field_now f ON f.entity = a.entity AND f.name = a.field
LEFT JOIN ownership.row_part r ON r.entity = a.entity AND r.field = a.field AND r.system = a.system
WHERE a.mode = 'write' AND a.system IS DISTINCT FROM f.owner AND r.system IS NULL
UNION ALL
/* in a field without owner no system intrudes */
SELECT s.entity, s.field, coalesce(s.system, '?'), w.rank, (ARRAY['owner', 'writer', 'intruder'])[w.rank],
	CASE WHEN s.writes > 0 AND NOT w.refused THEN 'seen' ELSE 'refused' END
FROM ownership.seen s
JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field
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
COMMENT ON VIEW ownership.known_part IS 'Internal: what each system is to each field, without the owners of whole fields.';

/*
 * What each system is to each field, one row for each reason.  A system that owns
 * a field in some rows only is an owner, too; by what it was refused in the other
 * rows it is an intruder.
 */
CREATE OR REPLACE VIEW ownership.part AS
SELECT f.entity, f.name AS field, f.owner AS system, 1 AS rank, 'owner' AS part, CASE WHEN d.field IS NOT NULL THEN 'by default' END AS how
FROM ownership.field_now f
LEFT JOIN ownership.by_default d ON d.entity = f.entity AND d.field = f.name
WHERE f.owner IS NOT NULL
UNION ALL
SELECT entity, field, system, rank, part, how
FROM ownership.known_part;

CREATE OR REPLACE VIEW ownership.matrix AS
WITH role AS (
	SELECT entity, field, system, rank, part,
		concat_ws(' ', part, nullif('(' || string_agg(how, ', ' ORDER BY how) || ')', '')) AS role
	FROM ownership.part
	GROUP BY entity, field, system, rank, part
), cell AS (
	SELECT entity, field, system, string_agg(role, ', ' ORDER BY rank) AS roles
	FROM role
	GROUP BY entity, field, system
), waits AS MATERIALIZED (
	SELECT m.entity, m.field, w.waiting
	FROM ownership.waiting_count w
	JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
)
SELECT f.entity, f.name AS field, f.owner,
	coalesce(jsonb_object_agg(c.system, c.roles ORDER BY c.system) FILTER (WHERE c.system IS NOT NULL), '{}') AS systems,
	coalesce((SELECT sum(w.waiting)::bigint FROM waits w WHERE w.entity = f.entity AND w.field = f.name), 0) AS waiting
FROM ownership.field_now f
LEFT JOIN cell c ON c.entity = f.entity AND c.field = f.name
GROUP BY f.entity, f.name, f.owner
ORDER BY f.entity COLLATE "C", f.name COLLATE "C";
COMMENT ON COLUMN ownership.matrix.waiting IS 'Number of values of the field that wait for their rows; see ownership.waiting.';

/* What is defined on the columns of a field, counted; cheap, so directly and by pg_depend alone. */
CREATE VIEW ownership.definition AS
SELECT m.entity, m.field, concat_ws(', ',
	CASE c.views WHEN 0 THEN NULL WHEN 1 THEN '1 view' ELSE c.views || ' views' END,
	CASE c.functions WHEN 0 THEN NULL WHEN 1 THEN '1 function' ELSE c.functions || ' functions' END,
	CASE c.constraints WHEN 0 THEN NULL WHEN 1 THEN '1 constraint' ELSE c.constraints || ' constraints' END,
	CASE c.indexes WHEN 0 THEN NULL WHEN 1 THEN '1 index' ELSE c.indexes || ' indexes' END,
	CASE c.others WHEN 0 THEN NULL WHEN 1 THEN '1 other' ELSE c.others || ' others' END) AS impact
FROM (SELECT DISTINCT entity, field FROM ownership.mirrored_column) m
JOIN (
	SELECT m.entity, m.field,
		count(DISTINCT r.ev_class) FILTER (WHERE r.ev_type = '1') AS views,
		count(DISTINCT d.objid) FILTER (WHERE d.classid = 'pg_catalog.pg_proc'::regclass) AS functions,
		count(DISTINCT d.objid) FILTER (WHERE k.contype <> 'n') AS constraints,
		count(DISTINCT d.objid) FILTER (WHERE x.indexrelid IS NOT NULL) AS indexes,
		count(DISTINCT (d.classid, d.objid)) FILTER (WHERE r.ev_type <> '1' OR f.adnum <> a.attnum
			OR d.classid IN ('pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_trigger'::regclass,
				'pg_catalog.pg_publication_rel'::regclass, 'pg_catalog.pg_statistic_ext'::regclass)) AS others
	FROM ownership.mirrored_column m
	JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
	JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = m.table_name::name
	JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname = m.column_name::name
	JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid = a.attnum
	LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
	LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND f.oid = d.objid
	LEFT JOIN pg_catalog.pg_index x ON d.classid = 'pg_catalog.pg_class'::regclass AND x.indexrelid = d.objid
	/* from PostgreSQL 18 on NOT NULL is a constraint */
	LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
	GROUP BY m.entity, m.field) c ON c.entity = m.entity AND c.field = m.field
WHERE c.views + c.functions + c.constraints + c.indexes + c.others > 0;
COMMENT ON VIEW ownership.definition IS 'Internal: how many objects name the columns of each field in their definitions, directly and by pg_depend. impact() finds all of them.';
GRANT SELECT ON ownership.definition TO PUBLIC;

CREATE OR REPLACE VIEW ownership.readiness AS
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
	JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field
	/* reject does not refuse a steward's writes, nor those of the system that owns the field by now */
	/* what waits was written by its owner, or was taken along by the owner of the key */
	WHERE c.outcome NOT IN ('overridden', 'parked', 'remembered') AND f.owner IS DISTINCT FROM c.system AND f.owner IS NOT NULL
	GROUP BY m.entity, m.field, c.system
), traffic AS (
	SELECT s.entity, s.field, s.system, s.writes, s.last_write
	FROM ownership.seen s
	JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field
	WHERE s.writes > 0 AND f.owner IS DISTINCT FROM s.system AND f.owner IS NOT NULL
	  AND NOT EXISTS (SELECT FROM ownership.row_part r WHERE r.entity = s.entity AND r.field = s.field AND r.system = s.system)
)
SELECT f.entity, f.name AS field, f.owner,
	coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') AS policy,
	w.system, coalesce(w.rows, 0) AS rows, coalesce(w.writes, 0) AS writes,
	coalesce(w.roles, '{}') AS roles, coalesce(w.origins, '{}') AS origins,
	coalesce(w.application_names, '{}') AS application_names, w.last_seen, i.impact
FROM (SELECT coalesce(e.entity, t.entity) AS entity, coalesce(e.field, t.field) AS field,
		coalesce(e.system, t.system) AS system, e.rows, t.writes, e.roles, e.origins, e.application_names,
		greatest(e.last_seen, t.last_write) AS last_seen
	FROM evidence e
	FULL JOIN traffic t ON t.entity = e.entity AND t.field = e.field AND coalesce(t.system, '?') = coalesce(e.system, '?')) w
JOIN ownership.field_now f ON f.entity = w.entity AND f.name = w.field
LEFT JOIN ownership.domain d ON d.name = f.domain
LEFT JOIN ownership.definition i ON i.entity = f.entity AND i.field = f.name
ORDER BY f.entity COLLATE "C", f.name COLLATE "C", w.system COLLATE "C";
COMMENT ON COLUMN ownership.readiness.impact IS 'How many views, functions and other objects name the field''s columns in their definitions, by PostgreSQL''s own dependencies. NULL: none. impact() lists them, and what these do not know.';

/* what is parked or remembered, read with the caller's privileges, as disagreements is */
CREATE VIEW ownership.waiting WITH (security_invoker = true) AS
SELECT c.id AS conflict_id, ownership.relation_name(c.table_schema, c.table_name) AS relation, c.row_key, u.column_name::text AS column_name,
	CASE c.outcome WHEN 'parked' THEN c.system ELSE f.owner END AS system,
	CASE c.outcome WHEN 'parked' THEN c.proposed ELSE c.stored END ->> u.column_name::text AS value,
	c.outcome, c.recorded_at AS since,
	CASE c.outcome WHEN 'remembered' THEN c.recorded_at + coalesce(t.remember, ownership.remember_time()) END AS until,
	coalesce(c.problem, CASE WHEN c.outcome = 'parked' THEN 'No row had this key.'
		ELSE format(CASE c.operation WHEN 'TRUNCATE' THEN 'The table was truncated by %s.' ELSE 'The row was deleted by %s.' END,
			coalesce(c.system, 'a writer without a system')) END) AS why,
	c.table_schema, c.table_name
FROM ownership.conflict c
CROSS JOIN LATERAL unnest(CASE WHEN c.columns = '{}' THEN '{NULL}' ELSE c.columns END) AS u(column_name)
LEFT JOIN ownership.mirrored_table t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
LEFT JOIN ownership.mirrored_column m ON m.table_schema = c.table_schema AND m.table_name = c.table_name
	AND m.column_name = u.column_name::text
/* where rows have owners of their own, the map alone does not say whose value it is */
LEFT JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field
	AND NOT EXISTS (SELECT FROM ownership.row_owner r WHERE r.table_schema = m.table_schema AND r.table_name = m.table_name AND r.column_name = m.column_name)
WHERE c.outcome IN ('parked', 'remembered') AND c.resolved_at IS NULL AND c.row_key IS NOT NULL
  AND (c.outcome = 'parked' OR c.recorded_at > statement_timestamp() - coalesce(t.remember, ownership.remember_time()))
ORDER BY c.table_schema COLLATE "C", c.table_name COLLATE "C", c.row_key, u.column_name::text COLLATE "C", c.id;
COMMENT ON VIEW ownership.waiting IS 'The values that wait for their row. One row is one value, or a row of which the system named only the key. The view shows what the caller may read of ownership.conflict.';
COMMENT ON COLUMN ownership.waiting.conflict_id IS 'Number of the conflict in ownership.conflict. accept() and dismiss() take it; they decide on all values of that number.';
COMMENT ON COLUMN ownership.waiting.relation IS 'Name of the table, with its schema unless that is public.';
COMMENT ON COLUMN ownership.waiting.row_key IS 'Key columns of the row and their values.';
COMMENT ON COLUMN ownership.waiting.column_name IS 'Name of the column. NULL: the system named only the key of a row that it may not create.';
COMMENT ON COLUMN ownership.waiting.system IS 'System whose value it is. NULL: it depends on the row, or the column has no owner.';
COMMENT ON COLUMN ownership.waiting.value IS 'Value that waits, as text.';
COMMENT ON COLUMN ownership.waiting.outcome IS 'parked: the system may not create the row. remembered: the row was deleted.';
COMMENT ON COLUMN ownership.waiting.since IS 'Time from which the value waits.';
COMMENT ON COLUMN ownership.waiting.until IS 'Time at which a remembered value is forgotten. NULL: the value is parked, and waits until the row comes or a role decides.';
COMMENT ON COLUMN ownership.waiting.why IS 'Why the value waits. Where it could not be written into its row, the error of that.';
COMMENT ON COLUMN ownership.waiting.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.waiting.table_name IS 'Name of the table.';
GRANT SELECT ON ownership.waiting TO PUBLIC;

/*
 * Part of ownership.risks: values that wait, and what a feed may have sent in vain.
 */
CREATE FUNCTION ownership.lost_update(OUT table_schema text, OUT table_name text, OUT system text, OUT origin text,
	OUT waiting bigint, OUT applied bigint, OUT since timestamptz)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_lost_update' LANGUAGE C VOLATILE ROWS 10;
COMMENT ON FUNCTION ownership.lost_update() IS 'Internal: one row for each table and feed that brings rows which it may not create. It counts the rows that wait, and those that the system has not written since a waiting value was applied.';

/* reads evidence as the caller; a function, so that the evidence does not count in what the view is expected to cost */
CREATE FUNCTION ownership.waiting_problem(table_schema text, table_name text, system text)
RETURNS text LANGUAGE SQL STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.problem FROM ownership.conflict c
	WHERE c.outcome IN ('parked', 'remembered') AND c.resolved_at IS NULL AND c.row_key IS NOT NULL AND c.problem IS NOT NULL
	  AND c.table_schema = waiting_problem.table_schema AND c.table_name = waiting_problem.table_name
	  AND (c.outcome = 'remembered' OR c.system IS NOT DISTINCT FROM waiting_problem.system)
	  AND NOT EXISTS (SELECT FROM ownership.mirrored_column m JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field
		LEFT JOIN ownership.domain d ON d.name = f.domain
		WHERE m.table_schema = c.table_schema AND m.table_name = c.table_name AND m.column_name = ANY (c.columns::text[]) AND (f.sensitive OR d.sensitive))
	ORDER BY c.id DESC LIMIT 1;
END;
COMMENT ON FUNCTION ownership.waiting_problem(text, text, text) IS 'Internal: why the latest value that waits for rows of a table could not be written. NULL: nothing failed, or the field is sensitive.';

/* What went with tables that were dropped or replaced. */
CREATE TABLE ownership.replaced_table (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	system			text NOT NULL,
	columns			text[] NOT NULL,
	replaced		boolean NOT NULL DEFAULT false,
	bounds			text NOT NULL DEFAULT '',
	part			oid NOT NULL DEFAULT 0,
	PRIMARY KEY (table_schema, table_name, system, bounds)
);
COMMENT ON TABLE ownership.replaced_table IS 'Internal: the systems whose values were in a table that was dropped or replaced, and do not make its rows.';
COMMENT ON COLUMN ownership.replaced_table.table_schema IS 'Schema that the map names.';
COMMENT ON COLUMN ownership.replaced_table.table_name IS 'Table that the map names.';
COMMENT ON COLUMN ownership.replaced_table.system IS 'The system.';
COMMENT ON COLUMN ownership.replaced_table.columns IS 'Columns of the system that had values.';
COMMENT ON COLUMN ownership.replaced_table.bounds IS 'Of a partition: OID of the table above it, and its bounds. Empty: it is about the whole table.';
COMMENT ON COLUMN ownership.replaced_table.part IS 'OID of the table or partition that had the values.';
COMMENT ON COLUMN ownership.replaced_table.replaced IS 'true: another table has the name. false: the table was dropped, and no other has the name yet.';
CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.replaced_table
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.replaced_table
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.replaced_table ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.replaced_table ENABLE ALWAYS TRIGGER another_hub_truncate;


CREATE VIEW ownership.waiting_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	/* PostgreSQL drops the changes of a row that is not there */
	SELECT 7, 'medium', 'updates_lost', NULL::text, NULL::text, ownership.relation_name(l.table_schema, l.table_name), NULL::text,
		array_remove(ARRAY[l.system], NULL),
		concat_ws(' ', format('%s brings rows of %s that %s may not create: PostgreSQL drops the UPDATEs and DELETEs of such a row until it is there.',
				coalesce((SELECT s.subname FROM pg_catalog.pg_subscription s WHERE l.origin ~ ('^pg_' || s.oid || '(_|$)')), l.origin), ownership.relation_name(l.table_schema, l.table_name), coalesce(l.system, 'it')),
			CASE l.waiting WHEN 0 THEN NULL WHEN 1 THEN '1 row is not there yet.' ELSE format('%s rows are not there yet.', l.waiting) END,
			CASE l.applied WHEN 0 THEN NULL WHEN 1 THEN '1 row has a value that had waited, and was not written since.'
				ELSE format('%s rows have values that had waited, and were not written since.', l.applied) END,
			format('The first was sent on %s.', to_char(l.since, 'YYYY-MM-DD'))),
		concat_ws(' ', CASE WHEN l.waiting > 0 THEN 'Ask the system that creates these records why the rows are missing.' END,
			CASE WHEN l.applied > 0 THEN format('Have %s send the rows again, or compare them with it; then dismiss what was applied: SELECT ownership.dismiss(array_agg(id)) FROM ownership.conflict WHERE outcome = ''parked'' AND resolution = ''applied'' AND origin = %L AND (table_schema, table_name) = (%L, %L)',
				coalesce(l.system, 'the sender'), l.origin, l.table_schema, l.table_name) END)
	FROM ownership.lost_update() l
	UNION ALL
	SELECT 8, 'medium', 'values_replaced', NULL, NULL, ownership.relation_name(r.table_schema, r.table_name), NULL, ARRAY[r.system],
		format('%s %s was replaced by another one: what %s had written into %s went with it, unless the load brought it.',
			CASE r.bounds WHEN '' THEN 'Table' ELSE 'A partition of' END, ownership.relation_name(r.table_schema, r.table_name), r.system, array_to_string(r.columns, ', ')),
		format('Have %s send its values again, or take them from a backup; then DELETE FROM ownership.replaced_table WHERE (table_schema, table_name, system) = (%L, %L, %L). Load into the table itself from now on: what TRUNCATE and DELETE take along is remembered.',
			r.system, r.table_schema, r.table_name, r.system)
	FROM ownership.replaced_table r
	JOIN ownership.mirrored_table t USING (table_schema, table_name)
	JOIN ownership.system s ON s.name = r.system
	WHERE r.replaced
	UNION ALL
	/* the problem of a value can contain the value: it is for those who may read evidence */
	SELECT CASE w.problems WHEN 0 THEN 14 ELSE 9 END, CASE w.problems WHEN 0 THEN 'low' ELSE 'medium' END, 'parked', NULL, NULL,
		ownership.relation_name(w.table_schema, w.table_name), NULL, array_remove(ARRAY[w.system], NULL),
		concat_ws(' ', format('%s %s for rows of %s since %s.', CASE w.waiting WHEN 1 THEN '1 value' ELSE w.waiting || ' values' END
				|| coalesce(' of ' || w.system, ''), CASE w.waiting WHEN 1 THEN 'waits' ELSE 'wait' END,
				ownership.relation_name(w.table_schema, w.table_name), to_char(w.since, 'YYYY-MM-DD')),
			CASE WHEN w.problems > 0 THEN format('%s could not be written%s.',
				CASE w.problems WHEN w.waiting THEN CASE w.problems WHEN 1 THEN 'It' ELSE 'They' END ELSE w.problems || ' of them' END,
				CASE WHEN has_table_privilege('ownership.conflict', 'SELECT')
					THEN coalesce(': ' || rtrim(ownership.waiting_problem(w.table_schema, w.table_name, w.system), '.'), '') ELSE '' END) END),
		concat_ws(' ', 'See ownership.waiting.', CASE WHEN w.problems > 0
			THEN format('Where the value is wrong, have %s correct it, and dismiss it: SELECT ownership.dismiss(conflict_id); where the table is, change the table; then SELECT ownership.apply_waiting(%L).',
				coalesce(w.system, 'the sender'), ownership.relation_name(w.table_schema, w.table_name)) END,
			CASE WHEN w.problems < w.waiting THEN format('The values go in when the rows are created. Where rows are missing, ask the system that creates them, or create them: SELECT ownership.accept(conflict_id). Where they are there, SELECT ownership.apply_waiting(%L).',
				ownership.relation_name(w.table_schema, w.table_name)) END)
	FROM (SELECT table_schema, table_name, system, sum(waiting)::bigint AS waiting, sum(problems)::bigint AS problems, min(since) AS since
		FROM ownership.waiting_count
		WHERE outcome = 'parked' OR problems > 0
		GROUP BY table_schema, table_name, system) w;
COMMENT ON VIEW ownership.waiting_risk IS 'Internal: the part of ownership.risks that is about values which wait for their rows.';
GRANT SELECT ON ownership.replaced_table, ownership.waiting_risk TO PUBLIC;

/*
 * Part of ownership.risks: values that have been pinned for a long time.  The view reads
 * pins with its owner's privileges, and shows no values and no keys.
 */
CREATE VIEW ownership.pinned_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	SELECT 14, 'low', 'pinned', m.entity, m.field, ownership.relation_name(p.table_schema, p.table_name), p.column_name,
		array_remove(ARRAY[f.owner], NULL),
		format('%s of %s.%s %s been pinned for more than 90 days, the first since %s.',
			CASE p.pins WHEN 1 THEN '1 value' ELSE p.pins || ' values' END, ownership.relation_name(p.table_schema, p.table_name),
			quote_ident(p.column_name), CASE p.pins WHEN 1 THEN 'has' ELSE 'have' END, to_char(p.since, 'YYYY-MM-DD')),
		format('Have %s correct its values: the pins end when it sends the right ones. Or end them: SELECT ownership.unpin(%L, row_key, %L) FROM ownership.pin WHERE ended_at IS NULL AND pinned_at < now() - interval ''90 days'' AND (table_schema, table_name, column_name) = (%L, %L, %L)',
			coalesce(f.owner, 'the system of record'), ownership.relation_name(p.table_schema, p.table_name), p.column_name, p.table_schema, p.table_name, p.column_name)
	FROM (SELECT table_schema, table_name, column_name, count(*) AS pins, min(pinned_at) AS since
		FROM ownership.pin
		WHERE ended_at IS NULL AND pinned_at < now() - interval '90 days'
		GROUP BY table_schema, table_name, column_name) p
	LEFT JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
	LEFT JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field;
COMMENT ON VIEW ownership.pinned_risk IS 'Internal: the part of ownership.risks that is about values which have been pinned for a long time.';
GRANT SELECT ON ownership.pinned_risk TO PUBLIC;

/* How many values are pinned: for everybody, without values and keys. */
CREATE VIEW ownership.pinned_count AS
	SELECT table_schema, table_name, column_name, count(*) AS pinned, count(until) AS timed,
		count(gone_at) AS waiting, min(pinned_at) AS since
	FROM ownership.pin
	WHERE ended_at IS NULL
	GROUP BY table_schema, table_name, column_name;
COMMENT ON VIEW ownership.pinned_count IS 'Internal: how many values are pinned, by column; how many of them until a time, and how many in rows that were deleted.';
GRANT SELECT ON ownership.pinned_count TO PUBLIC;

/* END waiting */

CREATE OR REPLACE VIEW ownership.loader_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
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
	/* the owners of the table and of everything below it */
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
	/* the system's role may become the owner, or the owner writes as the system */
	CROSS JOIN LATERAL (SELECT pg_has_role(l.oid, h.relowner, 'MEMBER') AS acts) k
	CROSS JOIN LATERAL (SELECT coalesce(l.system, CASE WHEN l.carrier THEN t.source END) AS system) w
	WHERE NOT l.switches_off AND (k.acts OR (NOT h.rolsuper AND pg_has_role(h.relowner, l.oid, 'USAGE')))
)
SELECT 13, 'medium', 'foreign_loader', NULL::text, NULL::text, ownership.relation_name(h.table_schema, h.table_name), NULL::text,
	array_remove(ARRAY[h.system], NULL),
	format('%s, %s, owns %s or a part of it, in which %s own%s fields: it may switch the guard off, or put another table in its place.',
		string_agg(DISTINCT h.holder, '; ' ORDER BY h.holder), coalesce('which writes as ' || h.system, 'which loads the tables of several systems'),
		ownership.relation_name(h.table_schema, h.table_name), array_to_string(f.owners, ', '), CASE cardinality(f.owners) WHEN 1 THEN 's' ELSE '' END),
	format('Make a role that belongs to no system its owner: ALTER TABLE %s OWNER TO ...; then GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s',
		ownership.relation_name(h.table_schema, h.table_name), ownership.relation_name(h.table_schema, h.table_name),
		string_agg(DISTINCT quote_ident(h.role), ', '))
FROM holding h
CROSS JOIN LATERAL (SELECT array_agg(DISTINCT f.owner ORDER BY f.owner) AS owners FROM ownership.foreign_in f
	WHERE f.table_schema = h.table_schema AND f.table_name = h.table_name AND f.owner IS DISTINCT FROM h.system
	  AND (h.system IS NULL OR f.source IS DISTINCT FROM h.system OR f.only_here)) f
WHERE f.owners IS NOT NULL
GROUP BY h.table_schema, h.table_name, h.system, f.owners
UNION ALL
/* roles that the guard holds back in no table */
SELECT 13, 'medium', 'foreign_loader', NULL, NULL, NULL, NULL, array_remove(ARRAY[l.system], NULL),
	format('Role %I, which %s, %s: no guard holds it back.', l.role,
		coalesce('writes as ' || l.system, 'loads the tables of several systems'),
		CASE WHEN l.rolsuper THEN 'is a superuser' ELSE 'may set ' || l.settable END),
	CASE WHEN l.rolsuper THEN format('Have the system use a role that is no superuser, or ALTER ROLE %I NOSUPERUSER', l.role)
		ELSE format('REVOKE SET ON PARAMETER %s FROM %I, or from the role that gives it this privilege.', l.settable, l.role) END
FROM loader l
WHERE l.switches_off AND EXISTS (SELECT FROM ownership.foreign_in f WHERE f.owner IS DISTINCT FROM l.system);

/* Part of ownership.risks: groups that the guard does not see as one value. */
/* A function, so that what PostgreSQL expects it to cost does not count in the view: expensive plans are compiled. */
CREATE FUNCTION ownership.is_partition_key(table_schema text, table_name text, column_name text)
RETURNS boolean LANGUAGE SQL STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM pg_namespace n
		JOIN pg_class t ON t.relnamespace = n.oid AND t.relname = is_partition_key.table_name::name AND t.relkind = 'p'
		CROSS JOIN LATERAL pg_partition_tree(t.oid) p
		JOIN pg_partitioned_table k ON k.partrelid = p.relid
		JOIN pg_attribute a ON a.attrelid = k.partrelid AND a.attnum = ANY (k.partattrs)
		WHERE n.nspname = is_partition_key.table_schema::name AND a.attname = is_partition_key.column_name::name);
END;
COMMENT ON FUNCTION ownership.is_partition_key(text, text, text) IS 'Internal: is a table, or a partition of it, partitioned by the column?';

CREATE VIEW ownership.group_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
WITH member AS (
	SELECT f.entity, f.column_group, f.name AS field, f.owner, coalesce(f.policy, d.policy) AS policy,
		ownership.relation_name(c.table_schema, c.table_name) AS relation, c.column_name, r.owners,
		coalesce(r.rules, '') AS rules,
		ownership.is_partition_key(c.table_schema, c.table_name, c.column_name) AS partition_key
	FROM ownership.field_now f
	LEFT JOIN ownership.domain d ON d.name = f.domain
	JOIN ownership.mirrored_column c ON c.entity = f.entity AND c.field = f.name
	LEFT JOIN LATERAL (SELECT string_agg(format('%L by %L', o.row_filter, o.owner), ', ' ORDER BY o.position) AS rules,
			array_agg(o.owner) AS owners
		FROM ownership.row_owner_now o
		WHERE o.table_schema = c.table_schema AND o.table_name = c.table_name AND o.column_name = c.column_name) r ON true
	WHERE f.column_group IS NOT NULL AND NOT f.key
), part AS (
	/* one row for each group and table */
	SELECT entity, column_group, relation, count(DISTINCT field) AS fields,
		concat_ws('; ',
			CASE WHEN count(DISTINCT rules) > 1 THEN 'the row owners of its columns differ' END,
			CASE WHEN count(DISTINCT (owner, policy)) > 1 THEN 'its fields have several systems of record or policies' END,
			'the table is partitioned by ' || string_agg(quote_ident(column_name), ', ' ORDER BY column_name COLLATE "C") FILTER (WHERE partition_key)) AS split
	FROM member
	GROUP BY entity, column_group, relation
	HAVING count(*) > 1
)
SELECT 10, 'medium', 'split_group', p.entity, NULL::text, p.relation, NULL::text,
	(SELECT coalesce(array_agg(DISTINCT s COLLATE "C") FILTER (WHERE s IS NOT NULL), '{}') FROM member m CROSS JOIN LATERAL unnest(m.owners || m.owner) s
		WHERE m.entity = p.entity AND m.column_group = p.column_group AND m.relation = p.relation),
	format('Group %s of %s is split in %s: %s. What is split is judged apart, so the values of two systems can end up as one.',
		p.column_group, p.entity, p.relation, p.split),
	'Give its fields one system of record and one policy, and its columns the same row owners; or take those that differ out of the group: set their field.column_group to NULL.'
FROM part p
WHERE p.split <> ''
UNION ALL
SELECT 10, 'medium', 'split_group', m.entity, NULL, NULL, NULL,
	coalesce(array_agg(DISTINCT m.owner COLLATE "C") FILTER (WHERE m.owner IS NOT NULL), '{}'),
	format('No table has all fields of group %s of %s: %s. The guard keeps together only what is in one table.', m.column_group, m.entity,
		string_agg(DISTINCT format('%s is in %s', quote_ident(m.field), m.relation), ', ')),
	'Link the columns that are missing in one of the tables to their fields; or make groups of those fields only that are in one table (field.column_group).'
FROM member m
GROUP BY m.entity, m.column_group
HAVING count(DISTINCT m.field) > coalesce((SELECT max(p.fields) FROM part p WHERE p.entity = m.entity AND p.column_group = m.column_group), 1);
COMMENT ON VIEW ownership.group_risk IS 'Internal: the part of ownership.risks that is about groups which are split.';

GRANT SELECT ON ownership.group_risk TO PUBLIC;

/* The sheet for a workshop, and fields that no column contains. */

/* What decides whether a field is on a worksheet, and where. */
CREATE VIEW ownership.crossing AS
WITH place AS (
	SELECT c.entity, c.field, count(*) > 1 AS linked, bool_or(t.source IS NULL) AS shared,
		array_agg(DISTINCT t.source) FILTER (WHERE t.source IS NOT NULL) AS sources
	FROM ownership.mirrored_column c
	JOIN ownership.mirrored_table t USING (table_schema, table_name)
	GROUP BY c.entity, c.field
), seen AS (
	SELECT c.entity, c.field, a.system, sum(a.reads) AS reads, sum(a.writes) AS writes
	FROM ownership.activity a
	JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
	GROUP BY c.entity, c.field, a.system
), traffic AS (
	SELECT entity, field, sum(reads + writes) AS times,
		string_agg(format('%s (%s)', coalesce(system, '?'), reads), '; ' ORDER BY reads DESC, system COLLATE "C") FILTER (WHERE reads > 0) AS readers,
		string_agg(format('%s (%s)', coalesce(system, '?'), writes), '; ' ORDER BY writes DESC, system COLLATE "C") FILTER (WHERE writes > 0) AS writers
	FROM seen
	GROUP BY entity, field
), system AS (
	SELECT entity, field, system, bool_or(writes) AS writes
	FROM (SELECT entity, name AS field, owner AS system, true AS writes FROM ownership.field_now
		UNION ALL
		SELECT a.entity, a.field, a.system, a.mode = 'write'
			AND coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') NOT IN ('fill', 'create_only')
		FROM ownership.declared_access a
		JOIN ownership.field_now f ON f.entity = a.entity AND f.name = a.field
		LEFT JOIN ownership.domain d ON d.name = f.domain
		UNION ALL
		SELECT entity, field, system, disputed > 0 FROM ownership.seen
		UNION ALL
		SELECT entity, field, unnest(sources), false FROM place) s
	WHERE system IS NOT NULL
	GROUP BY entity, field, system
), systems AS (
	SELECT s.entity, s.field, count(*) AS systems,
		count(*) FILTER (WHERE s.writes AND NOT EXISTS (SELECT FROM ownership.row_part r
			WHERE r.entity = s.entity AND r.field = s.field AND r.system = s.system)) AS writers
	FROM system s
	GROUP BY s.entity, s.field
)
SELECT f.entity, f.name AS field, coalesce(p.shared, false) AS shared, coalesce(p.linked, false) AS linked,
	b.field IS NOT NULL AS by_default, coalesce(s.systems, 0) AS systems,
	NOT f.local AND coalesce(s.writers > 1, false) AS contested,
	t.readers AS seen_readers, t.writers AS seen_writers, coalesce(t.times, 0) AS times
FROM ownership.field_now f
LEFT JOIN place p ON p.entity = f.entity AND p.field = f.name
LEFT JOIN ownership.by_default b ON b.entity = f.entity AND b.field = f.name
LEFT JOIN traffic t ON t.entity = f.entity AND t.field = f.name
LEFT JOIN systems s ON s.entity = f.entity AND s.field = f.name;
COMMENT ON VIEW ownership.crossing IS 'Internal: what decides whether a field is on a worksheet, and where.';
GRANT SELECT ON ownership.crossing TO PUBLIC;

CREATE FUNCTION ownership.worksheet(pattern text DEFAULT '*', "only" text DEFAULT 'undecided', OUT entity text, OUT field text, OUT domain text, OUT owner text,
	OUT readers text, OUT writers text, OUT columns text, OUT policy text, OUT key text, OUT local text, OUT rationale text, OUT decided_by text, OUT decided_on text, OUT label text,
	OUT suggestion text, OUT reason text, OUT seen_readers text, OUT seen_writers text, OUT samples text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_worksheet' LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.worksheet(text, text) IS
'Returns the spreadsheet for a workshop: the fields that people must decide on, those that matter most first, with what the database knows of them. import_sheet() imports what comes back.
Arguments:
- pattern: Pattern of table names, as in add_tables(), or of fields, such as product.*. Default: * (every field).
- only: undecided, the default: fields that have no system of record, and fields that the source of their table owns by default and that are linked, or seen or declared with another system. contested: fields that several systems write, as declared or as seen. crossing: fields that several systems have to do with, and fields of shared tables. all: all fields. Only all has local fields.
Returns one row for each field; the columns as far as label are those of ownership.sheet:
- entity: Entity of the field.
- field: Name of the field.
- domain: Domain of the field.
- owner: System of record. NULL: none.
- readers: Systems that are declared to read the field, separated by semicolons.
- writers: Systems that are declared to write the field, separated by semicolons.
- columns: Columns that contain the field, separated by semicolons.
- policy: Policy of the field. NULL: that of the domain, else the setting ownership.default_policy.
- key: t or f: whether the field is part of the key of its entity.
- local: t or f: whether the field does not cross a system boundary.
- rationale: Why the system of record owns the field.
- decided_by: Person or group that decided.
- decided_on: Day of the decision, as YYYY-MM-DD.
- label: Name that people use for the field.
- suggestion: System that the guide suggests as the system of record, or the kind of system if the map has no system of that kind, or several. local: the field should be local. NULL: the guide suggests none.
- reason: Why the guide suggests it. It begins with "sure" if at least two pieces of evidence agree. Where nobody decided on the owner, it ends with that.
- seen_readers: Systems that were seen reading the field, each with the number of statements. ? stands for an unidentified reader.
- seen_writers: Systems that were seen writing the field, each with the number of statements or replicated row changes. ? stands for an unidentified writer.
- samples: Up to three values from the first rows of a table. NULL: there are none, the caller may not read them, the field is sensitive, the column''s name says that it gives access (such as password or token), or the table has row security.';

CREATE FUNCTION ownership.near_columns(OUT entity text, OUT field text, OUT columns text[])
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_near_columns' LANGUAGE C STABLE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.near_columns() IS 'Internal: the fields that no column contains, each with the columns of the database whose names are like it.';

CREATE VIEW ownership.no_column_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	SELECT 16, 'low', 'no_column', n.entity, n.field, NULL::text, NULL::text, array_remove(ARRAY[f.owner], NULL),
		format('No column of a mirrored table contains %s.%s: no write is judged by it.%s', n.entity, n.field,
			' Columns with such a name: ' || nullif(array_to_string(n.columns, ', '), '') || '.'),
		CASE WHEN n.columns = '{}'
			THEN format('If a table of this database contains it, link its column: SELECT ownership.link(%L, ''{schema.table.column}''). If none does, correct the name, or list the field as local.', n.entity || '.' || n.field)
			ELSE format('If it is that column: SELECT ownership.link(%L, %L)', n.entity || '.' || n.field, n.columns[1:1]::text) END
	FROM ownership.near_columns() n
	JOIN ownership.field_now f ON f.entity = n.entity AND f.name = n.field;
COMMENT ON VIEW ownership.no_column_risk IS 'Internal: the part of ownership.risks that is about fields without a column.';
GRANT SELECT ON ownership.no_column_risk TO PUBLIC;

/* Local fields are nobody's quarrel, but who reads one of another system depends on it. */
CREATE VIEW ownership.undeclared AS
SELECT s.entity, s.field, s.system, 'read' AS mode, s.reads AS times
FROM ownership.seen s
JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field
WHERE s.reads > 0 AND s.system IS NOT NULL AND f.owner IS DISTINCT FROM s.system
  AND NOT EXISTS (SELECT FROM ownership.declared d
	WHERE d.entity = s.entity AND d.field = s.field AND d.system = s.system)
UNION ALL
SELECT s.entity, s.field, s.system, 'write', s.disputed + s.refused
FROM ownership.seen s
JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field
WHERE (s.disputed > 0 OR s.refused > 0) AND s.system IS NOT NULL AND f.owner IS DISTINCT FROM s.system AND NOT f.local
  AND NOT EXISTS (SELECT FROM ownership.declared_access a
	WHERE a.entity = s.entity AND a.field = s.field AND a.system = s.system AND a.mode = 'write')
  AND NOT EXISTS (SELECT FROM ownership.row_part r
	WHERE r.entity = s.entity AND r.field = s.field AND r.system = s.system);
COMMENT ON VIEW ownership.undeclared IS 'Internal: the systems that were seen reading or writing a field, or trying to write it, and are not declared to do that.';
GRANT SELECT ON ownership.undeclared TO PUBLIC;

CREATE FUNCTION ownership.declare_seen(pattern text DEFAULT '*', mode text DEFAULT 'read')
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_declare_seen' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.declare_seen(text, text) IS
'Declares the systems that were seen reading fields as their readers, so that they are the risk undeclared_reader no more. The guard judges writes as before. The caller needs the privilege to insert into ownership.declared_access.
Arguments:
- pattern: Pattern of table names, as in add_tables(), or of fields, such as product.*. Default: * (every field).
- mode: read, the default. write: the function declares the systems that were seen writing fields of others, or trying to, as their writers.
Returns the number of declarations that it made, one for each field and system.';

CREATE FUNCTION ownership.own_metric(OUT name text, OUT value bigint)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_own_metric' LANGUAGE C VOLATILE ROWS 12;
COMMENT ON FUNCTION ownership.own_metric() IS 'Internal: the part of the view metrics that is about shared memory and the worker.';

/*
 * Fields that have to be fresh, and whether they are.  Rows that come are counted only
 * where the library is preloaded: elsewhere no field is stale.  A field whose owner was
 * never seen is stale if it could have been seen for long enough: since the server
 * started and since the map last said something else of the field.
 */
CREATE VIEW ownership.freshness AS
SELECT f.entity, f.name AS field, f.owner, f.fresh_within, r.last_row,
	coalesce((SELECT m.value > 0 FROM ownership.own_metric() m WHERE m.name = 'counters_size') AND statement_timestamp() - f.fresh_within > coalesce(r.last_row,
		greatest(pg_postmaster_start_time(), h.changed_at)), false) AS stale
FROM ownership.field_now f
LEFT JOIN (SELECT entity, field, max(changed_at) AS changed_at FROM ownership.map_history GROUP BY entity, field) h
	ON h.entity = f.entity AND h.field = f.name
CROSS JOIN LATERAL (SELECT max(a.last_write) AS last_row
	FROM ownership.mirrored_column c
	JOIN ownership.activity a ON (a.table_schema, a.table_name) = (c.table_schema, c.table_name)
	WHERE (c.entity, c.field) = (f.entity, f.name) AND a.system = f.owner) r
WHERE f.fresh_within IS NOT NULL AND f.owner IS NOT NULL AND NOT f.local;
COMMENT ON VIEW ownership.freshness IS 'The fields that have to be fresh (field.fresh_within), and when the last row of their tables came from their system of record. Local fields and fields without a system of record are left out.';
COMMENT ON COLUMN ownership.freshness.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.freshness.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.freshness.owner IS 'System of record of the field.';
COMMENT ON COLUMN ownership.freshness.fresh_within IS 'Longest time without a row of the system of record.';
COMMENT ON COLUMN ownership.freshness.last_row IS 'Time at which the last row came from the system of record, in any of the tables that contain the field, changed or not. NULL: none was seen.';
COMMENT ON COLUMN ownership.freshness.stale IS 'true: no row came for longer than that. false also where the library is not preloaded, because nothing is counted there.';
GRANT SELECT ON ownership.freshness TO PUBLIC;

CREATE OR REPLACE VIEW ownership.risks AS
WITH guard AS MATERIALIZED (
	SELECT relation, table_schema, table_name, guarded, subscriptions, problems, touched FROM ownership.guards
), seen AS MATERIALIZED (
	SELECT * FROM ownership.seen
), declared_writer AS MATERIALIZED (
	SELECT entity, field, system FROM ownership.declared_access WHERE mode = 'write'
), spoken AS (
	/*
	 * The known writers of each field, one row for each writer and reason.  Local
	 * fields do not count, nor do systems that own the field in some rows.  A field that
	 * nobody but its owner is known to write is no quarrel.
	 */
	SELECT f.entity, f.name AS field, f.owner, f.owner AS system, f.owner IS NOT NULL AS writes,
		0::bigint AS disputed, 0::bigint AS refused, NULL::timestamptz AS last_disputed, false AS undeclared, false AS owner_writes
	FROM ownership.field_now f
	WHERE NOT f.local AND (f.entity, f.name) IN (SELECT entity, field FROM declared_writer UNION ALL SELECT entity, field FROM seen)
	UNION ALL
	/* a declared writer that may only fill blanks, or only create rows, takes nothing from the owner */
	SELECT f.entity, f.name, f.owner, a.system, true, 0, 0, NULL, false, false
	FROM declared_writer a
	JOIN ownership.field_now f ON f.entity = a.entity AND f.name = a.field
	LEFT JOIN ownership.domain d ON d.name = f.domain
	WHERE NOT f.local
	  AND (f.owner IS NULL OR (coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') NOT IN ('fill', 'create_only')
		AND (a.entity, a.field, a.system) NOT IN (SELECT r.entity, r.field, r.system FROM ownership.row_part r)))
	UNION ALL
	SELECT s.entity, s.field, f.owner, s.system, s.disputed > 0 AND s.system IS NOT NULL, s.disputed, s.refused, s.last_disputed,
		f.owner IS DISTINCT FROM s.system AND (s.system IS NULL
			OR (s.entity, s.field, s.system) IN (SELECT u.entity, u.field, u.system FROM ownership.undeclared u WHERE u.mode = 'write')),
		s.as_owner > 0
	FROM seen s
	JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field
	WHERE (s.disputed > 0 OR s.refused > 0 OR s.as_owner > 0) AND NOT f.local
	  AND (s.system IS NULL OR (s.entity, s.field, s.system) NOT IN (SELECT r.entity, r.field, r.system FROM ownership.row_part r))
), quarrel AS (
	SELECT entity, field, owner, array_agg(DISTINCT system COLLATE "C") FILTER (WHERE writes) AS writers,
		count(DISTINCT system) FILTER (WHERE writes) > 1 AS contested,
		string_agg(format('%s %s time%s, last on %s', coalesce(system, 'an unidentified writer'), disputed,
			CASE disputed WHEN 1 THEN '' ELSE 's' END, to_char(last_disputed, 'YYYY-MM-DD')), '; ' ORDER BY system COLLATE "C")
			FILTER (WHERE disputed > 0) AS seen,
		owner IS NOT NULL AND bool_or(disputed > 0) AND NOT bool_or(owner_writes) AS silent,
		bool_or(system IS DISTINCT FROM owner AND (disputed > 0 OR refused > 0)) AS others_seen,
		/* statements of the advice; of several other systems the reader names one */
		format('UPDATE ownership.field SET owner = %L WHERE (entity, name) = (%L, %L)',
			CASE count(DISTINCT system) FILTER (WHERE system IS DISTINCT FROM owner)
				WHEN 1 THEN min(system) FILTER (WHERE system IS DISTINCT FROM owner) ELSE '...' END, entity, field) AS make_owner,
		format('SELECT * FROM ownership.readiness WHERE (entity, field) = (%L, %L)', entity, field) AS readiness,
		array_agg(system ORDER BY system COLLATE "C") FILTER (WHERE undeclared AND system IS NOT NULL) AS undeclared,
		CASE WHEN bool_or(undeclared AND system IS NULL) THEN
			format('Find out which system the unidentified writer is%s record its role or feed with ownership.identify().', CASE WHEN owner IS NULL THEN ', and'
				ELSE format(': SELECT roles, origins FROM ownership.readiness WHERE (entity, field) = (%L, %L) AND system IS NULL; then', entity, field) END) END AS identify,
		/* the undeclared writers as a part of a sentence, and as sentences */
		string_agg(concat(coalesce(system, 'an unidentified writer'), ', was refused ' || nullif(refused, 0) || ' time' || CASE refused WHEN 1 THEN '' ELSE 's' END),
			'; ' ORDER BY system COLLATE "C") FILTER (WHERE undeclared) AS listed,
		string_agg(format('%s %s, and is not declared to write it%s.', coalesce(system, 'An unidentified writer'),
			concat(CASE WHEN disputed > 0
				THEN format('wrote %s.%s %s time%s', entity, field, disputed, CASE disputed WHEN 1 THEN '' ELSE 's' END)
				ELSE format('tried to write %s.%s', entity, field) END,
				', was refused ' || nullif(refused, 0) || ' time' || CASE refused WHEN 1 THEN '' ELSE 's' END),
			'; its system of record is ' || owner), ' ' ORDER BY system COLLATE "C") FILTER (WHERE undeclared) AS undeclared_told
	FROM spoken
	GROUP BY entity, field, owner
	/* what is no quarrel needs no words */
	HAVING count(DISTINCT system) FILTER (WHERE writes) > 1 OR bool_or(disputed > 0 OR undeclared)
), copies AS MATERIALIZED (
	SELECT * FROM ownership.compare_copies('*', false)
), guide AS MATERIALIZED (
	/* words for the middle of a sentence */
	SELECT d.name, d.excluded_owner, lower(left(coalesce(d.title, d.name), 1)) || substr(coalesce(d.title, d.name), 2) AS subject,
		(SELECT string_agg(ownership.kind_label(k), ' or ' ORDER BY i) FROM unnest(d.natural_owner) WITH ORDINALITY u(k, i)) AS kinds
	FROM ownership.domain d
), amiss AS MATERIALIZED (
	/* the columns that are not both on the map and, as ones that can be guarded, in their table: one join of all */
	SELECT m.entity, m.field, table_schema, table_name, column_name, m.entity IS NOT NULL AS mapped, a.generated
	FROM (SELECT t.table_schema, t.table_name, k.attname::text AS column_name, k.attgenerated <> '' AS generated
		FROM ownership.mirrored_table t
		JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema::name
		JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')
		JOIN pg_catalog.pg_attribute k ON k.attrelid = c.oid AND k.attnum > 0 AND NOT k.attisdropped) a
	FULL JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
	WHERE m.entity IS NULL OR a.generated IS DISTINCT FROM false
), found (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS (
	/* a setting switches the guard off, or makes it weaker than the map says */
	SELECT 0, 'high', 'enforcement_off', NULL::text, NULL::text, NULL::text, NULL::text, '{}'::text[],
		format('%s is %s %s: %s.', w.setting, w.value, w.place, CASE
			WHEN w.setting = 'ownership.default_policy' THEN 'what the map says of fields without a policy does not hold there'
			WHEN w.value = 'observe' THEN 'every write goes through, and is only recorded'
			ELSE 'every write goes through, and nothing is recorded' END),
		format('Ask who set it and why. If it is not meant to stay: %s', regexp_replace(w.advice, '^Correct it', 'correct it'))
	FROM ownership.weakened w
	WHERE EXISTS (SELECT FROM ownership.mirrored_table)
	UNION ALL
	/* no system of record */
	SELECT 1, 'high', 'unowned', f.entity, f.field, NULL::text, NULL::text, f.writers,
		format('%s.%s has no system of record%s.', f.entity, f.field,
			CASE WHEN f.writers = '{}' THEN '' ELSE '; declared to write it: ' || array_to_string(f.writers, ', ') END),
		concat_ws(' ', 'Decide with the people who work with it which system has the right value, and make that one the owner. Until then any system may overwrite it.',
			'By the guide, ' || g.subject || ' belongs in ' || g.kinds || '.')
	FROM (SELECT f.entity, f.name AS field, f.domain, coalesce(a.writers, '{}') AS writers
		FROM ownership.field_now f
		LEFT JOIN (SELECT entity, field, array_agg(system ORDER BY system COLLATE "C") AS writers
			FROM declared_writer
			GROUP BY entity, field) a ON a.entity = f.entity AND a.field = f.name
		WHERE f.owner IS NULL AND NOT f.local) f
	LEFT JOIN guide g ON g.name = f.domain
	UNION ALL
	/* several writers, declared or seen, with or without the owner */
	SELECT 2, 'high', 'contested', q.entity, q.field, NULL, NULL, q.writers,
		concat_ws(' ', format('%s systems write %s.%s: %s%s.', cardinality(q.writers), q.entity, q.field, array_to_string(q.writers, ', '),
				'; its system of record is ' || q.owner),
			'Seen: ' || q.seen || '.', 'Not declared to write it: ' || q.listed || '.',
			CASE WHEN q.silent THEN q.owner || ' was never seen writing it.' END),
		concat_ws(' ', q.identify, CASE
			WHEN q.owner IS NULL THEN 'The last write counts. Decide which of them owns it; the others only read it: ' || q.make_owner
			WHEN q.silent THEN format('Ask the teams which of them maintains it. If it is %s, have the others make their changes there; else make that system the owner: %s',
				q.owner, q.make_owner)
			ELSE format('Ask the others why they write it: only %s owns it. Their changes must be made there, before they stop writing. %s', q.owner, CASE
				WHEN q.others_seen THEN 'Their roles and applications: ' || q.readiness
				ELSE format('When they have stopped: DELETE FROM ownership.declared_access WHERE (entity, field, mode) = (%L, %L, ''write'') AND system = ANY (%L)',
					q.entity, q.field, array_remove(q.writers, q.owner)) END) END)
	FROM quarrel q
	WHERE q.contested
	UNION ALL
	/* a guard of which a trigger is missing or switched off */
	SELECT 3, 'high', 'unguarded', NULL, NULL, g.relation, NULL, '{}',
		format('The guard of %s has a gap: %s.', g.relation, array_to_string(g.problems, '; ')),
		format('Ask the database administrator by whom and why it was switched off, then switch it on again: SELECT ownership.guard(%L)', g.relation)
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
		JOIN ownership.field_now f ON f.entity = c.entity AND f.name = c.field
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
		FROM ownership.field_now f
		UNION ALL
		SELECT c.entity, c.field, f.domain, r.owner, ownership.relation_name(r.table_schema, r.table_name), r.column_name, r.row_filter
		FROM ownership.row_owner_now r
		JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
		JOIN ownership.field_now f ON f.entity = c.entity AND f.name = c.field) o
	JOIN guide g ON g.name = o.domain
	JOIN ownership.system s ON s.name = o.owner
	WHERE s.kind = ANY (g.excluded_owner)
	UNION ALL
	/* others write, the owner never does */
	SELECT 11, 'medium', 'silent_owner', q.entity, q.field, NULL, NULL, ARRAY[q.owner],
		format('%s is the system of record of %s.%s and was never seen writing it. Seen: %s.', q.owner, q.entity, q.field, q.seen),
		format('Ask the team of %s whether it still maintains this. If not, make the system that maintains it the owner: %s', q.owner, q.make_owner)
	FROM quarrel q
	WHERE q.silent AND NOT q.contested AND q.undeclared_told IS NULL
	UNION ALL
	SELECT 11, 'medium', 'stale', s.entity, s.field, NULL, NULL, ARRAY[s.owner],
		format('%s is the system of record of %s.%s, and no row of its tables came from there %s; it must be fresh within %s.', s.owner, s.entity, s.field,
			coalesce('since ' || to_char(s.last_row, 'YYYY-MM-DD HH24:MI'), 'so far'), s.fresh_within),
		format('See whether the feed or job of %s runs: ownership.guards has the subscriptions of each table. If it may be silent for so long, set a longer time: UPDATE ownership.field SET fresh_within = ''...'' WHERE (entity, name) = (%L, %L)',
			s.owner, s.entity, s.field)
	FROM ownership.freshness s
	WHERE s.stale
	UNION ALL
	SELECT 12, CASE WHEN q.undeclared IS NULL AND NOT q.silent THEN 'low' ELSE 'medium' END, 'undeclared_writer', q.entity, q.field, NULL, NULL,
		coalesce(q.undeclared, '{}'),
		concat_ws(' ', q.undeclared_told, CASE WHEN q.silent THEN q.owner || ' was never seen writing it.' END),
		concat_ws(' ', q.identify, CASE WHEN q.undeclared IS NOT NULL THEN
			format('Ask the team of %s why. If it should, make it the owner: %s; or declare it as a writer: SELECT ownership.declare_seen(%L, ''write'')%s',
				array_to_string(q.undeclared, ' and that of '), q.make_owner, q.entity || '.' || q.field,
				'; if not, its changes must be made in ' || q.owner || ', before it stops writing.') END)
	FROM quarrel q
	WHERE q.undeclared_told IS NOT NULL AND NOT q.contested
	UNION ALL
	/* one row a system: a report reads whole tables */
	SELECT 14, 'low', 'undeclared_reader', r.entity, r.field, NULL, NULL, ARRAY[r.system],
		format('%s read %s %s time%s, and is not declared to read %s.', r.system,
			coalesce(r.entity || '.' || r.field, r.fields || ' fields'), r.times, CASE r.times WHEN 1 THEN '' ELSE 's' END,
			CASE r.fields WHEN 1 THEN 'it' ELSE 'them; most often: ' || array_to_string(r.most[:3], ', ') END),
		format('Declare it as a reader: then its team is asked before %s changes: SELECT ownership.declare_seen(%s)',
			CASE r.fields WHEN 1 THEN 'the field' ELSE 'a field' END, quote_literal(r.entity || '.' || r.field))
	FROM (SELECT u.system, count(*) AS fields, sum(u.times) AS times,
			CASE count(*) WHEN 1 THEN min(u.entity) END AS entity, CASE count(*) WHEN 1 THEN min(u.field) END AS field,
			array_agg(u.entity || '.' || u.field ORDER BY u.times DESC, u.entity COLLATE "C", u.field COLLATE "C") AS most
		FROM ownership.undeclared u
		WHERE u.mode = 'read'
		GROUP BY u.system) r
	UNION ALL
	SELECT 6, 'medium', 'unidentified_feed', NULL, NULL, g.relation, NULL, '{}',
		format('Subscription %s feeds %s, but belongs to no system: what it writes to owned fields is kept out.', s, g.relation),
		format('Find out which system sends it, and record that: SELECT ownership.identify(''...'', subscription => %L)', s)
	FROM guard g
	CROSS JOIN LATERAL unnest(g.subscriptions) s
	WHERE g.touched AND NOT EXISTS (SELECT FROM ownership.identity i WHERE i.kind = 'subscription' AND i.name = s)
	UNION ALL
	SELECT 7, 'medium', 'unknown_identity', NULL, NULL, NULL, NULL,
		CASE WHEN i.system IS NULL THEN '{}' ELSE ARRAY[i.system] END,
		CASE WHEN i.kind = 'role' AND r.oid IS NOT NULL
			THEN format('Role %s is not the role that was identified; it writes as no system.', i.name)
			ELSE format('%s %s is not there.', initcap(i.kind), i.name) END,
		CASE WHEN i.kind = 'role' AND r.oid IS NOT NULL
			THEN 'The role was dropped, and another role of that name was created. Check by whom and why; if it is the same system, call ownership.identify() for it again.'
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
		CASE WHEN m.generated IS NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = m.column_name::name)
			THEN format('Column %s of %s is on the map, but not in the database.', m.column_name, ownership.relation_name(m.table_schema, m.table_name))
			ELSE format('Column %s of %s cannot be guarded: it is a system or generated column.', m.column_name, ownership.relation_name(m.table_schema, m.table_name)) END,
		'If it was renamed, rename it on the map, too; if it is gone for good, delete its row from ownership.mirrored_column.'
	FROM amiss m
	JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE m.mapped
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', m.entity, m.field, ownership.relation_name(o.table_schema, o.table_name), o.column_name,
		CASE WHEN o.owner IS NULL THEN '{}' ELSE ARRAY[o.owner] END,
		format('Row filter "%s" does not work: %s. Writes to the table fail.', o.row_filter, ownership.row_filter_problem(c.oid, o.row_filter)),
		'Ask the person who changed the table, and correct the filter in ownership.row_owner.'
	FROM ownership.row_owner_now o
	JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
	JOIN pg_catalog.pg_namespace n ON n.nspname = o.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = o.table_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE ownership.row_filter_problem(c.oid, o.row_filter) IS NOT NULL
	UNION ALL
	/* a domain by which people mean different things */
	SELECT 13, 'low', 'blurred', f.entity, f.name, NULL, NULL, CASE WHEN f.owner IS NULL THEN '{}' ELSE ARRAY[f.owner] END,
		format('%s.%s is of the domain %s, by which people mean different things, and no rationale says what it means here.', f.entity, f.name, d.name),
		concat_ws(' ', 'Write down, as the field''s rationale, what exactly it holds and why its owner owns it.', d.note)
	FROM ownership.field_now f
	JOIN ownership.domain d ON d.name = f.domain AND d.blurred
	WHERE NOT f.local AND coalesce(btrim(f.rationale), '') = ''
	UNION ALL
	/* copies that contain different values, as far as the caller may read them */
	SELECT 10, 'medium', 'drifting', c.entity, c.field, c.relation, c.column_name,
		array_remove(ARRAY[c.owner, nullif(c.source, c.owner)], NULL),
		format('Copies of %s.%s disagree: %s.%s differs from %s in some rows.',
			c.entity, c.field, c.relation, quote_ident(c.column_name), c.authoritative),
		format('See which rows differ, and which value is right: SELECT * FROM ownership.drift(%L); ', c.entity || '.' || c.field)
			|| CASE WHEN c.source IS NULL THEN format('where this copy is right, correct %s first; then SELECT ownership.reconcile(%L) makes this copy agree.',
					c.authoritative, c.entity || '.' || c.field)
				ELSE format('where this copy is right, have %s corrected; in all other rows, %s must take over that value.', c.authoritative, c.source) END
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
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.group_risk
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.waiting_risk
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.pinned_risk
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.no_column_risk
	UNION ALL
	/* where a system deletes rows, what nobody owns goes with them */
	SELECT CASE WHEN d.systems IS NULL THEN 16 ELSE 11 END, CASE WHEN d.systems IS NULL THEN 'low' ELSE 'medium' END,
		'unmapped', NULL, NULL, u.relation, u.column_name, coalesce(d.systems, '{}'),
		concat_ws(' ', format('Column %s of %s is not on the map.', u.column_name, u.relation),
			array_to_string(d.systems, ' and ') || CASE cardinality(d.systems) WHEN 1 THEN ' deletes' ELSE ' delete' END
				|| ' rows of the table, and the values of this column go with them.'),
		'Decide which system owns it; if no other system ever needs it, list it as local.'
	FROM (SELECT *, ownership.relation_name(table_schema, table_name) AS relation FROM amiss WHERE NOT mapped AND NOT generated) u
	LEFT JOIN ownership.deleter() d USING (table_schema, table_name)
)
SELECT severity, risk, entity, field, relation, column_name, systems COLLATE "C" AS systems, detail, advice
FROM found
ORDER BY array_position('{high,medium,low}', severity), rank, entity COLLATE "C", field COLLATE "C", relation COLLATE "C", column_name COLLATE "C", detail COLLATE "C";

/* The policy create_only. */


CREATE OR REPLACE VIEW ownership.weakened AS
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
	/* a setting in this database overrides one for all databases */
	WHERE e.setdatabase <> 0
	   OR NOT EXISTS (SELECT FROM entry o WHERE o.name = e.name AND o.setrole = e.setrole AND o.setdatabase <> 0)
), strength (value, strong) AS (
	VALUES ('observe', 1), ('fill', 2), ('create_only', 3)
), usual AS (
	SELECT coalesce(min(coalesce(s.strong, 4)), 4) AS strong
	FROM found f
	LEFT JOIN strength s ON s.value = f.value
	WHERE f.name = 'ownership.default_policy' AND f.rank < 2
)
SELECT f.name AS setting, f.value, f.place, f.advice, f.rank < 2 AS everybody
FROM found f
LEFT JOIN strength s ON s.value = f.value
CROSS JOIN usual u
WHERE CASE f.name WHEN 'ownership.enforcement' THEN f.value IN ('observe', 'off', 'false', 'no', '0')
	ELSE f.rank = 2 AND coalesce(s.strong, 4) < u.strong END;

/*
 * Functions that gain arguments.  carry_privileges() is for this script only: it
 * gives a new function the owner and the grants of the old one.
 */
CREATE FUNCTION ownership.carry_privileges(old regprocedure, new regprocedure)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_carry_privileges' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;

CREATE FUNCTION ownership.prune(older_than interval, outcomes text[] DEFAULT NULL, unresolved boolean DEFAULT false)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_prune' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.prune(interval, text[], boolean) IS
'Deletes old evidence, and old history of values. It leaves out evidence with the outcome kept, discarded, rejected or parked that is not resolved, unless the caller asks for it. Evidence with the outcome remembered does not go by older_than: it is deleted when its time to be remembered is over, resolved or not. The caller needs the privileges to read ownership.conflict and to delete from it.
Arguments:
- older_than: Least age of the evidence that it deletes, such as 90 days.
- outcomes: Outcomes of which it deletes evidence. The outcome written stands for ownership.history. NULL, the default: all outcomes; then a role that may not read ownership.history or not delete from it leaves the history as it is.
- unresolved: true: the function also deletes what is not resolved. Values that are parked are lost by this. Default: false.
Returns the number of deleted rows of ownership.conflict and ownership.history.';

SELECT ownership.carry_privileges('ownership.prune(interval)', 'ownership.prune(interval, text[], boolean)');
DROP FUNCTION ownership.prune(interval);

CREATE FUNCTION ownership.assign(relation regclass, columns name[], owner text, readers text[] DEFAULT NULL, writers text[] DEFAULT NULL, domain text DEFAULT NULL, policy text DEFAULT NULL, entity text DEFAULT NULL, rationale text DEFAULT NULL, creates text DEFAULT NULL, column_group text DEFAULT NULL, label text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_assign' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.assign(regclass, name[], text, text[], text[], text, text, text, text, text, text, text) IS
'Puts columns of a table on the map with their system of record, and guards the table. The caller must own the table and have privileges to edit the map. A second call changes what the map says; arguments that are NULL leave it as it is, except owner.
Arguments:
- relation: The table.
- columns: The columns. NULL: all columns of the table.
- owner: System of record of their fields. NULL: the fields have no system of record.
- readers: Systems that read the fields; they replace the declared readers. NULL, the default: the declared readers stay.
- writers: Other systems that write the fields today; they replace the declared writers. NULL, the default: the declared writers stay.
- domain: Domain of the fields, a name in ownership.domain. NULL, the default: the domain stays.
- policy: Policy of the fields: observe, fill, create_only, keep or reject. NULL, the default: the policy stays.
- entity: Entity of the fields of columns that are new on the map. NULL, the default: the name of the table, with its schema unless that is public.
- rationale: Why the system owns the fields. NULL, the default: the rationale stays.
- creates: Who creates rows of the table. anyone: the key columns among the columns get the policy create_only, so that every system creates rows. owner: those of them with the policy create_only or fill, be it their own, that of the domain or the default, get no policy of their own, or reject where they would still have one of the two. At least one of the columns must be a key. NULL, the default: it stays.
- column_group: Group of the fields: fields of one group are one value, such as an address. NULL, the default: the groups stay.
- label: Name that people use for the field, if there is one column. NULL, the default: the label stays.
Returns nothing.';
SELECT ownership.carry_privileges('ownership.assign(regclass, name[], text, text[], text[], text, text, text, text)',
	'ownership.assign(regclass, name[], text, text[], text[], text, text, text, text, text, text, text)');
DROP FUNCTION ownership.assign(regclass, name[], text, text[], text[], text, text, text, text);

CREATE FUNCTION ownership.identify(system text, role text DEFAULT NULL, subscription text DEFAULT NULL, origin text DEFAULT NULL, strict boolean DEFAULT false, steward boolean DEFAULT false, carrier boolean DEFAULT false, relay boolean DEFAULT false)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_identify' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.identify(text, text, text, text, boolean, boolean, boolean, boolean) IS
'Records that a role, a subscription or a replication origin writes as a system, as a steward, as a carrier or as a relay. The caller gives exactly one of role, subscription and origin. A second call for the same identity replaces its flags.
Arguments:
- system: System that the identity writes as. NULL: only with steward, carrier or relay.
- role: Name of an existing role. NULL, the default: the identity is no role.
- subscription: Name of a subscription of this database. It may be one that does not exist yet; a NOTICE says so. NULL, the default: the identity is no subscription.
- origin: Name of a replication origin. It may be a name that does not exist yet. NULL, the default: the identity is no origin.
- strict: true: in a replication worker, the policy reject raises an error and stops the stream. Default: false.
- steward: true: the identity may write every field, and each foreign write leaves evidence. Default: false.
- carrier: true: the identity writes as the source of the table that it writes. Default: false.
- relay: true: the subscription or origin is the stream of another hub that guards by the same map. What it brings goes through without evidence, nothing that waits is applied to it, and nothing that it deletes is remembered. Default: false.
Returns nothing.';
SELECT ownership.carry_privileges('ownership.identify(text, text, text, text, boolean, boolean, boolean)',
	'ownership.identify(text, text, text, text, boolean, boolean, boolean, boolean)');
DROP FUNCTION ownership.identify(text, text, text, text, boolean, boolean, boolean);

CREATE FUNCTION ownership.accept(conflict_id bigint, pin boolean DEFAULT false)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_accept' LANGUAGE C STRICT;
COMMENT ON FUNCTION ownership.accept(bigint, boolean) IS
'Writes the refused value of a conflict, or creates or deletes the row as the writer wanted, and marks the conflict accepted. Of values that wait it creates the row with what is parked; where the row is there, it writes what is parked or remembered. The caller needs UPDATE (resolution) on ownership.conflict, and the privilege to write the table. The write leaves evidence with the outcome overridden.
Arguments:
- conflict_id: Number of the conflict.
- pin: true: the function also pins what it writes, as pin() does: values of fields that have a system of record, and are no keys. It is an error if there is no such value. Default: false.
Returns 1, the number of accepted conflicts.';
SELECT ownership.carry_privileges('ownership.accept(bigint)', 'ownership.accept(bigint, boolean)');
DROP FUNCTION ownership.accept(bigint);

CREATE FUNCTION ownership.accept(conflict_ids bigint[], pin boolean DEFAULT false)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_accept_set' LANGUAGE C STRICT;
COMMENT ON FUNCTION ownership.accept(bigint[], boolean) IS
'Accepts several conflicts, all of them or none.
Arguments:
- conflict_ids: Numbers of the conflicts.
- pin: true: the function also pins what it writes. Default: false.
Returns the number of accepted conflicts.';
SELECT ownership.carry_privileges('ownership.accept(bigint[])', 'ownership.accept(bigint[], boolean)');
DROP FUNCTION ownership.accept(bigint[]);

CREATE FUNCTION ownership.diagram(format text DEFAULT 'mermaid', reads boolean DEFAULT true)
RETURNS text AS 'MODULE_PATHNAME', 'ownership_diagram' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.diagram(text, boolean) IS
'Returns the map as a diagram: systems, entities, and which system owns, writes and reads what. There is at most one line between two of them; its text says all that the system is to the entity.
Arguments:
- format: mermaid or dot (for Graphviz). Default: mermaid.
- reads: false: what systems read is left out, and systems that only read are. Default: true.
Returns the source text of the diagram.';
SELECT ownership.carry_privileges('ownership.diagram(text)', 'ownership.diagram(text, boolean)');
DROP FUNCTION ownership.diagram(text);

CREATE FUNCTION ownership.page(entity text DEFAULT NULL, system text DEFAULT NULL, contact text DEFAULT NULL)
RETURNS text AS 'MODULE_PATHNAME', 'ownership_page' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.page(text, text, text) IS
'Returns the map, what must be decided about it, and its evidence as one HTML page. The page contains what the caller may read.
Arguments:
- entity: Pattern of entities, such as product or netsuite.*: the page is about their fields, and shows each of them. NULL, the default: all.
- system: The page is about the fields that this system has to do with. NULL, the default: all.
- contact: The page is about the fields that the systems of this contact have to do with. NULL, the default: all.
Returns the HTML text.';

SELECT ownership.carry_privileges('ownership.page()', 'ownership.page(text, text, text)');
DROP FUNCTION ownership.page();

/* What a system is to a field is one row, however many reasons there are. */
CREATE OR REPLACE VIEW ownership.picture AS
WITH cell AS (
	/* of each part, by its rank: that it is one (1), and whether it is declared (2), seen (4), refused (8), of some rows (16) */
	SELECT p.entity, p.field, p.system,
		bit_or(CASE p.how WHEN 'declared' THEN 3 WHEN 'seen' THEN 5 WHEN 'refused' THEN 9 WHEN 'some rows' THEN 17 ELSE 1 END << 5 * (p.rank - 1)) AS bits
	/* whether an owner is one by default does not matter here */
	FROM (SELECT f.entity, f.name AS field, f.owner AS system, 1 AS rank, NULL AS how FROM ownership.field_now f WHERE f.owner IS NOT NULL
		UNION ALL SELECT entity, field, system, rank, how FROM ownership.known_part) p
	GROUP BY p.entity, p.field, p.system
), cells AS MATERIALIZED (
	SELECT entity, system, bits, count(*) AS fields
	FROM cell
	GROUP BY entity, system, bits
), entity AS (
	SELECT f.entity, count(*) AS fields, count(*) FILTER (WHERE f.owner IS NULL AND NOT f.local) AS unowned
	FROM ownership.field_now f
	GROUP BY f.entity
), party AS (
	SELECT c.entity, count(DISTINCT c.system) AS systems, bool_or(c.bits >> 10 & 1 = 1) AS dangerous
	FROM cells c
	GROUP BY c.entity
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
), edge AS (
	SELECT c.system, d.node, r.part, sum(c.fields) AS fields,
		coalesce(sum(c.fields) FILTER (WHERE b.bits & 4 <> 0), 0) AS seen,
		coalesce(sum(c.fields) FILTER (WHERE b.bits & 2 = 0), 0) AS undeclared,
		coalesce(sum(c.fields) FILTER (WHERE b.bits & 8 <> 0), 0) AS refused,
		coalesce(sum(c.fields) FILTER (WHERE b.bits & 16 <> 0), 0) AS some_rows
	FROM cells c
	JOIN drawn d ON d.entity = c.entity
	CROSS JOIN (VALUES (1, 'owner'), (2, 'writer'), (3, 'intruder'), (4, 'reader')) r(rank, part)
	CROSS JOIN LATERAL (SELECT c.bits >> 5 * (r.rank - 1) & 31) b(bits)
	WHERE b.bits & 1 = 1 AND (r.part <> 'reader' OR c.bits & 33 = 0)
	GROUP BY c.system, d.node, r.part
)
SELECT 'system' AS kind, s.name AS system, NULL::text AS node, NULL::text AS part, NULL::bigint AS fields, s.name AS label,
	nullif(concat_ws(', ', nullif(s.title, s.name), nullif(s.kind, s.name)), '') AS detail, false AS alarming
FROM ownership.system s
UNION ALL
SELECT 'system', '?', NULL, NULL, NULL, 'unidentified', 'no system of the map', true
WHERE EXISTS (SELECT FROM cells c WHERE c.system = '?')
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

CREATE FUNCTION ownership.import_sheet(csv text, dry_run boolean DEFAULT true, entity text DEFAULT NULL, OUT line integer, OUT field text, OUT change text, OUT problem text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_import_sheet' LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.import_sheet(text, boolean, text) IS
'Imports a spreadsheet of fields in the form in which people keep it: columns by their headers, in any order. It first returns every problem of the whole file. While there is a problem, it imports nothing.
Arguments:
- csv: Text of the file: separated by comma, semicolon, tab or |, or the tables of a text in Markdown or HTML.
- dry_run: true, the default: the function reports problems and changes, and changes nothing.
- entity: Entity of the fields for which the file names none. NULL, the default: none.
Returns one row for each problem, then one row for each change:
- line: Line of the file at which the row begins.
- field: The field, as entity.name.
- change: What changes, such as owner: crm -> erp, or how the function took something in the file, such as a header that it does not know. NULL: the row is a problem.
- problem: What is wrong, beginning with the header of the cell. NULL: the row is a change.';
SELECT ownership.carry_privileges('ownership.import_sheet(text, boolean)', 'ownership.import_sheet(text, boolean, text)');
DROP FUNCTION ownership.import_sheet(text, boolean);

CREATE FUNCTION ownership.import_sheet(csv bytea, dry_run boolean DEFAULT true, entity text DEFAULT NULL, OUT line integer, OUT field text, OUT change text, OUT problem text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_import_sheet' LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.import_sheet(bytea, boolean, text) IS
'The same for the bytes of a file in UTF-8, UTF-16 or Windows-1252, whatever the encoding of the client and of the database.
Arguments:
- csv: The bytes of the file.
- dry_run: true, the default: the function reports problems and changes, and changes nothing.
- entity: Entity of the fields for which the file names none. NULL, the default: none.
Returns one row for each problem, then one row for each change:
- line: Line of the file at which the row begins.
- field: The field, as entity.name.
- change: What changes, or how the function took something in the file. NULL: the row is a problem.
- problem: What is wrong, beginning with the header of the cell. NULL: the row is a change.';

DROP FUNCTION ownership.carry_privileges(regprocedure, regprocedure);

/* The spreadsheet has a column for the label. */

CREATE OR REPLACE VIEW ownership.sheet AS
SELECT f.entity, f.name AS field, f.domain, f.owner,
	(SELECT string_agg(a.system, '; ' ORDER BY a.system COLLATE "C") FROM ownership.declared_access a
		WHERE a.entity = f.entity AND a.field = f.name AND a.mode = 'read') AS readers,
	(SELECT string_agg(a.system, '; ' ORDER BY a.system COLLATE "C") FROM ownership.declared_access a
		WHERE a.entity = f.entity AND a.field = f.name AND a.mode = 'write') AS writers,
	(SELECT string_agg(ownership.relation_name(c.table_schema, c.table_name) || '.' || quote_ident(c.column_name), '; '
		ORDER BY c.authoritative DESC, c.table_schema COLLATE "C", c.table_name COLLATE "C", c.column_name COLLATE "C")
		FROM ownership.mirrored_column c WHERE c.entity = f.entity AND c.field = f.name) AS columns,
	f.policy, left(f.key::text, 1) AS key, left(f.local::text, 1) AS local,
	f.rationale, f.decided_by, to_jsonb(f.decided_on) #>> '{}' AS decided_on, f.label
FROM ownership.field_now f
ORDER BY f.entity COLLATE "C", f.name COLLATE "C";
COMMENT ON COLUMN ownership.sheet.label IS 'Name that people use for the field.';


CREATE FUNCTION ownership.erase(relation regclass, row_key jsonb, value text DEFAULT NULL, dry_run boolean DEFAULT true, OUT place text, OUT count bigint)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_erase' LANGUAGE C VOLATILE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.erase(regclass, jsonb, text, boolean) IS
'Erases a person from the tables of the extension: the values of a row, and of the rows of other tables that match keys tie to it, go out of evidence, history, pins and what waits. The rows of evidence stay and count, but they have the resolution erased; each value is {"erased": true}, and row_key is a digest that nobody can compute again. What waits is never applied, what was refused is never accepted, and pins end. It does not change the tables on the map: delete the row there first, because a DELETE leaves evidence, too. The row may be deleted. It does not change the server log, WAL, backups, replicas and printed pages. The caller needs SELECT and DELETE on ownership.conflict, ownership.history and ownership.pin, and SELECT on the tables on the map that it reads.
Arguments:
- relation: Table on the map.
- row_key: Key of the row, such as {"id": 7}. NULL: the function goes by the value only.
- value: The function also erases all evidence, of whatever row, that contains exactly this text as a value, such as an e-mail address. It reads all evidence for that. NULL, the default: none.
- dry_run: true, the default: the function changes nothing and only counts.
Returns one row for each place:
- place: conflict, waiting (what is parked or remembered), history or pin, and the table that the evidence is about; map_history of pins: reasons of pins.
- count: Number of rows.';

CREATE FUNCTION ownership.apply_waiting(relation regclass DEFAULT NULL)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_apply_waiting' LANGUAGE C;
COMMENT ON FUNCTION ownership.apply_waiting(regclass) IS
'Writes values that wait, parked or remembered, into rows that are there by now: values that did not fit when the row was created, and those of a time when the guard was off. A column that has another value than its default keeps it. The caller needs UPDATE (resolution) on ownership.conflict, and no privilege on the table. It fails while ownership.enforcement is not on.
Arguments:
- relation: Table on the map. NULL, the default: all tables.
Returns the number of values that were written.';

/* Pins. */

CREATE FUNCTION ownership.pin(relation regclass, row_key jsonb, column_name text, until timestamptz DEFAULT NULL, reason text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_pin' LANGUAGE C;
COMMENT ON FUNCTION ownership.pin(regclass, jsonb, text, timestamptz, text) IS
'Pins the stored value of one column in one row of a shared table: the next save of its system of record does not replace it. The other columns of its column_group are pinned with it. The caller is a steward, or needs UPDATE (resolution) on ownership.conflict; and the privileges to read and to lock the row. A second call moves the pin.
Arguments:
- relation: Table on the map.
- row_key: Key of the row, such as {"sku": "A1"}.
- column_name: Name of the column. Its field has a system of record, and is no key.
- until: Time until which the value is pinned, whatever the system of record sends; then the last value that it sent goes in. NULL, the default: until the system of record sends a new value.
- reason: Why the value is pinned.
Returns nothing.';

CREATE FUNCTION ownership.pin_value(relation regclass, row_key jsonb, column_name text, value text, until timestamptz DEFAULT NULL, reason text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_pin_value' LANGUAGE C;
COMMENT ON FUNCTION ownership.pin_value(regclass, jsonb, text, text, timestamptz, text) IS
'Writes a value into one column of one row of a shared table, as a steward, and pins it. The caller needs the privileges for pin(), and the privilege to write the table.
Arguments:
- relation: Table on the map.
- row_key: Key of the row, such as {"sku": "A1"}.
- column_name: Name of the column. Its field has a system of record, and is no key.
- value: The value, as text. NULL: the value NULL.
- until: Time until which the value is pinned, whatever the system of record sends; then the last value that it sent goes in. NULL, the default: until the system of record sends a new value.
- reason: Why the value is pinned.
Returns nothing.';

CREATE FUNCTION ownership.unpin(relation regclass, row_key jsonb, column_name text)
RETURNS boolean AS 'MODULE_PATHNAME', 'ownership_unpin' LANGUAGE C;
COMMENT ON FUNCTION ownership.unpin(regclass, jsonb, text) IS
'Ends the pin of a value, with those of the other columns of its column_group. The stored value stays until its system of record writes it. The caller is a steward, or needs UPDATE (resolution) on ownership.conflict.
Arguments:
- relation: Table on the map.
- row_key: Key of the row. The row may be deleted.
- column_name: Name of the column.
Returns true if the value was pinned.';

CREATE FUNCTION ownership.pin_due()
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_pin_due' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.pin_due() IS
'Ends the pins whose time until is over: the last values that their systems of record sent go in. flush() and the background worker do this, too, and so does the next write of the system of record. A value that does not fit leaves its pin open.
Returns the number of rows.';

/* Watching: counts of conflicts, the view metrics, doctor(). */

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

CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON ownership.conflict_count
	FOR EACH ROW EXECUTE FUNCTION ownership.another_hub();
CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON ownership.conflict_count
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub();
ALTER TABLE ownership.conflict_count ENABLE ALWAYS TRIGGER another_hub;
ALTER TABLE ownership.conflict_count ENABLE ALWAYS TRIGGER another_hub_truncate;
GRANT SELECT ON ownership.conflict_count TO PUBLIC;

CREATE FUNCTION ownership.waiting_rows(OUT outcome text, OUT system text, OUT waiting bigint, OUT problems bigint)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_waiting_rows' LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION ownership.waiting_rows() IS 'Internal: how much evidence waits for its row, by outcome and writer, of the first 10,000.';

/* The version of the loaded library; that of the objects is in pg_extension. */
CREATE FUNCTION ownership.library_version()
RETURNS text AS 'MODULE_PATHNAME', 'ownership_library_version' LANGUAGE C STABLE;
COMMENT ON FUNCTION ownership.library_version() IS 'Internal: the version of the extension as which the loaded library was built.';

/* A condition on the name leaves out the other parts before they are computed. */
CREATE VIEW ownership.metrics WITH (security_barrier) AS
WITH writer (system) AS (
	SELECT name FROM ownership.system
	UNION ALL
	SELECT '?'
)
SELECT 'conflicts_total'::text AS name, w.system, o.outcome AS detail, coalesce(c.rows, 0)::bigint AS value
FROM writer w
CROSS JOIN unnest('{observed,filled,kept,discarded,rejected,overridden,parked}'::text[]) AS o(outcome)
LEFT JOIN (SELECT coalesce(system, '?') AS system, outcome, sum(rows)::bigint AS rows FROM ownership.conflict_count GROUP BY 1, 2) c
	USING (system, outcome)
UNION ALL
SELECT 'reads_total', w.system, '', coalesce(sum(a.reads), 0)::bigint
FROM writer w
LEFT JOIN ownership.activity a ON coalesce(a.system, '?') = w.system
GROUP BY w.system
UNION ALL
SELECT 'writes_total', w.system, '', coalesce(sum(a.writes), 0)::bigint
FROM writer w
LEFT JOIN ownership.activity a ON coalesce(a.system, '?') = w.system
GROUP BY w.system
UNION ALL
SELECT 'last_write_timestamp_seconds', w.system, '', coalesce(extract(epoch FROM max(a.last_write)), 0)::bigint
FROM writer w
LEFT JOIN ownership.activity a ON coalesce(a.system, '?') = w.system AND a.column_name <> ''
GROUP BY w.system
UNION ALL
SELECT 'stale_fields', w.system, '', count(s.field)
FROM writer w
LEFT JOIN ownership.freshness s ON s.owner = w.system AND s.stale
WHERE w.system <> '?'
GROUP BY w.system
UNION ALL
SELECT 'waiting_rows', w.system, o.outcome, coalesce(c.waiting, 0)::bigint
FROM writer w
CROSS JOIN unnest('{parked,remembered}'::text[]) AS o(outcome)
LEFT JOIN ownership.waiting_rows() c ON coalesce(c.system, '?') = w.system AND c.outcome = o.outcome
UNION ALL
SELECT 'waiting_problems', w.system, o.outcome, coalesce(c.problems, 0)::bigint
FROM writer w
CROSS JOIN unnest('{parked,remembered}'::text[]) AS o(outcome)
LEFT JOIN ownership.waiting_rows() c ON coalesce(c.system, '?') = w.system AND c.outcome = o.outcome
UNION ALL
SELECT 'evidence_rows', '', t.name, coalesce(nullif(pg_stat_get_live_tuples(c.oid), 0), greatest(c.reltuples::bigint, 0))
FROM unnest('{conflict,history}'::text[]) AS t(name)
JOIN pg_catalog.pg_class c ON c.oid = ('ownership.' || t.name)::regclass
UNION ALL
SELECT 'evidence_bytes', '', t.name, coalesce(pg_total_relation_size(('ownership.' || t.name)::regclass), 0)
FROM unnest('{conflict,history}'::text[]) AS t(name)
UNION ALL
SELECT 'pins_open', '', '', count(*)
FROM ownership.pin
WHERE ended_at IS NULL
UNION ALL
SELECT 'mapped_fields', '', d.detail, count(f.name)
FROM unnest('{owned,unowned,local}'::text[]) AS d(detail)
LEFT JOIN ownership.field_now f ON d.detail = CASE WHEN f.local THEN 'local' WHEN f.owner IS NULL THEN 'unowned' ELSE 'owned' END
GROUP BY d.detail
UNION ALL
SELECT 'mirrored_tables', '', d.detail, count(g.relation)
FROM unnest('{guarded,unguarded,missing}'::text[]) AS d(detail)
LEFT JOIN ownership.guards g ON d.detail = CASE WHEN g.guarded THEN 'guarded' WHEN g.problems = ARRAY['the table is not there'] THEN 'missing' ELSE 'unguarded' END
GROUP BY d.detail
UNION ALL
SELECT 'feed_subscriptions', '', d.detail, count(s.name)
FROM unnest('{identified,unidentified}'::text[]) AS d(detail)
LEFT JOIN (SELECT DISTINCT unnest(g.subscriptions) AS name FROM ownership.guards g) s
	ON d.detail = CASE WHEN EXISTS (SELECT FROM ownership.identity i WHERE i.kind = 'subscription' AND i.name = s.name) THEN 'identified' ELSE 'unidentified' END
GROUP BY d.detail
UNION ALL
SELECT 'settings_weakened', '', '', count(*)
FROM ownership.weakened
UNION ALL
SELECT 'map_behind', '', '', (SELECT count(*) FROM ownership.map_behind()) + (SELECT count(*) FROM ownership.map_feed WHERE state <> 'current')
UNION ALL
SELECT 'version_differs', '', '', count(*)
FROM pg_catalog.pg_extension
WHERE extname = 'ownership' AND extversion <> ownership.library_version()
UNION ALL
SELECT m.name, '', '', m.value FROM ownership.own_metric() m;
COMMENT ON VIEW ownership.metrics IS 'Counts for a monitoring system, never values of rows. Every row is always there, with 0 where nothing was counted. The names stay. A name that ends in _total is a counter: it grows until the extension or its data is created anew. All others go up and down. The unit is part of the name.';
COMMENT ON COLUMN ownership.metrics.name IS
'Name of the metric.
- conflicts_total: Rows that were in conflict, by the writing system and the outcome (detail). A refused value that is sent again counts again. Nothing is counted unless the library is preloaded.
- reads_total: Columns that statements have read, by system.
- writes_total: Columns that statements or replicated row changes have written, by system.
- last_write_timestamp_seconds: Time of the last write of a system, in seconds since 1970. 0: never.
- stale_fields: Fields of which no row came from their system of record within field.fresh_within, by that system.
- waiting_rows: Open evidence that waits for its row, by the system that wrote, and the outcome: parked or remembered. Of more than 10,000 in all only 10,000 are counted.
- waiting_problems: Those of them whose value could not be written into its row.
- evidence_rows: About how many rows the table conflict, or history, has.
- evidence_bytes: Its size on disk, with its indexes.
- pins_open: Pins that have not ended.
- mapped_fields: Fields on the map: owned, unowned or local.
- mirrored_tables: Mirrored tables: guarded, unguarded, or missing in the database.
- feed_subscriptions: Subscriptions that feed mirrored tables: identified or unidentified.
- settings_weakened: Settings by which sessions are guarded less than the map says.
- map_behind: Tables and columns that DDL changed and the map did not follow, and subscriptions that bring the map of another hub and are not current.
- version_differs: 1: library and SQL objects are of different versions.
- preloaded: 1: the library is preloaded.
- worker_running: 1: the background worker runs. It ends when it is idle.
- worker_failed: 1: the background worker has failed, and has not succeeded since.
- worker_no_process: 1: the background worker cannot be started, because no process is free.
- unwritten_seconds: Time for which something has waited to be written to the tables.
- attempts_unwritten: Rejected attempts that are not in ownership.conflict yet.
- attempts_dropped_total: Rejected attempts that found no room in shared memory, since the server started.
- counts_dropped_total: Counts that found no room in shared memory, since the server started.
- queue_size_bytes: Shared memory for rejected attempts.
- queue_used_bytes: The part of it that is in use, by all databases.
- counters_size: Counters for which shared memory has room.
- counters_used: Those of them that are in use, by all databases.';
COMMENT ON COLUMN ownership.metrics.system IS 'Name of the system. ?: unidentified writers. Empty: the metric is not about a system.';
COMMENT ON COLUMN ownership.metrics.detail IS 'Outcome, table or state, as the name says. Empty: none.';
COMMENT ON COLUMN ownership.metrics.value IS 'The count, the size in bytes, or the time in seconds.';
GRANT SELECT ON ownership.metrics TO PUBLIC;

/*
 * The time of the evidence that is followed by so many newer ids: prune() of what is
 * older leaves at most as much.  Who may not read evidence cannot prune it, either.
 */
CREATE FUNCTION ownership.evidence_time(newer bigint)
RETURNS timestamptz LANGUAGE SQL STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.recorded_at FROM ownership.conflict c
	WHERE c.id >= (SELECT max(id) FROM ownership.conflict) - newer AND c.recorded_at <> '-infinity'
	ORDER BY c.id LIMIT 1;
END;
COMMENT ON FUNCTION ownership.evidence_time(bigint) IS 'Internal: the time at which the evidence was recorded that has so many newer ones.';

CREATE FUNCTION ownership.doctor(evidence_rows bigint DEFAULT 1000000, OUT check_name text, OUT ok boolean, OUT problem text, OUT statement text)
RETURNS SETOF record LANGUAGE SQL VOLATILE ROWS 10
BEGIN ATOMIC
	WITH fact AS MATERIALIZED (
		SELECT s.fact, s.value, s.note FROM ownership.status() s
	), setting AS MATERIALIZED (
		/* what the caller may see */
		SELECT s.name, s.setting, s.source, s.sourcefile, s.pending_restart
		FROM pg_catalog.pg_settings s
		WHERE ownership.loaded() AND s.name IN ('shared_preload_libraries', 'max_worker_processes', 'ownership.enforcement',
			'ownership.activity_size', 'ownership.queue_size')
	), guard AS MATERIALIZED (
		SELECT * FROM ownership.guards
	), ddl AS MATERIALIZED (
		SELECT d.risk, d.relation, d.detail, d.advice FROM ownership.ddl_risk d
	), evidence AS MATERIALIZED (
		SELECT m.value AS rows FROM ownership.metrics m WHERE m.name = 'evidence_rows' AND m.detail = 'conflict'
	), version AS (
		SELECT e.extversion AS objects, ownership.library_version() AS library,
			(SELECT a.default_version FROM pg_catalog.pg_available_extensions a WHERE a.name = 'ownership' LIMIT 1) AS files,
			string_to_array(substring(e.extversion, '^[0-9.]+'), '.')::integer[] < string_to_array(substring(ownership.library_version(), '^[0-9.]+'), '.')::integer[] AS behind
		FROM pg_catalog.pg_extension e
		WHERE e.extname = 'ownership'
	), known (rank, check_name) AS (
		VALUES (1, 'versions'), (2, 'preloaded'), (3, 'worker'), (4, 'memory'), (5, 'settings'), (6, 'event_triggers'),
			(7, 'guards'), (8, 'feeds'), (9, 'map'), (10, 'evidence')
	), found (check_name, problem, statement) AS (
		SELECT 'versions', format('The library is of version %s, and the SQL objects in this database are of version %s.%s', v.library, v.objects,
				CASE WHEN v.behind THEN '' ELSE ' Install the newer library, and restart the server.' END),
			CASE WHEN v.behind THEN format('ALTER EXTENSION ownership UPDATE TO %L', v.library) END
		FROM version v
		WHERE v.library <> v.objects
		UNION ALL
		SELECT 'versions' AS check_name, format('Version %s is installed, and the server runs the library of version %s: restart the server.', v.files, v.library), NULL AS statement
		FROM version v
		WHERE v.files <> v.library AND v.library = v.objects
		UNION ALL
		SELECT 'preloaded' AS check_name,
			CASE WHEN s.pending_restart THEN 'The library will be preloaded when the server is restarted.'
				ELSE 'The library is not preloaded: everything is enforced, but neither activity nor rejected attempts are recorded. When the setting is changed, restart the server.' END,
			/* a role that cannot see the other libraries would take them away */
			CASE WHEN NOT s.pending_restart THEN format('ALTER SYSTEM SET shared_preload_libraries = %s', (SELECT string_agg(quote_literal(btrim(l, ' "')), ', ' ORDER BY i)
				FROM unnest(string_to_array(s.setting, ',') || '{ownership}') WITH ORDINALITY AS u(l, i) WHERE btrim(l, ' "') <> '')) END
		FROM fact f
		LEFT JOIN setting s ON s.name = 'shared_preload_libraries'
		WHERE f.fact = 'preloaded' AND f.value = 'no'
		UNION ALL
		SELECT 'preloaded' AS check_name, 'ownership.activity_size is 0: neither activity nor rejected attempts are recorded. When the setting is changed, restart the server.' AS problem,
			CASE WHEN NOT s.pending_restart THEN 'ALTER SYSTEM SET ownership.activity_size = 16384' END
		FROM setting s
		WHERE s.name = 'ownership.activity_size' AND s.setting = '0' AND EXISTS (SELECT FROM fact f WHERE f.fact = 'preloaded' AND f.value = 'yes')
		UNION ALL
		SELECT 'worker' AS check_name, format('The worker that writes activity and rejected attempts to the tables fails. %s', f.note), 'SELECT ownership.flush()' AS statement
		FROM fact f
		WHERE f.fact = 'worker' AND f.value LIKE 'failed%'
		UNION ALL
		SELECT 'worker' AS check_name, 'There is no process for the worker that writes activity and rejected attempts to the tables. When the setting is changed, restart the server.' AS problem,
			CASE WHEN NOT s.pending_restart THEN format('ALTER SYSTEM SET max_worker_processes = %s', s.setting::integer + 8) END
		FROM fact f
		JOIN setting s ON s.name = 'max_worker_processes'
		WHERE f.fact = 'worker' AND f.value LIKE 'cannot%'
		UNION ALL
		SELECT 'worker' AS check_name, 'Activity and rejected attempts have waited for more than a minute to be written to the tables.'
				|| CASE WHEN l.pids IS NULL THEN '' ELSE ' A session has locked a table of the extension; see what it does before you end it.' END,
			coalesce((SELECT string_agg(format('SELECT pg_terminate_backend(%s)', pid), E';\n' ORDER BY pid) FROM unnest(l.pids) pid), 'SELECT ownership.flush()')
		FROM fact f
		CROSS JOIN (SELECT array_agg(DISTINCT k.pid) AS pids FROM pg_catalog.pg_locks k
			WHERE k.granted AND k.locktype = 'relation' AND k.relation IN ('ownership.conflict'::regclass, 'ownership.activity'::regclass, 'ownership.conflict_count'::regclass)
			  AND k.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
			  AND k.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')) l
		WHERE f.fact = 'worker' AND f.value LIKE 'behind%'
		UNION ALL
		SELECT 'memory' AS check_name, format('%s rejected attempts have found no room in shared memory since the server started, and left no evidence. When the setting is changed, restart the server.', f.value),
			CASE WHEN NOT s.pending_restart THEN format('ALTER SYSTEM SET ownership.queue_size = %L', s.setting::bigint * 2 || 'kB') END
		FROM fact f
		JOIN setting s ON s.name = 'ownership.queue_size'
		WHERE f.fact = 'dropped' AND f.value <> '0'
		UNION ALL
		SELECT 'memory' AS check_name, format('%s counts of reads and writes have found no room in shared memory since the server started. When the setting is changed, restart the server.', f.value),
			CASE WHEN NOT s.pending_restart THEN format('ALTER SYSTEM SET ownership.activity_size = %s', s.setting::bigint * 2) END
		FROM fact f
		JOIN setting s ON s.name = 'ownership.activity_size'
		WHERE f.fact = 'dropped_counts' AND f.value <> '0'
		UNION ALL
		SELECT 'settings' AS check_name, format('%s is %s %s.', w.setting, w.value, w.place),
			CASE WHEN w.advice NOT LIKE 'Correct it there%' THEN w.advice
				ELSE (SELECT CASE WHEN s.sourcefile LIKE '%postgresql.auto.conf' THEN format('ALTER SYSTEM RESET %s', w.setting)
					ELSE format('ALTER SYSTEM SET %s = %L', w.setting, 'on') END || E';\nSELECT pg_reload_conf()' FROM setting s WHERE s.name = w.setting) END
		FROM ownership.weakened w
		UNION ALL
		SELECT 'settings' AS check_name, format('ownership.enforcement is %s in this session.', s.setting),
			CASE s.source WHEN 'session' THEN 'RESET ownership.enforcement' ELSE 'SET ownership.enforcement = on' END
		FROM setting s
		WHERE s.name = 'ownership.enforcement' AND s.setting <> 'on' AND s.source IN ('session', 'client')
		UNION ALL
		SELECT 'event_triggers' AS check_name, d.detail, d.advice
		FROM ddl d
		WHERE d.advice LIKE 'ALTER EVENT TRIGGER %'
		UNION ALL
		SELECT 'guards' AS check_name, format('The guard of %s has a gap: %s.', g.relation, array_to_string(g.problems, '; ')), format('SELECT ownership.guard(%L)', g.relation)
		FROM guard g
		WHERE NOT g.guarded AND g.problems <> ARRAY['the table is not there']
		UNION ALL
		SELECT 'guards' AS check_name, d.detail, d.advice
		FROM ddl d
		WHERE d.advice LIKE 'ALTER TRIGGER %'
		UNION ALL
		/* the source of the tables that it feeds tells who sends it; of several sources it is a carrier */
		SELECT 'feeds' AS check_name, format('Subscription %s feeds %s, but belongs to no system: what it writes to owned fields is kept out.%s', s.name, array_to_string(s.relations, ', '),
				CASE WHEN s.sources = '{}' THEN format(' Find out which system sends it, and record that: SELECT ownership.identify(''...'', subscription => %L).', s.name) ELSE '' END),
			CASE cardinality(s.sources) WHEN 0 THEN NULL
				WHEN 1 THEN format('SELECT ownership.identify(%L, subscription => %L)', s.sources[1], s.name)
				ELSE format('SELECT ownership.identify(NULL, subscription => %L, carrier => true)', s.name) END
		FROM (SELECT u.name, array_agg(g.relation ORDER BY g.relation COLLATE "C") AS relations, coalesce(array_agg(DISTINCT g.source) FILTER (WHERE g.source IS NOT NULL), '{}') AS sources
			FROM guard g
			CROSS JOIN LATERAL unnest(g.subscriptions) AS u(name)
			WHERE NOT EXISTS (SELECT FROM ownership.identity i WHERE i.kind = 'subscription' AND i.name = u.name)
			GROUP BY u.name) s
		UNION ALL
		/* such a feed tells its source that it has a change before a standby has it */
		SELECT 'feeds' AS check_name, format('Subscription %s does not wait for the synchronous standby (synchronous_commit = %s): when the standby takes over, it lacks what the subscription has just brought, and the source does not send that again.', s.subname, s.subsynccommit),
			format('ALTER SUBSCRIPTION %I SET (synchronous_commit = on)', s.subname)
		FROM pg_catalog.pg_subscription s
		WHERE s.subsynccommit IN ('off', 'local') AND current_setting('synchronous_standby_names') <> ''
		  AND EXISTS (SELECT FROM guard g WHERE s.subname::text = ANY (g.subscriptions))
		  AND s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
		UNION ALL
		SELECT DISTINCT 'map' AS check_name, d.detail, coalesce(substring(d.advice, 'SELECT ownership\.guard\(E?''(?:[^'']|'''')*''\)'), substring(d.advice, '^(ALTER SUBSCRIPTION .+ ENABLE);'))
		FROM ddl d
		WHERE d.risk = 'map_behind'
		UNION ALL
		SELECT 'evidence' AS check_name, format('ownership.conflict has about %s rows, more than %s. The statement deletes what is older than its newest ones, but not what is open: decide on that, or prune it, too.',
				e.rows, doctor.evidence_rows),
			'SELECT ownership.prune(' || quote_literal(date_trunc('second', statement_timestamp() - CASE
				WHEN pg_catalog.has_table_privilege('ownership.conflict', 'SELECT') THEN ownership.evidence_time(doctor.evidence_rows) END)) || ')'
		FROM evidence e
		WHERE e.rows > doctor.evidence_rows
	)
	SELECT k.check_name, count(f.check_name) = 0, string_agg(f.problem, E'\n' ORDER BY f.problem COLLATE "C"),
		string_agg(DISTINCT f.statement, E';\n')
	FROM known k
	LEFT JOIN found f ON f.check_name = k.check_name
	GROUP BY k.rank, k.check_name
	ORDER BY k.rank;
END;
COMMENT ON FUNCTION ownership.doctor(bigint) IS
'Checks the extension in this database, and says what is wrong and how to mend it. It changes nothing, and reads no values. Every role may call it.
Arguments:
- evidence_rows: So many rows of ownership.conflict are fine. Default: 1,000,000.
Returns one row for each check, whether something is wrong or not:
- check_name: versions, preloaded, worker, memory, settings, event_triggers, guards, feeds, map or evidence.
- ok: true: nothing is wrong.
- problem: What is wrong, one line for each problem. NULL: nothing.
- statement: What mends it: one or more statements of SQL, separated by semicolons. NULL: nothing is wrong, no statement alone mends it, or the caller may not see the setting that it would change.';

/*
 * export(): the map in the formats of other tools.  One row of this view is one mirrored
 * column with what they show of it; a column that the database does not have has no type.
 */
CREATE VIEW ownership.export_column AS
SELECT m.table_schema, m.table_name, m.column_name, m.entity, m.field, c.oid AS relid, a.attnum,
	c.relkind, obj_description(c.oid, 'pg_class') AS table_comment, col_description(c.oid, a.attnum) AS column_comment,
	format_type(a.atttypid, a.atttypmod) AS type, coalesce(a.attnotnull, false) AS not_null,
	CASE
		WHEN y.oid IS NULL THEN NULL
		WHEN coalesce(nullif(y.typbasetype, 0), y.oid) IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'
		WHEN y.typcategory = 'N' THEN 'number'
		WHEN y.typcategory = 'B' THEN 'boolean'
		WHEN y.typcategory = 'A' THEN 'array'
		WHEN coalesce(nullif(y.typbasetype, 0), y.oid) = 'date'::regtype THEN 'date'
		WHEN coalesce(nullif(y.typbasetype, 0), y.oid) IN ('time'::regtype, 'timetz'::regtype) THEN 'time'
		WHEN y.typcategory = 'D' THEN 'timestamp'
		WHEN y.typcategory = 'C' OR coalesce(nullif(y.typbasetype, 0), y.oid) IN ('json'::regtype, 'jsonb'::regtype) THEN 'object'
		ELSE 'string'
	END AS logical_type,
	(SELECT k.ord FROM pg_catalog.pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, ord)
		WHERE i.indrelid = c.oid AND i.indisprimary AND k.attnum = a.attnum) AS key_position,
	EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
		AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) AS is_unique,
	t.source, f.domain, f.owner, s.title AS owner_title, s.contact AS owner_contact, f.label, f.key, f.local, f.rationale, f.decided_by,
	f.decided_on::text AS decided_on, coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') AS policy,
	coalesce(f.on_blank, d.on_blank, 'allow') AS on_blank, f.sensitive OR coalesce(d.sensitive, false) AS sensitive, f.column_group, f.history,
	f.fresh_within, extract(epoch FROM f.fresh_within) AS fresh_seconds, m.authoritative, fa.readers, fa.writers,
	(SELECT jsonb_agg(jsonb_build_object('owner', o.owner, 'where', o.row_filter) ORDER BY o.position) FROM ownership.row_owner_now o
		WHERE (o.table_schema, o.table_name, o.column_name) = (m.table_schema, m.table_name, m.column_name)) AS row_owners,
	(SELECT count(*) FROM ownership.mirrored_column o WHERE (o.entity, o.field) = (m.entity, m.field)) AS copies
FROM ownership.mirrored_column m
JOIN ownership.mirrored_table t ON t.table_schema = m.table_schema AND t.table_name = m.table_name
JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field
JOIN ownership.field_access fa ON fa.entity = m.entity AND fa.field = m.field
LEFT JOIN ownership.domain d ON d.name = f.domain
LEFT JOIN ownership.system s ON s.name = f.owner
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name::name AND c.relkind IN ('r', 'p', 'f')
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = m.column_name::name AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_type y ON y.oid = a.atttypid;
COMMENT ON VIEW ownership.export_column IS 'Internal: what export() says of each mirrored column.';
GRANT SELECT ON ownership.export_column TO PUBLIC;

/* An array of custom properties: those that have a value. */
CREATE FUNCTION ownership.export_properties(properties jsonb)
RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT
BEGIN ATOMIC
	SELECT jsonb_agg(jsonb_build_object('property', p.key, 'value', p.value) ORDER BY p.key COLLATE "C")
	FROM jsonb_each(properties) p
	WHERE p.value NOT IN ('null', '[]', '""');
END;
COMMENT ON FUNCTION ownership.export_properties(jsonb) IS 'Internal: the members of an object as customProperties of a data contract.';

/* A CHECK that is about this column alone, or, for attnum 0, about several or none. */
CREATE FUNCTION ownership.export_quality(relid oid, attnum integer)
RETURNS jsonb LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT jsonb_agg(jsonb_build_object('name', c.conname, 'type', 'custom', 'engine', 'postgresql', 'dimension', 'conformity',
		'implementation', pg_get_constraintdef(c.oid)) ORDER BY c.conname COLLATE "C")
	FROM pg_catalog.pg_constraint c
	WHERE c.conrelid = export_quality.relid AND c.contype = 'c'
	  AND export_quality.attnum = CASE cardinality(c.conkey) WHEN 1 THEN c.conkey[1] ELSE 0 END;
END;
COMMENT ON FUNCTION ownership.export_quality(oid, integer) IS 'Internal: the CHECK constraints of a column, or, for 0, the others of the table, as quality of a data contract.';

CREATE FUNCTION ownership.export_odcs(entities text[])
RETURNS jsonb LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH property AS (
		SELECT e.table_schema, e.table_name, e.relid, e.relkind, e.table_comment, e.source, e.entity, e.attnum, e.column_name,
			jsonb_strip_nulls(jsonb_build_object('name', e.column_name, 'physicalName', e.column_name, 'businessName', e.label,
				'description', coalesce(e.column_comment, e.rationale), 'logicalType', e.logical_type, 'physicalType', e.type, 'required', nullif(e.not_null, false), 'unique', nullif(e.is_unique, false),
				'primaryKey', nullif(e.key_position IS NOT NULL, false), 'primaryKeyPosition', e.key_position,
				'classification', CASE WHEN e.sensitive THEN 'sensitive' END,
				'tags', CASE WHEN e.domain IS NOT NULL THEN jsonb_build_array(e.domain) END,
				'customProperties', ownership.export_properties(jsonb_build_object('systemOfRecord', e.owner, 'owner', coalesce(e.owner_contact, e.owner),
					'systemOfRecordTitle', e.owner_title, 'field', e.entity || '.' || e.field, 'policy', e.policy, 'onBlank', nullif(e.on_blank, 'allow'), 'readers', e.readers, 'writers', e.writers,
					'key', nullif(e.key, false), 'local', nullif(e.local, false), 'columnGroup', e.column_group, 'history', nullif(e.history, false), 'authoritativeCopy', nullif(e.authoritative, false),
					'rowOwners', e.row_owners, 'freshWithin', e.fresh_within::text, 'rationale', e.rationale, 'decidedBy', e.decided_by, 'decidedOn', e.decided_on)),
				'quality', nullif(coalesce(ownership.export_quality(e.relid, e.attnum), '[]')
					|| CASE WHEN e.on_blank IN ('keep', 'reject') THEN jsonb_build_array(jsonb_build_object('type', 'text', 'dimension', 'completeness',
						'description', 'A stored value does not become blank.')) ELSE '[]' END
					|| CASE WHEN e.copies > 1 THEN jsonb_build_array(jsonb_build_object('type', 'custom', 'engine', 'ownership', 'dimension', 'consistency',
						'implementation', format('SELECT * FROM ownership.drift(%L)', e.entity || '.' || e.field))) ELSE '[]' END, '[]'))) AS property
		FROM ownership.export_column e
		WHERE e.entity = ANY (entities)
	), object AS (
		SELECT jsonb_agg(o.object ORDER BY o.table_schema COLLATE "C", o.table_name COLLATE "C") AS objects
		FROM (SELECT p.table_schema, p.table_name,
				jsonb_strip_nulls(jsonb_build_object('name', ownership.relation_name(p.table_schema, p.table_name), 'physicalName', format('%I.%I', p.table_schema, p.table_name),
					'logicalType', 'object', 'physicalType', CASE min(p.relkind::text) WHEN 'f' THEN 'foreign table' ELSE 'table' END, 'description', min(p.table_comment),
					'tags', jsonb_agg(DISTINCT p.entity), 'quality', ownership.export_quality(p.relid, 0),
					'customProperties', ownership.export_properties(jsonb_build_object('privateCopyOf', min(p.source))),
					'properties', jsonb_agg(p.property ORDER BY p.attnum, p.column_name COLLATE "C"))) AS object
			FROM property p
			GROUP BY p.table_schema, p.table_name, p.relid) o
	), sla AS (
		SELECT jsonb_agg(jsonb_build_object('property', 'latency', 'value', trim_scale(round(e.fresh_seconds / 3600, 4)), 'unit', 'h', 'driver', 'operational',
			'element', ownership.relation_name(e.table_schema, e.table_name) || '.' || e.column_name)
			ORDER BY e.table_schema COLLATE "C", e.table_name COLLATE "C", e.column_name COLLATE "C") AS properties
		FROM ownership.export_column e
		WHERE e.entity = ANY (entities) AND e.fresh_within IS NOT NULL
	), team AS (
		SELECT jsonb_build_object('name', 'Systems of record', 'members', jsonb_agg(jsonb_strip_nulls(jsonb_build_object('username', s.contact,
			'name', s.contact, 'role', format('contact of %s', coalesce(s.title, s.name)))) ORDER BY s.name COLLATE "C")) AS team
		FROM ownership.system s
		WHERE s.contact <> '' AND s.name IN (SELECT e.owner FROM ownership.export_column e WHERE e.entity = ANY (entities))
		HAVING count(*) > 0
	), missing AS (
		SELECT jsonb_agg(jsonb_build_object('field', f.entity || '.' || f.name, 'systemOfRecord', f.owner) ORDER BY f.entity COLLATE "C", f.name COLLATE "C") AS fields
		FROM ownership.field_now f
		WHERE f.entity = ANY (entities)
		  AND NOT EXISTS (SELECT FROM ownership.mirrored_column m WHERE (m.entity, m.field) = (f.entity, f.name))
	)
	SELECT jsonb_strip_nulls(jsonb_build_object('kind', 'DataContract', 'apiVersion', 'v3.1.0', 'status', 'active', 'name', current_database(),
		'id', md5(current_database() || '/' || array_to_string(entities, '/'))::uuid,
		'version', '1.0.0+' || left(md5(concat(o.objects, s.properties, t.team, m.fields)), 12),
		'description', jsonb_build_object('purpose', 'Which system is the system of record of each column, as the ownership map of the database has it.'),
		'schema', coalesce(o.objects, '[]'), 'slaProperties', s.properties, 'team', t.team,
		'customProperties', ownership.export_properties(jsonb_build_object('database', current_database(), 'fieldsWithoutColumn', m.fields))))
	FROM object o CROSS JOIN sla s CROSS JOIN missing m LEFT JOIN team t ON true;
END;
COMMENT ON FUNCTION ownership.export_odcs(text[]) IS 'Internal: the fields of some entities as a data contract of the Open Data Contract Standard 3.1.';

CREATE FUNCTION ownership.export_dbt(entities text[])
RETURNS jsonb LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH relation AS (
		SELECT e.table_schema, e.table_name,
			jsonb_strip_nulls(jsonb_build_object('name', e.table_name, 'description', min(e.table_comment),
				'meta', jsonb_build_object('private_copy_of', min(e.source)),
				'columns', jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', e.column_name, 'data_type', e.type,
					'description', coalesce(e.column_comment, e.label, e.rationale), 'tags', CASE WHEN e.domain IS NOT NULL THEN jsonb_build_array(e.domain) END,
					'meta', jsonb_build_object('owner', coalesce(e.owner_contact, e.owner), 'system_of_record', e.owner, 'field', e.entity || '.' || e.field, 'label', e.label,
						'policy', e.policy, 'on_blank', nullif(e.on_blank, 'allow'), 'readers', nullif(e.readers, '{}'), 'writers', nullif(e.writers, '{}'), 'row_owners', e.row_owners,
						'fresh_within', e.fresh_within::text, 'sensitive', nullif(e.sensitive, false), 'rationale', e.rationale, 'decided_by', e.decided_by, 'decided_on', e.decided_on)))
					ORDER BY e.attnum, e.column_name COLLATE "C"))) AS relation
		FROM ownership.export_column e
		WHERE e.entity = ANY (entities)
		GROUP BY e.table_schema, e.table_name
	), source AS (
		SELECT r.table_schema, jsonb_build_object('name', r.table_schema, 'schema', r.table_schema, 'database', current_database(),
			'tables', jsonb_agg(r.relation ORDER BY r.table_name COLLATE "C")) AS source
		FROM relation r
		GROUP BY r.table_schema
	)
	SELECT jsonb_build_object('version', 2, 'sources', coalesce(jsonb_agg(s.source ORDER BY s.table_schema COLLATE "C"), '[]'))
	FROM source s;
END;
COMMENT ON FUNCTION ownership.export_dbt(text[]) IS 'Internal: the fields of some entities as sources of dbt.';

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

/* Handing over: views that show the owners in force. */

CREATE OR REPLACE VIEW ownership.field_access AS
SELECT f.entity, f.name AS field, f.domain, f.owner, f.policy, f.local,
	coalesce(a.readers, '{}') AS readers, coalesce(a.writers, '{}') AS writers
FROM ownership.field_now f
LEFT JOIN (
	SELECT entity, field,
		array_agg(system ORDER BY system COLLATE "C") FILTER (WHERE mode = 'read') AS readers,
		array_agg(system ORDER BY system COLLATE "C") FILTER (WHERE mode = 'write') AS writers
	FROM ownership.declared
	GROUP BY entity, field
) a ON a.entity = f.entity AND a.field = f.name;
CREATE OR REPLACE VIEW ownership.row_part AS
SELECT DISTINCT c.entity, c.field, o.owner AS system
FROM ownership.row_owner_now o
JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
JOIN ownership.field_now f ON f.entity = c.entity AND f.name = c.field
WHERE o.owner IS NOT NULL AND f.owner IS DISTINCT FROM o.owner;
CREATE OR REPLACE VIEW ownership.seen AS
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
LEFT JOIN ownership.field_now f ON f.entity = c.entity AND f.name = c.field
CROSS JOIN LATERAL (SELECT coalesce(t.source = a.system, false) AS own_copy,
	a.overridden > 0 AND a.observed + a.filled + a.kept + a.rejected = 0 AS steward,
	a.filled > 0 AND a.filled >= a.writes AND a.observed = 0 AS filled) h
CROSS JOIN LATERAL (SELECT h.own_copy OR h.steward AS excused,
	CASE WHEN h.own_copy THEN f.owner <> a.system
		AND (c.entity, c.field, a.system) IN (SELECT o.entity, o.field, o.source FROM ownership.only_copy o)
	ELSE NOT h.steward AND NOT h.filled END AS disputed) w
GROUP BY c.entity, c.field, a.system;
CREATE OR REPLACE VIEW ownership.map AS
SELECT ownership.relation_name(c.table_schema, c.table_name) AS relation,
	c.column_name, c.entity, c.field, f.domain, f.owner, t.source,
	f.readers, f.writers,
	coalesce(s.readers, '{}') AS seen_readers, coalesce(s.writers, '{}') AS seen_writers,
	coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') AS policy,
	g.guarded,
	ARRAY(SELECT format('%s where %s', coalesce(o.owner, 'nobody'), o.row_filter) FROM ownership.row_owner_now o
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
CREATE OR REPLACE VIEW ownership.linked_copy AS
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
			JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field
			WHERE (m.entity, m.field) IN (SELECT entity, field FROM ownership.mirrored_column
				GROUP BY entity, field HAVING count(*) > 1)
		) c
	) k
	WINDOW first AS (PARTITION BY entity, field ORDER BY best DESC)
) l
WHERE NOT (decided AND best);
CREATE OR REPLACE VIEW ownership.grant_statements AS
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
	JOIN ownership.field_now k ON k.entity = m.entity AND k.name = m.field
	JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name::name AND c.relkind IN ('r', 'p', 'f')
	JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = m.column_name::name AND a.attnum > 0 AND NOT a.attisdropped
	/* also the systems that own the column in some rows: the guard checks in which ones */
	CROSS JOIN LATERAL (SELECT ARRAY(SELECT o.owner FROM ownership.row_owner_now o
		WHERE o.table_schema = m.table_schema AND o.table_name = m.table_name AND o.column_name = m.column_name AND o.owner IS NOT NULL
		UNION SELECT f.owner WHERE f.owner IS NOT NULL) AS owners) w
	UNION ALL
	/* no role can name a row without its primary key, so key columns that are not on the map count, too */
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
	/* the sequences of the defaults of new rows */
	SELECT DISTINCT s.system, s.role, 3, format('GRANT USAGE ON SEQUENCE %I.%I TO %I;', n.nspname, q.relname, s.role)
	FROM share s
	CROSS JOIN LATERAL (SELECT d.objid AS sequence
		FROM pg_catalog.pg_depend d
		WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = s.relid
		  AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'a'
		UNION ALL
		/* that belongs to no column, as in dumps of older versions */
		SELECT d.refobjid
		FROM pg_catalog.pg_attrdef a
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = a.oid
		WHERE a.adrelid = s.relid AND d.refclassid = 'pg_catalog.pg_class'::regclass) d
	JOIN pg_catalog.pg_class q ON q.oid = d.sequence AND q.relkind = 'S'
	JOIN pg_catalog.pg_namespace n ON n.oid = q.relnamespace
	WHERE s.whole OR s.creates
	UNION ALL
	/* a name can contain the end of a line; a JSON string does not, so the comment stays one line */
	SELECT h.system, h.role, 0, format('-- role %s is not there', to_json(h.role))
	FROM holder h
	WHERE NOT h.there
	UNION ALL
	SELECT s.name, NULL, 0, format('-- system %s has no role', to_json(s.name))
	FROM ownership.system s
	WHERE NOT EXISTS (SELECT FROM holder h WHERE h.system = s.name)
) g
ORDER BY system COLLATE "C", role COLLATE "C", rank, statement COLLATE "C";
CREATE OR REPLACE VIEW ownership.decisions WITH (security_invoker = true) AS
WITH told AS (
	SELECT h.id, h.changed_at, h.role, h.login, h.application_name, h.map_table,
		CASE WHEN h.entity IS NULL THEN h.item ELSE h.entity || '.' || h.field END AS item, t.decided, t.old, t.new
	FROM ownership.map_history h
	CROSS JOIN LATERAL (
		SELECT CASE
				WHEN h.map_table = 'declared_access' THEN CASE coalesce(h.new, h.old) ->> 'mode' WHEN 'read' THEN 'reader' ELSE 'writer' END
				WHEN h.map_table = 'row_owner' THEN 'row owner' || coalesce(' where ' || (coalesce(h.new, h.old) ->> 'row_filter'), '')
				WHEN h.map_table = 'handover' THEN 'handover ' || CASE WHEN h.new IS NULL THEN 'cancelled, ' ELSE '' END || 'at ' || (coalesce(h.new, h.old) ->> 'at')
				WHEN h.map_table = 'system' AND k = 'kind' THEN 'system'
				WHEN h.map_table = 'identity' AND k = 'system' THEN 'writes as'
				WHEN k = 'owner' THEN 'owner'
				ELSE replace(h.map_table, '_', ' ') || ' ' || k END AS decided,
			/* the owner of a new or deleted row of row_owner may be NULL */
			CASE WHEN h.map_table = 'handover' AND h.old IS NULL THEN h.new ->> 'from_system'
				ELSE h.old ->> CASE WHEN h.map_table = 'row_owner' AND h.new IS NULL THEN 'owner' ELSE k END END AS old,
			h.new ->> CASE WHEN h.map_table = 'row_owner' AND h.old IS NULL THEN 'owner' ELSE k END AS new
		/* an array, because the planner expects few rows from one */
		FROM unnest(ARRAY(SELECT jsonb_object_keys(coalesce(h.new, h.old)))) k
		WHERE CASE h.map_table
			WHEN 'declared_access' THEN k = 'system'
			WHEN 'row_owner' THEN k = 'owner' OR (k = 'row_filter' AND NOT coalesce(h.new, h.old) ? 'owner')
			WHEN 'mirrored_column' THEN k = 'authoritative'
			WHEN 'guard' THEN k = 'state'
			/* when it passes, the owner is a decision of its own */
			WHEN 'handover' THEN k = 'to_system' AND (h.old IS NULL OR h.new IS NULL) AND NOT coalesce(h.new, h.old) ? 'done_at'
			WHEN 'system' THEN k = 'kind' OR (h.old IS NOT NULL AND h.new IS NOT NULL)
			ELSE k NOT IN ('decided_by', 'decided_on', 'key', 'shipped') END
		  /* empty lists of a new or deleted row are no decision */
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
CREATE OR REPLACE VIEW ownership.foreign_in AS
WITH owned AS (
	SELECT c.table_schema, c.table_name, c.column_name, c.entity, c.field, o.owner
	FROM ownership.mirrored_column c
	JOIN (SELECT f.entity, f.name AS field, f.owner, NULL::text AS table_schema, NULL::text AS table_name, NULL::text AS column_name
		FROM ownership.field_now f WHERE f.owner IS NOT NULL
		UNION
		SELECT m.entity, m.field, r.owner, r.table_schema, r.table_name, r.column_name
		FROM ownership.row_owner_now r
		JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
		WHERE r.owner IS NOT NULL) o
		ON o.entity = c.entity AND o.field = c.field
		AND (o.column_name IS NULL OR (o.table_schema, o.table_name, o.column_name) = (c.table_schema, c.table_name, c.column_name))
)
SELECT o.table_schema, o.table_name, o.column_name, o.owner, t.source,
	t.source IS NOT NULL AND (o.entity, o.field, t.source) IN (SELECT s.entity, s.field, s.source FROM ownership.only_copy s) AS only_here
FROM owned o
JOIN ownership.mirrored_table t USING (table_schema, table_name);

/*
 * Fields pass from one system to another at a moment.  What follows from ownership.handover
 * for a time is in ownership.owner_at(), ownership.field_now and ownership.row_owner_now.
 */
CREATE FUNCTION ownership.hand_over(fields text, from_system text, to_system text, at timestamptz DEFAULT now(), decided_by text DEFAULT NULL, note text DEFAULT NULL, dry_run boolean DEFAULT true,
	OUT what text, OUT name text, OUT from_system text, OUT to_system text, OUT note text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_hand_over' LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.hand_over(text, text, text, timestamptz, text, text, boolean) IS
'Hands over what a system owns to another system, at a moment: fields, row owners, and patterns of add_tables(). Statements that begin at that moment or later, in every session and in the workers of replication, are judged by the new system of record, without a further edit. Of a first copy, the start of its worker counts; changes of a feed are judged when they are applied. Only what from_system owns at the moment passes. The caller needs the privileges to edit the map, and INSERT on ownership.handover. An edit of a field''s owner cancels what is planned for it.
Arguments:
- fields: A field, as entity.name, or a pattern of such names: * stands for any characters, ? for one. "*" is all that from_system owns.
- from_system: System that hands over.
- to_system: System of record from the moment on.
- at: The moment, by the clock of this database. Default: now. A moment that has come means at once.
- decided_by: Person or group that decided. It becomes decided_by of the fields, and the day of the moment decided_on. NULL, the default: these stay.
- note: Free text.
- dry_run: true, the default: the function writes nothing and only reports.
Returns one row for each thing that passes, and for each that is to be thought of:
- what: field, row owner, pattern: passes. identity, reader, feed: does not change; it is to be thought of.
- name: Name of it. NULL: to_system has no identity.
- from_system: System that hands over.
- to_system: System of record from the moment on.
- note: What to think of. NULL: nothing.';

CREATE FUNCTION ownership.handover_due()
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_handover_due' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.handover_due() IS
'Writes the owners of fields whose planned moment has come into the map. flush() and the background worker do this, too. It changes no verdict: the new owners count from the moment on.
Returns the number of rows of ownership.handover that are done.';

CREATE FUNCTION ownership.handover_check() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_handover_check' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.handover_check() IS 'Trigger on ownership.handover: refuses systems that do not exist.';
CREATE FUNCTION ownership.handover_cancel() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_handover_cancel' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.handover_cancel() IS 'Trigger on ownership.field: cancels what is planned for a field whose owner is edited.';
CREATE FUNCTION ownership.handover_system() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_handover_system' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.handover_system() IS 'Trigger on ownership.system: a system that is named in a planned handover cannot be deleted.';

CREATE TRIGGER systems BEFORE INSERT OR UPDATE ON ownership.handover
	FOR EACH ROW EXECUTE FUNCTION ownership.handover_check();
/* deferred, as on ownership.field: the fields of a group are planned together */
CREATE CONSTRAINT TRIGGER group_check AFTER INSERT OR UPDATE OR DELETE ON ownership.handover DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION ownership.group_check();
CREATE TRIGGER handover AFTER UPDATE OF owner ON ownership.field
	FOR EACH ROW WHEN (NEW.owner IS DISTINCT FROM OLD.owner) EXECUTE FUNCTION ownership.handover_cancel();
CREATE TRIGGER handover_deleted AFTER DELETE ON ownership.field
	FOR EACH ROW EXECUTE FUNCTION ownership.handover_cancel();
CREATE TRIGGER handover AFTER DELETE ON ownership.system
	FOR EACH ROW EXECUTE FUNCTION ownership.handover_system();

/* they write a table that not every role may write: triggers on other tables must not use them */
REVOKE ALL ON FUNCTION ownership.handover_check(), ownership.handover_cancel(), ownership.handover_system() FROM PUBLIC;
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

CREATE FUNCTION ownership.suggest_by_names(pattern text DEFAULT '*', OUT relation text, OUT column_name text, OUT domain text, OUT kind text, OUT system text, OUT sure boolean, OUT reason text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_suggest_by_names' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.suggest_by_names(text) IS 'Internal: as suggest(), without a look at the rows of the tables.';
