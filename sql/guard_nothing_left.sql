-- An UPDATE of which nothing is left leaves the row as it was stored, and still
-- counts as a row.
CREATE EXTENSION ownership;
\set VERBOSITY terse
CREATE TABLE item (
	id int PRIMARY KEY,
	price numeric,			-- the ERP's
	title text,				-- the PIM's
	big text,				-- the PIM's
	weight numeric,			-- the PIM's
	off_map text,
	twice numeric GENERATED ALWAYS AS (price * 2) STORED,
	version int DEFAULT 0,
	updated_at timestamptz DEFAULT '2000-01-01'
);
CREATE TABLE sync_queue (n serial, id int, note text);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.updated_at := now();
	NEW.version := OLD.version + 1;
	RETURN NEW;
END $$;
CREATE FUNCTION enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO sync_queue (id, note) VALUES (NEW.id, TG_NAME);
	RETURN NULL;
END $$;
CREATE TRIGGER touch BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER always AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION enqueue();
CREATE TRIGGER changed AFTER UPDATE ON item FOR EACH ROW
	WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION enqueue();
INSERT INTO item (id, price, title, big, weight, off_map)
	SELECT i, 10, 't' || i, repeat('big', 100000), 1.5, 'o' FROM generate_series(1, 3) i;
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('pim', 'pim');
	PERFORM ownership.assign('item', '{id,title,big,weight}', 'pim', policy => 'keep');
	PERFORM ownership.assign('item', '{price}', 'erp', policy => 'keep');
END $$;
CREATE VIEW rows AS SELECT id, price, title, length(big) AS big, weight, off_map, twice, version, updated_at > '2001-01-01' AS touched
FROM item ORDER BY id;
CREATE PROCEDURE told() LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'queue: %, evidence: %',
		(SELECT string_agg(id || ' ' || note, ', ' ORDER BY id, note) FROM sync_queue),
		(SELECT string_agg(row_key::text || ' ' || columns::text || ' ' || proposed::text, ', ' ORDER BY row_key::text, id) FROM ownership.conflict);
	DELETE FROM sync_queue;
	TRUNCATE ownership.conflict;
END $$;

SET ownership.system = 'pim';
-- nothing is left
UPDATE item SET price = 11 WHERE id = 1 RETURNING id, price, twice, version, length(big), updated_at > '2001-01-01' AS touched;
\echo :ROW_COUNT
TABLE rows;
CALL told();
-- also where it names what does not change
UPDATE item SET price = 12, title = 't1', big = repeat('big', 100000), weight = 1.5, off_map = 'o' WHERE id = 1;
\echo :ROW_COUNT
TABLE rows;
CALL told();
-- something is
UPDATE item SET price = 13, title = 'T1' WHERE id = 1;
TABLE rows;
CALL told();
-- of a column that is not on the map, too
UPDATE item SET price = 14, off_map = 'O' WHERE id = 1;
UPDATE item SET price = 15, version = 100 WHERE id = 1;
TABLE rows;
CALL told();
-- some rows of a statement
UPDATE item SET price = 16, title = 'T1';
TABLE rows;
CALL told();
UPDATE item SET price = 17, title = 'T1';
CALL told();
-- zeros of a numeric are stored
UPDATE item SET price = 18, weight = 1.500 WHERE id = 3;
TABLE rows;
CALL told();
-- nothing was kept: the row is written as ever
UPDATE item SET title = 'T1' WHERE id = 1;
UPDATE item SET price = 10 WHERE id = 2;
TABLE rows;
CALL told();

-- upserts and MERGE
INSERT INTO item (id, price) VALUES (2, 18) ON CONFLICT (id) DO UPDATE SET price = EXCLUDED.price;
INSERT INTO item (id, price, title) VALUES (2, 18, 'T1') ON CONFLICT (id) DO UPDATE SET price = EXCLUDED.price, title = EXCLUDED.title;
MERGE INTO item USING (VALUES (2, 19), (3, 19)) v(i, p) ON id = i WHEN MATCHED THEN UPDATE SET price = p;
TABLE rows;
CALL told();

-- a lookup that asks for rows that changed counts it
DO $$
BEGIN
	UPDATE item SET price = 20 WHERE id = 3;
	RAISE NOTICE 'found: %', FOUND;
END $$;
CALL told();

-- an UPDATE that would have moved the row
CREATE TABLE place (id int, region text, qty int, at timestamptz DEFAULT '2000-01-01', PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE place_de PARTITION OF place FOR VALUES IN ('de');
CREATE TABLE place_us PARTITION OF place FOR VALUES IN ('us');
CREATE FUNCTION touch_at() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON place FOR EACH ROW EXECUTE FUNCTION touch_at();
INSERT INTO place VALUES (1, 'de', 1);
DO $$ BEGIN PERFORM ownership.assign('place', '{id,region}', 'erp', policy => 'keep'); END $$;
UPDATE place SET region = 'us';
UPDATE place SET region = 'us', qty = 1;
SELECT tableoid::regclass, id, region, qty, at > '2001-01-01' AS touched FROM place;
UPDATE place SET region = 'us', qty = 2;
SELECT tableoid::regclass, id, region, qty, at > '2001-01-01' AS touched FROM place;

DROP EXTENSION ownership;
DROP VIEW rows;
DROP TABLE item, sync_queue, place;
DROP FUNCTION touch, enqueue, touch_at;
DROP PROCEDURE told;
