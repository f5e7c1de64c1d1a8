-- erase(): a person goes out of evidence, history, pins and what waits.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_shop;
CREATE ROLE regress_dpo;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm'), ownership.add_system('shop', 'storefront', role => 'regress_shop');
CREATE TABLE customer (id int PRIMARY KEY, email text UNIQUE, name text, phone text, note text);
CREATE TABLE account (login uuid PRIMARY KEY DEFAULT '00000000-0000-0000-0000-000000000001', email text, nick text);
CREATE TABLE orders (no int PRIMARY KEY, email text, street text, status text);
CREATE TABLE bridge (email text PRIMARY KEY, loyalty text UNIQUE, points int);
CREATE TABLE card (loyalty text PRIMARY KEY, tier text);
CREATE TABLE product (sku text PRIMARY KEY, price numeric, label text);
GRANT ALL ON customer, account, orders, bridge, card, product TO PUBLIC;
INSERT INTO customer VALUES (7, 'eva@x', 'Eva', '+1', 'vip'), (8, 'ada@x', 'Ada', '+2', 'new');
INSERT INTO account VALUES ('00000000-0000-0000-0000-000000000007', 'eva@x', 'evi'), ('00000000-0000-0000-0000-000000000008', 'ada@x', 'adi');
INSERT INTO orders VALUES (70, 'eva@x', 'Main 1', 'open'), (71, 'eva@x', 'Main 1', 'open'), (80, 'ada@x', 'Side 2', 'open');
INSERT INTO bridge VALUES ('eva@x', 'L7', 1), ('ada@x', 'L8', 1);
INSERT INTO card VALUES ('L7', 'gold'), ('L8', 'tin');
INSERT INTO product VALUES ('A1', 1, 'one');
SELECT ownership.assign('customer', '{id,email,name,phone}', 'erp', policy => 'keep', entity => 'customer'), ownership.assign('customer', '{note}', 'crm', entity => 'customer'),
	ownership.assign('account', '{login,email,nick}', 'erp', policy => 'keep'), ownership.assign('orders', '{no,email,street,status}', 'erp', policy => 'keep'),
	ownership.assign('bridge', '{email,loyalty,points}', 'erp', policy => 'keep'), ownership.assign('card', '{loyalty,tier}', 'erp', policy => 'keep'),
	ownership.assign('product', '{sku,price,label}', 'erp', policy => 'keep');
SELECT ownership.link('customer.email', '{customer.email, account.email, orders.email, bridge.email}');
INSERT INTO ownership.field (entity, name, owner) VALUES ('customer', 'loyalty', 'erp');
SELECT ownership.link('customer.loyalty', '{bridge.loyalty, card.loyalty}');
UPDATE ownership.field SET key = name = 'id', match_key = name IN ('email', 'loyalty') WHERE entity = 'customer';
UPDATE ownership.field SET history = true WHERE (entity, name) IN (('customer', 'name'), ('customer', 'id'));
SET ROLE regress_crm;
UPDATE customer SET phone = phone || '9';
UPDATE account SET nick = nick || '9';
UPDATE orders SET street = street || '9';
UPDATE bridge SET points = 9;
UPDATE card SET tier = 'none';
UPDATE product SET label = 'eva@x';
INSERT INTO customer (id, note) VALUES (9, 'parked');
SET ROLE regress_erp;
UPDATE customer SET name = 'Evi' WHERE id = 7;
UPDATE customer SET id = 17 WHERE id = 7;
UPDATE customer SET name = 'Evy' WHERE id = 17;
RESET ROLE;
SELECT ownership.pin('customer', '{"id": 17}', 'phone', reason => 'Eva called'), ownership.pin('customer', '{"id": 8}', 'phone');
CREATE VIEW told AS
SELECT 'conflict' AS at, table_name AS tab, CASE WHEN row_key::text ~ 'digest' THEN 'digest' ELSE row_key::text END AS row_key, outcome, stored, proposed, resolution, resolved_at IS NOT NULL AS resolved, resolved_by = current_user AS by, problem
FROM ownership.conflict
UNION ALL SELECT 'history', table_name, CASE WHEN row_key::text ~ 'digest' THEN 'digest' ELSE row_key::text END, outcome, stored, proposed, resolution, resolved_at IS NOT NULL, resolved_by = current_user, NULL FROM ownership.history
UNION ALL SELECT 'pin', table_name, CASE WHEN row_key::text ~ 'digest' THEN 'digest' ELSE row_key::text END, column_name, to_jsonb(value), to_jsonb(replaced), reason, ended_at IS NOT NULL, ended_by = current_user, NULL FROM ownership.pin;
CREATE VIEW told_of AS SELECT * FROM told ORDER BY at COLLATE "C", tab COLLATE "C", row_key COLLATE "C", outcome, proposed::text COLLATE "C";
CREATE TABLE counted AS SELECT table_name, outcome, count(*) FROM ownership.conflict GROUP BY 1, 2;

