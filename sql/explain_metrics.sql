-- metrics: every row is there, with 0 where nothing was counted; nothing in it is a value of
-- a row; every role may read it.  t/activity_notify.pl has what is counted.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION ownership;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_reader;

\echo --- without a map
SELECT name, system, detail, value FROM ownership.metrics
WHERE name <> 'evidence_bytes' AND name NOT IN (SELECT o.name FROM ownership.own_metric() o)
ORDER BY name COLLATE "C", system COLLATE "C", detail COLLATE "C";

\echo --- with one
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE TABLE product (sku text PRIMARY KEY, price int, title text, memo text);
INSERT INTO product VALUES ('A', 1, 'a');
GRANT ALL ON product TO regress_crm, regress_erp;
SELECT ownership.assign('product', '{sku,price}', 'erp', policy => 'keep'), ownership.assign('product', '{title}', NULL), ownership.assign('product', '{memo}', 'crm');
UPDATE ownership.field SET local = true WHERE name = 'title';
INSERT INTO ownership.mirrored_table (table_schema, table_name) VALUES ('public', 'gone');
SET ROLE regress_crm;
INSERT INTO product (sku, memo) VALUES ('B', 'waits'), ('C', 'waits');
RESET ROLE;
ALTER TABLE product DISABLE TRIGGER zzzz_ownership_amend;
ALTER ROLE regress_crm SET ownership.enforcement = off;
SELECT ownership.pin_value('product', '{"sku":"A"}', 'price', '5');
UPDATE ownership.conflict SET problem = 'does not fit' WHERE outcome = 'parked' AND row_key = '{"sku":"C"}';
SELECT name, system, detail, value FROM ownership.metrics
WHERE name IN ('waiting_rows', 'waiting_problems', 'mapped_fields', 'mirrored_tables', 'settings_weakened', 'pins_open')
ORDER BY name COLLATE "C", system COLLATE "C", detail COLLATE "C";
SELECT value > 8192 AS size FROM ownership.metrics WHERE name = 'evidence_bytes' AND detail = 'conflict';

\echo --- the same names, documented; none is NULL; none twice
SELECT count(*) FILTER (WHERE (m.name, m.system, m.detail, m.value) IS NULL OR m.name IS NULL OR m.system IS NULL OR m.detail IS NULL OR m.value IS NULL) AS nulls,
	count(*) - count(DISTINCT (m.name, m.system, m.detail)) AS twice, min(m.value) >= 0 AS positive
FROM ownership.metrics m;
SELECT * FROM (SELECT DISTINCT name FROM ownership.metrics) m
FULL JOIN (SELECT (regexp_matches(col_description('ownership.metrics'::regclass, 1), '^- (\w+):', 'gn'))[1] AS name) d USING (name)
WHERE m IS NULL OR d IS NULL;
SELECT DISTINCT name FROM ownership.metrics WHERE name !~ '^[a-z]+(_[a-z]+)+$' AND name <> 'preloaded';

\echo --- it stops counting what waits at 10,000, and finds it by an index
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, proposed)
SELECT 'public', 'product', jsonb_build_object('sku', 'w' || i), 'INSERT', 'crm', 'parked', '{memo}', '{"memo":"secret"}' FROM generate_series(1, 10050) i;
SELECT value FROM ownership.metrics WHERE (name, system, detail) = ('waiting_rows', 'crm', 'parked');
SELECT pg_stat_force_next_flush();
SELECT 'in a statement of its own';
ANALYZE ownership.conflict;
SELECT value BETWEEN 10000 AND 10100 AS about FROM ownership.metrics WHERE (name, detail) = ('evidence_rows', 'conflict');

\echo --- a condition on the name leaves the other parts out
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END $$;
SELECT count(*) FROM plan($$SELECT * FROM ownership.metrics WHERE name = 'conflicts_total'$$) line WHERE line ~ 'activity|pg_trigger|waiting_rows|map_behind|pg_db_role_setting';
SELECT count(*) FROM plan($$SELECT * FROM ownership.metrics WHERE name = 'pins_open'$$) line WHERE line ~ 'activity|conflict_count|pg_trigger|waiting_rows';

\echo --- every role may read it, and nothing below it
SET ROLE regress_reader;
SELECT count(*) > 30 FROM ownership.metrics;
SELECT value FROM ownership.metrics WHERE (name, system, detail) = ('waiting_problems', 'crm', 'parked');
SELECT count(*) FROM ownership.pin;
SELECT count(*) FROM ownership.conflict;
-- a function of the reader sees what the view returns, and no row below it
CREATE FUNCTION pg_temp.peep(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'sees %', $1; RETURN true; END $$;
SET client_min_messages = notice;
SELECT name, value FROM ownership.metrics m WHERE pg_temp.peep(m.value) AND name = 'pins_open';
RESET client_min_messages;
RESET ROLE;

DROP EXTENSION ownership CASCADE;
DROP FUNCTION plan;
DROP TABLE product;
ALTER ROLE regress_crm RESET ownership.enforcement;
DROP OWNED BY regress_erp, regress_crm, regress_reader;
DROP ROLE regress_erp, regress_crm, regress_reader;
