-- revert(): taking back what a system wrote in a period.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_anna;
CREATE TABLE product (sku text PRIMARY KEY, price numeric(10,2), stock int, title text, blurb text);
INSERT INTO product VALUES ('A1', 10, 1, 'Lamp', NULL), ('A2', 20, 2, 'Desk', 'old'), ('A3', 30, 3, 'Pen', NULL), ('A4', 40, 4, 'Cup', NULL);
GRANT ALL ON product TO regress_erp, regress_crm, regress_anna;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.add_system('crm', 'crm', role => 'regress_crm');
SELECT ownership.assign('product', NULL, 'erp', policy => 'observe');
UPDATE ownership.field SET policy = 'fill' WHERE name = 'blurb';

-- The bad night: several writes of one row, a blank filled, a row deleted and
-- one created.  Before and after it, the same system is innocent.
SET ROLE regress_crm;
UPDATE product SET title = 'Lamp 1' WHERE sku = 'A1';
RESET ROLE;
SELECT clock_timestamp() AS since \gset
SET ROLE regress_crm;
UPDATE product SET price = 11, stock = 5 WHERE sku = 'A1';
UPDATE product SET price = 12 WHERE sku = 'A1';
UPDATE product SET price = 21, blurb = 'new' WHERE sku = 'A2';
UPDATE product SET blurb = 'filled' WHERE sku = 'A1';
UPDATE product SET price = 31 WHERE sku = 'A3';
UPDATE product SET stock = 33 WHERE sku = 'A3';
DELETE FROM product WHERE sku = 'A3';
INSERT INTO product VALUES ('B1', 1, 1, 'New', NULL);
UPDATE product SET price = 41, stock = 41 WHERE sku = 'A4';
RESET ROLE;
SELECT clock_timestamp() AS until \gset
SET ROLE regress_crm;
UPDATE product SET title = 'Desk 2' WHERE sku = 'A2';
-- the owner repairs one of it himself, and something in between
SET ROLE regress_erp;
UPDATE product SET price = 42 WHERE sku = 'A4';
RESET ROLE;

-- A dry run, which is the default, tells what it would do, the latest write
-- first, and what it would skip; nothing is written.
SELECT * FROM ownership.revert('crm', :'since', :'until');
SELECT * FROM product ORDER BY sku COLLATE "C";
-- who may read evidence may ask, who may decide on it may do it
GRANT SELECT ON ownership.conflict TO regress_anna;
SET ROLE regress_anna;
SELECT count(*) FROM ownership.revert('crm', :'since', :'until');
SELECT * FROM ownership.revert('crm', :'since', :'until', dry_run => false);
RESET ROLE;
GRANT UPDATE (resolution) ON ownership.conflict TO regress_anna;
SET ROLE regress_anna;
SET client_min_messages = notice;
SELECT * FROM ownership.revert('crm', :'since', :'until', dry_run => false);
SET client_min_messages = warning;
RESET ROLE;
SELECT * FROM product ORDER BY sku COLLATE "C";
-- its own writes are evidence
SELECT operation, row_key, system, role, outcome, columns, stored, proposed FROM ownership.conflict WHERE role = 'regress_anna' ORDER BY id;
-- again: nothing is left to do
SELECT * FROM ownership.revert('crm', :'since', :'until');
SELECT outcome, count(*) FROM ownership.revert('crm', :'since', :'until', dry_run => false) GROUP BY 1;

-- What the owner wrote between two writes stays.
SELECT clock_timestamp() AS since \gset
SET ROLE regress_crm;
UPDATE product SET stock = 100 WHERE sku = 'A1';
SET ROLE regress_erp;
UPDATE product SET stock = 101 WHERE sku = 'A1';
SET ROLE regress_crm;
UPDATE product SET stock = 102 WHERE sku = 'A1';
RESET ROLE;
SELECT column_name, from_value, to_value, outcome, reason FROM ownership.revert('crm', :'since', dry_run => false, until => 'infinity');
SELECT stock FROM product WHERE sku = 'A1';

-- A steward's writes can be taken back, too: of a system or of none (NULL),
-- and so can a revert.
SELECT column_name, from_value, to_value, outcome, reason FROM ownership.revert(NULL, :'since', 'infinity');
SELECT outcome FROM ownership.revert(NULL, :'since', 'infinity', false);
SELECT stock FROM product WHERE sku = 'A1';

-- A row whose key was changed; evidence that was dismissed is left alone.
SELECT clock_timestamp() AS since \gset
SET ROLE regress_crm;
UPDATE product SET price = 2 WHERE sku = 'B1';
UPDATE product SET sku = 'B2' WHERE sku = 'B1';
UPDATE product SET price = 3 WHERE sku = 'B2';
UPDATE product SET stock = 50 WHERE sku = 'A2';
RESET ROLE;
SELECT ownership.dismiss(max(id)) FROM ownership.conflict;
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('crm', :'since', 'infinity', false);
SELECT sku, price, stock FROM product WHERE sku IN ('B1', 'B2', 'A2') ORDER BY 1;

-- What cannot be put back is skipped, and says why; the rest is done.
SELECT clock_timestamp() AS since \gset
SET ownership.value_limit = 10;
SET ownership.observed_limit = 3;
ALTER TABLE product ADD COLUMN extra int;
SELECT ownership.assign('product', '{extra}', 'erp', policy => 'observe');
SET ROLE regress_crm;
UPDATE product SET title = repeat('x', 20) WHERE sku = 'A1';
UPDATE product SET title = 'short' WHERE sku = 'A1';
UPDATE product SET stock = stock + 1;
UPDATE product SET extra = 1 WHERE sku = 'A4';
UPDATE product SET price = 7, stock = 7 WHERE sku = 'A4';
TRUNCATE product;
INSERT INTO product (sku, price, stock) SELECT 'C9', 7, 7;
RESET ROLE;
RESET ownership.value_limit;
RESET ownership.observed_limit;
ALTER TABLE product DROP COLUMN extra;
SET ROLE regress_erp;
DELETE FROM product;
INSERT INTO product (sku, price, stock, title) SELECT 'A4', 7, 7, 'short';
INSERT INTO product (sku, title) SELECT 'A1', 'short';
RESET ROLE;
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('crm', :'since', 'infinity');
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('crm', :'since', 'infinity', false) WHERE outcome = 'reverted';
SELECT sku, price, stock, title FROM product ORDER BY sku COLLATE "C";
-- one row that fails does not stop the others
SELECT clock_timestamp() AS since \gset
SET ROLE regress_erp;
UPDATE product SET stock = 39, price = 1;
SET ROLE regress_crm;
UPDATE product SET stock = 41, price = 2;
RESET ROLE;
ALTER TABLE product ADD CHECK (sku <> 'A1' OR stock <> 39);
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('crm', :'since', 'infinity', false);
SELECT sku, price, stock FROM product ORDER BY sku COLLATE "C";
-- a table that is gone
BEGIN;
SET LOCAL client_min_messages = warning;
DROP TABLE product CASCADE;
SELECT DISTINCT outcome, reason FROM ownership.revert('crm', :'since', 'infinity', false);
ROLLBACK;

-- bad arguments
SELECT ownership.revert('erpp', 'yesterday');
SELECT ownership.revert('crm', NULL);
SELECT count(*) FROM ownership.revert('erp', 'yesterday');

DROP EXTENSION ownership CASCADE;
DROP TABLE product;
DROP ROLE regress_erp, regress_crm, regress_anna;
