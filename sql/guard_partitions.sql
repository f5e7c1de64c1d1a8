-- Partitioned tables: the map names the table, the guard covers what is below
-- it, and an UPDATE that moves a row is judged as the UPDATE it is.
CREATE EXTENSION ownership;
\set VERBOSITY terse

-- Three levels; partitions with their columns in another order, and with
-- columns that were dropped, above and below.
CREATE TABLE stock (
	gone int,
	id int,
	region text,		-- the WMS's
	site int,			-- the WMS's
	qty int,			-- the WMS's
	price int,			-- the ERP's
	label text,			-- the PIM's
	PRIMARY KEY (id, region, site)
) PARTITION BY LIST (region);
ALTER TABLE stock DROP COLUMN gone;
CREATE TABLE stock_eu (label text, site int NOT NULL, price int, region text NOT NULL, old text, qty int, id int NOT NULL)
	PARTITION BY RANGE (site);
ALTER TABLE stock_eu DROP COLUMN old;
CREATE TABLE stock_eu_1 (price int, id int NOT NULL, older text, site int NOT NULL, label text, region text NOT NULL, qty int);
ALTER TABLE stock_eu_1 DROP COLUMN older;
ALTER TABLE stock_eu ATTACH PARTITION stock_eu_1 FOR VALUES FROM (1) TO (10);
CREATE TABLE stock_eu_2 PARTITION OF stock_eu FOR VALUES FROM (10) TO (20);
ALTER TABLE stock ATTACH PARTITION stock_eu FOR VALUES IN ('eu');
CREATE TABLE stock_us PARTITION OF stock FOR VALUES IN ('us');
CREATE TABLE stock_rest PARTITION OF stock DEFAULT;
INSERT INTO stock SELECT i, r, s, i, i * 10, 'l' || i
FROM (VALUES (1, 'eu', 1), (2, 'eu', 2), (3, 'eu', 11), (4, 'us', 1), (5, 'asia', 1)) v(i, r, s);
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('wms', 'wms');
	PERFORM ownership.add_system('pim', 'pim');
	PERFORM ownership.assign('stock', '{id,price}', 'erp');
	PERFORM ownership.assign('stock', '{region,site,qty}', 'wms');
	PERFORM ownership.assign('stock', '{label}', 'pim');
	-- who creates and deletes rows is the ERP's alone
	UPDATE ownership.field SET key = (name = 'id') WHERE entity = 'stock';
END $$;
SELECT relation, guarded, partitions, partitions_guarded, problems FROM ownership.guards;
CREATE PROCEDURE policy(f text, p text) LANGUAGE sql AS $$
	UPDATE ownership.field SET policy = p WHERE entity = 'stock' AND name = f;
$$;
CREATE VIEW rows AS SELECT tableoid::regclass AS leaf, id, region, site, qty, price, label FROM stock ORDER BY id;
CREATE VIEW evidence AS
SELECT table_name, row_key, operation, system, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY row_key, id;

-- UPDATE in place, through the root, a partition between and a leaf
SET ownership.system = 'wms';
UPDATE stock SET qty = qty + 100;
UPDATE stock_eu SET qty = qty + 100;
UPDATE stock_eu_1 SET qty = qty + 100;
\set VERBOSITY default
UPDATE stock SET price = 0;
UPDATE stock_eu SET price = 0, label = '';
\set VERBOSITY terse
UPDATE stock_eu_1 SET price = 0 WHERE id = 2;
UPDATE stock_rest SET label = '';
CALL policy('price', 'keep');
UPDATE stock SET qty = 1, price = 1 WHERE id <= 3;
UPDATE stock_us SET qty = 1, price = 1;
CALL policy('price', 'observe');
UPDATE stock_rest SET qty = 1, price = 1;
TABLE rows;
TABLE evidence;
TRUNCATE ownership.conflict;

