-- Decisions on refused values: disagreements, accept(), dismiss().
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_anna;
CREATE TABLE product (sku text PRIMARY KEY, price numeric(10,2), stock int, title varchar(8), blurb text);
INSERT INTO product VALUES ('A1', 9.90, 5, 'Lamp', NULL), ('A2', 19.90, 7, 'Desk', NULL), ('A3', 1, 1, 'Pen', NULL);
GRANT ALL ON product TO regress_erp, regress_crm, regress_anna;
GRANT SELECT, UPDATE (resolution) ON ownership.conflict TO regress_anna;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.add_system('crm', 'crm', role => 'regress_crm');
SELECT ownership.assign('product', '{sku,price,stock}', 'erp', policy => 'keep');
SELECT ownership.assign('product', '{title,blurb}', NULL, policy => 'keep');
-- what the tests below show of evidence
CREATE VIEW evidence AS SELECT id, row_key, operation, system, role, outcome, columns, stored, proposed, resolution, resolved_by,
	resolved_at IS NOT NULL AS resolved FROM ownership.conflict ORDER BY id;
CREATE VIEW open AS SELECT conflict_id, relation, row_key, column_name, field, owner, system, outcome, refused, stored, note FROM ownership.disagreements ORDER BY table_schema COLLATE "C", table_name COLLATE "C", row_key, column_name COLLATE "C", conflict_id;
GRANT SELECT ON open TO regress_anna;

SET ROLE regress_crm;
UPDATE product SET price = 8 WHERE sku = 'A1';
UPDATE product SET price = 9.50, stock = 6 WHERE sku = 'A1';
UPDATE product SET price = 20 WHERE sku = 'A2';
INSERT INTO product VALUES ('B1', 3, 3, 'New');
DELETE FROM product WHERE sku = 'A3';
RESET ROLE;

-- The latest refused value of a row, column and system.  A row as a whole has
-- no column; a refused INSERT is listed while the row is not there, a refused
-- DELETE while it is.
TABLE open;
-- what agrees by now is not listed; equal numerics agree
UPDATE product SET price = 20.0 WHERE sku = 'A2';
SET ROLE regress_erp;
UPDATE product SET price = 20.0 WHERE sku = 'A2';
RESET ROLE;
SELECT conflict_id, column_name FROM open WHERE conflict_id = 3;
-- what the system wrote later, as it may by now, is its last word
UPDATE ownership.field SET policy = 'observe' WHERE name = 'stock';
SET ROLE regress_crm;
UPDATE product SET stock = 9 WHERE sku = 'A1';
RESET ROLE;
UPDATE ownership.field SET policy = 'keep' WHERE name = 'stock';
SELECT conflict_id, column_name, refused, stored FROM open WHERE row_key = '{"sku": "A1"}';

-- accept: the refused value, written by who accepts, but not the stock that the
-- system has replaced since.  That is evidence, too, and the conflict says who
-- resolved it.
SET ROLE regress_anna;
SELECT ownership.accept(2);
RESET ROLE;
SELECT * FROM product WHERE sku = 'A1';
SELECT id, role, system, outcome, columns, stored, proposed FROM evidence WHERE id > 6;
SELECT id, resolution, resolved_by, resolved FROM evidence WHERE resolution IS NOT NULL;
-- what is superseded as a whole is refused, unless what superseded it is dismissed
SELECT ownership.accept(1);
-- once only
SELECT ownership.accept(2);
SELECT ownership.dismiss(2);
-- the same value refused again is news after that
SET ROLE regress_erp;
UPDATE product SET price = 9.90 WHERE sku = 'A1';
SET ROLE regress_crm;
UPDATE product SET price = 9.50 WHERE sku = 'A1';
RESET ROLE;
SELECT conflict_id, column_name, refused, stored FROM open WHERE row_key = '{"sku": "A1"}';
-- dismiss: what is stored stays; the same value refused again is no news
SET ROLE regress_anna;
SELECT ownership.dismiss(conflict_id) FROM open WHERE row_key = '{"sku": "A1"}';
SET ROLE regress_crm;
UPDATE product SET price = 9.50 WHERE sku = 'A1';
RESET ROLE;
SELECT conflict_id FROM open WHERE row_key = '{"sku": "A1"}';
SELECT price FROM product WHERE sku = 'A1';

