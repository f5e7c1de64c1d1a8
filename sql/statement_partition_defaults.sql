-- Partitions whose defaults differ from those of the tables above them: a row
-- has the defaults of the table that the statement names.
CREATE EXTENSION ownership;
\set VERBOSITY terse
CREATE SEQUENCE numbers;
CREATE FUNCTION base() RETURNS int STABLE LANGUAGE sql AS 'SELECT 70';
CREATE TABLE orders (
	id int,						-- the shop's
	region text,				-- the shop's
	shop_note text,				-- the shop's
	status text DEFAULT 'open',	-- the erp's, keep
	score int DEFAULT 5,		-- the erp's, reject
	seen int,					-- the erp's, observe; no default
	rank int DEFAULT base(),	-- the erp's, keep; not constant
	serial int DEFAULT nextval('numbers'),	-- the erp's, keep; volatile
	twice int GENERATED ALWAYS AS (score * 2) STORED,
	PRIMARY KEY (id, region)
) PARTITION BY LIST (region);
-- as it is most often made: no defaults at all
CREATE TABLE orders_de (LIKE orders INCLUDING GENERATED);
ALTER TABLE orders ATTACH PARTITION orders_de FOR VALUES IN ('de');
-- defaults of its own, on two levels, in another order
CREATE TABLE orders_us (
	gone int, status text DEFAULT 'middle', seen int DEFAULT 9, region text NOT NULL, rank int DEFAULT 1, id int NOT NULL,
	score int DEFAULT 6, serial int DEFAULT 100, shop_note text, twice int GENERATED ALWAYS AS (score * 2) STORED
) PARTITION BY RANGE (id);
ALTER TABLE orders_us DROP gone;
CREATE TABLE orders_us_1 (
	id int NOT NULL, gone text, score int DEFAULT 7, status text DEFAULT 'leaf', seen int DEFAULT 8, serial int DEFAULT nextval('numbers') * 100,
	rank int DEFAULT base() + 1, region text NOT NULL, twice int GENERATED ALWAYS AS (score * 2) STORED, shop_note text
);
ALTER TABLE orders_us_1 DROP gone;
ALTER TABLE orders_us ATTACH PARTITION orders_us_1 FOR VALUES FROM (0) TO (1000);
ALTER TABLE orders ATTACH PARTITION orders_us FOR VALUES IN ('us');
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('shop', 'storefront');
	PERFORM ownership.assign('orders', '{id,region,shop_note}', 'shop');
	PERFORM ownership.assign('orders', '{status,rank,serial}', 'erp', policy => 'keep');
	PERFORM ownership.assign('orders', '{score}', 'erp', policy => 'reject');
	PERFORM ownership.assign('orders', '{seen}', 'erp', policy => 'observe');
END $$;
CREATE VIEW rows AS SELECT tableoid::regclass AS leaf, id, status, score, seen, rank, serial, shop_note FROM orders ORDER BY id;
CREATE VIEW evidence AS
SELECT row_key, operation, outcome, columns, stored, proposed FROM ownership.conflict ORDER BY (row_key ->> 'id')::int, outcome;
CREATE PROCEDURE clear() LANGUAGE plpgsql AS $$ BEGIN
	PERFORM set_config('ownership.enforcement', 'off', true);
	DELETE FROM orders;
	TRUNCATE ownership.conflict;
	PERFORM setval('numbers', 1, false);
END $$;

SET ownership.system = 'shop';
-- only its own columns: all defaults are the root's, and nothing is refused
INSERT INTO orders (id, region) VALUES (1, 'de'), (2, 'us');
INSERT INTO orders_us (id, region) VALUES (3, 'us');
INSERT INTO orders_us_1 (id, region) VALUES (4, 'us');
COPY orders (id, region, shop_note) FROM stdin;
5	de	copied
6	us	copied
\.
COPY orders_us (id, region, shop_note) FROM stdin;
7	us	copied
\.
COPY orders_us_1 (id, region, shop_note) FROM stdin;
8	us	copied
\.
MERGE INTO orders USING (VALUES (9, 'de'), (10, 'us')) v(i, r) ON id = i AND region = r
	WHEN NOT MATCHED THEN INSERT (id, region) VALUES (i, r);
INSERT INTO orders (id, region, shop_note) VALUES (11, 'us', 'upsert'), (2, 'us', 'upsert')
	ON CONFLICT (id, region) DO UPDATE SET shop_note = EXCLUDED.shop_note;
