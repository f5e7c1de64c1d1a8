-- doctor(): a row for each check, and statements that mend what is wrong.  Left out here is
-- what depends on preloading; t/explain_doctor.pl has that, and what needs a restart.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION ownership;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_reader;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE TABLE product (sku text PRIMARY KEY, price int);
INSERT INTO product SELECT 'p' || i, i FROM generate_series(1, 20) i;
GRANT ALL ON product TO regress_crm;
SELECT ownership.assign('product', NULL, 'erp', policy => 'observe');
CREATE SCHEMA netsuite;
CREATE TABLE netsuite.item (id int PRIMARY KEY, v int);
SELECT ownership.add_tables('netsuite.*', source => 'erp');

CREATE VIEW wrong AS SELECT check_name, ok, problem, statement FROM ownership.doctor() WHERE check_name NOT IN ('preloaded', 'worker', 'memory') AND NOT ok;
-- what \gexec runs
CREATE VIEW mend AS SELECT statement FROM ownership.doctor() WHERE check_name NOT IN ('preloaded', 'worker', 'memory') AND NOT ok AND statement IS NOT NULL;

\echo --- all is well
SELECT check_name, ok, problem, statement FROM ownership.doctor() WHERE check_name NOT IN ('preloaded', 'worker', 'memory');
SELECT count(*), count(DISTINCT check_name), bool_and(ok = (problem IS NULL)) FROM ownership.doctor();

\echo --- settings
ALTER DATABASE regression SET ownership.enforcement = 'observe';
ALTER ROLE regress_crm SET ownership.enforcement = off;
ALTER ROLE regress_crm IN DATABASE regression SET ownership.default_policy = 'observe';
SET ownership.enforcement = off;
SELECT * FROM wrong;
\t on
SELECT * FROM mend \gexec
\t off
SELECT * FROM wrong;
SHOW ownership.enforcement;

\echo --- guards
ALTER TABLE product DISABLE TRIGGER zzzz_ownership_amend;
DROP TRIGGER zzzz_ownership_judge ON netsuite.item;
SELECT * FROM wrong;
\t on
SELECT * FROM mend \gexec
\t off
SELECT * FROM wrong;
ALTER TRIGGER zzzz_ownership_judge ON product RENAME TO a_judge;
SELECT * FROM wrong;
SELECT * FROM mend \gexec
SELECT * FROM wrong;
DROP TRIGGER zzzz_ownership_amend ON product;
DROP TRIGGER zzzz_ownership_judge ON product;
DROP TRIGGER zzzz_ownership_truncate ON product;
SELECT * FROM wrong;
\t on
SELECT * FROM mend \gexec
\t off
SELECT * FROM wrong;

\echo --- event triggers, and the map that fell behind
ALTER EVENT TRIGGER ownership_end DISABLE;
ALTER TABLE product RENAME price TO list_price;
CREATE TABLE netsuite."new'one" (id int PRIMARY KEY, a int);
SELECT * FROM wrong;
\t on
SELECT * FROM mend \gexec
\t off
SELECT * FROM wrong;
SELECT relation, column_name FROM ownership.map ORDER BY 1, 2;

\echo --- feeds
SET client_min_messages = error;
CREATE SUBSCRIPTION regress_one CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false);
CREATE SUBSCRIPTION regress_two CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false);
CREATE SUBSCRIPTION regress_all CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false);
SET client_min_messages = warning;
CREATE TABLE contact (id int PRIMARY KEY);
SELECT ownership.add_tables('contact', source => 'crm');
SET allow_system_table_mods = on;
INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)
SELECT s.oid, t, 'r' FROM pg_subscription s, unnest(CASE subname WHEN 'regress_one' THEN '{netsuite.item}'::regclass[]
	WHEN 'regress_two' THEN '{product}' ELSE '{netsuite.item,contact}' END) t WHERE subname LIKE 'regress_%';
RESET allow_system_table_mods;
SELECT * FROM wrong;
\t on
SELECT * FROM mend \gexec
\t off
-- nothing tells who sends that one
SELECT * FROM wrong;
SELECT ownership.identify('crm', subscription => 'regress_two');
SELECT * FROM wrong;
SELECT name, system, carrier FROM ownership.identity WHERE kind = 'subscription' ORDER BY name;
SET allow_system_table_mods = on;
DELETE FROM pg_subscription_rel WHERE srsubid IN (SELECT oid FROM pg_subscription WHERE subname LIKE 'regress_%');
RESET allow_system_table_mods;
DROP SUBSCRIPTION regress_one;
DROP SUBSCRIPTION regress_two;
DROP SUBSCRIPTION regress_all;
DELETE FROM ownership.identity WHERE kind = 'subscription';

\echo --- evidence
SET ROLE regress_crm;
UPDATE product SET list_price = list_price + 100;
RESET ROLE;
SELECT pg_stat_force_next_flush();
SELECT check_name, ok, problem, statement ~ '^SELECT ownership\.prune\(''' AS prunes FROM ownership.doctor(evidence_rows => 5) WHERE check_name = 'evidence';
SELECT ok FROM ownership.doctor(evidence_rows => 20) WHERE check_name = 'evidence';
-- as if it had been recorded over time
UPDATE ownership.conflict SET recorded_at = recorded_at - (100 - id) * interval '1 hour';
SELECT pg_stat_force_next_flush();
DO $$
BEGIN
	EXECUTE (SELECT statement FROM ownership.doctor(evidence_rows => 5) WHERE check_name = 'evidence');
END $$;
SELECT pg_stat_force_next_flush();
SELECT count(*) FROM ownership.conflict;
SELECT ok FROM ownership.doctor(evidence_rows => 5) WHERE check_name = 'evidence';

\echo --- versions
BEGIN;
UPDATE pg_extension SET extversion = '0.2.0' WHERE extname = 'ownership';
SELECT check_name, replace(problem, ownership.library_version(), 'VERSION') AS problem, replace(statement, ownership.library_version(), 'VERSION') AS statement FROM wrong;
UPDATE pg_extension SET extversion = '99.10.0' WHERE extname = 'ownership';
SELECT check_name, replace(problem, ownership.library_version(), 'VERSION') AS problem, statement FROM wrong;
ROLLBACK;

\echo --- every role may call it, and sees no values
SET ROLE regress_reader;
SELECT check_name, ok FROM ownership.doctor(evidence_rows => 0) WHERE check_name NOT IN ('preloaded', 'worker', 'memory');
SELECT ok, statement IS NULL AS no_statement FROM ownership.doctor(evidence_rows => 0) WHERE check_name = 'evidence';
SELECT ownership.evidence_time(3);
SELECT count(*) FROM ownership.conflict;
-- it does not know the libraries that are preloaded, and would take them away
SELECT statement IS NULL FROM ownership.doctor() WHERE check_name = 'preloaded';
RESET ROLE;

DROP VIEW wrong, mend;
DROP EXTENSION ownership CASCADE;
DROP TABLE product, contact;
DROP SCHEMA netsuite CASCADE;
DROP OWNED BY regress_erp, regress_crm, regress_reader;
DROP ROLE regress_erp, regress_crm, regress_reader;