-- Whole sets, rows as a whole among them: all or nothing.
SET ROLE regress_anna;
SELECT ownership.accept(ARRAY(SELECT conflict_id FROM open) || 99::bigint);
SELECT ownership.accept(ARRAY(SELECT conflict_id FROM open));
SELECT ownership.accept('{}'::bigint[]), ownership.dismiss('{}'::bigint[]);
SELECT ownership.accept('{NULL}'::bigint[]);
RESET ROLE;
SELECT * FROM product ORDER BY sku COLLATE "C";
TABLE open;
-- several values of one row and column: in their order, so that the last stays
SET ROLE regress_crm;
UPDATE product SET price = 1 WHERE sku = 'A2';
UPDATE product SET price = 2 WHERE sku = 'A2';
-- also after the key has changed
UPDATE product SET sku = 'A9', price = 3 WHERE sku = 'A2';
UPDATE product SET price = 4 WHERE sku = 'A2';
RESET ROLE;
SELECT ownership.accept(ARRAY(SELECT id FROM evidence WHERE resolution IS NULL AND outcome = 'kept' AND row_key = '{"sku": "A2"}' ORDER BY id DESC));
SELECT * FROM product WHERE price = 4;
-- another value than the one it had been refused for is replaced, with a notice
SET ROLE regress_crm;
UPDATE product SET price = 5 WHERE sku = 'A9';
RESET ROLE;
SET ROLE regress_erp;
UPDATE product SET price = 6 WHERE sku = 'A9';
SET ROLE regress_anna;
SET client_min_messages = notice;
SELECT ownership.accept(conflict_id) FROM open WHERE row_key = '{"sku": "A9"}';
SET client_min_messages = warning;
RESET ROLE;
SELECT price FROM product WHERE sku = 'A9';

-- What cannot be accepted says why.
SELECT max(id) AS last FROM ownership.conflict \gset
ALTER TABLE product ADD COLUMN computed int GENERATED ALWAYS AS (stock * 2) STORED;
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, proposed) VALUES
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'crm', 'observed', '{price}', '{"price": "1"}'),
	('public', 'product', NULL, 'UPDATE', 'crm', 'observed', '{price}', '17'),
	('public', 'product', NULL, 'TRUNCATE', 'crm', 'rejected', '{sku}', NULL),
	('public', 'product', NULL, 'UPDATE', 'crm', 'kept', '{price}', '{"price": "1"}'),
	('public', 'gone', '{"sku": "A1"}', 'UPDATE', 'crm', 'kept', '{price}', '{"price": "1"}'),
	('public', 'product', '{"sku": "Z"}', 'UPDATE', 'crm', 'kept', '{price}', '{"price": "1"}'),
	('public', 'product', '{"nr": 1}', 'UPDATE', 'crm', 'kept', '{price}', '{"price": "1"}'),
	('public', 'product', '{"stock": 5}', 'UPDATE', 'crm', 'kept', '{price}', '{"price": "1"}'),
	('public', 'product', '{"stock": "five"}', 'UPDATE', 'crm', 'kept', '{price}', '{"price": "1"}'),
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'crm', 'rejected', '{blurb}', '{"blurb": {"length": 70000}}'),
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'crm', 'kept', '{gone}', '{"gone": "1"}'),
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'crm', 'kept', '{computed}', '{"computed": "1"}'),
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'crm', 'kept', '{price}', '{}'),
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'crm', 'kept', '{title}', '{"title": "much too long"}'),
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'crm', 'kept', '{stock}', '{"stock": "many"}'),
	('public', 'product', '{"sku": "A1"}', 'INSERT', 'crm', 'discarded', '{sku}', '{"sku": "A1"}'),
	('public', 'product', '{"sku": "C1"}', 'INSERT', 'crm', 'rejected', '{sku}', '{"sku": "C1"}'),
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'crm', 'kept', '{NULL}', NULL),
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'crm', 'kept', NULL, '[1]'),
	('public', 'product', '{"sku": "Y"}', 'INSERT', 'crm', 'discarded', NULL, NULL),
	('public', 'product', '["sku"]', 'UPDATE', 'crm', 'kept', '{price}', '{"price": ["1"]}'),
	('public', 'product', '{}', 'UPDATE', 'crm', 'kept', '{price}', '{"price": "1"}'),
	('public', 'product', '{"sku": null}', 'UPDATE', 'crm', 'kept', '{price}', '{"price": "1"}'),
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'erp', 'kept', '{price}', '{"price": {"x": "1"}}'),
	('public', 'product', '{"sku": "A1"}', 'UPDATE', 'erp', 'kept', '{title}', '{"title": true}');