INSERT INTO orders (id, region) SELECT 12, 'us' RETURNING tableoid::regclass, id, status, score, rank;
SELECT leaf, id, status, score, seen, rank, serial IS NOT NULL AS serial, shop_note FROM rows;
TABLE evidence;
CALL clear();

-- the default of a partition, or of a table between, is a value like any other
INSERT INTO orders (id, region, status, rank, seen) VALUES (1, 'us', 'leaf', 71, 8), (2, 'us', 'middle', 1, 9), (3, 'us', 'open', 70, NULL), (4, 'us', NULL, NULL, NULL);
INSERT INTO orders (id, region, status) VALUES (5, 'de', 'open'), (6, 'de', 'other');
INSERT INTO orders_us (id, region, status, rank) VALUES (7, 'us', 'leaf', 71), (8, 'us', 'open', 70), (9, 'us', 'middle', 1);
INSERT INTO orders_us_1 (id, region, status) VALUES (10, 'us', 'leaf'), (11, 'us', 'open'), (12, 'us', 'middle');
INSERT INTO orders (id, region, score) VALUES (13, 'us', 5), (14, 'de', 5);
INSERT INTO orders (id, region, score) VALUES (15, 'us', 7);
INSERT INTO orders (id, region, score) VALUES (15, 'us', 6);
INSERT INTO orders_us (id, region, score) VALUES (15, 'us', 5);
INSERT INTO orders_us_1 (id, region, score) VALUES (15, 'us', 5);
COPY orders (id, region, status) FROM stdin;
16	us	leaf
17	us	open
18	de	open
\.
COPY orders (id, region, score) FROM stdin;
19	us	7
\.
MERGE INTO orders USING (VALUES (20, 'de', 'open'), (21, 'us', 'open'), (22, 'us', 'leaf')) v(i, r, s) ON id = i AND region = r
	WHEN NOT MATCHED THEN INSERT (id, region, status) VALUES (i, r, s);
INSERT INTO orders (id, region, status) VALUES (23, 'us', 'leaf') ON CONFLICT (id, region) DO UPDATE SET status = EXCLUDED.status;
INSERT INTO orders (id, region, status) VALUES (23, 'us', 'leaf') ON CONFLICT (id, region) DO UPDATE SET status = EXCLUDED.status;
SELECT leaf, id, status, score, seen, rank, serial FROM rows;
TABLE evidence;
CALL clear();

-- what stands in is the same default, volatile or not; the first row of a
-- statement is like the others
INSERT INTO orders (id, region, status, rank, serial) SELECT i, CASE i % 2 WHEN 0 THEN 'de' ELSE 'us' END, 'x', 0, -1 FROM generate_series(1, 4) i;
INSERT INTO orders_us (id, region, status, rank, serial) SELECT i, 'us', 'x', 0, -1 FROM generate_series(5, 7) i;
INSERT INTO orders_us_1 (id, region, status, rank, serial) SELECT i, 'us', 'x', 0, -1 FROM generate_series(8, 9) i;
SELECT leaf, id, status, score, seen, rank, serial FROM rows;
TABLE evidence;
CALL clear();

-- one statement that names several of the tables
WITH a AS (INSERT INTO orders (id, region, status) VALUES (1, 'us', 'open'), (2, 'us', 'leaf') RETURNING id),
	b AS (INSERT INTO orders_us (id, region, status) VALUES (3, 'us', 'open'), (4, 'us', 'middle') RETURNING id)
INSERT INTO orders_us_1 (id, region, status) VALUES (5, 'us', 'open'), (6, 'us', 'leaf');
WITH a AS (INSERT INTO orders (id, region) VALUES (7, 'us') RETURNING id)
INSERT INTO orders_us_1 (id, region, rank) VALUES (8, 'us', 70), (9, 'us', DEFAULT);
WITH a AS (INSERT INTO orders (id, region) VALUES (10, 'us') RETURNING id)
INSERT INTO orders_us_1 (id, region, score) VALUES (11, 'us', 5);
WITH a AS (INSERT INTO orders (id, region, shop_note) VALUES (12, 'us', 'a') RETURNING id)
INSERT INTO orders_us_1 (id, region, score) VALUES (13, 'us', 7);
SELECT leaf, id, status, score, seen, rank FROM rows;
TABLE evidence;
CALL clear();

