-- PL/pgSQL that remembers
CREATE OR REPLACE FUNCTION remember_plpgsql() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	names name[] := '{}';
	taken jsonb := '{}';
BEGIN
	IF OLD.title IS NOT NULL AND current_user <> 'bench_pim' THEN
		names := names || 'title'::name;
		taken := taken || jsonb_build_object('title', OLD.title::text);
	END IF;
	IF names <> '{}' THEN
		INSERT INTO evidence (table_schema, table_name, row_key, operation, role, application_name, outcome, columns, stored)
		VALUES (TG_TABLE_SCHEMA, TG_TABLE_NAME, jsonb_build_object('id', OLD.id), TG_OP, current_user, current_setting('application_name'), 'remembered', names, taken);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER r AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION remember_plpgsql();
