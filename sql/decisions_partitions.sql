-- Disagreements of a table with many partitions are looked up in those that the
-- rows are in; where the key does not tell them, in all, by one query.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_steward;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE TABLE part (id int, k int, price numeric, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
SELECT format('CREATE TABLE part_%s PARTITION OF part FOR VALUES FROM (%s) TO (%s)', i, i, i + 1) FROM generate_series(1, 40) i \gexec
INSERT INTO part SELECT i, 1 + i % 40, i FROM generate_series(1, 400) i;
CREATE TABLE loose (sku text, k int, price numeric) PARTITION BY LIST (k);
SELECT format('CREATE TABLE loose_%s PARTITION OF loose FOR VALUES IN (%s)', i, i) FROM generate_series(1, 40) i \gexec
INSERT INTO loose SELECT 's' || i, 1 + i % 40, i FROM generate_series(1, 80) i;
GRANT ALL ON part, loose TO PUBLIC;
GRANT SELECT, UPDATE (resolution) ON ownership.conflict TO regress_steward;
SELECT ownership.assign('part', '{id,k,price}', 'erp', policy => 'keep'), ownership.assign('loose', '{sku,price}', 'erp', policy => 'keep');
UPDATE ownership.field SET key = true WHERE (entity, name) = ('loose', 'sku');
SET ROLE regress_crm;
UPDATE part SET price = -1 WHERE k IN (3, 7) AND id < 60;
RESET ROLE;
SELECT row_key FROM ownership.conflict ORDER BY id;
SET ROLE regress_steward;
BEGIN;
SELECT relation, row_key, column_name, refused, stored, note FROM ownership.disagreements ORDER BY row_key ->> 'id';
SELECT array_agg(DISTINCT relation::regclass ORDER BY relation::regclass) AS looked_at FROM pg_locks
WHERE pid = pg_backend_pid() AND relation IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'part'::regclass);
COMMIT;
RESET ROLE;
-- more than are looked up at once
SET ROLE regress_crm;
UPDATE part SET price = -2;
UPDATE loose SET price = -2;
SET ROLE regress_steward;
SELECT relation, count(*), count(DISTINCT row_key), min(stored::numeric), max(stored::numeric), bool_and(stored::numeric::text = coalesce(row_key ->> 'id', substr(row_key ->> 'sku', 2))) AS right
FROM ownership.disagreements GROUP BY 1 ORDER BY 1;
SELECT ownership.accept(array_agg(conflict_id)) FROM ownership.disagreements WHERE row_key IN ('{"id": 2, "k": 3}', '{"sku": "s5"}');
RESET ROLE;
SELECT (SELECT price FROM part WHERE id = 2) AS part, (SELECT price FROM loose WHERE sku = 's5') AS loose;
SELECT relation, count(*) FROM ownership.disagreements GROUP BY 1 ORDER BY 1;

DROP EXTENSION ownership CASCADE;
DROP TABLE part, loose;
DROP ROLE regress_erp, regress_crm, regress_steward;
