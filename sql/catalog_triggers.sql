-- Triggers that a DBA adds to the tables of evidence: functions that remember something
-- from one call to the next (SECURITY DEFINER ones do), where a statement records many rows.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA told;
CREATE TABLE told.told (event text, subject text);
CREATE FUNCTION told.tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO told.told VALUES (tg_when || ' ' || tg_op, tg_table_name);
	RETURN NEW;
END $$;
CREATE TRIGGER a_told BEFORE INSERT OR UPDATE ON ownership.conflict FOR EACH ROW EXECUTE FUNCTION told.tell();
CREATE TRIGGER z_told AFTER INSERT OR UPDATE ON ownership.conflict FOR EACH ROW EXECUTE FUNCTION told.tell();
CREATE TRIGGER a_told BEFORE INSERT ON ownership.history FOR EACH ROW EXECUTE FUNCTION told.tell();
CREATE TRIGGER z_told AFTER INSERT ON ownership.history FOR EACH ROW EXECUTE FUNCTION told.tell();
CREATE TRIGGER a_told BEFORE INSERT ON ownership.map_history FOR EACH ROW EXECUTE FUNCTION told.tell();
CREATE TRIGGER z_told AFTER INSERT ON ownership.map_history FOR EACH ROW EXECUTE FUNCTION told.tell();
CREATE VIEW told.tally AS SELECT subject, event, count(*) FROM told.told GROUP BY 1, 2 ORDER BY 1, 2;

CREATE TABLE product (sku int PRIMARY KEY, price int, stock int DEFAULT 0, title text DEFAULT '-');
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim');
SELECT ownership.assign('product', '{sku,price}', 'erp', policy => 'keep'),
	ownership.assign('product', '{title}', 'pim', policy => 'keep');
DELETE FROM told.told;

-- many changes of the map (fields get a history)
UPDATE ownership.field SET history = name <> 'sku' WHERE entity = 'product';
TABLE told.tally;
DELETE FROM told.told;

-- much history, and much evidence, of one statement
SET ownership.system = 'erp';
INSERT INTO product (sku, price) SELECT i, i FROM generate_series(1, 40) i;
UPDATE product SET price = price + 1;
SET ownership.system = 'pim';
UPDATE product SET title = 'one', price = price + 1;
TABLE told.tally;
DELETE FROM told.told;

-- what waits for many rows, and lands in them
INSERT INTO product (sku, title) SELECT i, 'title ' || i FROM generate_series(101, 140) i;
TABLE told.tally;
DELETE FROM told.told;
SET ownership.system = 'erp';
INSERT INTO product (sku, price) SELECT i, i FROM generate_series(101, 140) i;
SELECT count(*), count(*) FILTER (WHERE title = 'title ' || sku) AS landed FROM product WHERE sku > 100;
TABLE told.tally;
RESET ownership.system;

DROP EXTENSION ownership CASCADE;
DROP TABLE product;
DROP SCHEMA told CASCADE;
