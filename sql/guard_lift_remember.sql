-- A DELETE by the owner of the key: AFTER fires for the rows alone that have a value of
-- another system, and what is remembered is what was deleted.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
SET track_functions = 'all';
SELECT ownership.add_system('erp', 'erp');
SELECT ownership.add_system('pim', 'pim');
CREATE FUNCTION judged() RETURNS bigint LANGUAGE sql AS $$
	SELECT coalesce(pg_stat_get_xact_function_calls('ownership.guard_judge'::regproc), 0)
$$;
CREATE VIEW remembered AS SELECT row_key, stored FROM ownership.conflict WHERE outcome = 'remembered' ORDER BY id;

CREATE TABLE product (sku int PRIMARY KEY, price int, title text, note text);
SELECT ownership.assign('product', '{sku,price}', 'erp'), ownership.assign('product', '{title,note}', 'pim');
SET ownership.enforcement = off;
INSERT INTO product VALUES (1, 1, NULL, NULL), (2, 2, 'two', NULL), (3, 3, NULL, 'three'), (4, 4, NULL, NULL);
SET ownership.enforcement = on;
SET ownership.system = 'erp';
DELETE FROM product WHERE sku = 0;

BEGIN;
SELECT judged() AS before \gset
DELETE FROM product;
SELECT judged() - :before AS judged;
COMMIT;
TABLE remembered;
INSERT INTO product VALUES (1, 1), (2, 2), (3, 3), (4, 4);
TABLE product ORDER BY sku;
DELETE FROM ownership.conflict;

-- rows that were stored before the column was added have its default
BEGIN;
ALTER TABLE product ADD color text DEFAULT 'red';
SELECT ownership.assign('product', '{color}', 'pim');
DELETE FROM product WHERE sku IN (1, 4);
TABLE remembered;
ROLLBACK;

-- a trigger that fires after the guard's BEFORE trigger keeps a row: it is not remembered
CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN OLD.sku = 2 THEN NULL ELSE OLD END; END';
CREATE TRIGGER zzzzz BEFORE DELETE ON product FOR EACH ROW EXECUTE FUNCTION stays();
BEGIN;
SELECT judged() AS before \gset
DELETE FROM product;
SELECT judged() - :before AS judged;
TABLE product;
TABLE remembered;
ROLLBACK;
DROP TRIGGER zzzzz ON product;

-- a trigger gives a row a value before it is deleted: PostgreSQL refuses
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ownership.system = 'pim';
	UPDATE product SET title = 'late' WHERE sku = OLD.sku + 1;
	SET LOCAL ownership.system = 'erp';
	RETURN OLD;
END $$;
CREATE TRIGGER late BEFORE DELETE ON product FOR EACH ROW WHEN (OLD.sku = 3) EXECUTE FUNCTION late();
BEGIN;
DELETE FROM product WHERE sku IN (3, 4);
ROLLBACK;
DROP TRIGGER late ON product;

-- the map changes while the statement runs: each row that follows is judged
CREATE FUNCTION edits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ownership.assign('product', '{sku}', 'pim', policy => 'observe');
	RETURN OLD;
END $$;
CREATE TRIGGER edits BEFORE DELETE ON product FOR EACH ROW WHEN (OLD.sku = 1) EXECUTE FUNCTION edits();
BEGIN;
DELETE FROM product WHERE sku IN (1, 4);
SELECT outcome, row_key, columns FROM ownership.conflict ORDER BY id;
ROLLBACK;
DROP TRIGGER edits ON product;

-- a foreign-key action, and a data-modifying CTE beside
CREATE TABLE parent (sku int PRIMARY KEY);
INSERT INTO parent SELECT i FROM generate_series(1, 4) i;
ALTER TABLE product ADD FOREIGN KEY (sku) REFERENCES parent ON DELETE CASCADE;
BEGIN;
DELETE FROM parent WHERE sku < 3;
TABLE remembered;
ROLLBACK;
BEGIN;
WITH gone AS (DELETE FROM product WHERE sku IN (1, 2) RETURNING sku) DELETE FROM product WHERE sku IN (3, 4);
TABLE remembered;
ROLLBACK;

-- partitions of another column order
CREATE TABLE item (sku int, price int, title text, PRIMARY KEY (sku)) PARTITION BY RANGE (sku);
CREATE TABLE item_low PARTITION OF item FOR VALUES FROM (0) TO (10);
CREATE TABLE item_high (title text, gone int, price int, sku int NOT NULL);
ALTER TABLE item_high DROP gone;
ALTER TABLE item ATTACH PARTITION item_high FOR VALUES FROM (10) TO (20);
RESET ownership.system;
SELECT ownership.assign('item', '{sku,price}', 'erp'), ownership.assign('item', '{title}', 'pim');
SET ownership.enforcement = off;
INSERT INTO item VALUES (1, 1, NULL), (2, 2, 'two'), (11, 11, NULL), (12, 12, 'twelve');
SET ownership.enforcement = on;
SET ownership.system = 'erp';
DELETE FROM item WHERE sku = 0;
BEGIN;
SELECT judged() AS before \gset
DELETE FROM item;
SELECT judged() - :before AS judged;
TABLE remembered;
ROLLBACK;

-- what the guard's function refuses: conditions of users
CREATE TRIGGER conditional AFTER DELETE ON item_low FOR EACH ROW WHEN (OLD.title IS NULL) EXECUTE FUNCTION ownership.guard_judge();
DELETE FROM item WHERE sku = 1;
DROP EXTENSION ownership CASCADE;
DROP TABLE item, product, parent;
DROP FUNCTION judged, stays, late, edits;
