-- A session knows for which keys nothing waits: AFTER fires for the other rows alone, and
-- nothing that waits is missed, whatever the type of the key and whoever parks or removes rows.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\pset null '-'
\o /dev/null
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim');
\o
-- how often AFTER fires in the statement
CREATE FUNCTION fires(statement text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE line text; calls int := 0;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || statement LOOP
		IF line LIKE 'Trigger zzzz_ownership_judge%' THEN calls := calls + substring(line FROM 'calls=(\d+)')::int; END IF;
	END LOOP;
	RETURN calls;
END $$;
SET client_min_messages = warning;
-- takes the first of these keys from the PIM's values that wait, and makes rows of all, one by one and at once
CREATE PROCEDURE compare(type text, keys text[]) LANGUAGE plpgsql AS $$
DECLARE k text; one text := ''; many text;
BEGIN
	EXECUTE format('CREATE TABLE t (k %s PRIMARY KEY, price int, title text)', type);
	PERFORM ownership.assign('t', '{k,price}', 'erp', policy => 'keep'), ownership.assign('t', '{title}', 'pim', policy => 'keep');
	FOR i IN 1 .. 2 LOOP
		SET LOCAL ownership.system = 'pim';
		EXECUTE format('INSERT INTO t (k, title) VALUES (%L, ''waited'')', keys[1]);
		SET LOCAL ownership.system = 'erp';
		IF i = 1 THEN
			FOR n IN REVERSE array_length(keys, 1) .. 1 LOOP
				one := one || ' ' || fires(format('INSERT INTO t (k, price) VALUES (%L, 1)', keys[n]));
			END LOOP;
			ASSERT (SELECT count(*) FROM t WHERE title IS NOT NULL) = 1;
			DELETE FROM t;
			EXECUTE 'UPDATE ownership.conflict SET resolved_at = now(), resolution = ''dismissed'' WHERE resolved_at IS NULL';
		ELSE
			many := fires(format('INSERT INTO t (k, price) SELECT x::%s, 1 FROM unnest(%L::text[]) x', type, keys));
		END IF;
	END LOOP;
	EXECUTE 'SELECT k FROM t WHERE title = ''waited''' INTO k;
	RAISE INFO '%: one by one%, at once %; %', type, one, many, k;
	RESET ownership.system;
	DROP TABLE t;
	DELETE FROM ownership.mirrored_table;
	DELETE FROM ownership.field;
	DELETE FROM ownership.conflict;
END $$;
CALL compare('int', '{7,0,-7,1,2,3,4,5,10000,2147483647}');
CALL compare('int', '{0,7,-7,1,2,3,4,5,10000,2147483647}');
CALL compare('smallint', '{-7,0,7,1,2,3,4,5}');
CALL compare('bigint', '{9007199254740993,9007199254740992,100000000,1,2,3,4,5}');
CALL compare('bigint', '{100000000,10000,1,2,3,4,5,6}');
CALL compare('bigint', '{-9223372036854775808,9223372036854775807,99990000,1,2,3,4,5}');
CALL compare('text', '{Käse,käse,Kase,"",a,b,c,d}');
CALL compare('varchar(10)', '{A,B,C,D,E,F,G,a}');
CALL compare('char(4)', '{A,B,C,D,E,F,G,a}');
CALL compare('uuid', '{6f1ed002-ab5e-4de7-8a7c-000000000001,6f1ed002-ab5e-4de7-8a7c-000000000002,6f1ed002-ab5e-4de7-8a7c-000000000003,6f1ed002-ab5e-4de7-8a7c-000000000004}');
CALL compare('numeric', '{1.5,1,2,3,4,5,6}');
CALL compare('date', '{2026-02-03,2026-03-02,2026-01-01,2026-01-02,2026-01-03}');
CALL compare('timestamptz', '{2026-02-03 12:00+02,2026-03-02 12:00+02,2026-01-01 12:00+02,2026-01-02 12:00+02}');

-- a key of several columns, and of partitions
CREATE TABLE stock (warehouse text, sku text, id int, qty int, note text, PRIMARY KEY (sku, warehouse, id)) PARTITION BY LIST (sku);
CREATE TABLE stock_a PARTITION OF stock FOR VALUES IN ('a');
CREATE TABLE stock_rest (note text, id int NOT NULL, qty int, sku text NOT NULL, warehouse text NOT NULL);
ALTER TABLE stock ATTACH PARTITION stock_rest DEFAULT;
\o /dev/null
SELECT ownership.assign('stock', '{sku,warehouse,id,qty}', 'erp', policy => 'keep'), ownership.assign('stock', '{note}', 'pim', policy => 'keep');
\o
SET ownership.system = 'pim';
INSERT INTO stock (sku, warehouse, id, note) VALUES ('a', 'north', 1, 'waited'), ('b', 'north', 1, 'waited'), ('c', 'south', 2, 'waited');
SET ownership.system = 'erp';
SELECT fires($$INSERT INTO stock (sku, warehouse, id, qty) SELECT 'z', 'west', i, i FROM generate_series(1, 50) i$$);
SELECT fires($$INSERT INTO stock (sku, warehouse, id, qty) SELECT s, w, i, i FROM unnest('{a,b,c}'::text[]) s, unnest('{north,south}'::text[]) w, generate_series(1, 3) i$$);
SELECT sku, warehouse, id, note FROM stock WHERE note IS NOT NULL ORDER BY sku;
RESET ownership.system;
DELETE FROM ownership.conflict;

-- what is parked and removed after the session has found out
CREATE TABLE product (sku int PRIMARY KEY, price int, title text);
CREATE TABLE other (sku int PRIMARY KEY, price int, title text);
\o /dev/null
SELECT ownership.assign(t, '{sku,price}', 'erp', policy => 'keep'), ownership.assign(t, '{title}', 'pim', policy => 'keep') FROM unnest('{product,other}'::regclass[]) t;
\o
SET client_min_messages = warning;
SET ownership.system = 'pim';
INSERT INTO product (sku, title) VALUES (-1, 'waited'), (-2, 'waited');
INSERT INTO other (sku, title) VALUES (2, 'of another table');
SET ownership.system = 'erp';
SELECT fires('INSERT INTO product (sku, price) SELECT i, 1 FROM generate_series(1, 2000) i');
SELECT fires('INSERT INTO product (sku, price) VALUES (2001, 1)');
SET ownership.system = 'pim';
INSERT INTO product (sku, title) VALUES (2002, 'waited');
SET ownership.system = 'erp';
SELECT fires('INSERT INTO product (sku, price) VALUES (2002, 1), (2003, 1)');
-- more rows than are told of one by one, in the transaction that removes them, and in the next
RESET ownership.system;
SET ownership.enforcement = off;
UPDATE product SET title = 'title ' || sku WHERE sku <= 1500;
RESET ownership.enforcement;
SET ownership.system = 'erp';
BEGIN;
DELETE FROM product WHERE sku BETWEEN 1 AND 20;
SELECT fires('INSERT INTO product (sku, price) SELECT i, 2 FROM generate_series(11, 20) i');
DELETE FROM product WHERE sku BETWEEN 21 AND 120;
SELECT fires('INSERT INTO product (sku, price) SELECT i, 2 FROM generate_series(21, 70) i');
COMMIT;
SELECT fires('INSERT INTO product (sku, price) SELECT i, 2 FROM generate_series(71, 120) i UNION SELECT i, 2 FROM generate_series(1, 10) i');
DELETE FROM product WHERE sku BETWEEN 1 AND 1500;
-- of so many keys the end of the statement looks at all that waits
SELECT fires('INSERT INTO product (sku, price) SELECT i, 3 FROM generate_series(1, 1500) i') = 1000 AS collected;
SELECT count(*) FILTER (WHERE title = 'title ' || sku) AS came_back, count(*) FROM product WHERE sku BETWEEN 1 AND 1500;
-- rows that a trigger makes again while their statement removes them
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO product (sku, price) VALUES (OLD.sku, OLD.price + 1);
	RETURN NULL;
END $$;
CREATE TRIGGER zzzzz_again AFTER DELETE ON product FOR EACH ROW EXECUTE FUNCTION again();
DELETE FROM product WHERE sku BETWEEN 1 AND 200;
SELECT count(*) FILTER (WHERE title = 'title ' || sku) AS came_back, count(*) FROM product WHERE sku BETWEEN 1 AND 200;
DROP TRIGGER zzzzz_again ON product;
-- in one statement
WITH gone AS (DELETE FROM product WHERE sku BETWEEN 1 AND 100 RETURNING sku)
INSERT INTO other (sku, price) SELECT sku, 1 FROM gone;
SELECT * FROM other WHERE title IS NOT NULL;
-- MERGE, an upsert, an UPDATE of the key and COPY
SELECT fires('MERGE INTO product p USING generate_series(1, 100) s(i) ON p.sku = i WHEN NOT MATCHED THEN INSERT (sku, price) VALUES (i, 1)');
SELECT count(*) FILTER (WHERE title = 'title ' || sku) AS came_back, count(*) FROM product WHERE sku BETWEEN 1 AND 100;
SET ownership.system = 'pim';
INSERT INTO product (sku, title) VALUES (-3, 'waited'), (-4, 'waited'), (-5, 'waited');
SET ownership.system = 'erp';
SELECT fires('INSERT INTO product (sku, price) VALUES (-3, 1), (3, 1), (4, 1) ON CONFLICT (sku) DO UPDATE SET price = excluded.price');
SELECT fires('UPDATE product SET sku = -4 WHERE sku = 2001');
SELECT fires('UPDATE product SET sku = -14 WHERE sku = 2000');
COPY product (sku, price) FROM stdin;
-15	1
-5	1
-25	1
\.
SELECT sku, title FROM product WHERE sku < 0 ORDER BY sku;
-- rows that PostgreSQL takes as another table has them, with its names of the columns
CREATE TABLE feed (a int, b int, c text);
INSERT INTO feed VALUES (-6, 1, 'erp'), (-7, 1, 'erp');
SET ownership.system = 'pim';
INSERT INTO product (sku, title) VALUES (-6, 'waited');
RESET ownership.system;
SELECT ownership.assign('product', '{title}', 'erp') \g /dev/null
SET ownership.system = 'erp';
SELECT fires('INSERT INTO product SELECT * FROM feed');
RESET ownership.system;
SELECT row_key, resolution FROM ownership.conflict WHERE row_key = '{"sku": -6}';
SELECT ownership.assign('product', '{title}', 'pim') \g /dev/null
DELETE FROM product WHERE sku IN (-6, -7);
SET ownership.system = 'erp';
-- another name of the table, and of its key
RESET ownership.system;
ALTER TABLE product RENAME TO item;
SET ownership.system = 'erp';
INSERT INTO item (sku, price) VALUES (-1, 1);
RESET ownership.system;
ALTER TABLE item RENAME sku TO code;
SET ownership.system = 'erp';
INSERT INTO item (code, price) VALUES (-2, 1);
SELECT code, title FROM item WHERE code IN (-1, -2);
-- evidence that SQL writes
RESET ownership.system;
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, proposed)
VALUES ('public', 'item', '{"code": 5001}', 'INSERT', 'pim', 'parked', '{title}', '{"title": "by hand"}');
SET ownership.system = 'erp';
INSERT INTO item (code, price) VALUES (5001, 1);
SELECT code, title FROM item WHERE code = 5001;
RESET ownership.system;
-- what counts as written is what the statement names, for whichever rows AFTER fires
SELECT ownership.flush() \g /dev/null
SELECT column_name, system, writes > 0 AS written FROM ownership.activity WHERE table_name = 'stock' AND system = 'erp' ORDER BY 1;
DROP TABLE stock, item, other, feed;
DROP FUNCTION fires, again;
DROP PROCEDURE compare;
DROP EXTENSION ownership CASCADE;
