-- DELETE and TRUNCATE write the key: the owner of the key decides which rows
-- exist.
CREATE EXTENSION ownership;
\set VERBOSITY terse
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('crm', 'crm');
	PERFORM ownership.add_system('pim', 'pim');
END $$;
CREATE VIEW evidence AS
SELECT table_name, row_key, operation, system, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY table_name COLLATE "C", row_key, id;

CREATE TABLE product (id int PRIMARY KEY, price int, title text);
INSERT INTO product SELECT i, i * 10, 'p' || i FROM generate_series(1, 6) i;
DO $$ BEGIN
	PERFORM ownership.assign('product', '{id,price}', 'erp');
	PERFORM ownership.assign('product', '{title}', 'pim');
END $$;
CREATE PROCEDURE policy(t text, p text) LANGUAGE sql AS $$
	UPDATE ownership.field SET policy = p WHERE entity = t AND key;
$$;

-- the key's owner may delete, whoever owns the rest of the row
SET ownership.system = 'erp';
DELETE FROM product WHERE id = 6;
-- others: by the key's policy
SET ownership.system = 'pim';
\set VERBOSITY default
DELETE FROM product WHERE id = 1;
\set VERBOSITY terse
DELETE FROM product;
CALL policy('product', 'keep');
\set VERBOSITY default
DELETE FROM product WHERE id <= 2 RETURNING id;
\set VERBOSITY terse
-- sent again it is told already
DELETE FROM product WHERE id = 2;
CALL policy('product', 'fill');
DELETE FROM product WHERE id = 3 RETURNING id;
CALL policy('product', 'observe');
DELETE FROM product WHERE id = 4 RETURNING id;
SELECT * FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- a row that is not there
DELETE FROM product WHERE id = 4;
-- a policy on a column that is not the key does not matter
CALL policy('product', 'reject');
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'product' AND name = 'price';
DELETE FROM product WHERE id = 1;
-- nobody; a steward; dry run; maintenance
RESET ownership.system;
CREATE ROLE regress_nobody;
CREATE ROLE regress_steward;
GRANT SELECT, DELETE, TRUNCATE ON product TO regress_nobody, regress_steward;
SET ROLE regress_nobody;
DELETE FROM product WHERE id = 1;
RESET ROLE;
DO $$ BEGIN PERFORM ownership.identify(NULL, role => 'regress_steward', steward => true); END $$;
SET ROLE regress_steward;
DELETE FROM product WHERE id = 1;
RESET ROLE;
SET ownership.system = 'pim';
SET ownership.enforcement = observe;
DELETE FROM product WHERE id = 2;
SET ownership.enforcement = off;
DELETE FROM product WHERE id = 3;
RESET ownership.enforcement;
SELECT * FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- A key with several owners: a writer must own every owned column of it.
CREATE TABLE price (sku text, market text, since date, amount int, PRIMARY KEY (sku, market, since));
INSERT INTO price SELECT 'A' || i, 'eu', '2024-01-01', i FROM generate_series(1, 4) i;
DO $$ BEGIN
	PERFORM ownership.assign('price', '{sku}', 'pim');
	PERFORM ownership.assign('price', '{market}', 'crm');
	PERFORM ownership.assign('price', '{since}', NULL);
	PERFORM ownership.assign('price', '{amount}', 'erp');
END $$;
DELETE FROM price WHERE sku = 'A1';
SET ownership.system = 'crm';
DELETE FROM price WHERE sku = 'A1';
\set VERBOSITY default
SET ownership.system = 'erp';
DELETE FROM price WHERE sku = 'A1';
\set VERBOSITY terse
INSERT INTO price VALUES ('A9', 'eu', '2024-01-01', 9);
-- their policies together: the strictest one decides on the row
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'price' AND name = 'sku';
DELETE FROM price WHERE sku = 'A1';
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'price' AND name = 'market';
DELETE FROM price WHERE sku = 'A1';
INSERT INTO price VALUES ('A9', 'eu', '2024-01-01', 9);
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'price' AND name = 'market';
DELETE FROM price WHERE sku = 'A2';
INSERT INTO price VALUES ('A8', 'eu', '2024-01-01', 8);
-- one owner of all that is owned
UPDATE ownership.field SET owner = 'erp', policy = NULL WHERE entity = 'price' AND key AND owner IS NOT NULL;
DELETE FROM price WHERE sku = 'A3';
SELECT * FROM price ORDER BY sku COLLATE "C";
TABLE evidence;
TRUNCATE ownership.conflict;

