-- COPY and MERGE are judged as the inserts, updates and deletes that really
-- happen.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE FUNCTION tick() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1000; END $$;
CREATE TABLE product (
	id int PRIMARY KEY,
	price numeric,					-- the ERP's, reject
	cost numeric DEFAULT 1.50,		-- the ERP's, keep
	stock int,						-- the ERP's, observe
	brand text,						-- the ERP's, fill
	rev int DEFAULT tick(),			-- the ERP's, keep, not constant
	title text						-- the PIM's
);
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('pim', 'pim');
	PERFORM ownership.assign('product', '{id,title}', 'pim');
	PERFORM ownership.assign('product', '{price}', 'erp');
	PERFORM ownership.assign('product', '{cost,rev}', 'erp', policy => 'keep');
	PERFORM ownership.assign('product', '{stock}', 'erp', policy => 'observe');
	PERFORM ownership.assign('product', '{brand}', 'erp', policy => 'fill');
END $$;
CREATE VIEW evidence AS
SELECT table_name, row_key, operation, system, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY table_name COLLATE "C", row_key, id;
SET ownership.system = 'pim';

-- COPY with a column list: what is not in it is not written
COPY product (id, title) FROM stdin;
1	one
2	two
\.
COPY product (id, title, cost) FROM stdin;
3	three	1.5
4	four	\N
\.
SELECT * FROM product ORDER BY id;
TABLE evidence;
-- without one all are named, also those whose default is not constant
COPY product FROM stdin;
5	\N	1.50	\N	\N	\N	five
\.
\set VERBOSITY default
COPY product FROM stdin;
6	\N	9	6	Acme	6	six
7	\N	1.5	\N	\N	1000	seven
8	\N	8	8	\N	\N	eight
\.
\set VERBOSITY terse
SELECT * FROM product WHERE id > 4 ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- reject: nothing of it is there
COPY product FROM stdin;
9	\N	1.50	\N	\N	\N	nine
10	10	1.50	\N	\N	\N	ten
11	\N	1.50	\N	\N	\N	eleven
\.
COPY product (price, title, id) FROM stdin WITH (FORMAT csv, NULL '-');
-,nine,9
0,ten,10
\.
SELECT count(*) FROM product WHERE id > 8;
-- with other options, in another order, with a condition
COPY product (cost, title, id) FROM stdin WITH (FORMAT csv, HEADER) WHERE id <> 10;
cost,title,id
9,nine,9
10,ten,10
\.
SELECT id, cost, title FROM product WHERE id > 8;
SELECT row_key, outcome, columns, proposed FROM evidence;
TRUNCATE ownership.conflict;
-- a row that is there: PostgreSQL's own error
COPY product (id, title, cost) FROM stdin;
9	again	99
\.
TABLE evidence;
-- rows that the writer may not create
UPDATE ownership.field SET owner = 'erp', policy = 'keep' WHERE entity = 'product' AND name = 'id';
COPY product (id, title) FROM stdin;
20	twenty
21	twenty-one
\.
UPDATE ownership.field SET policy = 'reject' WHERE entity = 'product' AND name = 'id';
COPY product (id, title) FROM stdin;
20	twenty
\.
UPDATE ownership.field SET policy = 'fill' WHERE entity = 'product' AND name = 'id';
COPY product (id, title) FROM stdin;
22	twenty-two
\.
SELECT id, title FROM product WHERE id >= 20;
SELECT row_key, outcome, columns, proposed FROM evidence;
TRUNCATE ownership.conflict;
UPDATE ownership.field SET owner = 'pim', policy = NULL WHERE entity = 'product' AND name = 'id';
DELETE FROM product WHERE id > 8;
-- its owner; a dry run; maintenance; nobody
SET ownership.system = 'erp';
COPY product (id, price) FROM stdin;
30	3
\.
SET ownership.enforcement = observe;
COPY product (id, price, cost) FROM stdin;
31	3	3
\.
SET ownership.enforcement = off;
COPY product (id, title) FROM stdin;
32	maintenance
\.
RESET ownership.enforcement;
SELECT row_key, outcome, columns, proposed FROM evidence;
TRUNCATE ownership.conflict;
RESET ownership.system;
CREATE ROLE regress_nobody;
GRANT INSERT ON product TO regress_nobody;
SET ROLE regress_nobody;
COPY product (id) FROM stdin;
33
\.
RESET ROLE;
SET ownership.enforcement = off;
DELETE FROM product WHERE id >= 30;
RESET ownership.enforcement;
-- COPY TO reads
SET ownership.system = 'pim';
COPY (SELECT id, title FROM product ORDER BY id LIMIT 1) TO stdout;