-- INSERT, through the root, a partition between and a leaf
CALL policy('price', 'reject');
INSERT INTO stock (id, region, site) VALUES (6, 'eu', 1);
INSERT INTO stock_eu (id, region, site) VALUES (6, 'eu', 1);
INSERT INTO stock_eu_1 (id, region, site) VALUES (6, 'eu', 1);
INSERT INTO stock_rest (id, region, site) VALUES (6, 'africa', 1);
DELETE FROM stock WHERE id = 1;
DELETE FROM stock_eu WHERE id = 1;
DELETE FROM stock_eu_1 WHERE id = 1;
SET ownership.system = 'erp';
INSERT INTO stock (id, region, site, price) VALUES (6, 'eu', 1, 60);
CALL policy('region', 'observe');
CALL policy('site', 'keep');
-- a partition key has no default that could stand in, at any level
INSERT INTO stock (id, region, site, price) VALUES (6, 'eu', 12, 60);
INSERT INTO stock_eu_2 (id, region, site, price) VALUES (6, 'eu', 12, 60);
CALL policy('site', 'fill');
CALL policy('label', 'keep');
INSERT INTO stock (id, region, site, price, label) VALUES (6, 'eu', 12, 60, 'six'), (7, 'us', 1, 70, NULL);
DELETE FROM stock WHERE id = 7;
TABLE rows;
TABLE evidence;
TRUNCATE ownership.conflict;

-- Moves.  By the owner of what changes: no conflict, although the row leaves
-- one partition and enters another, and the key is the ERP's.
SET ownership.system = 'wms';
CALL policy('region', NULL);
CALL policy('site', NULL);
CALL policy('label', NULL);
UPDATE stock SET region = 'us' WHERE id = 1;
UPDATE stock SET region = 'eu', site = 11, qty = 2 WHERE id = 4;
UPDATE stock_eu SET site = 1 WHERE id = 3;
UPDATE stock SET region = 'mars' WHERE id = 2;
UPDATE stock SET region = 'us' WHERE id = 2;
UPDATE stock SET region = 'us' WHERE id = 5 RETURNING tableoid::regclass, id, region, price;
-- several rows at once, some of which stay
UPDATE stock SET region = 'us', qty = 7;
TABLE rows;
TABLE evidence;
-- what the leaf itself does not allow is PostgreSQL's error
UPDATE stock_us SET region = 'eu' WHERE id = 1;

-- a move that writes a column of another system, by that column's policy
UPDATE stock SET region = 'eu', price = 0 WHERE id = 1;
CALL policy('price', 'keep');
UPDATE stock SET region = 'eu', site = 1, price = 0 WHERE id = 1;
CALL policy('price', 'observe');
UPDATE stock SET region = 'eu', site = 1, price = 21 WHERE id = 2;
CALL policy('price', 'fill');
UPDATE stock SET region = 'eu', site = 1, price = 31 WHERE id = 3;
SET ownership.system = 'erp';
UPDATE stock SET price = NULL WHERE id = 4;
SET ownership.system = 'wms';
UPDATE stock SET region = 'eu', site = 1, price = 41 WHERE id = 4;
-- an echo of it
UPDATE stock SET region = 'asia', price = 60, label = NULL, id = 6 WHERE id = 6;
TABLE rows;
TABLE evidence;
TRUNCATE ownership.conflict;

-- a move by a writer that does not own the column which moves it
SET ownership.system = 'pim';
UPDATE stock SET region = 'us', label = 'moved' WHERE id = 1;
UPDATE stock_eu SET site = 12, label = 'moved' WHERE id = 1;
CALL policy('region', 'keep');
CALL policy('site', 'keep');
UPDATE stock SET region = 'us', label = 'stays' WHERE id = 1;
UPDATE stock_eu SET site = 12, label = 'stays, too' WHERE id = 1;
UPDATE stock SET region = 'us', site = 12, label = 'stays' WHERE id = 2;
CALL policy('region', 'fill');
UPDATE stock SET region = 'us', label = 'not blank' WHERE id = 3;
CALL policy('region', 'observe');
UPDATE stock SET region = 'us', label = 'moved' WHERE id = 4;
-- one column is kept, and the row moves by the other
UPDATE stock SET region = 'us', site = 12, label = 'moved' WHERE id = 3;
TABLE rows;
TABLE evidence;
TRUNCATE ownership.conflict;

