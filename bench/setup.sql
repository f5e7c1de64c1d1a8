-- What every database of the benchmark has: two systems that write, and the
-- rule that all peers follow. Columns whose names begin with "title" belong
-- to the PIM, all others to the ERP, also the key.
CREATE EXTENSION ownership;
DO $$ BEGIN
	CREATE ROLE bench_erp LOGIN;
	CREATE ROLE bench_pim LOGIN;
	GRANT pg_read_server_files TO bench_erp;
EXCEPTION WHEN duplicate_object THEN
END $$;
GRANT ALL ON SCHEMA public TO bench_erp, bench_pim;
SELECT ownership.add_system('erp', 'erp', role => 'bench_erp'),
	ownership.add_system('pim', 'pim', role => 'bench_pim');

CREATE FUNCTION columns_of(relation regclass, system text) RETURNS name[] LANGUAGE sql
RETURN (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute
	WHERE attrelid = relation AND attnum > 0 AND (system = 'pim') = (attname LIKE 'title%'));

-- the same for peers/from_table.sql and peers/to_jsonb.sql
CREATE TABLE identity (role name PRIMARY KEY, system text);
INSERT INTO identity VALUES ('bench_erp', 'erp'), ('bench_pim', 'pim');
CREATE TABLE rule (table_name name, column_name name, owner text, PRIMARY KEY (table_name, column_name));
CREATE PROCEDURE fill_rule() LANGUAGE sql AS $$
	DELETE FROM rule;
	INSERT INTO rule SELECT 't', c, s FROM (VALUES ('erp'), ('pim')) v (s), unnest(columns_of('t'::text::regclass, s)) c;
$$;

-- for peers/keep_plpgsql.sql
CREATE TABLE evidence (LIKE ownership.conflict INCLUDING ALL);
-- evidence about another table, so that the planner uses the indexes of both
CREATE PROCEDURE other_evidence() LANGUAGE sql AS $$
	TRUNCATE evidence, ownership.conflict;
	INSERT INTO evidence (table_schema, table_name, row_key, operation, outcome)
	SELECT 'public', 'other', jsonb_build_object('id', i), 'UPDATE', 'kept' FROM generate_series(1, 10000) i;
	INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, outcome)
	SELECT 'public', 'other', jsonb_build_object('id', i), 'UPDATE', 'kept' FROM generate_series(1, 10000) i;
$$;
GRANT SELECT ON identity, rule TO PUBLIC;
GRANT SELECT, INSERT ON evidence TO PUBLIC;
VACUUM ANALYZE;
