-- Blanks: what becomes of a value that is changed to one, for every writer; and fill.
CREATE EXTENSION ownership;
\set VERBOSITY terse
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_steward;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
SELECT ownership.identify(NULL, role => 'regress_steward', steward => true);
CREATE DOMAIN words AS text;
CREATE TABLE item (id int PRIMARY KEY, n numeric, t text, v varchar(20), c char(5), w words, a text[], j jsonb, s json, free text);
GRANT ALL ON item TO PUBLIC;
SELECT ownership.assign('item', '{id,n,t,v,c,w,a,j,s}', 'erp', policy => 'fill'), ownership.assign('item', '{free}', NULL);
CREATE FUNCTION told() RETURNS TABLE (system text, outcome text, columns name[], stored jsonb, proposed jsonb) LANGUAGE sql AS $$
	DELETE FROM ownership.conflict RETURNING system, outcome, columns, stored, proposed$$;
CREATE PROCEDURE fresh() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('ownership.enforcement', 'off', false);
	DELETE FROM item;
	INSERT INTO item VALUES (1, 1, 't', 'v', 'c', 'w', '{a}', '{"j": 1}', '{"s": 1}', 'free'),
		(2, NULL, '', '  ', ' ', E'\t\n', '{}', '{}', ' { } ', ''), (3, 0, E'\u00a0\u3000', ' ', '', ' ', '{NULL}', 'null', 'null', 'x'),
		(4, 4, '.', '-', '0', '_', '{""}', '[]', '[ ]', 'x');
	DELETE FROM ownership.conflict;
	PERFORM set_config('ownership.enforcement', 'on', false);
END $$;
CALL fresh();

-- which stored values are blank: fill writes those, and no others
SET ROLE regress_crm;
SET client_min_messages = warning;
UPDATE item SET n = 9, t = 'crm', v = 'crm', c = 'crm', w = 'crm', a = '{crm}', j = '{"crm": 1}', s = '{"crm": 1}';
RESET client_min_messages;
RESET ROLE;
SELECT * FROM item ORDER BY id;
SELECT outcome, columns, proposed FROM ownership.conflict ORDER BY id;

-- explain() knows them
CALL fresh();
SELECT id, string_agg(outcome, ' ' ORDER BY c) AS outcomes FROM (VALUES (1), (2), (4)) AS r (id), unnest('{a,c,j,t,w}'::text[]) AS c,
	ownership.explain('item', c, 'crm', jsonb_build_object('id', id)) GROUP BY id ORDER BY id;

-- what it does to the owner
UPDATE ownership.field SET policy = 'keep', on_blank = CASE name WHEN 't' THEN 'keep' WHEN 'v' THEN 'observe' WHEN 'w' THEN 'reject'
	WHEN 'n' THEN 'keep' WHEN 'a' THEN 'reject' WHEN 'j' THEN 'observe' WHEN 's' THEN 'allow' WHEN 'free' THEN 'keep' END
WHERE entity = 'item' AND NOT key;
CALL fresh();
SET ROLE regress_erp;
UPDATE item SET n = NULL, t = ' ', s = NULL, v = '' WHERE id = 1;
UPDATE item SET n = 5, t = '' WHERE id = 1;
UPDATE item SET w = ' ' WHERE id = 1;
\set VERBOSITY default
UPDATE item SET a = '{}' WHERE id = 1;
\set VERBOSITY terse
-- a blank over a blank, and one that the statement does not name, are no conflict
UPDATE item SET t = NULL, w = NULL, a = NULL WHERE id = 2;
INSERT INTO item (id) VALUES (5);
INSERT INTO item (id, t) VALUES (1, '') ON CONFLICT (id) DO UPDATE SET t = EXCLUDED.t;
MERGE INTO item i USING (VALUES (1, NULL::numeric)) AS x (id, n) ON x.id = i.id WHEN MATCHED THEN UPDATE SET n = x.n;
-- a field that no system owns has its rule, too
UPDATE item SET free = '' WHERE id = 1;
RESET ROLE;
SELECT n, t, v, w, a, s, free FROM item WHERE id IN (1, 2) ORDER BY id;
SELECT * FROM told();

