-- ownership, the table has a row
\ir ownership.sql
SET ownership.enforcement = off;
INSERT INTO t (id) VALUES (0);
RESET ownership.enforcement;
