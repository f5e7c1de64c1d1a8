-- Evidence: rows of ownership.conflict, in the writer's own transaction.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_dba;
CREATE ROLE regress_stranger;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm'),
	ownership.identify(NULL, role => 'regress_dba', steward => true);
CREATE VIEW evidence AS
	SELECT table_name AS "table", operation, outcome, coalesce(system, role) AS writer, columns, row_key, stored, proposed FROM ownership.conflict ORDER BY id;
-- run_as(role, command): how many rows, or the error
CREATE FUNCTION run_as(who text, what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	PERFORM set_config('role', who, true);
	EXECUTE what;
	GET DIAGNOSTICS n = ROW_COUNT;
	PERFORM set_config('role', 'none', true);
	RETURN n;
EXCEPTION WHEN insufficient_privilege THEN
	PERFORM set_config('role', 'none', true);
	RETURN SQLERRM;
END $$;

--
-- The outcomes
--
CREATE TABLE product (id int PRIMARY KEY, seen numeric, filled numeric, kept numeric, strict numeric, free text, noted text DEFAULT 'n');
INSERT INTO product SELECT i, i, NULL, i, i, 'free' FROM generate_series(1, 9) i;
GRANT ALL ON product TO PUBLIC;
SELECT ownership.assign('product', '{id}', 'erp', policy => 'keep'), ownership.assign('product', '{seen}', 'erp', policy => 'observe'),
	ownership.assign('product', '{filled}', 'erp', policy => 'fill'), ownership.assign('product', '{kept}', 'erp', policy => 'keep'),
	ownership.assign('product', '{strict}', 'erp', policy => 'reject'), ownership.assign('product', '{free}', 'crm');
-- observed: what was there, and what was proposed and stored
SELECT run_as('regress_crm', 'UPDATE product SET seen = 10, free = $$own$$ WHERE id = 1');
-- filled where there was nothing, else kept
SELECT run_as('regress_crm', 'UPDATE product SET filled = 11 WHERE id = 2');
SELECT run_as('regress_crm', 'UPDATE product SET filled = 12 WHERE id = 2');
-- kept, also when what is proposed is NULL
SELECT run_as('regress_crm', 'UPDATE product SET kept = 13 WHERE id = 3');
SELECT run_as('regress_crm', 'UPDATE product SET kept = NULL WHERE id = 3');
-- several outcomes in one row are a row of evidence each
SELECT run_as('regress_crm', 'UPDATE product SET seen = 0, filled = 0, kept = 0, free = $$x$$ WHERE id = 4');
-- a row that is not created, one that is not deleted: discarded
SELECT run_as('regress_crm', 'INSERT INTO product (id, kept, free) VALUES (10, 1, $$mine$$)');
SELECT run_as('regress_crm', 'DELETE FROM product WHERE id = 5');
-- rejected rolls back with its transaction; the rest of the statement, too
SELECT run_as('regress_crm', 'UPDATE product SET strict = 1, kept = 99 WHERE id = 6');
-- overridden
SELECT run_as('regress_dba', 'UPDATE product SET strict = 0, free = $$fixed$$ WHERE id = 7');
SELECT run_as('regress_dba', 'INSERT INTO product (id, kept) VALUES (11, 1)');
SELECT run_as('regress_dba', 'DELETE FROM product WHERE id = 11');
TABLE evidence;
SELECT id, seen, filled, kept, strict, free FROM product ORDER BY id;
-- who, and when
SET application_name = 'sync 7';
SELECT run_as('regress_crm', 'UPDATE product SET kept = 14 WHERE id = 3');
SELECT table_schema, table_name, system, role, origin, application_name, resolved_at, resolution,
	recorded_at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS recently FROM ownership.conflict ORDER BY id DESC LIMIT 1;
RESET application_name;

--
-- row_key: the marked key, else the primary key, else the replica identity,
-- else nothing.  A surrogate id need not be the key.
--
TRUNCATE ownership.conflict;
CREATE TABLE marked (id int PRIMARY KEY, sku text, market text, price numeric);
CREATE TABLE primary_key (market text, id bigint, price numeric, PRIMARY KEY (id, market));
CREATE TABLE replica (a smallint NOT NULL, b date NOT NULL, price numeric);
CREATE UNIQUE INDEX replica_key ON replica (b, a);
ALTER TABLE replica REPLICA IDENTITY USING INDEX replica_key;
CREATE TABLE none (a int, price numeric);
CREATE TABLE whole (a int, price numeric);
ALTER TABLE whole REPLICA IDENTITY FULL;
INSERT INTO marked VALUES (1, 'A-1', 'de', 1);
INSERT INTO primary_key VALUES ('de', 5000000000, 1);
INSERT INTO replica VALUES (1, '2024-02-29', 1);
INSERT INTO none VALUES (1, 1);
INSERT INTO whole VALUES (1, 1);
GRANT ALL ON marked, primary_key, replica, none, whole TO PUBLIC;
SELECT ownership.assign(t::regclass, '{price}', 'erp', policy => 'keep') FROM unnest('{marked,primary_key,replica,none,whole}'::text[]) t;
SELECT ownership.assign('marked', '{sku,market}', 'erp');
UPDATE ownership.field SET key = true WHERE entity = 'marked' AND name IN ('sku', 'market');
SELECT run_as('regress_crm', 'UPDATE marked SET price = 2');
SELECT run_as('regress_crm', 'UPDATE primary_key SET price = 2');
SELECT run_as('regress_crm', 'UPDATE replica SET price = 2');
SELECT run_as('regress_crm', 'UPDATE none SET price = 2');
SELECT run_as('regress_crm', 'UPDATE whole SET price = 2');
TABLE evidence;
-- of a key that is renamed: the row as it is afterwards
TRUNCATE ownership.conflict;
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'marked';
SELECT run_as('regress_crm', 'UPDATE marked SET sku = $$B$$');
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'marked';
SELECT run_as('regress_crm', 'UPDATE marked SET sku = $$C$$');
TABLE evidence;

--
-- Recorded once: the same refused value of the same writer for the same row
-- and column is nothing new at the next send.
--
TRUNCATE ownership.conflict;
SELECT run_as('regress_crm', 'UPDATE product SET kept = 50 WHERE id = 1'), run_as('regress_crm', 'UPDATE product SET kept = 50 WHERE id = 1');
SELECT run_as('regress_crm', 'DELETE FROM product WHERE id = 1'), run_as('regress_crm', 'DELETE FROM product WHERE id = 1');
SELECT run_as('regress_crm', 'INSERT INTO product (id) VALUES (20)'), run_as('regress_crm', 'INSERT INTO product (id) VALUES (20)');
-- another value, another row, another writer are; and the first one again after another
SELECT run_as('regress_crm', 'UPDATE product SET kept = 51 WHERE id = 1');
SELECT run_as('regress_crm', 'UPDATE product SET kept = 50 WHERE id IN (1, 2)');
SELECT run_as('regress_stranger', 'UPDATE product SET kept = 50 WHERE id = 1');
SELECT run_as('regress_stranger', 'UPDATE product SET kept = 50 WHERE id = 1');
-- also NULL, and a value of several
SELECT run_as('regress_crm', 'UPDATE product SET kept = NULL WHERE id = 1'), run_as('regress_crm', 'UPDATE product SET kept = NULL WHERE id = 1');
TABLE evidence;
TRUNCATE ownership.conflict;
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product';
SELECT run_as('regress_crm', 'UPDATE product SET kept = 60, seen = 60 WHERE id = 1');
SELECT run_as('regress_crm', 'UPDATE product SET kept = 60, strict = 60 WHERE id = 1');
SELECT run_as('regress_crm', 'UPDATE product SET kept = 60, strict = 60, seen = 60 WHERE id = 1');
TABLE evidence;
-- after dismissal still; after acceptance it is news
UPDATE ownership.conflict SET resolved_at = now(), resolution = 'dismissed';
SELECT run_as('regress_crm', 'UPDATE product SET kept = 60 WHERE id = 1');
SELECT count(*) FROM ownership.conflict;
UPDATE ownership.conflict SET resolved_at = now(), resolution = 'accepted';
SELECT run_as('regress_crm', 'UPDATE product SET kept = 60 WHERE id = 1'), run_as('regress_crm', 'UPDATE product SET kept = 60 WHERE id = 1');
SELECT resolution, columns FROM ownership.conflict ORDER BY id;
-- many rows of one statement; the second time there is nothing new
TRUNCATE ownership.conflict;
SELECT run_as('regress_crm', 'UPDATE product SET kept = kept + 1000'), run_as('regress_crm', 'UPDATE product SET kept = kept + 1000');
SELECT count(*), count(DISTINCT row_key) FROM ownership.conflict;
-- a row without a key has no such memory
TRUNCATE ownership.conflict;
SELECT run_as('regress_crm', 'UPDATE none SET price = 2'), run_as('regress_crm', 'UPDATE none SET price = 2');
SELECT count(*) FROM ownership.conflict;
-- what went through is recorded each time
TRUNCATE ownership.conflict;
SELECT ownership.assign('product', '{seen}', 'erp', policy => 'observe');
SELECT run_as('regress_crm', 'UPDATE product SET seen = 1 WHERE id = 9'), run_as('regress_erp', 'UPDATE product SET seen = 2 WHERE id = 9'),
	run_as('regress_crm', 'UPDATE product SET seen = 1 WHERE id = 9');
TABLE evidence;

--
-- Values are their text output, under fixed settings: what sessions set makes
-- no difference.
--
CREATE TABLE kinds (id timestamptz PRIMARY KEY, d date, t timestamptz, i interval, f float8, r real, b bytea, n numeric, x xml, j json, a text[], bo bool, c char(5));
INSERT INTO kinds (id) VALUES ('2024-02-29 12:00+00');
GRANT ALL ON kinds TO PUBLIC;
SELECT ownership.assign('kinds', NULL, 'erp', policy => 'keep');
TRUNCATE ownership.conflict;
\set write 'UPDATE kinds SET d = DATE $$2024-12-01$$, t = TIMESTAMPTZ $$2024-12-01 10:00+00$$, i = INTERVAL $$1 year 2 months 3 days 04:05:06.7$$, f = float8 $$0.1$$ + float8 $$0.2$$, r = real $$1e-7$$, b = BYTEA $$\\x00ff5c$$, n = 1.50, a = $${a,"b c",NULL}$$, bo = true, c = $$ab$$'
SELECT run_as('regress_crm', :'write');
SET datestyle = 'German, DMY'; SET intervalstyle = iso_8601; SET extra_float_digits = -5; SET bytea_output = escape; SET timezone = 'Asia/Tokyo';
SELECT run_as('regress_crm', :'write');
RESET datestyle; RESET intervalstyle; RESET extra_float_digits; RESET bytea_output; RESET timezone;
SELECT row_key, jsonb_pretty(proposed) FROM ownership.conflict;
-- the session's settings are as they were
SHOW datestyle;
SHOW bytea_output;
SELECT DATE '2024-12-01', BYTEA '\x00';

--
-- Nothing refused is lost: what jsonb could not hold as itself, and what is large.
--
TRUNCATE ownership.conflict;
CREATE TABLE texts (id int PRIMARY KEY, j json, t text, b bytea);
INSERT INTO texts VALUES (1, '{}', 'stored', '');
GRANT ALL ON texts TO PUBLIC;
SELECT ownership.assign('texts', NULL, 'erp', policy => 'keep');
SELECT run_as('regress_crm', $q$UPDATE texts SET j = '{"a": "\u0000", "a":  1.0e1}'$q$);
SELECT proposed ->> 'j' FROM ownership.conflict;
SELECT run_as('regress_crm', $q$UPDATE texts SET t = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 50000) i)$q$);
SELECT run_as('regress_crm', $q$UPDATE texts SET t = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 50000) i)$q$);
SELECT length(proposed ->> 't'), proposed ->> 't' = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 50000) i) AS whole FROM ownership.conflict WHERE columns = '{t}';
-- a row that is discarded is whole, too
SELECT run_as('regress_crm', $q$INSERT INTO texts VALUES (2, NULL, repeat('x', 3000000), '\x01')$q$);
SELECT row_key, length(proposed ->> 't'), proposed - 't' AS rest FROM ownership.conflict WHERE operation = 'INSERT';
SELECT count(*) FROM ownership.conflict;
-- a key of any size finds its row
CREATE TABLE wide (k text PRIMARY KEY, v int);
INSERT INTO wide VALUES (repeat('k', 2000), 1);
GRANT ALL ON wide TO PUBLIC;
SELECT ownership.assign('wide', NULL, 'erp', policy => 'keep');
SELECT run_as('regress_crm', 'UPDATE wide SET v = 2'), run_as('regress_crm', 'UPDATE wide SET v = 2');
SELECT count(*), max(length(row_key ->> 'k')) FROM ownership.conflict WHERE table_name = 'wide';