-- COPY into a partitioned table
CREATE TABLE stock (id int, region text, qty int, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE stock_eu (note text, gone int, region text NOT NULL, id int NOT NULL, qty int);
ALTER TABLE stock_eu DROP COLUMN gone;
ALTER TABLE stock ATTACH PARTITION stock_eu FOR VALUES IN ('eu');
CREATE TABLE stock_us PARTITION OF stock FOR VALUES IN ('us');
DO $$ BEGIN
	PERFORM ownership.assign('stock', '{id,region,note}', 'pim');
	PERFORM ownership.assign('stock', '{qty}', 'erp', policy => 'keep');
END $$;
COPY stock FROM stdin;
1	eu	1	a
1	us	2	b
2	eu	\N	c
2	us	4	d
\.
COPY stock_eu (id, region, qty) FROM stdin;
3	eu	3
\.
SELECT tableoid::regclass, * FROM stock ORDER BY id, region COLLATE "C";
TABLE evidence;
TRUNCATE ownership.conflict;

-- MERGE: each of its arms, row by row
CREATE TABLE news (id int, price numeric, cost numeric, stock int, brand text, title text, what text);
CREATE PROCEDURE merge_news() LANGUAGE sql AS $$
	MERGE INTO product p USING news n ON p.id = n.id
	WHEN MATCHED AND n.what = 'delete' THEN DELETE
	WHEN MATCHED AND n.what = 'nothing' THEN DO NOTHING
	WHEN MATCHED AND n.what = 'title' THEN UPDATE SET title = n.title
	WHEN MATCHED THEN UPDATE SET price = n.price, cost = n.cost, stock = n.stock, brand = n.brand, title = n.title
	WHEN NOT MATCHED AND n.what = 'nothing' THEN DO NOTHING
	WHEN NOT MATCHED AND n.what = 'title' THEN INSERT (id, title) VALUES (n.id, n.title)
	WHEN NOT MATCHED THEN INSERT (id, price, cost, stock, brand, title) VALUES (n.id, n.price, n.cost, n.stock, n.brand, n.title);
$$;
SET ownership.enforcement = off;
DELETE FROM product;
INSERT INTO product SELECT i, i, i, i, CASE WHEN i > 1 THEN 'b' || i END, i, 't' || i FROM generate_series(1, 5) i;
RESET ownership.enforcement;
-- what is sent as it is stored is no conflict
INSERT INTO news SELECT id, price, cost, stock, brand, 'm' || id FROM product;
CALL merge_news();
SELECT id, price, title FROM product ORDER BY id;
TABLE evidence;
-- one row of each kind
DELETE FROM news;
INSERT INTO news VALUES
	(1, 1, 11, 11, 'new', 'all but the price', NULL),
	(2, 99, 99, 99, 'x', 'own', 'title'),
	(3, 99, 99, 99, 'x', 'nothing', 'nothing'),
	(4, 99, 99, 99, 'x', 'deleted', 'delete'),
	(6, NULL, 66, 66, 'b6', 'inserted', NULL),
	(7, 99, 99, 99, 'x', 'inserted', 'title'),
	(8, 99, 99, 99, 'x', 'nothing', 'nothing');
CALL merge_news();
SELECT * FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- one that rejects, in either arm
DELETE FROM news;
INSERT INTO news VALUES (1, 0, 11, 11, 'new', 'price', NULL);
CALL merge_news();
UPDATE news SET id = 9;
CALL merge_news();
-- rows that the writer may not create or delete
UPDATE ownership.field SET owner = 'erp' WHERE entity = 'product' AND name = 'id';
DELETE FROM news;
INSERT INTO news VALUES (1, NULL, NULL, NULL, NULL, 'x', 'delete');
CALL merge_news();
INSERT INTO news VALUES (9, NULL, NULL, NULL, NULL, 'x', 'title');
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product' AND name = 'id';
CALL merge_news();
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'product' AND name = 'id';
CALL merge_news();
SELECT id, title FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- what a BEFORE trigger derives in a column that no action names
UPDATE ownership.field SET owner = 'pim', policy = NULL WHERE entity = 'product' AND name = 'id';
CREATE FUNCTION derive() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.rev := 7; RETURN new; END $$;
CREATE TRIGGER derive BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION derive();
DELETE FROM news;
INSERT INTO news VALUES (2, NULL, NULL, NULL, NULL, 'derived', 'title');
CALL merge_news();
SELECT id, rev, title FROM product WHERE id = 2;
TABLE evidence;

TRUNCATE ownership.conflict;
-- values kept out of a new row are no lost race to the row updated next, in
-- one partition, which is not the first
CREATE TABLE part (id int PRIMARY KEY, price int, title text) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 PARTITION OF part DEFAULT;
INSERT INTO part VALUES (12, 4, 'old');
SELECT ownership.assign('part', '{price}', 'erp', policy => 'keep');
SET ownership.system = 'pim';
SET enable_hashjoin = off;
SET enable_mergejoin = off;
MERGE INTO part USING (VALUES (11, 5, 'new'), (12, 5, 'changed')) v(id, price, title) ON part.id = v.id
	WHEN MATCHED THEN UPDATE SET price = v.price, title = v.title WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.price, v.title);
RESET enable_hashjoin;
RESET enable_mergejoin;
SELECT tableoid::regclass, * FROM part ORDER BY id;
TABLE evidence;

RESET ownership.system;
DROP VIEW evidence;
DROP EXTENSION ownership CASCADE;
DROP TABLE product, stock, news, part;
DROP FUNCTION tick, derive;
DROP PROCEDURE merge_news;
DROP ROLE regress_nobody;
