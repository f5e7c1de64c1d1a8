-- PL/pgSQL that restores, and records nothing
CREATE OR REPLACE FUNCTION restore_plpgsql() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.price IS DISTINCT FROM OLD.price AND current_user <> 'bench_erp' THEN
		NEW.price := OLD.price;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION restore_plpgsql();