-- a steward, and a dry run: one row of evidence for the UPDATE
SET ownership.enforcement = observe;
UPDATE stock SET region = 'eu', price = 5 WHERE id = 5;
RESET ownership.enforcement;
RESET ownership.system;
CREATE ROLE regress_steward;
GRANT ALL ON stock TO regress_steward;
DO $$ BEGIN PERFORM ownership.identify(NULL, role => 'regress_steward', steward => true); END $$;
SET ROLE regress_steward;
UPDATE stock SET region = 'us', price = 6 WHERE id = 5;
RESET ROLE;
SET ownership.enforcement = off;
UPDATE stock SET region = 'eu', price = 7 WHERE id = 5;
RESET ownership.enforcement;
TABLE evidence;
TRUNCATE ownership.conflict;

-- The INSERT of a move is let through, and no other.
SET ownership.system = 'wms';
CALL policy('region', NULL);
CALL policy('site', NULL);
CALL policy('price', NULL);
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION intrude() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO stock (id, region, site) VALUES (99, 'us', 99);
	RETURN CASE TG_OP WHEN 'DELETE' THEN old ELSE new END;
END $$;
-- a trigger that suppresses the deletion, after the guard and before it
CREATE TRIGGER zzzzz_stay BEFORE DELETE ON stock FOR EACH ROW EXECUTE FUNCTION stay();
UPDATE stock SET region = 'eu' WHERE id = 4;
INSERT INTO stock (id, region, site) VALUES (99, 'eu', 1);
BEGIN;
UPDATE stock SET region = 'eu' WHERE id = 4;
INSERT INTO stock (id, region, site) VALUES (99, 'eu', 1);
ROLLBACK;
WITH u AS (UPDATE stock SET region = 'eu' WHERE id = 4 RETURNING 1)
INSERT INTO stock (id, region, site) SELECT 99, 'eu', 1 FROM (SELECT count(*) FROM u) n;
ALTER TRIGGER zzzzz_stay ON stock RENAME TO a_stay;
UPDATE stock SET region = 'eu' WHERE id = 4;
INSERT INTO stock (id, region, site) VALUES (99, 'eu', 1);
DROP TRIGGER a_stay ON stock;
-- a trigger that inserts another row on the way
CREATE TRIGGER a_intrude BEFORE DELETE ON stock FOR EACH ROW EXECUTE FUNCTION intrude();
UPDATE stock SET region = 'eu' WHERE id = 4;
ALTER TRIGGER a_intrude ON stock RENAME TO zzzzz_intrude;
UPDATE stock SET region = 'eu' WHERE id = 4;
DROP TRIGGER zzzzz_intrude ON stock;
CREATE TRIGGER a_intrude BEFORE INSERT ON stock FOR EACH ROW WHEN (new.id <> 99) EXECUTE FUNCTION intrude();
UPDATE stock SET region = 'eu' WHERE id = 4;
DROP TRIGGER a_intrude ON stock;
CREATE TRIGGER a_intrude AFTER DELETE ON stock FOR EACH ROW EXECUTE FUNCTION intrude();
UPDATE stock SET region = 'eu' WHERE id = 4;
DROP TRIGGER a_intrude ON stock;
-- a move that fails halfway, and an INSERT after it
DROP TABLE stock_rest;
DO $$
BEGIN
	BEGIN
		UPDATE stock SET region = 'nowhere' WHERE id = 4;
	EXCEPTION WHEN check_violation THEN
		RAISE NOTICE 'no partition';
	END;
	INSERT INTO stock (id, region, site) VALUES (99, 'eu', 1);
END $$;
-- a move and an INSERT in one statement
WITH u AS (UPDATE stock SET region = 'eu' WHERE id = 4 RETURNING 1)
INSERT INTO stock (id, region, site) SELECT 99, 'eu', 1 FROM (SELECT count(*) FROM u) n;
SELECT leaf, id FROM rows WHERE id IN (4, 99);

