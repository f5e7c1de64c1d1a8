/*
 * A pinned column gets another type: pins go on, and no write fails for their texts.
 */
CREATE EXTENSION ownership;
CREATE SCHEMA pi;
CREATE TABLE pi.product (sku text PRIMARY KEY, price text, code text, amount numeric(10,4), stock int);
INSERT INTO pi.product SELECT 'A' || i, '10 EUR', 'long code', 1.2345, i FROM generate_series(1, 6) i;
CREATE ROLE pi_erp;
CREATE ROLE pi_pim;
GRANT USAGE ON SCHEMA pi TO pi_erp, pi_pim;
GRANT ALL ON ALL TABLES IN SCHEMA pi TO pi_erp, pi_pim;
SELECT ownership.add_system('erp', 'erp', role => 'pi_erp');
SELECT ownership.add_system('pim', 'pim', role => 'pi_pim');
SELECT ownership.assign('pi.product', '{sku,stock}', 'erp', entity => 'product', policy => 'keep');
SELECT ownership.assign('pi.product', '{price,code,amount}', 'pim', entity => 'product', policy => 'keep');
CREATE VIEW pi.pins AS SELECT row_key ->> 'sku' AS sku, column_name, value, replaced, replaced_known AS known, pending, ended_at IS NOT NULL AS ended FROM ownership.pin ORDER BY id;
SELECT ownership.pin_value('pi.product', jsonb_build_object('sku', sku), 'price', '12 EUR') FROM pi.product WHERE sku < 'A5' ORDER BY sku;
SELECT ownership.pin_value('pi.product', '{"sku": "A5"}', 'price', '12 EUR', until => now() + interval '1 day');
SELECT ownership.pin_value('pi.product', '{"sku": "A1"}', 'code', 'a pinned code'), ownership.pin_value('pi.product', '{"sku": "A1"}', 'amount', '7.5555');
SET ROLE pi_pim;
UPDATE pi.product SET price = '11 EUR' WHERE sku = 'A5';
RESET ROLE;
ALTER TABLE pi.product ALTER price TYPE numeric USING split_part(price, ' ', 1)::numeric, ALTER code TYPE varchar(6) USING left(code, 6), ALTER amount TYPE numeric(10,2);
TABLE pi.product ORDER BY sku;

-- the owner's first word in the new type is kept as its last one, and its next one goes in
SET ROLE pi_pim;
UPDATE pi.product SET price = 10 WHERE sku = 'A1';
SELECT price FROM pi.product WHERE sku = 'A1';
UPDATE pi.product SET price = 10 WHERE sku = 'A1';
UPDATE pi.product SET price = 11 WHERE sku = 'A1';
SELECT price FROM pi.product WHERE sku = 'A1';
-- what is stored is what is pinned: the owner that sends it ends the pin
UPDATE pi.product SET price = 12 WHERE sku = 'A2';
RESET ROLE;
SELECT * FROM pi.pins WHERE sku < 'A3';
-- a row that is created anew: a text that fits no more ends the pin, another takes the type
SET ROLE pi_erp;
DELETE FROM pi.product WHERE sku IN ('A1', 'A3');
INSERT INTO pi.product (sku, stock) VALUES ('A1', 7), ('A3', 7);
RESET ROLE;
SELECT * FROM pi.product WHERE sku IN ('A1', 'A3') ORDER BY sku;
SELECT * FROM pi.pins WHERE sku IN ('A1', 'A3');
SET ROLE pi_pim;
UPDATE pi.product SET amount = 7.56 WHERE sku = 'A1';
RESET ROLE;
SELECT * FROM pi.pins WHERE column_name = 'amount';
-- a steward
SELECT ownership.pin_value('pi.product', '{"sku": "A4"}', 'price', '13');
SELECT * FROM pi.pins WHERE sku = 'A4';
SET ROLE pi_pim;
UPDATE pi.product SET price = 10 WHERE sku = 'A4';
RESET ROLE;
SELECT * FROM pi.pins WHERE sku = 'A4';
-- the time comes: the value that waited fits no more
UPDATE ownership.pin SET until = now() - interval '1 second' WHERE until IS NOT NULL;
SELECT ownership.pin_due();
SELECT price FROM pi.product WHERE sku = 'A5';
SET ROLE pi_pim;
UPDATE pi.product SET price = 11 WHERE sku = 'A5';
RESET ROLE;
SELECT * FROM pi.pins WHERE sku = 'A5';
SELECT price FROM pi.product WHERE sku = 'A5';
-- a parked value that comes to a row with such a pin
DELETE FROM ownership.pin;
SELECT ownership.pin_value('pi.product', '{"sku": "A6"}', 'price', '14');
SET ROLE pi_erp;
DELETE FROM pi.product WHERE sku = 'A6';
SET ROLE pi_pim;
INSERT INTO pi.product (sku, price) VALUES ('A6', 15);
RESET ROLE;
UPDATE ownership.pin SET value = 'fourteen', replaced = 'ten';
SET ROLE pi_erp;
INSERT INTO pi.product (sku, stock) VALUES ('A6', 1);
RESET ROLE;
SELECT price FROM pi.product WHERE sku = 'A6';
TABLE pi.pins;

DROP OWNED BY pi_erp, pi_pim;
DROP SCHEMA pi CASCADE;
DROP EXTENSION ownership;
DROP ROLE pi_erp, pi_pim;
