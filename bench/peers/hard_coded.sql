-- PL/pgSQL, the rule hard-coded
CREATE OR REPLACE FUNCTION rule_hard_coded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.title IS DISTINCT FROM OLD.title AND current_user <> 'bench_pim' THEN
		RAISE EXCEPTION 'title belongs to the PIM' USING ERRCODE = '42501';
	END IF;
	IF (NEW.id, NEW.price, NEW.stock) IS DISTINCT FROM (OLD.id, OLD.price, OLD.stock)
		AND current_user <> 'bench_erp' THEN
		RAISE EXCEPTION 'id, price and stock belong to the ERP' USING ERRCODE = '42501';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION rule_hard_coded();
