-- ownership, values of the other system wait
\ir keep_ownership.sql
SET ownership.system = 'pim';
INSERT INTO t (id, title) SELECT id, title FROM parks;
RESET ownership.system;
