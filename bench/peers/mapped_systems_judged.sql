-- ownership, a foreign column named
\ir mapped_systems.sql
\set statement 'UPDATE t SET id = id, c2 = c2'