-- A trigger that fires after the guard, and changes what was kept, or what
-- nobody named.
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.label = 'price' THEN new.price := 1000; END IF;
	IF new.label = 'region' THEN new.region := 'eu'; END IF;
	RETURN new;
END $$;
CREATE TRIGGER zzzzz_late BEFORE UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION late();
CALL policy('price', 'keep');
CALL policy('label', 'observe');
\set VERBOSITY default
UPDATE stock SET region = 'eu', price = 1, label = 'price' WHERE id = 4;
\set VERBOSITY terse
UPDATE stock SET region = 'eu', label = 'price' WHERE id = 4;
SET ownership.system = 'pim';
UPDATE stock SET label = 'region' WHERE id = 3;
TABLE rows;
TABLE evidence;
TRUNCATE ownership.conflict;
DROP TRIGGER zzzzz_late ON stock;

-- MERGE on the root: in place, by moves, coming and going.
SET ownership.system = 'wms';
CALL policy('label', NULL);
CREATE TABLE news (id int, region text, site int, price int, what text);
CREATE PROCEDURE apply_news() LANGUAGE sql AS $$
	MERGE INTO stock s USING news n ON s.id = n.id
	WHEN MATCHED AND n.what = 'gone' THEN DELETE
	WHEN MATCHED AND n.what = 'own' THEN UPDATE SET region = n.region, site = n.site
	WHEN MATCHED THEN UPDATE SET region = n.region, price = n.price
	WHEN NOT MATCHED THEN INSERT (id, region, site) VALUES (n.id, n.region, n.site);
$$;
INSERT INTO news VALUES (1, 'us', 3, NULL, 'own'), (2, 'eu', 12, NULL, 'own');
CALL apply_news();
UPDATE news SET what = 'price', price = 55, region = CASE region WHEN 'eu' THEN 'us' ELSE 'eu' END;
CALL apply_news();
CALL policy('price', NULL);
UPDATE news SET region = CASE region WHEN 'eu' THEN 'us' ELSE 'eu' END;
CALL apply_news();
UPDATE news SET what = 'gone';
CALL apply_news();
UPDATE news SET id = id + 10;
CALL apply_news();
CALL policy('id', 'keep');
CALL apply_news();
UPDATE news SET id = id - 10;
CALL apply_news();
TABLE rows;
TABLE evidence;
TRUNCATE ownership.conflict;
CALL policy('id', NULL);

-- Where only BEFORE fires.
SET session_replication_role = replica;
UPDATE stock SET region = 'eu', site = 13 WHERE id = 1;
UPDATE stock SET region = 'us', price = 1 WHERE id = 1;
CALL policy('price', 'keep');
UPDATE stock SET region = 'us', price = 1 WHERE id = 1;
CALL policy('price', 'observe');
UPDATE stock SET region = 'eu', price = 2 WHERE id = 1;
DELETE FROM stock WHERE id = 1;
INSERT INTO stock (id, region, site) VALUES (99, 'eu', 1);
RESET session_replication_role;
TABLE rows;
TABLE evidence;
TRUNCATE ownership.conflict;
CALL policy('price', NULL);

-- A partition that comes later is covered; one that leaves is on its own.
CREATE TABLE stock_rest (LIKE stock INCLUDING ALL);
INSERT INTO stock_rest (id, region, site, price, qty) VALUES (8, 'asia', 1, 80, 8);
ALTER TABLE stock ATTACH PARTITION stock_rest DEFAULT;
UPDATE stock SET price = 0 WHERE id = 8;
UPDATE stock_rest SET price = 0 WHERE id = 8;
UPDATE stock SET region = 'eu' WHERE id = 8;
ALTER TABLE stock DETACH PARTITION stock_eu;
UPDATE stock_eu SET price = 0 WHERE id = 8;
UPDATE stock SET price = 0;
SELECT relation, guarded, partitions, partitions_guarded, problems FROM ownership.guards;
ALTER TABLE stock ATTACH PARTITION stock_eu FOR VALUES IN ('eu');
UPDATE stock SET price = 1 WHERE id = 8;

