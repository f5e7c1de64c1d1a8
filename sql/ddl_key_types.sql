-- A key column gets another type: what waits for a row, and pins, are found by the new form of the key; what fits no more says so.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = error;
DO $$ BEGIN PERFORM ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim'); END $$;
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
DO $$ BEGIN PERFORM ownership.assign('product', '{sku,price}', 'erp', policy => 'keep'), ownership.assign('product', '{title}', 'pim', policy => 'keep'); END $$;
CREATE VIEW waits AS SELECT row_key, outcome, problem, resolution FROM ownership.conflict WHERE outcome IN ('parked', 'remembered') ORDER BY id;

SET ownership.system = 'pim';
INSERT INTO product (sku, title) VALUES ('A1', 'Chair'), ('7', 'Table'), ('8', 'Lamp');
SET ownership.system = 'erp';
INSERT INTO product VALUES ('9', 1);
RESET ownership.system;
SET ownership.enforcement = off;
UPDATE product SET title = 'Desk';
RESET ownership.enforcement;
DO $$ BEGIN PERFORM ownership.pin_value('product', '{"sku": "9"}', 'title', 'Desk, red'); END $$;
ALTER TABLE product ALTER sku TYPE int USING sku::int;
SELECT * FROM waits;
SELECT row_key, column_name, value FROM ownership.pin;
SET ownership.system = 'erp';
INSERT INTO product VALUES (7, 1);
SET ownership.system = 'pim';
UPDATE product SET title = 'Desk' WHERE sku = 9;
RESET ownership.system;
SELECT * FROM product ORDER BY sku;
SELECT row_key, column_name, value, why FROM ownership.waiting ORDER BY conflict_id;
SELECT severity, regexp_replace(detail, '\d{4}-\d\d-\d\d', 'DAY') FROM ownership.risks WHERE risk = 'parked';
-- nothing lands for it, also by hand; another type of the key's text makes it fit again
SELECT ownership.apply_waiting('product');
ALTER TABLE product ALTER sku TYPE varchar(10);
SELECT * FROM waits;
SET ownership.system = 'erp';
INSERT INTO product VALUES ('A1', 3);
RESET ownership.system;
SELECT * FROM product ORDER BY sku;
-- a key that is too long now
SET ownership.system = 'pim';
INSERT INTO product (sku, title) VALUES ('A123456', 'Cup');
RESET ownership.system;
ALTER TABLE product ALTER sku TYPE varchar(3);
SELECT * FROM waits WHERE resolution IS NULL;

-- A table of another type takes the name.
DELETE FROM ownership.conflict;
SET ownership.system = 'pim';
INSERT INTO product (sku, title) VALUES ('B1', 'Bed'), ('3', 'Bin');
RESET ownership.system;
CREATE TABLE product_new (sku int PRIMARY KEY, price numeric, title text);
BEGIN;
DROP TABLE product;
ALTER TABLE product_new RENAME TO product;
COMMIT;
SET ownership.system = 'erp';
COPY product (sku) FROM stdin;
3
4
\.
RESET ownership.system;
SELECT * FROM product ORDER BY sku;
SELECT * FROM waits;
-- and in several transactions
SET ownership.system = 'pim';
INSERT INTO product (sku, title) VALUES (5, 'Bowl'), (6, 'Box');
RESET ownership.system;
CREATE TABLE product_new (sku uuid PRIMARY KEY, price numeric, title text);
ALTER TABLE product RENAME TO product_old;
ALTER TABLE product_new RENAME TO product;
DROP TABLE product_old;
SELECT * FROM waits WHERE resolution IS NULL;
CREATE TABLE product_new (sku bigint PRIMARY KEY, price numeric, title text);
ALTER TABLE product RENAME TO product_old;
DROP TABLE product_old;
ALTER TABLE product_new RENAME TO product;
SET ownership.system = 'erp';
INSERT INTO product VALUES (5);
RESET ownership.system;
TABLE product;
SELECT * FROM waits WHERE resolution IS NULL;
-- a problem that the first look for the row finds
UPDATE ownership.conflict SET row_key = '{"sku": "x"}', problem = NULL WHERE row_key = '{"sku": 6}';
SELECT ownership.apply_waiting('product');
SELECT * FROM waits WHERE resolution IS NULL;

DROP VIEW waits;
DROP EXTENSION ownership CASCADE;
DROP TABLE product;
