-- PL/pgSQL that restores and records
CREATE OR REPLACE FUNCTION keep_plpgsql() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	k jsonb;
	latest jsonb;
BEGIN
	IF NEW.price IS DISTINCT FROM OLD.price AND current_user <> 'bench_erp' THEN
		k := jsonb_build_object('id', OLD.id);
		SELECT e.proposed INTO latest FROM evidence e
		WHERE jsonb_hash_extended(e.row_key, 0) = jsonb_hash_extended(k, 0) AND e.row_key = k AND e.table_schema = TG_TABLE_SCHEMA AND e.table_name = TG_TABLE_NAME
		  AND e.role = current_user AND 'price' = ANY (e.columns)
		ORDER BY e.id DESC LIMIT 1;
		IF latest ->> 'price' IS DISTINCT FROM NEW.price::text THEN
			INSERT INTO evidence (table_schema, table_name, row_key, operation, role, application_name, outcome, columns, stored, proposed)
			VALUES (TG_TABLE_SCHEMA, TG_TABLE_NAME, k, TG_OP, current_user, current_setting('application_name'), 'kept', '{price}',
				jsonb_build_object('price', OLD.price::text), jsonb_build_object('price', NEW.price::text));
		END IF;
		NEW.price := OLD.price;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION keep_plpgsql();
