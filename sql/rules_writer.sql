-- Who is writing: replication origin, else the setting, else the role.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_pim;
CREATE ROLE regress_etl;						-- a carrier
CREATE ROLE regress_dba;						-- a steward without a system
CREATE ROLE regress_mdm;						-- a steward that is a system
CREATE ROLE regress_stranger LOGIN;
CREATE ROLE regress_super SUPERUSER;
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text, note text);
CREATE SCHEMA netsuite;
CREATE TABLE netsuite.item (id int PRIMARY KEY, price numeric);
INSERT INTO product VALUES (1, 10, 'one', 'n');
INSERT INTO netsuite.item VALUES (1, 10);
GRANT USAGE ON SCHEMA netsuite TO PUBLIC;
GRANT ALL ON product, netsuite.item TO PUBLIC;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.add_system('crm', 'crm', role => 'regress_crm');
SELECT ownership.add_system('pim', 'pim', role => 'regress_pim');
SELECT ownership.add_system('netsuite', 'erp');
SELECT ownership.add_system('mdm', 'mdm');
SELECT ownership.assign('product', '{id,price}', 'erp');
SELECT ownership.assign('product', '{title}', 'crm');
SELECT ownership.assign('product', '{note}', NULL);
SELECT ownership.add_tables('netsuite.*', source => 'netsuite');

