-- Settings that weaken the guard for a database or a role are a high risk.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_loader;
CREATE ROLE "Regress Other";
CREATE VIEW found AS SELECT severity, risk, replace(detail, current_database(), 'DATABASE') AS detail, replace(advice, current_database(), 'DATABASE') AS advice
	FROM ownership.risks;
CREATE FUNCTION set_here(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('ALTER DATABASE %I %s', current_database(), what); END $$;
-- without a map there is nothing to enforce
SELECT set_here('SET ownership.enforcement = off');
TABLE found;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm');
CREATE TABLE product (id int PRIMARY KEY, price numeric);
CREATE TABLE unguarded (id int PRIMARY KEY);
SELECT ownership.assign('product', NULL, 'erp');
SELECT * FROM found \gx
SELECT relation, guarded, problems FROM ownership.guards;
\set VERBOSITY default
SELECT ownership.assert_clean();
\set VERBOSITY terse
SELECT regexp_replace(ownership.page(), '.*<dt>Guarded tables</dt>(.*?)</div>.*', '\1');
-- the other spellings
SELECT set_here('SET ownership.enforcement = Observe');
SELECT * FROM found \gx
SELECT set_here('SET ownership.enforcement = 0');
SELECT risk, detail FROM found;
SELECT set_here('SET ownership.enforcement = true');
TABLE found;
SELECT ownership.assert_clean();
SELECT regexp_replace(ownership.page(), '.*<dt>Guarded tables</dt>(.*?)</div>.*', '\1');
-- a role, everywhere and here
ALTER ROLE regress_loader SET ownership.enforcement = 'off';
ALTER ROLE "Regress Other" SET work_mem = '4MB';
SELECT * FROM found \gx
DO $$ BEGIN EXECUTE format('ALTER ROLE "Regress Other" IN DATABASE %I SET ownership.enforcement = ''observe''', current_database()); END $$;
SELECT detail, advice FROM found;
SELECT problems FROM ownership.guards WHERE relation = 'product';
SELECT regexp_replace(ownership.page(), '.*<dt>Guarded tables</dt>(.*?)</div>.*', '\1');
-- one here goes before one everywhere
DO $$ BEGIN EXECUTE format('ALTER ROLE regress_loader IN DATABASE %I SET ownership.enforcement = ''on''', current_database()); END $$;
SELECT detail FROM found;
DO $$ BEGIN EXECUTE format('ALTER ROLE regress_loader IN DATABASE %I RESET ALL', current_database());
	EXECUTE format('ALTER ROLE "Regress Other" IN DATABASE %I RESET ALL', current_database()); END $$;
ALTER ROLE regress_loader RESET ALL;
TABLE found;
-- all roles, unless the database says otherwise
ALTER ROLE ALL SET ownership.enforcement = 'off';
TABLE found;
SELECT set_here('RESET ownership.enforcement');
SELECT detail, advice FROM found;
ALTER ROLE ALL RESET ownership.enforcement;
TABLE found;
-- the default policy of a role that lets more through than the database's; the database's is the map's own
ALTER ROLE regress_loader SET ownership.default_policy = 'observe';
SELECT * FROM found \gx
SELECT set_here('SET ownership.default_policy = observe');
TABLE found;
SELECT set_here('SET ownership.default_policy = keep');
SELECT detail FROM found;
ALTER ROLE regress_loader SET ownership.default_policy = 'reject';
TABLE found;
ALTER ROLE regress_loader SET ownership.default_policy = 'fill';
SELECT detail FROM found;
ALTER ROLE regress_loader SET ownership.default_policy = 'create_only';
SELECT detail FROM found;
SELECT set_here('SET ownership.default_policy = create_only');
SELECT detail FROM found;
ALTER ROLE regress_loader RESET ALL;
SELECT set_here('RESET ownership.default_policy');
-- what a session sets for itself is its own business
SET ownership.enforcement = off;
TABLE found;
SELECT problems FROM ownership.guards WHERE relation = 'product';
RESET ownership.enforcement;
-- anyone may look
SELECT set_here('SET ownership.enforcement = off');
SET ROLE regress_loader;
SELECT count(*) FROM ownership.risks WHERE risk = 'enforcement_off';
SELECT problems FROM ownership.guards WHERE relation = 'product';
SELECT ownership.assert_clean();
RESET ROLE;
SELECT set_here('RESET ownership.enforcement');
TABLE found;

DROP EXTENSION ownership CASCADE;
DROP TABLE product, unguarded;
DROP FUNCTION set_here;
DROP ROLE regress_loader, "Regress Other";