-- what cannot be
SELECT * FROM ownership.erase('customer', NULL);
SELECT * FROM ownership.erase('customer', '{"id": 17}', value => '');
SELECT * FROM ownership.erase('customer', '{"email": "eva@x"}');
SELECT * FROM ownership.erase('customer', '{"id": "x"}');
SELECT * FROM ownership.erase('customer', '[]');
SELECT * FROM ownership.erase('pg_class', '{"oid": 1}');
SELECT * FROM ownership.erase('counted', '{"a": 1}');
SELECT * FROM ownership.erase(NULL, '{"a": 1}');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM ownership.erase('customer', '{"id": 17}');
ROLLBACK;
-- who may
SET ROLE regress_dpo;
SELECT * FROM ownership.erase('customer', '{"id": 17}');
RESET ROLE;
GRANT SELECT, UPDATE ON ownership.conflict, ownership.history, ownership.pin TO regress_dpo;
SET ROLE regress_dpo;
SELECT * FROM ownership.erase('customer', '{"id": 17}');
RESET ROLE;
GRANT DELETE ON ownership.conflict, ownership.history, ownership.pin TO regress_dpo;
REVOKE ALL ON card FROM PUBLIC;
SET ROLE regress_dpo;
SELECT * FROM ownership.erase('customer', '{"id": 17}');
RESET ROLE;
GRANT SELECT ON card TO regress_dpo;
ALTER TABLE card ENABLE ROW LEVEL SECURITY;
SET ROLE regress_dpo;
SELECT * FROM ownership.erase('customer', '{"id": 17}');
RESET ROLE;
ALTER TABLE card DISABLE ROW LEVEL SECURITY;
ALTER TABLE ownership.conflict ENABLE ROW LEVEL SECURITY;
SET ROLE regress_dpo;
SELECT * FROM ownership.erase('customer', '{"id": 17}');
RESET ROLE;
ALTER TABLE ownership.conflict DISABLE ROW LEVEL SECURITY;