-- An unowned key leaves rows free to come and go, and is a risk.
UPDATE ownership.field SET owner = NULL WHERE entity = 'price' AND key;
SET ownership.system = 'crm';
DELETE FROM price WHERE sku = 'A4';
INSERT INTO price VALUES ('A7', 'us', '2024-01-01');
SELECT * FROM price ORDER BY sku COLLATE "C";
TABLE evidence;
SELECT risk, relation, column_name FROM ownership.risks WHERE risk = 'unowned_key' ORDER BY column_name COLLATE "C";
-- nor does a table whose key is not on the map
CREATE TABLE note (id int PRIMARY KEY, body text);
INSERT INTO note VALUES (1, 'a'), (2, 'b');
DO $$ BEGIN PERFORM ownership.assign('note', '{body}', 'erp'); END $$;
DELETE FROM note WHERE id = 1;
TRUNCATE note;
TABLE evidence;

-- The key is what is marked: a sku instead of a surrogate id.
CREATE TABLE item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sku text, qty int);
INSERT INTO item (sku, qty) VALUES ('S1', 1), ('S2', 2), ('S3', 3);
DO $$ BEGIN
	PERFORM ownership.assign('item', '{id}', 'crm');
	PERFORM ownership.assign('item', '{sku}', 'pim', policy => 'keep');
	PERFORM ownership.assign('item', '{qty}', 'erp', policy => 'keep');
	UPDATE ownership.field SET key = (name = 'sku') WHERE entity = 'item';
END $$;
DELETE FROM item WHERE sku = 'S1';
SET ownership.system = 'pim';
DELETE FROM item WHERE sku = 'S2';
UPDATE item SET qty = 0 WHERE sku = 'S3';
SELECT sku, qty FROM item ORDER BY id;
-- evidence tells the row by that key
TABLE evidence;
TRUNCATE ownership.conflict;

-- a BEFORE trigger that keeps the row, before or after the guard, leaves
-- nothing to judge
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER first BEFORE DELETE ON product FOR EACH ROW EXECUTE FUNCTION stay();
DELETE FROM product WHERE id = 5;
DROP TRIGGER first ON product;
CREATE TRIGGER zzzzz_late BEFORE DELETE ON product FOR EACH ROW EXECUTE FUNCTION stay();
DELETE FROM product WHERE id = 5;
DROP TRIGGER zzzzz_late ON product;
DELETE FROM product WHERE id = 5;
TABLE evidence;

-- DELETE ... USING, and of rows that another statement of the same transaction changed
BEGIN;
UPDATE product SET title = 'changed' WHERE id = 5;
DELETE FROM product USING price WHERE product.id = 5 AND price.sku = 'A7';
ROLLBACK;
SET ownership.system = 'erp';
BEGIN;
UPDATE product SET price = 55 WHERE id = 5;
DELETE FROM product USING price WHERE product.id = 5 AND price.sku = 'A7' RETURNING product.*;
ROLLBACK;

-- TRUNCATE: all rows go, and none can be kept
TRUNCATE product;
INSERT INTO product (id, price) VALUES (1, 10);
SET ownership.system = 'pim';
\set VERBOSITY default
TRUNCATE product;
CALL policy('product', 'keep');
TRUNCATE product;
\set VERBOSITY terse
CALL policy('product', 'fill');
TRUNCATE product;
-- two tables: one refusal refuses both
TRUNCATE note, product;
RESET ownership.system;
SET ROLE regress_nobody;
TRUNCATE product;
RESET ROLE;
SELECT * FROM product;
-- observe: one row of evidence, without values
SET ownership.system = 'pim';
CALL policy('product', 'observe');
TRUNCATE product;
SELECT * FROM product;
TABLE evidence;
TRUNCATE ownership.conflict;
-- also of an empty table; each statement is one
TRUNCATE product;
BEGIN;
TRUNCATE product;
TRUNCATE product;
SAVEPOINT s;
TRUNCATE product;
ROLLBACK TO s;
COMMIT;
SELECT table_name, row_key, operation, outcome, columns, stored, proposed FROM evidence;
TRUNCATE ownership.conflict;
CALL policy('product', 'reject');
SET ownership.enforcement = observe;
TRUNCATE product;
SET ownership.enforcement = off;
TRUNCATE product;
RESET ownership.enforcement;
RESET ownership.system;
SET ROLE regress_steward;
TRUNCATE product;
RESET ROLE;
SELECT table_name, operation, system, outcome, columns FROM evidence;
TRUNCATE ownership.conflict;