UPDATE product SET stock = 5;
SET ROLE regress_erp;
UPDATE product SET stock = 5;
RESET ROLE;
SELECT format('SELECT ownership.accept(%s)', n) FROM generate_series(:last + 1, :last + 25) n \gexec
SELECT ownership.accept(12345);
-- nothing of it happened, but that a row which is there as it was proposed is no conflict
SELECT count(*) FROM evidence WHERE id > :last AND resolution IS NOT NULL;
-- What is gone, or says nothing, is not listed; what cannot be read says why.
SELECT row_key, column_name, refused, stored, note FROM open WHERE conflict_id > :last;
-- evidence that went through may be dismissed: it was looked at
SELECT ownership.dismiss(ARRAY(SELECT id FROM evidence WHERE resolution IS NULL AND outcome = 'observed')) > 0 AS dismissed;

-- A rejected INSERT of a row that is there by now is accepted column by column.
DELETE FROM ownership.conflict WHERE id > :last;
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, proposed) VALUES
	('public', 'product', '{"sku": "C1"}', 'INSERT', 'crm', 'rejected', '{sku,price}', '{"sku": "C1", "price": "4.50"}');
SELECT row_key, column_name, refused, stored, note FROM open WHERE row_key = '{"sku": "C1"}';
SET ROLE regress_erp;
INSERT INTO product (sku, price) VALUES ('C1', 5);
RESET ROLE;
SELECT row_key, column_name, refused, stored, note FROM open WHERE row_key = '{"sku": "C1"}';
SELECT ownership.accept(conflict_id) FROM open WHERE row_key = '{"sku": "C1"}';
SELECT sku, price FROM product WHERE sku = 'C1';

-- A kept value of an INSERT, whose row got the default.
ALTER TABLE product ALTER price SET DEFAULT 0.01;
UPDATE ownership.field SET owner = NULL WHERE name = 'sku';
SET ROLE regress_crm;
INSERT INTO product (sku, price) VALUES ('D1', 7);
RESET ROLE;
SELECT row_key, column_name, refused, stored FROM open WHERE row_key = '{"sku": "D1"}';
SELECT ownership.accept(conflict_id) FROM open WHERE row_key = '{"sku": "D1"}';
SELECT sku, price FROM product WHERE sku = 'D1';
-- A discarded row whose table lost a column is created without it.
UPDATE ownership.field SET owner = 'erp' WHERE name = 'sku';
SET ROLE regress_crm;
INSERT INTO product (sku, blurb, stock) VALUES ('E1', 'x', 3);
RESET ROLE;
ALTER TABLE product DROP COLUMN blurb;
SET client_min_messages = notice;
SELECT ownership.accept(conflict_id) FROM open WHERE row_key = '{"sku": "E1"}';
SET client_min_messages = warning;
SELECT sku, stock, computed FROM product WHERE sku = 'E1';

-- Who resolved it, and when, cannot be set by hand; opened again it is nobody.
SET ROLE regress_crm;
UPDATE product SET price = 99 WHERE sku = 'A1';
RESET ROLE;
SELECT max(id) AS last FROM ownership.conflict \gset
SET ROLE regress_anna;
UPDATE ownership.conflict SET resolution = 'dismissed' WHERE id = :last;
UPDATE ownership.conflict SET resolved_by = 'somebody' WHERE id = :last;
RESET ROLE;
UPDATE ownership.conflict SET resolved_by = 'somebody', resolved_at = 'epoch' WHERE id = :last;
SELECT resolution, resolved_by, resolved_at > now() - interval '1 hour' AS recent FROM ownership.conflict WHERE id = :last;
UPDATE ownership.conflict SET resolution = NULL WHERE id = :last;
SELECT resolution, resolved_by, resolved_at FROM ownership.conflict WHERE id = :last;
SELECT ownership.accept(:last);

DROP VIEW evidence, open;
DROP EXTENSION ownership CASCADE;
DROP TABLE product;
DROP ROLE regress_erp, regress_crm, regress_anna;
