-- What an administrator puts on the tables that everybody's work leaves rows
-- in: evidence, activity and the map's history are written all the same, or
-- the DDL says that they could not be.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text);
INSERT INTO product VALUES (1, 1, 'one');
GRANT ALL ON product TO regress_erp, regress_crm;
SELECT ownership.assign('product', NULL, 'erp', policy => 'keep');

-- what nothing gives a value is refused where it is defined
ALTER TABLE ownership.conflict ADD ticket text NOT NULL;
\set VERBOSITY terse
TRUNCATE ownership.map_history;
ALTER TABLE ownership.map_history ADD reviewed_by text NOT NULL;
ALTER TABLE ownership.activity ADD note text NOT NULL;
ALTER TABLE ownership.conflict ALTER system SET NOT NULL;
ALTER TABLE ownership.conflict ALTER system SET DEFAULT 'nobody', ALTER system SET NOT NULL;
ALTER TABLE ownership.map_history ALTER entity SET NOT NULL;
ALTER TABLE ownership.activity ALTER system SET NOT NULL;
ALTER TABLE ownership.conflict ADD ticket text;
ALTER TABLE ownership.conflict ALTER ticket SET NOT NULL;
ALTER TABLE ownership.conflict DROP ticket;
ALTER TABLE ownership.conflict ADD ticket text NOT NULL DEFAULT 'x';
ALTER TABLE ownership.conflict ALTER ticket DROP DEFAULT;
ALTER TABLE ownership.conflict DROP ticket;

-- what has a default gets it, whoever leaves the row: a constant, a serial and
-- an identity that the writer may not use, a function, a generated column, a domain's
CREATE DOMAIN stage AS text DEFAULT 'new' NOT NULL;
CREATE FUNCTION who() RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
REVOKE ALL ON FUNCTION who() FROM PUBLIC;
ALTER TABLE ownership.conflict ADD ticket text NOT NULL DEFAULT 'none', ADD number serial, ADD other int GENERATED ALWAYS AS IDENTITY,
	ADD stage stage, ADD length int GENERATED ALWAYS AS (length(table_name)) STORED, ADD asked boolean NOT NULL DEFAULT who() <> 'regress_crm', ADD free text;
ALTER TABLE ownership.map_history ADD number serial, ADD stage text NOT NULL DEFAULT 'new';
ALTER TABLE ownership.activity ADD stage text NOT NULL DEFAULT 'new', ADD number serial;
-- what is there already stays as it is
ALTER TABLE ownership.conflict ALTER recorded_at DROP DEFAULT, DROP COLUMN free, ADD last text NOT NULL DEFAULT 'last';
ALTER TABLE ownership.activity ALTER reads DROP DEFAULT, ALTER writes DROP DEFAULT;
-- row security is nothing to them
ALTER TABLE ownership.conflict ENABLE ROW LEVEL SECURITY;
ALTER TABLE ownership.conflict FORCE ROW LEVEL SECURITY;
ALTER TABLE ownership.map_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE ownership.activity ENABLE ROW LEVEL SECURITY;
SET ROLE regress_crm;
UPDATE product SET price = 2;
UPDATE product SET price = 3, title = 'uno';
DO $$ BEGIN UPDATE product SET price = 4, title = 'due'; UPDATE product SET price = 5; END $$;
INSERT INTO product VALUES (2, 2, 'two');
RESET ROLE;
TABLE product;
SELECT operation, outcome, columns, ticket, number, other, stage, length, asked, last, recorded_at IS NOT NULL AS timed FROM ownership.conflict ORDER BY id;
GRANT SELECT, UPDATE ON ownership.field TO regress_erp;
SET ROLE regress_erp;
UPDATE ownership.field SET rationale = 'because' WHERE name = 'price';
RESET ROLE;
SELECT map_table, item, number, stage FROM ownership.map_history ORDER BY id;
DO $$ BEGIN IF current_setting('shared_preload_libraries') = 'ownership' THEN PERFORM ownership.flush(); END IF; END $$;
SELECT count(*) = count(stage) AND count(*) = count(number) AS whole FROM ownership.activity;

DROP TABLE product;
DROP EXTENSION ownership CASCADE;
DROP DOMAIN stage;
DROP FUNCTION who();
DROP ROLE regress_erp, regress_crm;
