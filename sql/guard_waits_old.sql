-- What waits lands in the rows that a statement of very many rows makes: rows that were there
-- before keep what they have, and what waits for them goes on waiting.
SET client_min_messages = warning;
CREATE EXTENSION ownership;
\set VERBOSITY terse
\pset null '-'
\o /dev/null
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim');
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, note text);
SELECT ownership.assign('product', '{sku,price}', 'erp', policy => 'keep'), ownership.assign('product', '{title,note}', 'pim', policy => 'keep');
\o
-- rows that were made while enforcement was off; the PIM has corrected two of them since
SET ownership.system = 'pim';
INSERT INTO product (sku, title) VALUES ('old', 'Chair'), ('older', 'Lamp'), ('blank', 'Desk'), ('new', 'Bed'), ('touched', 'Table');
SET ownership.enforcement = off;
INSERT INTO product (sku) VALUES ('old'), ('older'), ('blank');
RESET ownership.enforcement;
UPDATE product SET title = 'Oak ' || lower(sku) WHERE sku IN ('old', 'older');

-- the ERP loads everything by upserts, and a trigger updates each new row
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE product SET price = NEW.price + 1 WHERE sku = NEW.sku;
	RETURN NULL;
END $$;
CREATE TRIGGER touch AFTER INSERT ON product FOR EACH ROW WHEN (NEW.sku = 'touched') EXECUTE FUNCTION touch();
SET ownership.system = 'erp';
INSERT INTO product (sku, price) SELECT i::text, i FROM generate_series(1, 1500) i
	UNION ALL VALUES ('old', 10), ('blank', 20), ('new', 30), ('touched', 40)
	ON CONFLICT (sku) DO UPDATE SET price = excluded.price;
SELECT * FROM product WHERE sku !~ '^\d' ORDER BY sku;
SELECT row_key, column_name, value, why FROM ownership.waiting;
SELECT count(*) FROM ownership.conflict WHERE outcome = 'kept';

-- so it is where rows are updated before, in the same transaction
BEGIN;
UPDATE product SET price = 11 WHERE sku = 'older';
INSERT INTO product (sku, price) SELECT i::text, i FROM generate_series(1501, 3000) i;
COMMIT;
SELECT * FROM product WHERE sku = 'older';

-- where very many rows get other keys, what waits for the keys stands before what the rows have
SET ownership.system = 'pim';
INSERT INTO product (sku, title) VALUES ('x7', 'Shelf');
UPDATE product SET title = 'Board' WHERE sku = '7';
SET ownership.system = 'erp';
UPDATE product SET sku = 'x' || sku WHERE sku ~ '^\d';
SELECT * FROM product WHERE sku = 'x7';
SELECT row_key, proposed FROM ownership.conflict WHERE outcome = 'kept';
RESET ownership.system;

-- a reload in one transaction, where the ERP's own title stands before the one that it
-- deleted: that is evidence; of what is applied as a whole there is none
DELETE FROM ownership.conflict;
SET ownership.enforcement = off;
DELETE FROM product;
INSERT INTO product VALUES ('A', 1, 'Chair', 'n'), ('B', 1, 'Desk', 'n'), ('C', 1, 'Bed', NULL);
RESET ownership.enforcement;
UPDATE ownership.field SET policy = 'observe' WHERE name = 'title';
SET ownership.system = 'erp';
BEGIN;
DELETE FROM product;
INSERT INTO product (sku, price, title) VALUES ('A', 2, 'ERP'), ('B', 2, NULL), ('C', 2, 'ERP');
COMMIT;
SELECT * FROM product ORDER BY sku;
SELECT outcome, row_key, stored, proposed, resolution FROM ownership.conflict ORDER BY id;
RESET ownership.system;

-- a row that an earlier statement of the transaction made while enforcement was off is none
-- of a later one, which brings too many keys to remember each; what its triggers make is
CREATE FUNCTION beside() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO product (sku, price) VALUES ('beside', NEW.price);
	RETURN NULL;
END $$;
CREATE TRIGGER beside AFTER INSERT ON product FOR EACH ROW WHEN (NEW.sku = 'K1') EXECUTE FUNCTION beside();
SET ownership.system = 'pim';
INSERT INTO product (sku, title) SELECT 'K' || i, 'many' FROM generate_series(1, 1100) i UNION ALL VALUES ('early', 'Shelf'), ('beside', 'Mat');
SET ownership.system = 'erp';
BEGIN;
SET LOCAL ownership.enforcement = off;
INSERT INTO product (sku, price) VALUES ('early', 1);
SET LOCAL ownership.enforcement = on;
INSERT INTO product (sku, price) SELECT 'K' || i, i FROM generate_series(1, 1100) i;
COMMIT;
BEGIN;
SET LOCAL ownership.enforcement = off;
DELETE FROM product WHERE sku LIKE 'K%' OR sku IN ('early', 'beside');
COMMIT;
SET ownership.system = 'pim';
INSERT INTO product (sku, title) SELECT 'K' || i, 'again' FROM generate_series(1, 1100) i UNION ALL VALUES ('early', 'Shelf'), ('beside', 'Mat');
SET ownership.system = 'erp';
BEGIN;
SET LOCAL ownership.enforcement = off;
INSERT INTO product (sku, price) VALUES ('early', 1);
SET LOCAL ownership.enforcement = on;
COPY product (sku, price) FROM PROGRAM 'seq 1100 | sed "s/.*/K&\t1/"';
COMMIT;
RESET ownership.system;
SELECT title, count(*), min(sku) FROM product WHERE sku ~ '^(K|early|beside)' GROUP BY title ORDER BY title;
SELECT row_key, value FROM ownership.waiting WHERE row_key IN ('{"sku": "early"}', '{"sku": "K1"}', '{"sku": "beside"}');

DROP TABLE product;
DROP FUNCTION touch, beside;
DROP EXTENSION ownership;