--
-- value_limit: values that were allowed are noted by length beyond it; what
-- was kept never is.
--
TRUNCATE ownership.conflict;
SET ownership.value_limit = 10;
UPDATE ownership.field SET policy = 'observe' WHERE (entity, name) = ('texts', 't');
SELECT run_as('regress_crm', $q$UPDATE texts SET t = '0123456789'$q$);
SELECT run_as('regress_crm', $q$UPDATE texts SET t = '0123456789a'$q$);
SELECT run_as('regress_crm', $q$UPDATE texts SET t = 'back'$q$);
UPDATE ownership.field SET policy = 'keep' WHERE (entity, name) = ('texts', 't');
SELECT run_as('regress_crm', $q$UPDATE texts SET t = '0123456789a'$q$);
SELECT run_as('regress_dba', $q$UPDATE texts SET t = 'set by a steward'$q$);
SELECT outcome, stored, proposed FROM evidence;
RESET ownership.value_limit;

--
-- observed_limit: of one statement that many rows, and the number of the rest
--
TRUNCATE ownership.conflict;
CREATE TABLE many (id int PRIMARY KEY, a int, b int);
INSERT INTO many SELECT i, i, i FROM generate_series(1, 20) i;
GRANT ALL ON many TO PUBLIC;
SELECT ownership.assign('many', NULL, 'erp', policy => 'observe');
SET ownership.observed_limit = 3;
SELECT run_as('regress_crm', 'UPDATE many SET a = -id, b = CASE WHEN id > 10 THEN -1 ELSE b END');
TABLE evidence;
-- each statement anew; exactly that many leave no rest
TRUNCATE ownership.conflict;
SELECT run_as('regress_crm', 'UPDATE many SET a = 0 WHERE id <= 3'), run_as('regress_crm', 'UPDATE many SET a = 1 WHERE id <= 4');
SELECT operation, row_key, columns, proposed FROM ownership.conflict ORDER BY id;
SET ownership.observed_limit = 0;
TRUNCATE ownership.conflict;
SELECT run_as('regress_crm', 'DELETE FROM many WHERE id > 18'), run_as('regress_crm', 'INSERT INTO many VALUES (30, 1, NULL), (31, NULL, 1)');
SELECT operation, row_key, columns, stored, proposed FROM ownership.conflict ORDER BY id;
-- refused values are never only counted
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'many';
TRUNCATE ownership.conflict;
SELECT run_as('regress_crm', 'UPDATE many SET a = 77');
SELECT outcome, count(*) FROM ownership.conflict GROUP BY 1;
RESET ownership.observed_limit;

