-- Loaders as they are: the ERP loads its products in each of the usual ways, into a
-- table of which PIM and CRM own columns.  After the load the values of the others
-- are where they were, or wait.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\pset null '-'
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE ROLE regress_crm;
GRANT pg_execute_server_program TO regress_erp;
\o /dev/null
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.add_system('pim', 'pim', role => 'regress_pim');
SELECT ownership.add_system('crm', 'crm', role => 'regress_crm');
\o
CREATE TABLE product (sku text PRIMARY KEY, price numeric, stock int DEFAULT 0, title text, descr text, note text, gone_at date);
CREATE TABLE staging (sku text PRIMARY KEY, price numeric, stock int);
INSERT INTO staging VALUES ('A', 11, 5), ('B', 12, 5), ('D', 14, 5);
GRANT ALL ON product, staging TO regress_erp, regress_pim, regress_crm;
\o /dev/null
SELECT ownership.assign('product', '{sku,price,stock,gone_at}', 'erp');
SELECT ownership.assign('product', '{title,descr}', 'pim');
UPDATE ownership.field SET policy = 'keep' WHERE key;
SELECT ownership.assign('product', '{note}', 'crm');
\o

-- the statements of a load, which replaces the products A, B, C by A, B, D
CREATE TABLE load (n int PRIMARY KEY, name text, statements text[]);
INSERT INTO load VALUES
(1, 'delete all, insert', ARRAY['DELETE FROM product', 'INSERT INTO product (sku, price, stock) SELECT * FROM staging']),
(2, 'delete all, insert one by one', ARRAY['DELETE FROM product', 'INSERT INTO product (sku, price, stock) VALUES (''A'', 11, 5)',
	'INSERT INTO product (sku, price, stock) VALUES (''D'', 14, 5)', 'INSERT INTO product (sku, price, stock) VALUES (''B'', 12, 5)']),
(3, 'delete all, insert whole rows', ARRAY['DELETE FROM product',
	'INSERT INTO product SELECT sku, price, stock, NULL, NULL, NULL, NULL FROM staging']),
(4, 'truncate, copy', ARRAY['TRUNCATE product', 'COPY product (sku, price, stock) FROM PROGRAM ''printf "A\t11\t5\nB\t12\t5\nD\t14\t5\n"''']),
(5, 'truncate, copy whole rows', ARRAY['TRUNCATE product',
	'COPY product FROM PROGRAM ''printf "A,11,5,,,,\nB,12,5,,,,\nD,14,5,,,,\n"'' (FORMAT csv)']),
(6, 'merge', ARRAY['MERGE INTO product p USING staging s ON s.sku = p.sku
	WHEN MATCHED THEN UPDATE SET price = s.price, stock = s.stock
	WHEN NOT MATCHED THEN INSERT (sku, price, stock) VALUES (s.sku, s.price, s.stock)',
	'DELETE FROM product p WHERE NOT EXISTS (SELECT FROM staging s WHERE s.sku = p.sku)']),
