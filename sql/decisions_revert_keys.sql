-- revert() where keys were changed: a write is undone in its own row, not in another one that has the key by now.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
DO $$ BEGIN PERFORM ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim'); END $$;
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
DO $$ BEGIN
	PERFORM ownership.assign('product', '{sku,price}', 'erp', policy => 'observe'), ownership.assign('product', '{title}', 'pim');
	UPDATE ownership.field SET domain = NULL, on_blank = NULL, history = true;
END $$;
CREATE FUNCTION reverted(system text, dry_run boolean DEFAULT false) RETURNS TABLE (row_key jsonb, column_name text, from_value text, to_value text, outcome text, reason text)
LANGUAGE sql AS 'SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert(system, ''-infinity'', dry_run => dry_run)';

-- by history, the owner's own night: another row has the former key, and the same value
SET ownership.system = 'erp';
INSERT INTO product VALUES ('A', 1), ('B', 2), ('C', 3), ('D', 4);
UPDATE product SET price = 10 WHERE sku = 'A';
UPDATE product SET sku = 'A2' WHERE sku = 'A';
INSERT INTO product VALUES ('A', 10);
SELECT * FROM reverted('erp', true);
RESET ownership.system;
SELECT * FROM reverted('erp');
-- once the key is free again, the row gets it back, and its value
SET ownership.system = 'erp';
DELETE FROM product WHERE sku = 'A';
RESET ownership.system;
SELECT * FROM reverted('erp');
SELECT * FROM product WHERE sku LIKE 'A%';

-- two rows change their keys in turn
DELETE FROM ownership.history;
SET ownership.system = 'erp';
UPDATE product SET price = 5 WHERE sku IN ('B', 'C');
UPDATE product SET sku = 'tmp' WHERE sku = 'B';
UPDATE product SET sku = 'B' WHERE sku = 'C';
UPDATE product SET sku = 'C' WHERE sku = 'tmp';
UPDATE product SET price = 6 WHERE sku = 'B';
RESET ownership.system;
SELECT * FROM reverted('erp', true);

-- by evidence alone
DELETE FROM ownership.history;
UPDATE ownership.field SET history = false;
DELETE FROM ownership.conflict;
SET ownership.system = 'pim';
UPDATE product SET price = 10 WHERE sku = 'A';
UPDATE product SET sku = 'A2' WHERE sku = 'A';
UPDATE product SET sku = 'A' WHERE sku = 'D';
UPDATE product SET price = 10 WHERE sku = 'A';
RESET ownership.system;
SELECT * FROM reverted('pim');
SELECT * FROM product ORDER BY sku;
-- the row has its former key again: what is left goes back
SELECT * FROM reverted('pim');
SELECT * FROM product ORDER BY sku;

-- a key that is a number
CREATE TABLE numbered (id int PRIMARY KEY, price numeric);
INSERT INTO numbered VALUES (1, 1);
DO $$ BEGIN
	PERFORM ownership.assign('numbered', NULL, 'erp');
	UPDATE ownership.field SET domain = NULL, on_blank = NULL, history = true WHERE entity = 'numbered';
END $$;
SET ownership.system = 'erp';
UPDATE numbered SET price = 2 WHERE id = 1;
UPDATE numbered SET id = 7 WHERE id = 1;
RESET ownership.system;
SELECT * FROM reverted('erp') WHERE row_key ? 'id';
SELECT * FROM numbered;
DROP TABLE numbered;

DROP TABLE product;
DROP FUNCTION reverted;
DROP EXTENSION ownership;
