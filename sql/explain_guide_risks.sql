-- Risks that follow from the guide, and the gate for deployments.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm'), ownership.add_system('pim', 'pim'),
	ownership.add_system('shop', 'storefront'), ownership.add_system('report', 'bi'), ownership.add_system('misc', 'other');
CREATE TABLE product (id int PRIMARY KEY, price numeric, cost numeric, stock int, discount numeric, warranty text);
CREATE TABLE orders (id int PRIMARY KEY, status text);
SELECT ownership.assign('product', NULL, 'erp'), ownership.assign('orders', NULL, 'erp');
CREATE VIEW found AS SELECT severity, risk, entity || '.' || field AS field, relation, column_name AS "column", systems, detail FROM ownership.risks;
SELECT ownership.assert_clean('low');

--
-- out_of_bounds: a kind of system that must not own such data.
--
SELECT ownership.assign('product', '{price}', 'crm', domain => 'price');
SELECT * FROM ownership.risks \gx
-- the system's own name, and several natural owners
SELECT ownership.assign('product', '{stock}', 'crm', domain => 'stock'), ownership.assign('product', '{cost}', 'shop', domain => 'cost'),
	ownership.assign('product', '{price}', 'report');
SELECT detail, advice FROM ownership.risks WHERE risk = 'out_of_bounds';
-- a kind that is neither natural nor excluded is a choice
SELECT ownership.assign('product', '{price}', 'shop'), ownership.assign('product', '{stock}', 'shop'), ownership.assign('product', '{cost}', 'misc');
TABLE found;
-- the guide is the users': their bounds, with and without an owner that is natural
INSERT INTO ownership.domain (name, title, natural_owner, excluded_owner) VALUES ('warranty', 'Warranty terms', NULL, '{storefront,wizard}');
SELECT ownership.assign('product', '{warranty}', 'shop', domain => 'warranty');
SELECT detail, advice FROM ownership.risks;
UPDATE ownership.domain SET natural_owner = '{wizard,loyalty,tax}', title = NULL WHERE name = 'warranty';
SELECT detail FROM ownership.risks;
UPDATE ownership.domain SET excluded_owner = '{wizard}' WHERE name = 'warranty';
TABLE found;
UPDATE ownership.system SET kind = 'wizard' WHERE name = 'shop';
TABLE found;
UPDATE ownership.system SET kind = 'storefront' WHERE name = 'shop';
-- in some rows only
SELECT ownership.assign('orders', '{status}', 'erp', domain => 'order_status');
SELECT ownership.assign_rows('orders', '{status}', 'shop', $$status = 'cart'$$), ownership.assign_rows('orders', '{status}', 'crm', $$status = 'lost'$$);
SELECT * FROM ownership.risks \gx
DELETE FROM ownership.row_owner;
TABLE found;

--
-- unowned: the guide tells where it would belong, if it knows.
--
UPDATE ownership.field SET owner = NULL WHERE (entity, name) IN (('product', 'stock'), ('product', 'warranty'), ('orders', 'id'));
UPDATE ownership.domain SET natural_owner = '{}' WHERE name = 'warranty';
SELECT entity, field, advice FROM ownership.risks WHERE risk = 'unowned';
UPDATE ownership.field SET owner = 'erp' WHERE owner IS NULL;
UPDATE ownership.domain SET natural_owner = NULL WHERE name = 'warranty';

--
-- blurred: until somebody wrote down what it is; local fields are nobody's business.
--
SELECT ownership.assign('product', '{discount}', 'erp', domain => 'promotion');
SELECT * FROM ownership.risks \gx
UPDATE ownership.field SET rationale = ' ' WHERE name = 'discount';
SELECT severity, risk FROM ownership.risks;
UPDATE ownership.field SET rationale = NULL, local = true WHERE name = 'discount';
TABLE found;
UPDATE ownership.field SET local = false WHERE name = 'discount';
SELECT ownership.assign('product', '{discount}', 'erp', rationale => 'The computed price of the campaign that runs; the rule itself stays in the ERP.');
TABLE found;
UPDATE ownership.domain SET blurred = true WHERE name = 'warranty';
SELECT severity, risk, field, advice FROM ownership.risks;
UPDATE ownership.domain SET blurred = false WHERE name = 'warranty';

--
-- assert_clean: nothing of that severity or a higher one.
--
SELECT ownership.assert_clean(), ownership.assert_clean('medium'), ownership.assert_clean('low');
SELECT ownership.assign('product', '{price}', 'crm');
ALTER TABLE product ADD note text;
SELECT severity, risk FROM ownership.risks;
\set VERBOSITY default
SELECT ownership.assert_clean();
SELECT ownership.assert_clean('medium');
SELECT ownership.assert_clean('low');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO ownership.field (entity, name) VALUES ('customer', 'email');
SELECT ownership.assert_clean();
INSERT INTO ownership.field (entity, name) SELECT 'customer', 'field ' || n FROM generate_series(10, 70) n;
SELECT ownership.assert_clean();
SELECT ownership.assert_clean('High');
\echo :LAST_ERROR_SQLSTATE
SELECT ownership.assert_clean(NULL);
\set VERBOSITY terse
-- no handler of errors takes it for one of its own
DO $$ BEGIN PERFORM ownership.assert_clean(); EXCEPTION WHEN OTHERS THEN RAISE 'swallowed'; END $$;
DELETE FROM ownership.field WHERE entity = 'customer';
-- anyone may ask
CREATE ROLE regress_pipeline;
SET ROLE regress_pipeline;
SELECT ownership.assert_clean();
SELECT ownership.assert_clean('medium');
RESET ROLE;

DROP EXTENSION ownership CASCADE;
DROP TABLE product, orders;
DROP ROLE regress_pipeline;