--
-- Evidence lives and dies with what it is about.
--
TRUNCATE ownership.conflict;
BEGIN;
SELECT run_as('regress_crm', 'UPDATE product SET kept = 70 WHERE id = 1');
SAVEPOINT s;
SELECT run_as('regress_crm', 'UPDATE product SET kept = 71 WHERE id = 1');
SELECT run_as('regress_crm', 'UPDATE product SET seen = 71 WHERE id = 1');
ROLLBACK TO s;
SELECT run_as('regress_crm', 'UPDATE product SET kept = 70 WHERE id = 1');
SAVEPOINT t;
SELECT run_as('regress_crm', 'UPDATE product SET kept = 72 WHERE id = 1');
RELEASE t;
COMMIT;
SELECT outcome, proposed FROM evidence;
BEGIN;
SELECT run_as('regress_crm', 'UPDATE product SET kept = 73 WHERE id = 1');
ROLLBACK;
SELECT count(*) FROM ownership.conflict;

--
-- prune() never deletes what was refused and is not resolved, unless it is told to.
--
TRUNCATE ownership.conflict;
INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, operation, outcome, resolved_at, resolution)
SELECT now() - age, 'public', 'product', 'UPDATE', outcome, CASE WHEN resolution IS NOT NULL THEN now() END, resolution
FROM unnest('{observed,filled,kept,discarded,rejected,overridden,parked}'::text[]) outcome, unnest('{1 day,10 days}'::interval[]) age, unnest('{NULL,accepted,dismissed}'::text[]) resolution;
SELECT ownership.prune('5 days');
SELECT outcome, count(*), count(*) FILTER (WHERE recorded_at < now() - interval '5 days') AS old, count(*) FILTER (WHERE recorded_at < now() - interval '5 days' AND resolution IS NULL) AS old_unresolved
FROM ownership.conflict GROUP BY 1 ORDER BY 1;
SELECT ownership.prune('5 days');
SELECT ownership.prune('0 days');
SELECT outcome, resolution, count(*) FROM ownership.conflict GROUP BY 1, 2 ORDER BY 1, 2;
-- by outcome, and open ones on demand
INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, operation, outcome)
SELECT now() - age, 'public', 'product', 'UPDATE', outcome FROM unnest('{observed,overridden}'::text[]) outcome, unnest('{1 day,10 days}'::interval[]) age;
SELECT ownership.prune('5 days', '{overridden,kept}');
SELECT ownership.prune('5 days', outcomes => '{kept}', unresolved => true);
SELECT ownership.prune('5 days', '{}', true);
SELECT outcome, recorded_at < now() - interval '5 days' AS old, count(*) FROM ownership.conflict GROUP BY 1, 2 ORDER BY 1, 2;
SELECT ownership.prune('5 days', unresolved => true);
SELECT outcome, recorded_at < now() - interval '5 days' AS old, count(*) FROM ownership.conflict GROUP BY 1, 2 ORDER BY 1, 2;
SELECT ownership.prune(NULL), ownership.prune(NULL, unresolved => NULL);
\set VERBOSITY default
SELECT ownership.prune('5 days', '{observe}');
SELECT ownership.prune('5 days', '{nonsense}');
SELECT ownership.prune('5 days', '{kept,NULL}');
\set VERBOSITY terse
-- Remembered values go by their own time, that of the table or the setting, resolved
-- or not, and not by older_than; those of this transaction stay.
TRUNCATE ownership.conflict;
INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, operation, outcome, resolution)
SELECT CASE WHEN age IS NULL THEN '-infinity' ELSE now() - age END, 'public', tab, 'DELETE', 'remembered', resolution
FROM unnest('{product,other,long}'::text[]) tab, unnest('{1 hour,3 days,10 days,NULL}'::interval[]) age, unnest('{NULL,applied}'::text[]) resolution;
INSERT INTO ownership.mirrored_table (table_schema, table_name, remember) VALUES ('public', 'long', '200000 years');
UPDATE ownership.mirrored_table SET remember = '2 days' WHERE table_name = 'product';
SELECT ownership.prune('0', '{kept,written}', true);
SELECT ownership.prune('100 years');
SELECT table_name, date_trunc('hour', now() - recorded_at) AS age, count(*) FROM ownership.conflict WHERE recorded_at > '-infinity' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM ownership.conflict WHERE recorded_at = '-infinity';
SET ownership.remember = '1h';
SELECT ownership.prune('0', '{remembered}', true);
SELECT table_name, date_trunc('hour', now() - recorded_at) AS age, count(*) FROM ownership.conflict WHERE recorded_at > '-infinity' GROUP BY 1, 2 ORDER BY 1, 2;
RESET ownership.remember;
DELETE FROM ownership.mirrored_table WHERE table_name = 'long';
UPDATE ownership.mirrored_table SET remember = NULL;
-- the history of values goes by its age, as written
INSERT INTO ownership.history (recorded_at, table_schema, table_name, operation, outcome)
SELECT now() - age, 'public', 'product', 'UPDATE', 'written' FROM unnest('{1 day,10 days,20 days}'::interval[]) age;
SELECT ownership.prune('15 days', '{kept}'), ownership.prune('15 days', '{written}'), ownership.prune('5 days');
-- A role that may delete evidence needs no privilege on the history, but to prune it.
GRANT DELETE, SELECT ON ownership.conflict TO regress_erp;
SELECT run_as('regress_erp', 'SELECT ownership.prune($$0$$)');
SELECT run_as('regress_erp', 'SELECT ownership.prune($$0$$, $${written}$$)');
SELECT count(*) FROM ownership.history;
REVOKE ALL ON ownership.conflict FROM regress_erp;
TRUNCATE ownership.conflict, ownership.history;

