-- The map's history tells when a guard was away, and who took it away.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_loader;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm', role => 'regress_loader');
CREATE TABLE product (id int PRIMARY KEY, price numeric);
CREATE TABLE part (id int PRIMARY KEY, price numeric) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE later (id int PRIMARY KEY);
CREATE VIEW away AS SELECT h.role = 'regress_loader' AS loader, h.item, h.old ->> 'state' AS was, h.new ->> 'state' AS state,
	(h.new ->> 'since')::timestamptz BETWEEN h.changed_at AND clock_timestamp() AS since,
	(h.old ->> 'since')::timestamptz = lag((h.new ->> 'since')::timestamptz) OVER (PARTITION BY item ORDER BY id) AS as_told
	FROM ownership.map_history h WHERE h.map_table = 'guard' ORDER BY h.id;
CREATE FUNCTION forget() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM ownership.map_history WHERE map_table = 'guard'; END;
SELECT ownership.assign('product', NULL, 'erp'), ownership.assign('part', NULL, 'erp');
-- one that was never there was never away
INSERT INTO ownership.mirrored_table VALUES ('public', 'later');
ALTER TABLE later DISABLE TRIGGER ALL;
TABLE away;

-- a loader that owns the table
ALTER TABLE product OWNER TO regress_loader;
SET ROLE regress_loader;
BEGIN;
ALTER TABLE product DISABLE TRIGGER USER;
COPY product FROM stdin;
1	666
\.
ALTER TABLE product ENABLE TRIGGER USER;
COMMIT;
RESET ROLE;
TABLE away;
SELECT role = 'regress_loader' AS loader, decided, old, new, items, sample FROM ownership.decisions WHERE decided LIKE 'guard%';
SELECT relation, guarded FROM ownership.guards WHERE relation = 'product';
SELECT forget();
-- what is undone was not
BEGIN;
ALTER TABLE product DISABLE TRIGGER ALL;
ROLLBACK;
TABLE away;
-- one trigger is enough; once is told once
ALTER TABLE product DISABLE TRIGGER zzzz_ownership_judge;
ALTER TABLE product DISABLE TRIGGER zzzz_ownership_amend;
ALTER TABLE product DISABLE TRIGGER ALL;
SELECT away_since IS NOT NULL AS away FROM ownership.bound_table WHERE table_name = 'product';
ALTER TABLE product ENABLE TRIGGER zzzz_ownership_judge;
TABLE away;
ALTER TABLE product ENABLE TRIGGER ALL;
ALTER TABLE product ENABLE REPLICA TRIGGER zzzz_ownership_amend;
SELECT ownership.guard('product');
TABLE away;
SELECT away_since FROM ownership.bound_table WHERE table_name = 'product';
SELECT forget();
-- other triggers are not its business
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER mine AFTER INSERT ON product FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE product DISABLE TRIGGER mine;
DROP TRIGGER mine ON product;
TABLE away;
-- dropped, by hand and by unguard()
DROP TRIGGER zzzz_ownership_truncate ON product;
SELECT ownership.guard('product');
SELECT ownership.unguard('product');
ALTER TABLE product DISABLE TRIGGER ALL;
SELECT ownership.guard('product');
TABLE away;
SELECT forget();
-- renamed meanwhile
ALTER TABLE product DISABLE TRIGGER USER;
ALTER TABLE product RENAME TO item;
ALTER TABLE item ENABLE TRIGGER USER;
SELECT item, state FROM away;
ALTER TABLE item RENAME TO product;
SELECT forget();
-- a partition is part of its table
ALTER TABLE part_1 DISABLE TRIGGER zzzz_ownership_amend;
ALTER TABLE part_1 ENABLE ALWAYS TRIGGER zzzz_ownership_amend;
ALTER TABLE part DISABLE TRIGGER USER;
ALTER TABLE ONLY part ENABLE TRIGGER USER;
SELECT item, state FROM away;
ALTER TABLE part ENABLE TRIGGER USER;
SELECT item, state FROM away;
SELECT forget();
-- the page has it among the decisions
ALTER TABLE product DISABLE TRIGGER USER;
SELECT ownership.page() ~ 'guard state.*in place.*away' AS told;

DROP EXTENSION ownership CASCADE;
DROP TABLE product, part, later;
DROP FUNCTION nothing CASCADE;
DROP ROLE regress_loader;