-- may(role, command): does the role get through with it?
CREATE FUNCTION may(who text, what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', who, true);
	EXECUTE what;
	PERFORM set_config('role', 'none', true);
	RETURN 'yes';
EXCEPTION WHEN insufficient_privilege THEN
	PERFORM set_config('role', 'none', true);
	RETURN SQLERRM;
END $$;
-- who(role): which system it writes as
CREATE FUNCTION who(who text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	PERFORM set_config('role', who, true);
	answer := coalesce(ownership.current_system(), 'nobody');
	PERFORM set_config('role', 'none', true);
	RETURN answer;
END $$;

--
-- The role: an exact match first.
--
SELECT who('regress_erp'), who('regress_crm'), who('regress_stranger');
SELECT may('regress_erp', 'UPDATE product SET price = price + 1');
SELECT may('regress_crm', 'UPDATE product SET price = price + 1');
SELECT may('regress_crm', 'UPDATE product SET title = title || 1');
-- an unidentified writer owns nothing; a field without owner is everyone's
SELECT may('regress_stranger', 'UPDATE product SET price = price + 1');
SELECT may('regress_stranger', 'UPDATE product SET title = title || 1');
SELECT may('regress_stranger', 'UPDATE product SET note = note || 1');
-- else the one mapped role that it is a member of, at any depth
CREATE ROLE regress_clerks;
CREATE ROLE regress_clerk;
GRANT regress_erp TO regress_clerks;
GRANT regress_clerks TO regress_clerk;
SELECT who('regress_clerks'), who('regress_clerk');
SELECT may('regress_clerk', 'UPDATE product SET price = price + 1');
-- exact wins over membership
GRANT regress_crm TO regress_pim;
SELECT who('regress_pim');
-- two mapped roles of two systems: nobody; of one system: that one
GRANT regress_crm TO regress_clerk;
SELECT who('regress_clerk');
SELECT may('regress_clerk', 'UPDATE product SET title = title || 1');
REVOKE regress_crm FROM regress_clerk;
SELECT who('regress_clerk');
CREATE ROLE regress_erp_2;
SELECT ownership.identify('erp', role => 'regress_erp_2');
GRANT regress_erp_2 TO regress_clerk;
SELECT who('regress_clerk');
-- membership without INHERIT does not count: it would have to SET ROLE
CREATE ROLE regress_guest NOINHERIT;
GRANT regress_erp TO regress_guest;
SELECT who('regress_guest');
SELECT may('regress_guest', 'UPDATE product SET price = price + 1');
SELECT may('regress_guest', 'SET LOCAL ROLE regress_erp; UPDATE product SET price = price + 1');
-- superusers are members of everything: they match exactly only
SELECT who('regress_super');
GRANT regress_erp TO regress_super;
SELECT who('regress_super');
SELECT may('regress_super', 'UPDATE product SET price = price + 1');
SELECT ownership.identify('erp', role => 'regress_super');
SELECT who('regress_super');

--
-- SET ROLE and SET SESSION AUTHORIZATION count as they were left at the outer
-- level; SECURITY DEFINER functions, views and cascades change nothing.
--
SET SESSION AUTHORIZATION regress_crm;
SELECT ownership.current_system();
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_guest;
SET ROLE regress_erp;
SELECT ownership.current_system();
RESET ROLE;
SELECT coalesce(ownership.current_system(), 'nobody');
RESET SESSION AUTHORIZATION;
CREATE FUNCTION raise_price() RETURNS numeric LANGUAGE sql SECURITY DEFINER AS 'UPDATE product SET price = price + 1 RETURNING price';
CREATE FUNCTION raise_all() RETURNS numeric LANGUAGE sql SECURITY DEFINER AS 'SELECT raise_price()';
GRANT CREATE ON SCHEMA public TO regress_erp;
ALTER FUNCTION raise_price OWNER TO regress_erp;
SELECT may('regress_crm', 'SELECT raise_price()');
SELECT may('regress_crm', 'SELECT raise_all()');
SELECT may('regress_erp', 'SELECT raise_all()');
CREATE VIEW product_view AS SELECT * FROM product;
ALTER VIEW product_view OWNER TO regress_erp;
GRANT ALL ON product_view TO PUBLIC;
SELECT may('regress_crm', 'UPDATE product_view SET price = price + 1');
SELECT may('regress_crm', 'UPDATE product_view SET title = title || 1');
-- a function that sets the role itself is that role at the outer level
CREATE FUNCTION as_erp() RETURNS numeric LANGUAGE sql SET role = 'regress_erp' AS 'UPDATE product SET price = price + 1 RETURNING price';
SELECT may('regress_guest', 'SELECT as_erp()');
SELECT who('regress_guest');

--
-- The setting goes before the role.
--
SET ownership.system = 'crm';
SELECT who('regress_erp'), who('regress_stranger'), who('regress_dba');
SELECT may('regress_erp', 'UPDATE product SET price = price + 1');
SELECT may('regress_erp', 'UPDATE product SET title = title || 1');
SET ownership.system = '';
SELECT who('regress_erp');
BEGIN;
SET LOCAL ownership.system = 'crm';
SELECT ownership.current_system();
ROLLBACK;
SELECT coalesce(ownership.current_system(), 'nobody');
BEGIN;
SET ownership.system = 'crm';
SAVEPOINT s;
SET ownership.system = 'pim';
SELECT ownership.current_system();
ROLLBACK TO s;
SELECT ownership.current_system();
COMMIT;
RESET ownership.system;
SELECT coalesce(ownership.current_system(), 'nobody');
SET ownership.system = 'crm';
DISCARD ALL;
SELECT coalesce(ownership.current_system(), 'nobody');
SET client_min_messages = warning;
-- a superuser or whom it is granted to may set it, and nothing else that
-- weakens the guard
SET ROLE regress_stranger;
SET ownership.system = 'erp';
SET ownership.enforcement = off;
SET ownership.enforcement = observe;
SET ownership.default_policy = observe;
SET ownership.observed_limit = 0;
SET ownership.value_limit = 0;
RESET ROLE;
GRANT SET ON PARAMETER ownership.system TO regress_stranger;
SET ROLE regress_stranger;
SET ownership.system = 'erp';
SELECT ownership.current_system();
UPDATE product SET price = price + 1;
UPDATE product SET title = title || 1;
SET ownership.enforcement = off;
RESET ownership.system;
RESET ROLE;
REVOKE SET ON PARAMETER ownership.system FROM regress_stranger;
-- nor by setting it before the library is loaded
SELECT current_user AS super \gset
\c - regress_stranger
SET client_min_messages = error;
DO $$ BEGIN
	PERFORM set_config('ownership.system', 'erp', false);
EXCEPTION WHEN insufficient_privilege THEN
	NULL;
END $$;
DO $$ BEGIN
	PERFORM set_config('ownership.enforcement', 'off', false);
EXCEPTION WHEN insufficient_privilege THEN
	NULL;
END $$;
SELECT coalesce(ownership.current_system(), 'nobody');
UPDATE product SET price = price + 1;
SELECT current_setting('ownership.system'), current_setting('ownership.enforcement');
-- what is set for a role is its login's value, and RESET goes back to it
\c - :super
SET client_min_messages = warning;
SELECT format('ALTER ROLE regress_stranger IN DATABASE %I SET ownership.system = crm', current_database()) AS command \gset
:command;
\c - regress_stranger
SELECT ownership.current_system();
DISCARD ALL;
SELECT ownership.current_system();
\c - :super
SET client_min_messages = warning;
-- a function of one who may set it can say it for one who may not
CREATE FUNCTION import_prices() RETURNS numeric LANGUAGE sql SECURITY DEFINER SET ownership.system = 'erp'
	AS 'UPDATE product SET price = price + 1 RETURNING price';
SELECT may('regress_pim', 'SELECT import_prices()');
SELECT may('regress_pim', 'UPDATE product SET price = price + 1');

--
-- A replication origin goes before the setting and the role; one that maps to
-- nothing is nobody, and never falls through.
--
SELECT pg_replication_origin_create('regress_feed') > 0;
SELECT pg_replication_origin_session_setup('regress_feed');
SET ownership.system = 'erp';
SELECT coalesce(ownership.current_system(), 'nobody');
SET ROLE regress_erp;
SELECT coalesce(ownership.current_system(), 'nobody');
UPDATE product SET price = price + 1;
RESET ROLE;
SELECT ownership.identify('crm', origin => 'regress_feed');
SELECT ownership.current_system();
UPDATE product SET price = price + 1;
UPDATE product SET title = title || 1;
-- where it applies a replicated stream, as the initial copy of pglogical does,
-- an error would stop that, or be overheard
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE product SET price = price + 1, title = title || 2;
SET LOCAL client_min_messages = error;
UPDATE product SET id = 2 WHERE id = 1;
UPDATE ownership.field SET owner = 'crm' WHERE (entity, name) = ('product', 'id');
COPY product FROM stdin;
2	20	two	n
\.
INSERT INTO product VALUES (3, 30, 'three');
SELECT * FROM product ORDER BY id;
SELECT operation, outcome, columns, row_key, proposed, origin FROM ownership.conflict WHERE outcome = 'kept' ORDER BY id;
SELECT ownership.identify('crm', origin => 'regress_feed', strict => true);
UPDATE product SET price = price + 1;
ROLLBACK;
SELECT pg_replication_origin_session_reset();
SELECT ownership.current_system();
RESET ownership.system;
SELECT pg_replication_origin_drop('regress_feed');
-- the origin of a subscription is the subscription
SET client_min_messages = error;
CREATE SUBSCRIPTION regress_sub CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false);
SET client_min_messages = warning;
SELECT pg_replication_origin_session_setup('pg_' || oid) FROM pg_subscription WHERE subname = 'regress_sub';
SELECT coalesce(ownership.current_system(), 'nobody');
SELECT ownership.identify('pim', subscription => 'regress_sub');
SELECT ownership.current_system();
-- which may have another name tomorrow: the map follows
ALTER SUBSCRIPTION regress_sub RENAME TO regress_subscription;
SELECT coalesce(ownership.current_system(), 'nobody');
SELECT name FROM ownership.identity WHERE kind = 'subscription';
SELECT pg_replication_origin_session_reset();
DROP SUBSCRIPTION regress_subscription;

--
-- A carrier writes as the source of the table that it touches, and is nobody
-- on a shared table.
--
SELECT ownership.identify(NULL, role => 'regress_etl', carrier => true);
SELECT who('regress_etl');
SELECT may('regress_etl', 'UPDATE netsuite.item SET price = price + 1');
SELECT may('regress_crm', 'UPDATE netsuite.item SET price = price + 1');
SELECT may('regress_etl', 'UPDATE product SET price = price + 1');
-- unless the setting says more
SET ownership.system = 'erp';
SELECT may('regress_etl', 'UPDATE product SET price = price + 1');
SELECT may('regress_etl', 'UPDATE product SET title = title || 1');
RESET ownership.system;
-- a carrier whose identity names a system is not that system on a shared table
SELECT ownership.identify('erp', role => 'regress_etl', carrier => true);
SELECT who('regress_etl');
SELECT may('regress_etl', 'UPDATE netsuite.item SET price = price + 1');
SELECT may('regress_etl', 'UPDATE product SET price = price + 1');
-- the member of a carrier is one
CREATE ROLE regress_etl_2;
GRANT regress_etl TO regress_etl_2;
SELECT may('regress_etl_2', 'UPDATE netsuite.item SET price = price + 1');

--
-- A steward may write every field; what another system owns is evidence with
-- outcome overridden.
--
SELECT ownership.identify(NULL, role => 'regress_dba', steward => true);
SELECT ownership.identify('mdm', role => 'regress_mdm', steward => true);
SELECT ownership.assign('product', '{note}', 'mdm');
TRUNCATE ownership.conflict;
SELECT may('regress_dba', 'UPDATE product SET price = 99, title = $$x$$');
SELECT may('regress_mdm', 'UPDATE product SET price = 100');
SELECT may('regress_mdm', 'UPDATE product SET note = $$its own$$');
SELECT may('regress_dba', 'INSERT INTO product VALUES (2, 5)');
SELECT may('regress_dba', 'DELETE FROM product WHERE id = 2');
SELECT operation, system, role, outcome, columns, row_key, stored, proposed FROM ownership.conflict WHERE outcome <> 'rejected' ORDER BY id;
-- the setting goes before the role here, too
SET ownership.system = 'crm';
SELECT may('regress_dba', 'UPDATE product SET price = 101');
RESET ownership.system;
SET ROLE regress_mdm;
SELECT * FROM ownership.explain('product', 'price');
SELECT * FROM ownership.explain('product', 'note');
SELECT * FROM ownership.explain('product', 'price', 'crm');
RESET ROLE;

--
-- A role that is dropped takes its identity with it: another one of that name
-- is nobody until it is identified.
--
CREATE ROLE regress_temp;
GRANT ALL ON product TO regress_temp;
SELECT ownership.identify('erp', role => 'regress_temp');
SELECT who('regress_temp');
SELECT risk, detail, systems FROM ownership.risks WHERE risk = 'unknown_identity';
REVOKE ALL ON product FROM regress_temp;
DROP ROLE regress_temp;
SELECT risk, detail, systems FROM ownership.risks WHERE risk = 'unknown_identity';
CREATE ROLE regress_temp;
SELECT who('regress_temp');
SELECT may('regress_temp', 'UPDATE product SET price = price + 1');
SELECT risk, detail, systems, advice FROM ownership.risks WHERE risk = 'unknown_identity';
-- a member of it is nobody, too
GRANT regress_temp TO regress_stranger;
SELECT who('regress_stranger') AS stranger;
REVOKE regress_temp FROM regress_stranger;
-- renaming its system identifies nobody
BEGIN;
UPDATE ownership.system SET name = 'sap' WHERE name = 'erp';
SELECT who('regress_temp'), who('regress_erp');
ROLLBACK;
SELECT ownership.identify('erp', role => 'regress_temp');
SELECT who('regress_temp');
SELECT count(*) FROM ownership.risks WHERE risk = 'unknown_identity';

--
-- ownership.enforcement: on, observe, off
--
TRUNCATE ownership.conflict;
SET ownership.enforcement = observe;
SELECT may('regress_crm', 'UPDATE product SET price = 1');
SELECT may('regress_crm', 'DELETE FROM product WHERE id = 1');
SELECT may('regress_crm', 'INSERT INTO product VALUES (1, 2, $$t$$)');
SELECT may('regress_crm', 'UPDATE product SET title = $$own$$');
SELECT operation, system, outcome, columns FROM ownership.conflict WHERE outcome <> 'rejected' ORDER BY id;
TRUNCATE ownership.conflict;
SET ownership.enforcement = off;
SELECT may('regress_crm', 'UPDATE product SET price = 3');
SELECT may('regress_dba', 'UPDATE product SET price = 4');
-- nobody is asked who writes
SET ownership.system = 'nobody';
SELECT may('regress_crm', 'UPDATE product SET price = 5');
RESET ownership.system;
SELECT count(*) FROM ownership.conflict WHERE outcome <> 'rejected';
SET ownership.enforcement = on;
SELECT may('regress_crm', 'UPDATE product SET price = 6');
RESET ownership.enforcement;
-- the hints name the ways out
\set VERBOSITY default
SET ROLE regress_crm;
UPDATE product SET price = 7;
SET ROLE regress_stranger;
UPDATE product SET price = 7;
RESET ROLE;
-- it may be granted
GRANT SET ON PARAMETER ownership.enforcement TO regress_crm;
SET ROLE regress_crm;
SET ownership.enforcement = off;
UPDATE product SET price = 7;
RESET ownership.enforcement;
RESET ROLE;
REVOKE SET ON PARAMETER ownership.enforcement FROM regress_crm;

-- A role given to a system that has another already, by hand: the identity is
-- one row a role.
UPDATE ownership.identity SET system = 'crm' WHERE name = 'regress_erp';
SELECT who('regress_erp'), who('regress_clerk');

DROP EXTENSION ownership CASCADE;
DROP SCHEMA netsuite CASCADE;
DROP FUNCTION may, who, raise_price, raise_all, as_erp, import_prices;
DROP TABLE product CASCADE;
DROP OWNED BY regress_erp;
SELECT format('ALTER ROLE regress_stranger IN DATABASE %I RESET ALL', current_database()) AS command \gset
:command;
DROP ROLE regress_erp, regress_crm, regress_pim, regress_etl, regress_dba, regress_mdm, regress_stranger, regress_super,
	regress_clerks, regress_clerk, regress_erp_2, regress_guest, regress_etl_2, regress_temp;
