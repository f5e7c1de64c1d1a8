/*
 * The extension's tables in publications: FOR ALL TABLES includes them.  Each has a
 * primary key, so that its updates can be published.  A trigger on each leaves out
 * what a subscription brings: another hub's evidence, activity, history and bindings
 * are about that hub's rows, and its ids are of that hub.
 *
 * By their names these triggers fire first.  ddl_queue is unlogged, and so in no
 * publication.
 */
CREATE FUNCTION ownership.another_hub() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_another_hub' LANGUAGE C;
COMMENT ON FUNCTION ownership.another_hub() IS 'Trigger on the tables of the extension: leaves out what a subscription brings from the extension of another database.';
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
