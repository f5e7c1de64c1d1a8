/*
 * Triggers that check and complete the map, and inform every session of a change.
 */

CREATE FUNCTION ownership.map_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_map_changed' LANGUAGE C;
COMMENT ON FUNCTION ownership.map_changed() IS 'Trigger on the tables of the map: informs all sessions that the map changed.';

CREATE FUNCTION ownership.identity_bind() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_identity_bind' LANGUAGE C;
COMMENT ON FUNCTION ownership.identity_bind() IS 'Trigger on ownership.identity: records which role the name means.';

CREATE FUNCTION ownership.mirrored_column_table() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_mirrored_column_table' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.mirrored_column_table() IS 'Trigger on ownership.mirrored_column: puts the table of the column on the map.';

CREATE FUNCTION ownership.row_owner_check() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_row_owner_check' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.row_owner_check() IS 'Trigger on ownership.row_owner: refuses a row filter that cannot work.';

CREATE FUNCTION ownership.group_check() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_group_check' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.group_check() IS 'Trigger on ownership.field and ownership.domain: at the end of the transaction, refuses a group whose fields are not one value.';

CREATE FUNCTION ownership.history_check() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_history_check' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.history_check() IS 'Trigger on ownership.field and ownership.domain: refuses a field with a history in a sensitive domain.';

CREATE TRIGGER bind BEFORE INSERT OR UPDATE OR DELETE ON ownership.identity
	FOR EACH ROW EXECUTE FUNCTION ownership.identity_bind();
CREATE TRIGGER mirrored_table BEFORE INSERT OR UPDATE ON ownership.mirrored_column
	FOR EACH ROW EXECUTE FUNCTION ownership.mirrored_column_table();
CREATE TRIGGER row_filter BEFORE INSERT OR UPDATE ON ownership.row_owner
	FOR EACH ROW EXECUTE FUNCTION ownership.row_owner_check();
/* deferred: an edit of a group may take several statements; what replication brings was checked where it was made */
CREATE CONSTRAINT TRIGGER group_check AFTER INSERT OR UPDATE ON ownership.field DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.column_group IS NOT NULL) EXECUTE FUNCTION ownership.group_check();
CREATE CONSTRAINT TRIGGER group_check AFTER UPDATE ON ownership.domain DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.policy IS DISTINCT FROM OLD.policy) EXECUTE FUNCTION ownership.group_check();
CREATE TRIGGER history_check AFTER INSERT OR UPDATE ON ownership.field
	FOR EACH ROW WHEN (NEW.history AND NEW.domain IS NOT NULL) EXECUTE FUNCTION ownership.history_check();
CREATE TRIGGER history_check AFTER UPDATE ON ownership.domain
	FOR EACH ROW WHEN (NEW.sensitive AND NOT OLD.sensitive) EXECUTE FUNCTION ownership.history_check();

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
/* evidence that the extension itself writes gives its own signals, and does not fire this */
CREATE TRIGGER signal AFTER INSERT OR UPDATE ON ownership.conflict
	FOR EACH ROW WHEN (NEW.outcome IN ('parked', 'remembered') AND NEW.resolved_at IS NULL) EXECUTE FUNCTION ownership.map_changed();
ALTER TABLE ownership.conflict ENABLE ALWAYS TRIGGER signal;

/* identity_bind() writes a table that no role may write: none of these functions may be used by triggers on other tables */
REVOKE ALL ON FUNCTION ownership.map_changed(), ownership.identity_bind(), ownership.mirrored_column_table(),
	ownership.row_owner_check(), ownership.group_check(), ownership.history_check() FROM PUBLIC;
