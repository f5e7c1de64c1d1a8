-- revert() by history: an owner's bad night, and what evidence and history both contain.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_anna;
CREATE ROLE regress_steward;
CREATE TABLE product (sku text PRIMARY KEY, price numeric(10,2), stock int, note text);
GRANT ALL ON product TO regress_erp, regress_crm, regress_anna, regress_steward;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
SELECT ownership.identify(NULL, role => 'regress_steward', steward => true);
SELECT ownership.assign('product', '{sku,price,stock}', 'erp', policy => 'observe'), ownership.assign('product', '{note}', 'crm');
UPDATE ownership.field SET on_blank = NULL, domain = NULL, history = name IN ('price', 'note');
SET ROLE regress_erp;
INSERT INTO product (sku, price, stock) SELECT 'S' || n, n, n FROM generate_series(1, 5100) n;
-- a repair, before the night
UPDATE product SET price = 2.50 WHERE sku = 'S2';
RESET ROLE;

-- The ERP's own bug blanks 5,061 prices.  One is repaired, one is repaired and blanked again.
SELECT clock_timestamp() AS since \gset
SET ROLE regress_erp;
UPDATE product SET price = NULL, stock = 0 WHERE substr(sku, 2)::int <= 5061;
SELECT count(*) FROM product WHERE price IS NULL;
UPDATE product SET price = 11 WHERE sku = 'S1';
RESET ROLE;
SET ROLE regress_crm;
UPDATE product SET price = 33 WHERE sku = 'S3';
UPDATE product SET price = 44 WHERE sku = 'S4';
SET ROLE regress_erp;
UPDATE product SET price = NULL WHERE sku = 'S4';
DELETE FROM product WHERE sku = 'S5';
RESET ROLE;
SELECT clock_timestamp() AS until \gset
-- history has each of them, though no conflict is more than counted
SELECT system, role, operation, outcome, columns, count(*) FROM ownership.history GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2;
SELECT outcome, reason, count(*) FROM ownership.revert('erp', :'since', :'until') GROUP BY 1, 2 ORDER BY 3, 2;
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('erp', :'since', :'until')
WHERE row_key ->> 'sku' IN ('S1', 'S2', 'S3', 'S4', 'S5') ORDER BY conflict_id;
SELECT outcome, count(*) FROM ownership.revert('erp', :'since', :'until', false) GROUP BY 1 ORDER BY 1;
SELECT * FROM product WHERE sku IN ('S1', 'S2', 'S3', 'S4', 'S5', 'S9') ORDER BY sku COLLATE "C";
SELECT count(*) FROM product WHERE price IS NULL;
-- again: nothing is left to do
SELECT outcome, reason, count(*) FROM ownership.revert('erp', :'since', :'until') GROUP BY 1, 2 ORDER BY 3, 2;
-- what it wrote is in the history, as a write of who called it
SELECT system, role = current_user AS by_me, outcome, count(*) FROM ownership.history GROUP BY 1, 2, 3 ORDER BY 4;
SELECT operation, outcome, columns, count(*) FROM ownership.conflict WHERE outcome = 'overridden' GROUP BY 1, 2, 3;

-- A write that is in evidence and in the history is undone once; chains unwind over both.
TRUNCATE ownership.conflict, ownership.history;
SELECT clock_timestamp() AS since \gset
SET ROLE regress_crm;
UPDATE product SET price = 7, stock = 7 WHERE sku = 'S2';
UPDATE product SET price = 8 WHERE sku = 'S2';
RESET ROLE;
UPDATE ownership.field SET history = false WHERE name = 'price';
SET ROLE regress_crm;
UPDATE product SET price = 9, stock = 9 WHERE sku = 'S2';
RESET ROLE;
UPDATE ownership.field SET history = true WHERE name = 'price';
SET ROLE regress_crm;
UPDATE product SET price = 10, stock = stock WHERE sku = 'S2';
RESET ROLE;
SELECT id, outcome, columns, stored, proposed FROM ownership.conflict UNION ALL
SELECT id, outcome, columns, stored, proposed FROM ownership.history ORDER BY id;
SELECT column_name, from_value, to_value, outcome, reason, conflict_id FROM ownership.revert('crm', :'since', 'infinity');

-- Others wrote between: what they left stays, also where it is the value that an earlier write had left.
SELECT clock_timestamp() AS since \gset
SET ROLE regress_crm;
UPDATE product SET price = 1 WHERE sku = 'S6';
SET ROLE regress_steward;
UPDATE product SET price = 2 WHERE sku = 'S6';
UPDATE product SET price = 1 WHERE sku = 'S6';
SET ROLE regress_crm;
UPDATE product SET price = 3 WHERE sku = 'S6';
UPDATE product SET note = 'mine' WHERE sku = 'S7';
SET ROLE regress_steward;
UPDATE product SET note = 'theirs' WHERE sku = 'S7';
UPDATE product SET note = 'mine' WHERE sku = 'S7';
RESET ROLE;
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('crm', :'since', 'infinity');
-- a steward's, and a revert
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert(NULL, :'since', 'infinity');

-- A value beyond value_limit: history has it whole, evidence only its length.
SET ownership.value_limit = 10;
SELECT clock_timestamp() AS since \gset
UPDATE ownership.field SET policy = 'observe' WHERE name = 'note';
SET ROLE regress_crm;
UPDATE product SET note = repeat('before ', 4) WHERE sku = 'S8';
SET ROLE regress_erp;
UPDATE product SET note = repeat('after ', 4) WHERE sku = 'S8';
RESET ROLE;
SELECT id > 0 AS id, outcome, stored, proposed FROM ownership.conflict WHERE recorded_at >= :'since' UNION ALL
SELECT id > 0, outcome, stored, proposed FROM ownership.history WHERE recorded_at >= :'since' ORDER BY 2, 4;
SELECT column_name, from_value, to_value, outcome, reason FROM ownership.revert('erp', :'since', 'infinity');
RESET ownership.value_limit;

-- A role that reads evidence and not the history is told so.
GRANT SELECT ON ownership.conflict TO regress_anna;
SET ROLE regress_anna;
SET client_min_messages = notice;
\set VERBOSITY default
SELECT column_name, from_value, to_value, outcome, reason FROM ownership.revert('erp', :'since', 'infinity');
\set VERBOSITY terse
SELECT count(*) FROM ownership.history;
RESET ROLE;
GRANT SELECT ON ownership.history TO regress_anna;
SET ROLE regress_anna;
SELECT column_name, outcome FROM ownership.revert('erp', :'since', 'infinity');
SELECT column_name, outcome FROM ownership.revert('erp', :'since', 'infinity', false);
RESET ROLE;
GRANT UPDATE (resolution) ON ownership.conflict TO regress_anna;
SET ROLE regress_anna;
SELECT column_name, outcome FROM ownership.revert('erp', :'since', 'infinity', false);
RESET ROLE;
DROP EXTENSION ownership CASCADE;
DROP TABLE product;
DROP ROLE regress_erp, regress_crm, regress_anna, regress_steward;