(7, 'merge that deletes', ARRAY['MERGE INTO product p USING (SELECT coalesce(s.sku, o.sku) AS sku, s.sku IS NULL AS gone, s.price, s.stock
		FROM staging s FULL JOIN product o ON o.sku = s.sku) s ON s.sku = p.sku
	WHEN MATCHED AND gone THEN DELETE
	WHEN MATCHED THEN UPDATE SET price = s.price, stock = s.stock
	WHEN NOT MATCHED THEN INSERT (sku, price, stock) VALUES (s.sku, s.price, s.stock)']),
(8, 'upserts', ARRAY['INSERT INTO product (sku, price, stock) SELECT * FROM staging
	ON CONFLICT (sku) DO UPDATE SET price = excluded.price, stock = excluded.stock',
	'DELETE FROM product p WHERE NOT EXISTS (SELECT FROM staging s WHERE s.sku = p.sku)']),
(9, 'delete what changed, insert it', ARRAY['DELETE FROM product p USING staging s WHERE s.sku = p.sku AND (s.price, s.stock) IS DISTINCT FROM (p.price, p.stock)',
	'INSERT INTO product (sku, price, stock) SELECT * FROM staging ON CONFLICT DO NOTHING',
	'DELETE FROM product p WHERE NOT EXISTS (SELECT FROM staging s WHERE s.sku = p.sku)']),
(10, 'in one statement', ARRAY['WITH old AS (DELETE FROM product p WHERE NOT EXISTS (SELECT FROM staging s WHERE s.sku = p.sku))
	INSERT INTO product (sku, price, stock) SELECT * FROM staging
	ON CONFLICT (sku) DO UPDATE SET price = excluded.price, stock = excluded.stock']),
(11, 'another key for a while', ARRAY['UPDATE product SET sku = ''old '' || sku', 'INSERT INTO product (sku, price, stock) SELECT * FROM staging',
	'DELETE FROM product WHERE sku LIKE ''old %'''])
;

-- what the others contribute, before each load
CREATE PROCEDURE prepare_table() LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ownership.enforcement = off;
	DELETE FROM product;
	INSERT INTO product (sku, price, stock, title, descr, note) VALUES ('A', 1, 0, 'a title', 'a descr', 'a note'), ('B', 2, 0, 'b title', NULL, NULL), ('C', 3, 0, 'c title', NULL, 'c note');
	DELETE FROM ownership.conflict;
END $$;
CREATE FUNCTION rows() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', sku, price, stock, coalesce(title, '-'), coalesce(descr, '-'), coalesce(note, '-'), gone_at), E'\n' ORDER BY sku)
	FROM product
$$;
CREATE FUNCTION waits() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', row_key->>'sku', column_name, value), E'\n' ORDER BY row_key, column_name) FROM ownership.waiting
$$;
CREATE FUNCTION refused() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', system, outcome, row_key->>'sku', columns), E'\n' ORDER BY id) FROM ownership.conflict
	WHERE outcome NOT IN ('parked', 'remembered')
$$;
-- runs a load; `apart`: each statement is a transaction
CREATE PROCEDURE run(statements text[], apart boolean) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	CALL prepare_table();
	COMMIT;
	SET ROLE regress_erp;
	FOREACH statement IN ARRAY statements LOOP
		EXECUTE statement;
		IF apart THEN COMMIT; END IF;
	END LOOP;
	COMMIT;
	RESET ROLE;
END $$;
CREATE TABLE result (n int, apart boolean, remember interval, lift boolean, rows text, waits text, refused text);
DO $$
DECLARE
	l record;
	apart boolean;
	remember interval;
	lift boolean;
BEGIN
	FOR l IN SELECT * FROM load ORDER BY n LOOP
		FOREACH remember IN ARRAY '{NULL,0}'::interval[] LOOP
			UPDATE ownership.mirrored_table t SET remember = run.remember FROM (SELECT remember) run WHERE table_name = 'product';
			FOREACH apart IN ARRAY '{f,t}'::boolean[] LOOP
				FOREACH lift IN ARRAY '{t,f}'::boolean[] LOOP
					PERFORM set_config('ownership.lift', lift::text, false);
					COMMIT;
					CALL run(l.statements, apart);
					INSERT INTO result VALUES (l.n, apart, remember, lift, rows(), waits(), refused());
					COMMIT;
				END LOOP;
			END LOOP;
		END LOOP;
	END LOOP;
END $$;
RESET ownership.lift;
-- lifting changes nothing
SELECT * FROM result a JOIN result b USING (n, apart) WHERE a.remember IS NOT DISTINCT FROM b.remember AND a.lift AND NOT b.lift
AND (a.rows, a.waits, a.refused) IS DISTINCT FROM (b.rows, b.waits, b.refused);
-- in one transaction, and where values are remembered, every way has the same result
SELECT count(DISTINCT n) AS loads, count(*), rows, waits, refused FROM result WHERE (remember IS NULL OR NOT apart) GROUP BY rows, waits, refused ORDER BY 2 DESC;
SELECT l.name, r.apart, r.remember, r.rows, r.waits FROM result r JOIN load l USING (n)
WHERE lift AND (remember IS NULL OR NOT apart) AND rows IS DISTINCT FROM (SELECT rows FROM result WHERE n = 1 AND lift AND NOT apart AND remember IS NULL) ORDER BY n, apart, remember;
-- with remember 0 the values end with the transaction that deletes
SELECT l.name, r.rows, r.waits FROM result r JOIN load l USING (n) WHERE lift AND remember = '0' AND apart ORDER BY n;
UPDATE ownership.mirrored_table SET remember = NULL WHERE table_name = 'product';

-- Soft deletes leave the row, and all that is in it
CALL prepare_table();
SET ROLE regress_erp;
UPDATE product SET gone_at = '2025-01-01' WHERE NOT EXISTS (SELECT FROM staging s WHERE s.sku = product.sku);
SET ROLE regress_pim;
UPDATE product SET title = 'c title, sold out' WHERE sku = 'C';
SET ROLE regress_erp;
UPDATE product SET gone_at = NULL;
RESET ROLE;
SELECT rows(), waits(), refused();

-- Rows of which nothing is left but what waits come back a week later, unless that is over
CALL prepare_table();
SET ROLE regress_erp;
DELETE FROM product;
RESET ROLE;
SELECT rows(), waits();
-- in the meantime the PIM writes: its newest value counts
SET ROLE regress_pim;
INSERT INTO product (sku, title) VALUES ('A', 'a newer title');
RESET ROLE;
UPDATE ownership.conflict SET recorded_at = recorded_at - interval '6 days' WHERE row_key = '{"sku": "A"}';
UPDATE ownership.conflict SET recorded_at = recorded_at - interval '8 days' WHERE row_key = '{"sku": "B"}';
SET ROLE regress_erp;
INSERT INTO product (sku, price, stock) SELECT sku, price, stock FROM staging;
RESET ROLE;
SELECT rows(), waits();

-- Loads of full rows with the values of others, which they read before
CALL prepare_table();
CREATE TABLE whole AS SELECT * FROM product;
GRANT ALL ON whole TO regress_erp;
UPDATE whole SET price = price + 10;
SET ROLE regress_pim;
UPDATE product SET title = 'a changed title' WHERE sku = 'A';
RESET ROLE;
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product';
SET ROLE regress_erp;
INSERT INTO product SELECT * FROM whole ON CONFLICT (sku) DO UPDATE SET price = excluded.price, stock = excluded.stock,
	title = excluded.title, descr = excluded.descr, note = excluded.note, gone_at = excluded.gone_at;
RESET ROLE;
SELECT rows(), waits(), refused();
DELETE FROM ownership.conflict;
SET ROLE regress_erp;
BEGIN;
DELETE FROM product;
INSERT INTO product SELECT * FROM whole;
COMMIT;
RESET ROLE;
SELECT rows(), waits(), refused();
DELETE FROM ownership.conflict;
SET ROLE regress_erp;
DELETE FROM product;
INSERT INTO product SELECT * FROM whole;
RESET ROLE;
SELECT rows(), waits(), refused();

DROP EXTENSION ownership CASCADE;
DROP PROCEDURE run, prepare_table;
DROP FUNCTION rows, waits, refused;
DROP TABLE product, staging, load, result, whole;
DROP ROLE regress_erp, regress_pim, regress_crm;
