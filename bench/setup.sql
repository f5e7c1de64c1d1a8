-- Systems, the writer, and the same rule for each variant: price and stock
-- belong to the ERP, title to the PIM; the writer is the ERP.
\set ON_ERROR_STOP on
CREATE EXTENSION ownership;
CREATE ROLE bench_erp;
CREATE ROLE bench_pim;
SELECT ownership.add_system('erp', 'erp', role => 'bench_erp'),
	ownership.add_system('pim', 'pim', role => 'bench_pim');

-- the rule hard-coded
CREATE FUNCTION rule_hard_coded() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- the rule read from tables, as one trigger function for all tables of a hub:
-- who is writing, and which columns belong to somebody else
CREATE TABLE identity (role name PRIMARY KEY, system text);
INSERT INTO identity VALUES ('bench_erp', 'erp'), ('bench_pim', 'pim');
CREATE TABLE rule (table_name name, column_name name, owner text, PRIMARY KEY (table_name, column_name));
INSERT INTO rule VALUES ('t', 'id', 'erp'), ('t', 'price', 'erp'), ('t', 'stock', 'erp'), ('t', 'title', 'pim');
GRANT SELECT ON identity, rule TO PUBLIC;
ANALYZE identity, rule;
CREATE FUNCTION rule_from_table() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	r record;
	writer text;
BEGIN
	SELECT system INTO writer FROM identity WHERE role = current_user;
	FOR r IN SELECT column_name, owner FROM rule WHERE table_name = TG_TABLE_NAME LOOP
		IF to_jsonb(NEW) -> r.column_name::text IS DISTINCT FROM to_jsonb(OLD) -> r.column_name::text
			AND writer IS DISTINCT FROM r.owner THEN
			RAISE EXCEPTION '% belongs to %', r.column_name, r.owner USING ERRCODE = '42501';
		END IF;
	END LOOP;
	RETURN NEW;
END $$;

CREATE TABLE template (id int PRIMARY KEY, price numeric(10,2), stock int, title text);
INSERT INTO template SELECT i, i % 1000, i % 50, 'product ' || i FROM generate_series(1, :rows) i;
CREATE TABLE result (variant text, seconds float8, wal numeric);
