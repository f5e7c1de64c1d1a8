-- Where an INSERT looks for a row that is there is asked of that INSERT alone:
-- not of another one in the statement, nor of partitions that the plan left out.
CREATE EXTENSION ownership;
\set VERBOSITY terse
CREATE TABLE item (id int PRIMARY KEY, code text UNIQUE, price int, note text);
CREATE TABLE part (id int, region text, code text, price int DEFAULT 0, note text, PRIMARY KEY (id, region), UNIQUE (code, region)) PARTITION BY LIST (region);
CREATE TABLE part_de PARTITION OF part FOR VALUES IN ('de');
CREATE TABLE part_us PARTITION OF part FOR VALUES IN ('us');
INSERT INTO item VALUES (1, 'A', 1, 'stored'), (2, 'B', 2, 'stored');
INSERT INTO part VALUES (1, 'de', 'A', 1, 'stored'), (2, 'us', 'B', 2, 'stored');
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('shop', 'storefront');
	PERFORM ownership.assign('item', '{id,note}', 'shop');
	PERFORM ownership.assign('item', '{code,price}', 'erp', policy => 'keep');
	PERFORM ownership.assign('part', '{id,region,note}', 'shop');
	PERFORM ownership.assign('part', '{code,price}', 'erp', policy => 'keep');
END $$;
CREATE VIEW evidence AS
SELECT table_name, row_key, operation, outcome, columns, stored, proposed FROM ownership.conflict ORDER BY table_name, (row_key ->> 'id')::int, id;

SET ownership.system = 'shop';
-- alone: the refused value would meet a row, and is kept out
INSERT INTO item VALUES (3, 'A', 3, 'new');
INSERT INTO part VALUES (3, 'de', 'A', 3, 'new');
-- MERGE whose plan has left the partition out
MERGE INTO part USING (VALUES (4, 'us', 'B', 4)) v(i, r, c, p) ON id = i AND region = 'de'
	WHEN MATCHED THEN UPDATE SET note = 'matched'
	WHEN NOT MATCHED THEN INSERT (id, region, code, price, note) VALUES (i, r, c, p, 'merged');
MERGE INTO part USING (VALUES (5, 'us', 'B', 4)) v(i, r, c, p) ON id = i AND region = 'nowhere'
	WHEN MATCHED THEN UPDATE SET note = 'matched'
	WHEN NOT MATCHED THEN INSERT (id, region, code, price, note) VALUES (i, r, c, p, 'merged');
-- all of them are there
MERGE INTO part USING (VALUES (6, 'us', 'B', 4), (7, 'de', 'A', 4)) v(i, r, c, p) ON id = i
	WHEN MATCHED THEN UPDATE SET note = 'matched'
	WHEN NOT MATCHED THEN INSERT (id, region, code, price, note) VALUES (i, r, c, p, 'merged');
-- a plain INSERT beside an upsert of the same table
WITH u AS (INSERT INTO item VALUES (1, 'Z', 9, 'upsert') ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note, price = EXCLUDED.price RETURNING id)
INSERT INTO item VALUES (8, 'B', 8, 'beside');
WITH u AS (INSERT INTO item VALUES (9, 'A', 9, 'beside') RETURNING id)
INSERT INTO item VALUES (2, 'Y', 9, 'upsert') ON CONFLICT DO NOTHING;
WITH u AS (INSERT INTO part VALUES (1, 'de', 'Z', 9, 'upsert') ON CONFLICT (id, region) DO UPDATE SET note = EXCLUDED.note RETURNING id)
INSERT INTO part VALUES (10, 'us', 'B', 8, 'beside'), (11, 'de', 'A', 8, 'beside');
WITH u AS (INSERT INTO part VALUES (2, 'us', 'Z', 9, 'upsert') ON CONFLICT (id, region) DO UPDATE SET note = EXCLUDED.note RETURNING id)
INSERT INTO part_us VALUES (12, 'us', 'B', 8, 'beside');
-- an upsert by the refused value is one; the row is its row
WITH u AS (INSERT INTO item VALUES (13, 'Q', 9, 'beside') RETURNING id)
INSERT INTO item VALUES (14, 'A', 9, 'by code') ON CONFLICT (code) DO UPDATE SET note = EXCLUDED.note, price = EXCLUDED.price;
-- what PostgreSQL refuses it refuses
WITH u AS (INSERT INTO item VALUES (1, 'Z', 9, 'upsert') ON CONFLICT (id) DO NOTHING RETURNING id)
INSERT INTO item VALUES (2, 'C', 8, 'beside');
RESET ownership.system;
SELECT * FROM item ORDER BY id;
SELECT * FROM part ORDER BY id;
TABLE evidence;

DROP VIEW evidence;
DROP EXTENSION ownership;
DROP TABLE item, part;
