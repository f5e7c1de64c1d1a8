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
