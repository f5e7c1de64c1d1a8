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
