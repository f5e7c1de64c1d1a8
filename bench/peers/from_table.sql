-- PL/pgSQL, the rule from a table
CALL fill_rule();
CREATE OR REPLACE FUNCTION rule_from_table() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	stored jsonb := to_jsonb(OLD);
	proposed jsonb := to_jsonb(NEW);
	writer text;
	r record;
BEGIN
	SELECT system INTO writer FROM identity WHERE role = current_user;
	SELECT column_name, owner INTO r FROM rule
	WHERE table_name = TG_TABLE_NAME AND owner IS DISTINCT FROM writer
	  AND proposed -> column_name::text IS DISTINCT FROM stored -> column_name::text
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION '% belongs to %', r.column_name, r.owner USING ERRCODE = '42501';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION rule_from_table();
