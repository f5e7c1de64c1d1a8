/*
 * Decisions on evidence.  The functions run with the caller's privileges.  Those
 * that write tables have no search_path of their own, because the triggers of these
 * tables may need the caller's; they name everything with its schema instead.
 */
CREATE FUNCTION ownership.resolve() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_resolve' LANGUAGE C;
COMMENT ON FUNCTION ownership.resolve() IS 'Trigger on ownership.conflict: records which role resolves a conflict, and when.';
/* for the following trigger only */
REVOKE ALL ON FUNCTION ownership.resolve() FROM PUBLIC;
CREATE TRIGGER resolve BEFORE UPDATE ON ownership.conflict
	FOR EACH ROW EXECUTE FUNCTION ownership.resolve();

CREATE FUNCTION ownership.accept(conflict_id bigint, pin boolean DEFAULT false)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_accept' LANGUAGE C STRICT;
COMMENT ON FUNCTION ownership.accept(bigint, boolean) IS
'Writes the refused value of a conflict, or creates or deletes the row as the writer wanted, and marks the conflict accepted. Of values that wait it creates the row with what is parked; where the row is there, it writes what is parked or remembered. The caller needs UPDATE (resolution) on ownership.conflict, and the privilege to write the table. The write leaves evidence with the outcome overridden.
Arguments:
- conflict_id: Number of the conflict.
- pin: true: the function also pins what it writes, as pin() does: values of fields that have a system of record, and are no keys. It is an error if there is no such value. Default: false.
Returns 1, the number of accepted conflicts.';

CREATE FUNCTION ownership.accept(conflict_ids bigint[], pin boolean DEFAULT false)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_accept_set' LANGUAGE C STRICT;
COMMENT ON FUNCTION ownership.accept(bigint[], boolean) IS
'Accepts several conflicts, all of them or none.
Arguments:
- conflict_ids: Numbers of the conflicts.
- pin: true: the function also pins what it writes. Default: false.
Returns the number of accepted conflicts.';

CREATE FUNCTION ownership.dismiss(conflict_id bigint)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_dismiss' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.dismiss(bigint) IS
'Marks a conflict dismissed: the stored value stays, and a value that waits is never applied. The caller needs UPDATE (resolution) on ownership.conflict.
Arguments:
- conflict_id: Number of the conflict.
Returns 1, the number of dismissed conflicts.';

CREATE FUNCTION ownership.dismiss(conflict_ids bigint[])
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_dismiss_set' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.dismiss(bigint[]) IS
'Dismisses several conflicts, all of them or none.
Arguments:
- conflict_ids: Numbers of the conflicts.
Returns the number of dismissed conflicts.';

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

CREATE FUNCTION ownership.apply_waiting(relation regclass DEFAULT NULL)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_apply_waiting' LANGUAGE C;
COMMENT ON FUNCTION ownership.apply_waiting(regclass) IS
'Writes values that wait, parked or remembered, into rows that are there by now: values that did not fit when the row was created, and those of a time when the guard was off. A column that has another value than its default keeps it. The caller needs UPDATE (resolution) on ownership.conflict, and no privilege on the table. It fails while ownership.enforcement is not on.
Arguments:
- relation: Table on the map. NULL, the default: all tables.
Returns the number of values that were written.';

CREATE FUNCTION ownership.disagreement_rows(OUT conflict_id bigint, OUT recorded_at timestamptz, OUT relation text, OUT row_key jsonb,
	OUT column_name text, OUT entity text, OUT field text, OUT owner text, OUT system text, OUT role text, OUT operation text, OUT outcome text,
	OUT refused text, OUT stored text, OUT note text, OUT table_schema text, OUT table_name text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_disagreement' LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION ownership.disagreement_rows() IS 'Internal: the rows of the view disagreements.';

/* in a list of columns, not in FROM, the function is called for one row after the other, and LIMIT ends that */
CREATE VIEW ownership.disagreements AS
SELECT (d.row).conflict_id, (d.row).recorded_at, (d.row).relation, (d.row).row_key, (d.row).column_name, (d.row).entity, (d.row).field, (d.row).owner,
	(d.row).system, (d.row).role, (d.row).operation, (d.row).outcome, (d.row).refused, (d.row).stored, (d.row).note, (d.row).table_schema, (d.row).table_name
FROM (SELECT ownership.disagreement_rows() AS row) d;
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

/* it reads evidence and data with the caller's privileges, so a role sees only what it may read anyhow */
GRANT SELECT ON ownership.disagreements TO PUBLIC;

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

CREATE FUNCTION ownership.revert(system text, since timestamptz, until timestamptz DEFAULT now(), dry_run boolean DEFAULT true,
	OUT relation text, OUT row_key jsonb, OUT column_name text, OUT from_value text, OUT to_value text, OUT outcome text, OUT reason text, OUT conflict_id bigint)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_revert' LANGUAGE C VOLATILE ROWS 100;
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
