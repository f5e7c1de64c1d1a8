-- The text of values does not depend on the session: names of objects are told
-- apart by their schemas, whatever search_path says, and are read back as such.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE SCHEMA one;
CREATE SCHEMA two;
CREATE TABLE one.part (id int);
CREATE TABLE two.part (id int);
CREATE TYPE one.kind AS ENUM ('a');
CREATE TYPE two.kind AS ENUM ('a');
CREATE FUNCTION one.act(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION two.act(int) RETURNS int LANGUAGE sql AS 'SELECT 2';
CREATE TEXT SEARCH CONFIGURATION one.words (COPY = simple);
CREATE TEXT SEARCH CONFIGURATION two.words (COPY = simple);
GRANT USAGE ON SCHEMA one, two TO PUBLIC;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE DOMAIN place AS regclass;
CREATE FUNCTION public.known(regclass) RETURNS bool LANGUAGE sql AS 'SELECT $1 IS DISTINCT FROM ''pg_class''::regclass';
CREATE DOMAIN checked AS regclass CHECK (known(VALUE));
CREATE TYPE spot AS (at regclass, n int);
CREATE TYPE far AS RANGE (subtype = regclass);
CREATE TABLE names (id int PRIMARY KEY, a regclass, b regclass[], c place, d spot, e far, f checked, g regproc, h regprocedure, i regtype, j regconfig,
	k regrole, m text[], note text);
INSERT INTO names (id) VALUES (1);
GRANT ALL ON names TO PUBLIC;
SELECT ownership.assign('names', '{id,a,b,c,d,e,f,g,h,i,j,k,m}', 'erp', policy => 'keep'), ownership.assign('names', '{note}', 'crm');

SET ROLE regress_crm;
SET search_path = one, public;
UPDATE names SET a = 'part', b = '{part,pg_class}', c = 'part', d = '(part,1)', e = '[part,part]', f = 'part', g = 'act', h = 'act(int)', i = 'kind', j = 'words';
SET search_path = two, public;
UPDATE names SET a = 'part', b = '{part,pg_class}', c = 'part', d = '(part,1)', e = '[part,part]', f = 'part', g = 'act', h = 'act(int)', i = 'kind', j = 'words';
-- the same values from sessions that are set otherwise are nothing new
SET search_path = one, two, public;
SET quote_all_identifiers = on;
UPDATE names SET a = 'two.part', b = '{two.part,pg_class}', c = 'two.part', d = '(two.part,1)', e = '[two.part,two.part]', f = 'two.part', g = 'two.act', h = 'two.act(int)', i = 'two.kind', j = 'two.words';
UPDATE names SET k = 'regress_crm';
RESET quote_all_identifiers;
UPDATE names SET k = 'regress_crm';
UPDATE names SET m = '{NULL,"NULL"}';
-- the session's settings are as they were, also after an error
SHOW search_path;
SELECT 'one.part'::regclass, 'two.part'::regclass;
INSERT INTO names (id, a) VALUES (1, 'part');
SHOW search_path;
RESET ROLE;
RESET search_path;
SELECT jsonb_pretty(proposed) FROM ownership.conflict ORDER BY id;
SELECT column_name, refused FROM ownership.disagreements ORDER BY column_name COLLATE "C";
-- what was refused is what is written, by whoever
SET search_path = one, public;
SET array_nulls = off;
SELECT ownership.accept(array_agg(id ORDER BY id)) FROM ownership.conflict;
SELECT a::oid = 'two.part'::regclass AS a, b = '{two.part,pg_class}'::regclass[] AS b, c = 'two.part'::regclass AS c, (d).at = 'two.part'::regclass AS d,
	lower(e) = 'two.part'::regclass AS e, f = 'two.part'::regclass AS f, g = 'two.act'::regproc AS g, h = 'two.act(int)'::regprocedure AS h,
	i = 'two.kind'::regtype AS i, j = 'two.words'::regconfig AS j, k, cardinality(array_remove(m, NULL)) AS m FROM public.names;
SELECT count(*) FROM ownership.disagreements;
RESET array_nulls;
-- taken back as it was
TRUNCATE ownership.conflict;
UPDATE ownership.field SET policy = 'observe' WHERE name = 'a';
SELECT now() AS since \gset
SET ROLE regress_crm;
SET search_path = two, public;
UPDATE names SET a = 'one.part';
RESET ROLE;
SET search_path = one, public;
SELECT column_name, from_value, to_value, outcome FROM ownership.revert('crm', :'since', dry_run => false);
SELECT a::oid = 'two.part'::regclass AS back FROM public.names;
-- compared, shown and explained
CREATE TABLE public.copies (id int PRIMARY KEY, a text);
INSERT INTO copies VALUES (1, 'two.part');
SELECT ownership.assign('copies', '{id}', 'erp'), ownership.link('names.id', '{public.names.id, public.copies.id}', authoritative => 'public.names.id'),
	ownership.link('names.a', '{public.names.a, public.copies.a}', authoritative => 'public.names.a');
SET search_path = two, public;
SELECT * FROM ownership.drift('names.a');
SET search_path = one, public;
SELECT * FROM ownership.drift('names.a');
SELECT event, value FROM ownership.why('public.names.a', '{"id": 1}') WHERE event = 'value' ORDER BY place;
-- a check of a domain runs under the session's path
SELECT ownership.value_text(f), ownership.value_text(b), ownership.value_text(d), ownership.value_text(names.e) FROM names;
RESET search_path;

DROP EXTENSION ownership CASCADE;
DROP TABLE names, copies;
DROP TYPE spot, far, place, checked;
DROP FUNCTION known;
DROP SCHEMA one, two CASCADE;
DROP ROLE regress_erp, regress_crm;
