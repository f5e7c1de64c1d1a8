-- ownership, `ownership.lift = off`
\ir ownership.sql
\set session 'SET ownership.lift = off'
