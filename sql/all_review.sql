-- What a review of the sources found: each block failed on the code before.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION ownership;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.add_system('crm', 'crm', role => 'regress_crm');
RESET client_min_messages;

-- Evidence is an ordinary table: a DBA's own indexes, triggers and columns on
-- it work, and rows written by hand do no harm.
CREATE TABLE review_kept (id int PRIMARY KEY, v int);
INSERT INTO review_kept VALUES (1, 1);
SELECT ownership.assign('review_kept', '{id,v}', 'erp', policy => 'keep');
GRANT ALL ON review_kept TO regress_crm;
CREATE INDEX review_expression ON ownership.conflict ((proposed->>'v'));
CREATE INDEX review_partial ON ownership.conflict (id) WHERE outcome = 'observed';
ALTER TABLE ownership.conflict ADD COLUMN assignee text;
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome)
	VALUES ('public', 'review_kept', '{"id": 1}', 'UPDATE', 'crm', 'kept');
CREATE TABLE review_told (what text);
GRANT INSERT ON review_told TO PUBLIC;
CREATE FUNCTION review_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO review_told VALUES (format('%s %s %s', new.system, new.outcome, new.proposed));
	RETURN NULL;
END $$;
CREATE TRIGGER review_tell AFTER INSERT ON ownership.conflict FOR EACH ROW EXECUTE FUNCTION review_tell();
SET ROLE regress_crm;
UPDATE review_kept SET v = 2;
UPDATE review_kept SET v = 2;
RESET ROLE;
SELECT * FROM review_told;
SET enable_seqscan = off;
SELECT count(*) FROM ownership.conflict WHERE proposed->>'v' = '2';
SELECT count(*) FROM ownership.conflict WHERE outcome = 'observed' AND id > 0;
RESET enable_seqscan;
DROP INDEX ownership.review_expression, ownership.review_partial;
DROP TRIGGER review_tell ON ownership.conflict;
ALTER TABLE ownership.conflict DROP COLUMN assignee;
DROP TABLE review_kept, review_told;
DROP FUNCTION review_tell;

-- A move between partitions of which a trigger suppresses the arrival lets no
-- other INSERT through in its stead.
CREATE TABLE review_part (id int, region text, price int) PARTITION BY LIST (region);
CREATE TABLE review_part_a PARTITION OF review_part FOR VALUES IN ('a');
CREATE TABLE review_part_b PARTITION OF review_part FOR VALUES IN ('b');
INSERT INTO review_part VALUES (1, 'a', 1), (2, 'a', 2);
CREATE FUNCTION review_suppress() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER suppress BEFORE INSERT ON review_part_b FOR EACH ROW WHEN (new.id = 1) EXECUTE FUNCTION review_suppress();
SET client_min_messages = warning;
SELECT ownership.assign('review_part', '{price}', 'erp');
RESET client_min_messages;
GRANT ALL ON review_part TO regress_crm;
SET ROLE regress_crm;
BEGIN;
UPDATE review_part SET region = 'b' WHERE id = 1;
INSERT INTO review_part VALUES (3, 'a', 3);
ROLLBACK;
BEGIN;
UPDATE review_part SET region = 'b' WHERE id = 1;
COPY review_part FROM stdin;
3	a	3
\.
ROLLBACK;
UPDATE review_part SET region = 'b';
RESET ROLE;
SELECT * FROM review_part;
DROP TABLE review_part;
DROP FUNCTION review_suppress;

-- Who may edit the map cannot have code of his own run by those who write,
-- guard or look at the risks.  The table's owner can by triggers, but not
-- beyond: what is computed ahead of a write is computed as the owner.
CREATE ROLE regress_editor;
CREATE ROLE regress_table_owner;
CREATE SCHEMA review;
GRANT ALL ON SCHEMA review TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ownership TO regress_editor;
CREATE FUNCTION review.trusted(text) RETURNS boolean IMMUTABLE LANGUAGE sql RETURN $1 = 'x';
SET ROLE regress_table_owner;
CREATE FUNCTION review.who(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'who() runs as %', current_user; RETURN 'd'; END $$;
CREATE TYPE review.state AS ENUM ('cart', 'paid');
CREATE TABLE review.shared (id int PRIMARY KEY, v text DEFAULT review.who(''), s review.state);
RESET ROLE;
SET client_min_messages = warning;
SELECT ownership.assign('review.shared', '{v,s}', 'erp', policy => 'keep');
RESET client_min_messages;
SELECT allowed, outcome FROM ownership.explain('review.shared', 'v', 'crm');
SET ROLE regress_editor;
CREATE FUNCTION review.mine(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'mine() runs as %', current_user; RETURN true; END $$;
CREATE DOMAIN review.my_text AS text CHECK (review.mine(value));
CREATE TYPE review.pair AS (a review.my_text);
CREATE OPERATOR review.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq);
INSERT INTO ownership.row_owner VALUES ('review', 'shared', 'v', 1, 'review.mine(v)', 'crm');
INSERT INTO ownership.row_owner VALUES ('review', 'shared', 'v', 1, 'review.mine(''a'')', 'crm');
INSERT INTO ownership.row_owner VALUES ('review', 'shared', 'v', 1, 'v::review.my_text = ''a''', 'crm');
INSERT INTO ownership.row_owner VALUES ('review', 'shared', 'v', 1, '(jsonb_populate_record(null::review.pair, ''{"a": 1}'')).a = v', 'crm');
INSERT INTO ownership.row_owner VALUES ('review', 'shared', 'v', 1, 'table_to_xml(''review.shared'', true, true, '''') IS NOT NULL', 'crm');
-- That of superusers and of the owner can run, and nothing else is in the way.
INSERT INTO ownership.row_owner VALUES ('review', 'shared', 'v', 1, 'review.trusted(v)', 'crm'),
	('review', 'shared', 'v', 2, 'v OPERATOR(review.===) CASE WHEN (id, s) = (1, ''cart''::review.state) THEN review.who('''') ELSE coalesce(v, ''b'') END AND id IN (7)', 'crm');
RESET ROLE;
SELECT detail FROM ownership.risks WHERE risk = 'broken_mirror' AND relation = 'review.shared';
SET client_min_messages = error;
DROP SCHEMA review CASCADE;
RESET client_min_messages;
DROP OWNED BY regress_editor, regress_table_owner;
DROP ROLE regress_editor, regress_table_owner;

-- Columns that a primary key only includes are no key.
CREATE TABLE review_include (id int, name text, PRIMARY KEY (id) INCLUDE (name));
SELECT ownership.add_tables('review_include', owner => 'erp');
SELECT name, key FROM ownership.field WHERE entity = 'review_include' ORDER BY 1;

-- A domain's default is that of its columns, also after it was altered.
CREATE DOMAIN review_domain AS text DEFAULT 'a';
CREATE TABLE review_default (id int PRIMARY KEY, v review_domain);
SET client_min_messages = warning;
SELECT ownership.assign('review_default', '{v}', 'erp');
RESET client_min_messages;
GRANT ALL ON review_default TO regress_crm;
SET ROLE regress_crm;
INSERT INTO review_default VALUES (1);
RESET ROLE;
ALTER DOMAIN review_domain SET DEFAULT 'b';
SET ROLE regress_crm;
INSERT INTO review_default VALUES (2);
INSERT INTO review_default VALUES (3, 'a');
RESET ROLE;

DROP TABLE review_include, review_default;
DROP DOMAIN review_domain;

DROP EXTENSION ownership CASCADE;
DROP ROLE regress_erp, regress_crm;