-- A partition with a mapping of its own: the nearest wins, the rest is the root's.
DO $$ BEGIN PERFORM ownership.assign('stock_eu', '{price}', 'wms', entity => 'local'); END $$;
UPDATE stock SET price = 1 WHERE region = 'eu';
UPDATE stock SET price = 1 WHERE region = 'us';
UPDATE stock SET label = '' WHERE region = 'eu';
TABLE rows;
TABLE evidence;

-- The row's owner is that of the row as it was stored.
CREATE TABLE task (id int, state text, note text, PRIMARY KEY (id, state)) PARTITION BY LIST (state);
CREATE TABLE task_open PARTITION OF task FOR VALUES IN ('open');
CREATE TABLE task_done (note text, state text NOT NULL, id int NOT NULL);
ALTER TABLE task ATTACH PARTITION task_done FOR VALUES IN ('done');
INSERT INTO task VALUES (1, 'open', ''), (2, 'done', '');
DO $$ BEGIN
	PERFORM ownership.assign('task', NULL, 'erp');
	PERFORM ownership.assign_rows('task', '{state,note}', 'wms', $f$state = 'open'$f$);
	UPDATE ownership.field SET key = (name = 'id') WHERE entity = 'task';
END $$;
UPDATE task SET state = 'done', note = 'done' WHERE id = 1;
UPDATE task SET note = 'again' WHERE id = 1;
UPDATE task SET state = 'open' WHERE id = 1;
SET ownership.system = 'erp';
UPDATE task SET state = 'open', note = 'reopened' WHERE id = 2;
UPDATE task SET note = 'again' WHERE id = 2;
SELECT tableoid::regclass, id, state, note FROM task ORDER BY id;

-- A partition that is laid out as its table is: rows come as the statement made
-- them, and evidence names their columns all the same.
CREATE TABLE flat (id int, region text, twice int GENERATED ALWAYS AS (n * 2) STORED, n int, seen int, filled int, PRIMARY KEY (id, region))
	PARTITION BY LIST (region);
CREATE TABLE flat_eu PARTITION OF flat FOR VALUES IN ('eu');
DO $$ BEGIN
	PERFORM ownership.assign('flat', '{id,region}', 'wms');
	PERFORM ownership.assign('flat', '{n}', 'erp', policy => 'keep');
	PERFORM ownership.assign('flat', '{seen}', 'erp', policy => 'observe');
	PERFORM ownership.assign('flat', '{filled}', 'erp', policy => 'fill');
END $$;
TRUNCATE ownership.conflict;
SET ownership.system = 'wms';
INSERT INTO flat (id, region, n, seen, filled) VALUES (1, 'eu', 1, 1, 1), (2, 'eu', 2, NULL, NULL);
INSERT INTO flat (id, region, n) SELECT 3, 'eu', 3;
INSERT INTO flat_eu (id, region, n) VALUES (4, 'eu', 4);
INSERT INTO flat (id, region, n) VALUES (1, 'eu', 5), (5, 'eu', 5) ON CONFLICT (id, region) DO UPDATE SET n = excluded.n;
COPY flat (id, region, n) FROM stdin;
6	eu	6
\.
MERGE INTO flat USING (VALUES (7, 7)) v(id, n) ON flat.id = v.id
	WHEN NOT MATCHED THEN INSERT (id, region, n) VALUES (v.id, 'eu', v.n);
UPDATE ownership.field SET policy = 'keep', owner = 'erp' WHERE entity = 'flat';
INSERT INTO flat (id, region, n) VALUES (8, 'eu', 8);
SET ownership.enforcement = observe;
INSERT INTO flat (id, region, n) VALUES (9, 'eu', 9);
RESET ownership.enforcement;
SELECT * FROM flat ORDER BY id;
TABLE evidence;

RESET ownership.system;
DROP VIEW evidence, rows;
DROP EXTENSION ownership CASCADE;
DROP TABLE stock, news, task, flat;
DROP PROCEDURE policy, apply_news;
DROP FUNCTION stay, intrude, late;
DROP ROLE regress_steward;
