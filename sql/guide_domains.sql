-- The guide: the domains that are shipped, and what users make of them.
CREATE EXTENSION ownership;
\set VERBOSITY terse

--
-- What is shipped, in the order in which names are tried.
--
SELECT name, natural_owner, excluded_owner, blurred, policy FROM ownership.domain ORDER BY position;
SELECT count(*), bool_and(shipped) AS shipped, bool_and(column_pattern IS NOT NULL) AS recognised, bool_and(title <> '') AS titled FROM ownership.domain;
-- facts that the kinds follow from
SELECT name FROM ownership.domain WHERE natural_owner && excluded_owner;
-- nothing of it is dumped; no unknown placeholder is in a pattern
SELECT count(*) FROM ownership.domain WHERE NOT shipped;
SELECT name FROM ownership.domain WHERE concat(column_pattern, table_pattern) ~ '\{(?!product\}|customer\}|order\}|document\}|copies\}|part\})[a-z]';

--
-- What a user changes is the user's; what is only named is, too.
--
UPDATE ownership.domain SET policy = 'keep', excluded_owner = '{crm}' WHERE name = 'price';
SELECT name, policy, excluded_owner, shipped FROM ownership.domain WHERE NOT shipped;
INSERT INTO ownership.domain (name, title, natural_owner, column_pattern) VALUES ('warranty', 'Warranty', '{erp}', 'warranty|guarantee');
-- nobody can say that a row is shipped
INSERT INTO ownership.domain (name, shipped) VALUES ('mine', true);
UPDATE ownership.domain SET shipped = true WHERE name = 'price';
SELECT name, shipped FROM ownership.domain WHERE name IN ('price', 'warranty', 'mine') ORDER BY name;
-- there is one row of a name
INSERT INTO ownership.domain (name) VALUES ('cost');
INSERT INTO ownership.domain (name, policy) VALUES ('cost', 'observe') ON CONFLICT (name) DO UPDATE SET policy = excluded.policy;
INSERT INTO ownership.domain (name, policy) VALUES ('stock', 'observe') ON CONFLICT DO NOTHING;
SELECT name, policy, shipped, column_pattern IS NOT NULL AS recognised FROM ownership.domain WHERE name IN ('cost', 'stock') ORDER BY name;

--
-- What was deleted is remembered, until it is there again.
--
DELETE FROM ownership.domain WHERE name IN ('loyalty', 'price', 'mine');
SELECT name FROM ownership.deleted_domain ORDER BY name;
INSERT INTO ownership.domain (name) VALUES ('price');
UPDATE ownership.domain SET name = 'tickets' WHERE name = 'support';
SELECT name FROM ownership.deleted_domain ORDER BY name;
UPDATE ownership.domain SET name = 'support' WHERE name = 'tickets';
SELECT name FROM ownership.deleted_domain ORDER BY name;
BEGIN;
SET LOCAL client_min_messages = warning;
TRUNCATE ownership.domain CASCADE;
SELECT count(*) > 20 AS remembered FROM ownership.deleted_domain;
ROLLBACK;
-- a domain in use stays
INSERT INTO ownership.field (entity, name, domain) VALUES ('product', 'vat', 'tax');
DELETE FROM ownership.domain WHERE name = 'tax';
SELECT name FROM ownership.deleted_domain WHERE name = 'tax';

--
-- Restoring a dump: the user's rows take the place of those that are shipped.
--
DROP EXTENSION ownership;
CREATE EXTENSION ownership;
SET check_function_bodies = off;
INSERT INTO ownership.domain (name, natural_owner, policy) VALUES ('price', '{erp}', 'fill'), ('warranty', '{erp}', NULL);
INSERT INTO ownership.deleted_domain VALUES ('loyalty'), ('mine');
-- what a field is of stays
INSERT INTO ownership.field (entity, name, domain) VALUES ('product', 'vat', 'tax');
INSERT INTO ownership.deleted_domain VALUES ('tax');
SELECT name FROM ownership.domain WHERE name = 'tax';
DELETE FROM ownership.deleted_domain WHERE name = 'tax';
-- the user's own row is no other's
INSERT INTO ownership.deleted_domain VALUES ('warranty');
INSERT INTO ownership.domain (name) VALUES ('price');
RESET check_function_bodies;
SELECT name, natural_owner, policy, column_pattern, shipped FROM ownership.domain WHERE name IN ('price', 'warranty', 'loyalty') ORDER BY name;
SELECT count(*) FILTER (WHERE shipped) AS shipped FROM ownership.domain;

--
-- A pattern that cannot work is refused, by name.
--
\set VERBOSITY default
INSERT INTO ownership.domain (name, column_pattern) VALUES ('broken', 'warranty|(guarantee');
UPDATE ownership.domain SET table_pattern = '*products' WHERE name = 'cost';
\set VERBOSITY terse
UPDATE ownership.domain SET column_pattern = NULL WHERE name = 'cost';
SELECT name, shipped, column_pattern FROM ownership.domain WHERE name = 'cost';

-- whoever is granted it may edit the guide, and only he
CREATE ROLE regress_steward;
SET ROLE regress_steward;
SELECT count(*) > 20 AS readable FROM ownership.domain;
DELETE FROM ownership.domain WHERE name = 'segment';
RESET ROLE;
GRANT INSERT, UPDATE, DELETE ON ownership.domain TO regress_steward;
SET ROLE regress_steward;
DELETE FROM ownership.domain WHERE name = 'segment';
UPDATE ownership.domain SET note = 'Ours' WHERE name = 'tax';
SELECT name FROM ownership.deleted_domain WHERE name = 'segment';
INSERT INTO ownership.deleted_domain VALUES ('tax');
RESET ROLE;

DROP EXTENSION ownership CASCADE;
DROP ROLE regress_steward;