-- without lifting, prepared, and where only BEFORE fires
SET ownership.lift = off;
INSERT INTO orders (id, region) VALUES (1, 'us'), (2, 'de');
INSERT INTO orders (id, region, status) VALUES (3, 'us', 'leaf'), (4, 'us', 'open');
RESET ownership.lift;
PREPARE p(int, text) AS INSERT INTO orders (id, region, status) VALUES ($1, 'us', $2);
EXECUTE p(5, 'open');
EXECUTE p(6, 'leaf');
ALTER TABLE ONLY orders ALTER status SET DEFAULT 'leaf';
EXECUTE p(7, 'open');
EXECUTE p(8, 'leaf');
ALTER TABLE ONLY orders ALTER status SET DEFAULT 'open';
SET session_replication_role = replica;
INSERT INTO orders (id, region) VALUES (9, 'us');
INSERT INTO orders (id, region, status) VALUES (10, 'us', 'leaf'), (11, 'us', 'open');
INSERT INTO orders_us (id, region, status) VALUES (12, 'us', 'middle'), (13, 'us', 'open');
RESET session_replication_role;
SELECT leaf, id, status, score, seen, rank FROM rows;
TABLE evidence;
CALL clear();

-- what is read of the root's defaults is the root's: a change of them, alone
INSERT INTO orders (id, region, status) VALUES (1, 'us', 'open');
ALTER TABLE ONLY orders ALTER status SET DEFAULT 'fresh', ALTER rank SET DEFAULT NULL;
INSERT INTO orders (id, region) VALUES (2, 'us');
INSERT INTO orders (id, region, status, rank) VALUES (3, 'us', 'fresh', 3), (4, 'us', 'open', NULL);
SELECT leaf, id, status, rank FROM rows;
TABLE evidence;
CALL clear();

-- whoever owns the root's functions need not share them with the partition's owner
CREATE ROLE regress_root;
CREATE ROLE regress_leaf;
CREATE SCHEMA hers;
GRANT ALL ON SCHEMA hers TO regress_root;
GRANT USAGE ON SCHEMA hers TO regress_leaf;
SET ROLE regress_root;
CREATE FUNCTION hers.one() RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
REVOKE ALL ON FUNCTION hers.one() FROM PUBLIC;
CREATE TABLE hers.root (id int PRIMARY KEY, n int DEFAULT hers.one(), note text) PARTITION BY RANGE (id);
CREATE TABLE hers.leaf (id int NOT NULL, n int, note text);
ALTER TABLE hers.root ATTACH PARTITION hers.leaf FOR VALUES FROM (0) TO (100);
RESET ROLE;
ALTER TABLE hers.leaf OWNER TO regress_leaf;
DO $$ BEGIN
	PERFORM ownership.assign('hers.root', '{id,note}', 'shop');
	PERFORM ownership.assign('hers.root', '{n}', 'erp', policy => 'keep');
END $$;
INSERT INTO hers.root (id, n) VALUES (1, 5), (2, DEFAULT);
INSERT INTO hers.leaf (id, n) VALUES (3, 5);
SELECT * FROM hers.root ORDER BY id;

-- identity columns, of which only the root tells in some versions
CREATE TABLE ledger (id int, region text, ident int GENERATED BY DEFAULT AS IDENTITY, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE ledger_de PARTITION OF ledger FOR VALUES IN ('de');
DO $$ BEGIN
	PERFORM ownership.assign('ledger', '{id,region}', 'shop');
	PERFORM ownership.assign('ledger', '{ident}', 'erp', policy => 'keep');
END $$;
INSERT INTO ledger (id, region) VALUES (1, 'de');
INSERT INTO ledger VALUES (2, 'de', 77);
INSERT INTO ledger VALUES (3, 'de', DEFAULT);
INSERT INTO ledger (id, region, ident) OVERRIDING USER VALUE VALUES (4, 'de', 77);
SELECT * FROM ledger ORDER BY id;
TABLE evidence;

RESET ownership.system;
DROP VIEW rows, evidence;
DROP EXTENSION ownership;
DROP PROCEDURE clear;
DROP TABLE orders, ledger;
DROP SEQUENCE numbers;
DROP FUNCTION base;
DROP SCHEMA hers CASCADE;
DROP ROLE regress_root, regress_leaf;