--
-- Privileges
--
-- evidence holds values: it is for nobody to whom it is not granted
SELECT run_as('regress_stranger', 'SELECT * FROM ownership.conflict');
SELECT run_as('regress_crm', 'SELECT * FROM ownership.conflict');
SELECT run_as('regress_erp', 'SELECT count(stored) FROM ownership.conflict');
SELECT run_as('regress_crm', 'DELETE FROM ownership.conflict');
SELECT run_as('regress_crm', 'SELECT ownership.prune($$0 days$$)');
GRANT SELECT ON ownership.conflict TO regress_erp;
SELECT run_as('regress_erp', 'SELECT count(stored) FROM ownership.conflict');
-- everyone may read the map
SELECT c.relname, c.relkind, has_table_privilege('regress_stranger', c.oid, 'SELECT') AS read,
	has_table_privilege('regress_stranger', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES') AS change
FROM pg_class c WHERE relnamespace = 'ownership'::regnamespace AND relkind IN ('r', 'v', 'S') AND relname IN ('system', 'identity', 'domain', 'field', 'declared_access',
	'mirrored_table', 'mirrored_column', 'row_owner', 'conflict', 'conflict_id_seq', 'sheet', 'map', 'guards', 'unmapped', 'risks')
ORDER BY relname COLLATE "C";
SELECT run_as('regress_stranger', 'SELECT FROM ownership.risks UNION ALL SELECT FROM ownership.map UNION ALL SELECT FROM ownership.sheet UNION ALL SELECT FROM ownership.guards UNION ALL SELECT FROM ownership.unmapped') > '0' AS reads;
-- and nobody may change it, by SQL or by function
SELECT run_as('regress_stranger', 'UPDATE ownership.field SET owner = NULL');
SELECT run_as('regress_stranger', 'TRUNCATE ownership.field');
SELECT run_as('regress_stranger', 'SELECT ownership.add_system($$x$$, $$y$$)');
SELECT run_as('regress_stranger', 'SELECT ownership.identify($$erp$$, role => $$regress_stranger$$)');
SELECT run_as('regress_stranger', 'SELECT ownership.assign($$product$$, NULL, NULL)');
SELECT run_as('regress_stranger', 'SELECT ownership.link($$product.seen$$, $${none.price}$$)');
SELECT run_as('regress_stranger', 'SELECT ownership.assign_rows($$product$$, $${seen}$$, $$crm$$, $$true$$)');
SELECT run_as('regress_stranger', 'SELECT ownership.add_tables($$many$$, owner => $$crm$$)');
SELECT run_as('regress_stranger', 'INSERT INTO ownership.sheet (entity, field) VALUES ($$a$$, $$b$$)');
SELECT run_as('regress_stranger', 'CREATE TABLE ownership.x ()');
-- guard and unguard need to own the table
SELECT run_as('regress_stranger', 'SELECT ownership.guard($$product$$)');
SELECT run_as('regress_stranger', 'SELECT ownership.unguard($$product$$)');
-- Who is granted the map's tables may use the functions: on tables that are
-- his own, as assign() guards.
CREATE ROLE regress_planner;
GRANT INSERT, UPDATE, DELETE ON ownership.system, ownership.identity, ownership.domain, ownership.field, ownership.declared_access,
	ownership.mirrored_table, ownership.mirrored_column, ownership.row_owner TO regress_planner;
CREATE TABLE planned (id int PRIMARY KEY, price numeric);
ALTER TABLE planned OWNER TO regress_planner;
CREATE TABLE elses (id int PRIMARY KEY, price numeric);
SELECT run_as('regress_planner', 'SELECT ownership.add_system($$shop$$, $$storefront$$)');
SELECT run_as('regress_planner', 'SELECT ownership.identify($$shop$$, role => $$regress_stranger$$)');
SELECT run_as('regress_planner', 'SELECT ownership.assign($$planned$$, NULL, $$shop$$, readers => $${crm}$$)');
SELECT run_as('regress_planner', 'SELECT ownership.assign_rows($$planned$$, $${price}$$, $$crm$$, $$id > 10$$)');
SELECT run_as('regress_planner', 'SELECT ownership.link($$product.kept$$, $${planned.price}$$)');
SELECT run_as('regress_planner', 'SELECT ownership.unguard($$planned$$)');
SELECT run_as('regress_planner', 'SELECT ownership.assign($$elses$$, NULL, $$shop$$)');
SELECT run_as('regress_planner', 'UPDATE ownership.field SET owner = $$crm$$ WHERE entity = $$product$$ AND name = $$seen$$');
SELECT owner FROM ownership.field WHERE entity = 'product' AND name = 'seen';
-- the writer needs no privilege on anything of the map
SELECT run_as('regress_stranger', 'UPDATE product SET kept = 88 WHERE id = 3');
SELECT outcome, system, proposed FROM ownership.conflict WHERE role = 'regress_stranger';
-- nor is anything shown to him that he may not read: values are not in errors
CREATE TABLE secret (id int PRIMARY KEY, salary numeric, free int);
INSERT INTO secret VALUES (1, 123456, 1);
GRANT UPDATE (salary, free) ON secret TO regress_crm;
SELECT ownership.assign('secret', NULL, 'erp');
\set VERBOSITY default
SET ROLE regress_crm;
UPDATE secret SET salary = 5;
RESET ROLE;

-- what is let through goes by the key that the row has in the end, also where
-- the guard's first trigger judges
CREATE TABLE renamed (sku text PRIMARY KEY, note text);
INSERT INTO renamed VALUES ('A', 'n');
GRANT ALL ON renamed TO regress_crm;
SELECT ownership.assign('renamed', '{sku}', 'erp', policy => 'keep'), ownership.assign('renamed', '{note}', 'erp', policy => 'observe');
SET session_replication_role = replica;
SET ROLE regress_crm;
UPDATE renamed SET sku = 'B', note = 'seen';
RESET ROLE;
RESET session_replication_role;
TABLE renamed;
SELECT outcome, row_key, stored, proposed FROM ownership.conflict WHERE table_name = 'renamed' ORDER BY outcome;

DROP EXTENSION ownership CASCADE;
DROP TABLE product, marked, primary_key, replica, none, whole, kinds, texts, wide, many, planned, elses, secret, renamed;
DROP FUNCTION run_as;
DROP ROLE regress_erp, regress_crm, regress_dba, regress_stranger, regress_planner;
