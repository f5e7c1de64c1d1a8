-- PL/pgSQL, `to_jsonb(OLD) IS DISTINCT FROM to_jsonb(NEW)`
CALL fill_rule();
CREATE OR REPLACE FUNCTION rule_to_jsonb() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	writer text;
	r record;
BEGIN
	IF to_jsonb(OLD) IS DISTINCT FROM to_jsonb(NEW) THEN
		SELECT system INTO writer FROM identity WHERE role = current_user;
		FOR r IN
			SELECT n.key, rule.owner
			FROM jsonb_each(to_jsonb(OLD)) o
			JOIN jsonb_each(to_jsonb(NEW)) n USING (key)
			JOIN rule ON rule.table_name = TG_TABLE_NAME AND rule.column_name = n.key
			WHERE n.value IS DISTINCT FROM o.value AND rule.owner IS DISTINCT FROM writer
		LOOP
			RAISE EXCEPTION '% belongs to %', r.key, r.owner USING ERRCODE = '42501';
		END LOOP;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION rule_to_jsonb();