-- CASCADE reaches tables that the statement does not name, on the map and off it
CREATE TABLE variant (id int PRIMARY KEY, product int REFERENCES product, color text);
CREATE TABLE picture (id int PRIMARY KEY, variant int REFERENCES variant);
DO $$ BEGIN PERFORM ownership.assign('variant', '{id,product,color}', 'pim'); END $$;
SET ownership.system = 'erp';
INSERT INTO product (id) VALUES (1);
SET ownership.system = 'pim';
INSERT INTO variant VALUES (1, 1, 'red');
INSERT INTO picture VALUES (1, 1);
SET ownership.system = 'erp';
TRUNCATE product CASCADE;
SET ownership.system = 'pim';
TRUNCATE product CASCADE;
TRUNCATE variant CASCADE;
SELECT (SELECT count(*) FROM product) AS products, (SELECT count(*) FROM variant) AS variants, (SELECT count(*) FROM picture) AS pictures;
CALL policy('variant', 'observe');
SET ownership.system = 'erp';
TRUNCATE product CASCADE;
TABLE evidence;
TRUNCATE ownership.conflict;

-- a partitioned table, at any depth: one row of evidence for the root, and a
-- partition by itself is judged as the table that it belongs to
CREATE TABLE stock (id int, region text, qty int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE stock_eu PARTITION OF stock FOR VALUES IN ('eu') PARTITION BY RANGE (id);
CREATE TABLE stock_eu_1 PARTITION OF stock_eu FOR VALUES FROM (0) TO (100);
CREATE TABLE stock_eu_2 PARTITION OF stock_eu FOR VALUES FROM (100) TO (200);
CREATE TABLE stock_us PARTITION OF stock FOR VALUES IN ('us');
INSERT INTO stock VALUES (1, 'eu', 1), (101, 'eu', 2), (1, 'us', 3);
DO $$ BEGIN PERFORM ownership.assign('stock', NULL, 'erp'); END $$;
SET ownership.system = 'pim';
TRUNCATE stock;
TRUNCATE stock_eu;
TRUNCATE stock_eu_2;
TRUNCATE ONLY stock;
DELETE FROM stock_eu_2;
SELECT tableoid::regclass, * FROM stock ORDER BY 1;
CALL policy('stock', 'observe');
TRUNCATE stock_eu_2, stock_us;
TRUNCATE stock;
SELECT * FROM stock;
TABLE evidence;
TRUNCATE ownership.conflict;
-- inheritance children
CREATE TABLE base (id int PRIMARY KEY, v int);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (base);
INSERT INTO base VALUES (1, 1);
INSERT INTO child VALUES (2, 2);
DO $$ BEGIN PERFORM ownership.assign('base', NULL, 'erp'); END $$;
TRUNCATE base;
TRUNCATE ONLY base;
TRUNCATE child;
DELETE FROM base WHERE id = 2;
DELETE FROM child;
DELETE FROM ONLY base;
SELECT tableoid::regclass, * FROM base ORDER BY id;
CALL policy('base', 'observe');
TRUNCATE base;
TABLE evidence;
TRUNCATE ownership.conflict;

-- row owners of a key: TRUNCATE takes the rows of all of them
CREATE TABLE attr (id int PRIMARY KEY, kind text, value text);
DO $$ BEGIN
	PERFORM ownership.assign('attr', NULL, 'erp');
	PERFORM ownership.assign_rows('attr', '{id}', 'pim', $f$kind = 'text'$f$);
END $$;
SET ownership.system = 'erp';
TRUNCATE attr;
SET ownership.system = 'pim';
TRUNCATE attr;

RESET ownership.system;
DROP VIEW evidence;
DROP EXTENSION ownership CASCADE;
DROP TABLE product, price, note, item, variant, picture, stock, base, child, attr;
DROP PROCEDURE policy;
DROP FUNCTION stay;
DROP ROLE regress_nobody, regress_steward;