-- others: the stricter of rule and policy counts
UPDATE ownership.field SET policy = 'observe' WHERE name IN ('t', 'w');
UPDATE ownership.field SET policy = 'reject' WHERE name = 'v';
SET ROLE regress_crm;
UPDATE item SET t = '' WHERE id = 1;
UPDATE item SET w = '' WHERE id = 1;
UPDATE item SET v = '' WHERE id = 4;
UPDATE item SET t = 'crm' WHERE id = 1;
SET ROLE regress_steward;
UPDATE item SET a = '{}' WHERE id = 1;
RESET ROLE;
SET ownership.enforcement = observe;
SET ROLE regress_erp;
UPDATE item SET w = '' WHERE id = 1;
RESET ROLE;
RESET ownership.enforcement;
SELECT * FROM told();
SELECT t, v, w, a FROM item WHERE id = 1;

-- all rows of an observed blank are recorded, whatever the limit
CALL fresh();
SET ownership.observed_limit = 1;
SET ROLE regress_erp;
UPDATE item SET v = NULL;
RESET ROLE;
SELECT count(*), count(*) FILTER (WHERE jsonb_typeof(proposed) = 'number') AS counted FROM ownership.conflict;
RESET ownership.observed_limit;

-- a private copy of its source has no such rule
UPDATE ownership.mirrored_table SET source = 'erp' WHERE table_name = 'item';
SET ROLE regress_erp;
UPDATE item SET w = '' WHERE id = 1;
RESET ROLE;
UPDATE ownership.mirrored_table SET source = NULL WHERE table_name = 'item';

-- the domain's rule, where the field has none
UPDATE ownership.field SET on_blank = NULL, domain = 'content', policy = 'keep' WHERE name = 't';
CALL fresh();
SET ROLE regress_erp;
UPDATE item SET t = '' WHERE id = 1;
RESET ROLE;
SELECT outcome, columns FROM told();
SELECT name, on_blank FROM ownership.domain WHERE on_blank IS NOT NULL ORDER BY 1;

-- lifting: constants and parameters that are not blank
UPDATE ownership.field SET on_blank = 'reject', domain = NULL WHERE name = 't';
CALL fresh();
CREATE FUNCTION lifted(command text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) ' || command LOOP
		IF line ~ 'Trigger zzzz_ownership' THEN RETURN false; END IF;
	END LOOP;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION lifted TO PUBLIC;
SET ROLE regress_erp;
UPDATE item SET t = 'x' WHERE id = 1; -- from here on the map is in the cache
SELECT lifted($$UPDATE item SET t = 'y' WHERE id = 1$$) AS constant, lifted($$UPDATE item SET v = 'y', t = 'z' WHERE id = 1$$) AS observed_and_constant,
	lifted($$UPDATE item SET t = t || 'x' WHERE id = 1$$) AS expression, lifted($$UPDATE item SET c = '' WHERE id = 1$$) AS other;
PREPARE p(text) AS UPDATE item SET t = $1 WHERE id = 1;
SET plan_cache_mode = force_generic_plan;
SELECT lifted('EXECUTE p(''z'')') AS parameter;
EXECUTE p('');
EXECUTE p(NULL);
EXECUTE p(' z ');
RESET plan_cache_mode;
EXECUTE p('');
RESET ROLE;
SELECT t FROM item WHERE id = 1;
-- a trigger of a user may make it blank in its turn
CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.t := ''; RETURN NEW; END$$;
CREATE TRIGGER wipe BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION wipe();
SET ROLE regress_erp;
UPDATE item SET t = 'x' WHERE id = 1;
UPDATE item SET c = 'y' WHERE id = 1;
RESET ROLE;
SELECT t, c FROM item WHERE id = 1;

-- an owner's blanks are nobody's quarrel, and nothing that reject would refuse
SELECT risk, field FROM ownership.risks WHERE risk IN ('contested', 'undeclared_writer', 'silent_owner');
SELECT field, system FROM ownership.readiness WHERE system = 'erp';

DROP FUNCTION wipe CASCADE;
DROP FUNCTION lifted, told;
DROP PROCEDURE fresh;
DROP TABLE item;
DROP DOMAIN words;
DROP EXTENSION ownership;
DROP ROLE regress_erp, regress_crm, regress_steward;