-- a dry run changes nothing
SET ROLE regress_dpo;
SELECT * FROM ownership.erase('customer', '{"id": "017"}') ORDER BY place COLLATE "C";
RESET ROLE;
SELECT count(*), count(*) FILTER (WHERE row_key = 'digest') AS erased FROM told;
-- the row, its former key, and what is tied to it: not the other customer, not what only holds the text
SET client_min_messages = notice;
\set VERBOSITY default
SET ROLE regress_dpo;
SELECT * FROM ownership.erase('customer', '{"id": 17}', dry_run => false) ORDER BY place COLLATE "C";
RESET ROLE;
SET client_min_messages = warning;
\set VERBOSITY terse
SELECT * FROM told_of;
SELECT item, old ->> 'reason' AS old, new ->> 'reason' AS new FROM ownership.map_history WHERE map_table = 'pin' AND (old ? 'reason' OR new ? 'reason') ORDER BY id;
-- one digest a row of a table; nobody computes it
SELECT count(DISTINCT row_key) FROM ownership.conflict WHERE row_key::text ~ 'digest' AND table_name = 'orders';
-- again: nothing is left
SELECT * FROM ownership.erase('customer', '{"id": 17}', dry_run => false) ORDER BY place COLLATE "C";
SELECT * FROM ownership.erase('customer', '{"id": 7}', dry_run => false) ORDER BY place COLLATE "C";
-- by value, of whatever row
SELECT * FROM ownership.erase('customer', NULL, value => 'eva@x', dry_run => false) ORDER BY place COLLATE "C";
SELECT * FROM told_of WHERE tab = 'product';
-- it counts as before
SELECT * FROM counted EXCEPT SELECT table_name, outcome, count(*) FROM ownership.conflict GROUP BY 1, 2;
SELECT count(*) FROM ownership.disagreements WHERE row_key::text ~ 'digest' OR relation IN ('product', 'card') AND row_key::text ~ 'L7';
-- it is never accepted, dismissed or reverted
SELECT ownership.accept(min(id)) FROM ownership.conflict WHERE row_key::text ~ 'digest' AND table_name = 'orders';
SELECT ownership.dismiss(min(id)) FROM ownership.conflict WHERE row_key::text ~ 'digest' AND table_name = 'orders';
UPDATE ownership.conflict SET outcome = 'observed' WHERE table_name = 'card';
SELECT relation, row_key, column_name, outcome, reason FROM ownership.revert('crm', '-infinity');
SELECT count(*) FROM ownership.risks WHERE risk IN ('parked', 'updates_lost');
SELECT count(*) > 0 FROM ownership.why('customer.phone', '{"id": 17}');
-- the owner may send the pinned value again: no pin holds
SET ROLE regress_erp;
UPDATE customer SET phone = '+3' WHERE id = 17;
RESET ROLE;
SELECT phone FROM customer WHERE id = 17;
-- what is sent again is recorded again
SET ROLE regress_crm;
UPDATE orders SET street = street || '9' WHERE no = 70;
RESET ROLE;
SELECT count(*) FROM ownership.conflict WHERE table_name = 'orders' AND row_key = '{"no": 70}';

-- what waits: parked and remembered values are never applied
SELECT * FROM ownership.erase('customer', '{"id": 9}', dry_run => false) WHERE count > 0;
SET ROLE regress_erp;
DELETE FROM customer WHERE id = 8;
INSERT INTO customer (id, email) VALUES (9, 'neu@x');
RESET ROLE;
SELECT id, note FROM customer ORDER BY id;
SELECT * FROM ownership.erase('customer', '{"id": 8}', dry_run => false) WHERE count > 0 ORDER BY place COLLATE "C";
SET ROLE regress_erp;
INSERT INTO customer (id, email) VALUES (8, 'ada@x');
RESET ROLE;
SELECT id, note FROM customer ORDER BY id;
SELECT count(*) FROM ownership.waiting;
-- erased twice in a transaction that is rolled back: the value comes back
SET ROLE regress_crm;
INSERT INTO customer (id, note) VALUES (10, 'parked');
RESET ROLE;
BEGIN;
SELECT * FROM ownership.erase('customer', '{"id": 10}', dry_run => false) WHERE count > 0;
ROLLBACK;
SET ROLE regress_erp;
INSERT INTO customer (id) VALUES (10);
RESET ROLE;
SELECT id, note FROM customer WHERE id = 10;
-- prune takes what is erased like what is resolved
SELECT ownership.prune('0', '{kept,parked}') > 0;
SELECT count(*) FROM ownership.conflict WHERE resolution = 'erased' AND outcome IN ('kept', 'parked');

GRANT ALL ON card TO PUBLIC;
-- a deleted row whose match field is no key: its evidence tells it, and tables are reached by it
SET ROLE regress_crm;
UPDATE customer SET email = 'other@x', note = 'x' WHERE id = 17;
UPDATE card SET tier = 'more';
UPDATE orders SET status = 'done';
SET ROLE regress_erp;
UPDATE bridge SET loyalty = 'L7' WHERE email = 'eva@x';
RESET ROLE;
SET ROLE regress_erp;
DELETE FROM customer WHERE id = 17;
RESET ROLE;
SELECT * FROM ownership.erase('customer', '{"id": 17}') WHERE count > 0 ORDER BY place COLLATE "C";
SET ROLE regress_erp;
DELETE FROM bridge WHERE email = 'eva@x';
RESET ROLE;
SELECT * FROM ownership.erase('customer', '{"id": 17}') WHERE count > 0 ORDER BY place COLLATE "C";
-- an order is no customer: its other rows are not reached
SELECT * FROM ownership.erase('orders', '{"no": 70}') WHERE count > 0 ORDER BY place COLLATE "C";
-- by its former key, which evidence has only inside
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'product';
SET ROLE regress_crm;
UPDATE product SET sku = 'B2', price = 2 WHERE sku = 'A1';
UPDATE product SET price = 3 WHERE sku = 'B2';
RESET ROLE;
SELECT * FROM ownership.erase('product', '{"sku": "A1"}') WHERE count > 0;
INSERT INTO product VALUES ('A1', 5, 'another');
-- now it is another row's key
SELECT * FROM ownership.erase('product', '{"sku": "A1"}') WHERE count > 0;
SELECT * FROM ownership.erase('product', '{"sku": "B2"}') WHERE count > 0;
-- keys that are equal and have other texts
CREATE TABLE amount (n numeric PRIMARY KEY, v text);
GRANT ALL ON amount TO PUBLIC;
INSERT INTO amount VALUES (1.50, 'a');
SELECT ownership.assign('amount', '{n,v}', 'erp', policy => 'keep');
SET ROLE regress_crm;
UPDATE amount SET v = 'b';
RESET ROLE;
SELECT * FROM ownership.erase('amount', '{"n": "1.5"}') WHERE count > 0;
SET ROLE regress_erp;
DELETE FROM amount;
RESET ROLE;
SELECT * FROM ownership.erase('amount', '{"n": 1.5000}', dry_run => false) WHERE count > 0;
-- rows that nothing identifies are told of
CREATE TABLE visit (email text, page text, nr int PRIMARY KEY);
CREATE TABLE lead (email text, name text, nr int PRIMARY KEY);
GRANT ALL ON visit, lead TO PUBLIC;
INSERT INTO lead VALUES ('eva@x', 'Eva', 1);
SELECT ownership.assign('lead', '{nr,name}', 'erp', policy => 'keep', entity => 'lead'), ownership.assign('lead', '{email}', 'erp', policy => 'keep', entity => 'lead'), ownership.assign('visit', '{nr,page,email}', 'erp', policy => 'keep');
SELECT ownership.link('lead.email', '{lead.email,visit.email}');
UPDATE ownership.field SET match_key = name = 'email' WHERE entity = 'lead';
SET client_min_messages = notice;
\set VERBOSITY default
SELECT * FROM ownership.erase('lead', '{"nr": 1}') WHERE count > 0;
SET client_min_messages = warning;
\set VERBOSITY terse
-- a partition is its table
CREATE TABLE part (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
GRANT ALL ON part TO PUBLIC;
INSERT INTO part VALUES (1, 'a');
SELECT ownership.assign('part', '{id,v}', 'erp', policy => 'keep');
SET ROLE regress_crm;
UPDATE part SET v = 'b';
RESET ROLE;
SELECT * FROM ownership.erase('part_1', '{"id": 1}', dry_run => false) WHERE count > 0;
-- without a key, by value only
CREATE TABLE heap (v text);
GRANT ALL ON heap TO PUBLIC;
INSERT INTO heap VALUES ('a');
SELECT ownership.assign('heap', '{v}', 'erp', policy => 'keep');
SET ROLE regress_crm;
UPDATE heap SET v = 'eva';
RESET ROLE;
SELECT * FROM ownership.erase('heap', '{"v": "a"}');
SELECT * FROM ownership.erase('heap', NULL, 'eva', false) WHERE count > 0;
SELECT * FROM told_of WHERE tab = 'heap';

-- who names the wrong columns learns which ones are the key
\set VERBOSITY default
SELECT * FROM ownership.erase('customer', '{"email": "eva@example.com"}');

DROP VIEW told_of, told;
DROP TABLE customer, account, orders, bridge, card, product, counted, amount, visit, lead, part, heap;
DROP EXTENSION ownership;
DROP ROLE regress_erp, regress_crm, regress_shop, regress_dpo;
