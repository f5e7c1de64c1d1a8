/*
 * The guard's trigger functions.  Every role that may create triggers on a table
 * may use them.
 */
CREATE FUNCTION ownership.guard_amend() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_guard_amend' LANGUAGE C;
COMMENT ON FUNCTION ownership.guard_amend() IS 'The guard before a row is written: it keeps out what the policy keeps out. A trigger of each guarded table.';

CREATE FUNCTION ownership.guard_judge() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_guard_judge' LANGUAGE C;
COMMENT ON FUNCTION ownership.guard_judge() IS 'The guard after a row is written: it rejects the write, or records what went through. A trigger of each guarded table.';

CREATE FUNCTION ownership.guard_truncate() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_guard_truncate' LANGUAGE C;
COMMENT ON FUNCTION ownership.guard_truncate() IS 'The guard before a table is truncated. A trigger of each guarded table.';

/*
 * Functions that edit the map.  They run with the caller's privileges on the
 * map's tables, so GRANT on those decides which roles may use them.
 */
CREATE FUNCTION ownership.add_system(name text, kind text, role text DEFAULT NULL, subscription text DEFAULT NULL, title text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_add_system' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.add_system(text, text, text, text, text) IS
'Registers a system, and the role and the subscription that write as it.
Arguments:
- name: Short name of the new system, at most 63 bytes.
- kind: Kind of application, such as erp, crm, pim or storefront.
- role: Role that writes as the system. It must exist. NULL, the default: no role.
- subscription: Subscription of this database that writes as the system. It may be one that does not exist yet; a NOTICE says so. NULL, the default: no subscription.
- title: Name that people use for the system. NULL, the default: none.
Returns nothing.';

CREATE FUNCTION ownership.identify(system text, role text DEFAULT NULL, subscription text DEFAULT NULL, origin text DEFAULT NULL, strict boolean DEFAULT false, steward boolean DEFAULT false, carrier boolean DEFAULT false, relay boolean DEFAULT false)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_identify' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.identify(text, text, text, text, boolean, boolean, boolean, boolean) IS
'Records that a role, a subscription or a replication origin writes as a system, as a steward, as a carrier or as a relay. The caller gives exactly one of role, subscription and origin. A second call for the same identity replaces its flags.
Arguments:
- system: System that the identity writes as. NULL: only with steward, carrier or relay.
- role: Name of an existing role. NULL, the default: the identity is no role.
- subscription: Name of a subscription of this database. It may be one that does not exist yet; a NOTICE says so. NULL, the default: the identity is no subscription.
- origin: Name of a replication origin. It may be a name that does not exist yet. NULL, the default: the identity is no origin.
- strict: true: in a replication worker, the policy reject raises an error and stops the stream. Default: false.
- steward: true: the identity may write every field, and each foreign write leaves evidence. Default: false.
- carrier: true: the identity writes as the source of the table that it writes. Default: false.
- relay: true: the subscription or origin is the stream of another hub that guards by the same map. What it brings goes through without evidence, nothing that waits is applied to it, and nothing that it deletes is remembered. Default: false.
Returns nothing.';

CREATE FUNCTION ownership.assign(relation regclass, columns name[], owner text, readers text[] DEFAULT NULL, writers text[] DEFAULT NULL, domain text DEFAULT NULL, policy text DEFAULT NULL, entity text DEFAULT NULL, rationale text DEFAULT NULL, creates text DEFAULT NULL, column_group text DEFAULT NULL, label text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_assign' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.assign(regclass, name[], text, text[], text[], text, text, text, text, text, text, text) IS
'Puts columns of a table on the map with their system of record, and guards the table. The caller must own the table and have privileges to edit the map. A second call changes what the map says; arguments that are NULL leave it as it is, except owner.
Arguments:
- relation: The table.
- columns: The columns. NULL: all columns of the table.
- owner: System of record of their fields. NULL: the fields have no system of record.
- readers: Systems that read the fields; they replace the declared readers. NULL, the default: the declared readers stay.
- writers: Other systems that write the fields today; they replace the declared writers. NULL, the default: the declared writers stay.
- domain: Domain of the fields, a name in ownership.domain. NULL, the default: the domain stays.
- policy: Policy of the fields: observe, fill, create_only, keep or reject. NULL, the default: the policy stays.
- entity: Entity of the fields of columns that are new on the map. NULL, the default: the name of the table, with its schema unless that is public.
- rationale: Why the system owns the fields. NULL, the default: the rationale stays.
- creates: Who creates rows of the table. anyone: the key columns among the columns get the policy create_only, so that every system creates rows. owner: those of them with the policy create_only or fill, be it their own, that of the domain or the default, get no policy of their own, or reject where they would still have one of the two. At least one of the columns must be a key. NULL, the default: it stays.
- column_group: Group of the fields: fields of one group are one value, such as an address. NULL, the default: the groups stay.
- label: Name that people use for the field, if there is one column. NULL, the default: the label stays.
Returns nothing.';

CREATE FUNCTION ownership.add_tables(pattern text, source text DEFAULT NULL, owner text DEFAULT NULL, readers text[] DEFAULT NULL, exclude text[] DEFAULT '{}')
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_add_tables' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.add_tables(text, text, text, text[], text[]) IS
'Puts every column of every matching table on the map and guards these tables. Columns that are on the map stay as they are. The function records the pattern: tables and columns that appear later under it go on the map, too. The caller must own the tables. A table that another session uses is not guarded, and a NOTICE says so.
Arguments:
- pattern: Pattern of table names: * stands for any characters, ? for one. "netsuite.*" is a schema, "order_*" matches tables of schema public, "*" matches every table.
- source: System of which the tables are private copies. NULL, the default: the tables are shared.
- owner: System of record of the new fields. NULL, the default: the source.
- readers: Systems that read the new fields. NULL, the default: none.
- exclude: Patterns of tables, and of columns as table.column, that stay off the map. Default: none.
Returns the number of columns that are new on the map.';

CREATE FUNCTION ownership.link(field text, columns text[], authoritative text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_link' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.link(text, text[], text) IS
'Makes columns the copies of one field, so that drift() and reconcile() can compare them. The function guards those of their tables that the caller owns.
Arguments:
- field: The field, as entity.name. When no field of that name exists, the function creates it with the decisions of the field that one of the columns contains.
- columns: The columns, as table.column or schema.table.column.
- authoritative: The column that the other copies are compared with. NULL, the default: the copy that is marked stays so.
Returns nothing.';

CREATE FUNCTION ownership.assign_rows(relation regclass, columns name[], owner text, row_filter text)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_assign_rows' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.assign_rows(regclass, name[], text, text) IS
'Records which system owns columns in the rows for which a filter is true. The function adds the filter after those of the column; a second call with the same filter replaces its owner. It guards the table.
Arguments:
- relation: The table.
- columns: The columns. They must be on the map.
- owner: System of record in these rows. NULL: these rows have no system of record.
- row_filter: Boolean SQL expression over the row, such as status = ''cart''. It contains no subquery and no volatile function.
Returns nothing.';

CREATE FUNCTION ownership.guard(relation regclass)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_guard' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.guard(regclass) IS
'Creates the guard on a mirrored table and on everything below it, or completes and arms it again. The caller must own the table.
Arguments:
- relation: The table. It must be on the map.
Returns nothing.';

CREATE FUNCTION ownership.unguard(relation regclass)
RETURNS void AS 'MODULE_PATHNAME', 'ownership_unguard' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.unguard(regclass) IS
'Drops the guard from a table and from everything below it. The map stays. The caller must own the table.
Arguments:
- relation: The table.
Returns nothing.';

/* no SET clause: a procedure that has one cannot commit */
CREATE PROCEDURE ownership.guard_all(pattern text DEFAULT '*', lock_timeout text DEFAULT '2s')
AS 'MODULE_PATHNAME', 'ownership_guard_all' LANGUAGE C;
COMMENT ON PROCEDURE ownership.guard_all(text, text) IS
'Guards the mirrored tables that match a pattern, and commits after each table. It cannot run in a transaction block. A table that it cannot guard is a WARNING; it goes on with the others.
Arguments:
- pattern: Pattern of table names, as in add_tables(). Default: * (every mirrored table).
- lock_timeout: Longest time to wait for the lock of a table, as in the setting lock_timeout: a number of milliseconds, or a number with a unit. Default: 2s.';

CREATE FUNCTION ownership.current_system()
RETURNS text AS 'MODULE_PATHNAME', 'ownership_current_system' LANGUAGE C STABLE;
COMMENT ON FUNCTION ownership.current_system() IS 'Returns the system that this session writes as. NULL: the session is unidentified, or it is a steward or a carrier without a system.';

CREATE FUNCTION ownership.explain(relation regclass, column_name name, system text DEFAULT ownership.current_system(), row_key jsonb DEFAULT NULL, OUT allowed boolean, OUT outcome text, OUT owner text, OUT policy text, OUT reason text)
AS 'MODULE_PATHNAME', 'ownership_explain' LANGUAGE C STABLE;
COMMENT ON FUNCTION ownership.explain(regclass, name, text, jsonb) IS
'Explains the rule for an UPDATE of one column by one system, for all rows or for one row. It writes nothing.
Arguments:
- relation: The table.
- column_name: The column.
- system: The system that would write. NULL: an unidentified writer. Default: the system that this session writes as.
- row_key: Key of one row, as an object with the names and values of the columns that identify it. NULL, the default: the answer is about a row whose stored value is not NULL.
Returns one row:
- allowed: Whether the new value would be stored. NULL: it depends on the row.
- outcome: allowed, or the outcome of the conflict: observed, filled, kept, rejected or overridden. NULL: it depends on the row.
- owner: System of record. NULL: none, or the column is not on the map.
- policy: Policy that applies.
- reason: The rule in one sentence.';

CREATE FUNCTION ownership.explain(relation regclass, row_key jsonb DEFAULT NULL, system text DEFAULT ownership.current_system(), OUT column_name name, OUT allowed boolean, OUT outcome text, OUT owner text, OUT policy text, OUT reason text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_explain_columns' LANGUAGE C STABLE ROWS 50;
COMMENT ON FUNCTION ownership.explain(regclass, jsonb, text) IS
'Explains the rules for an UPDATE of each column of a table, for all rows or for one row: what may the writer change here? It answers for each column as explain(relation, column_name, system, row_key) does, and writes nothing.
Arguments:
- relation: The table.
- row_key: Key of one row, as an object with the names and values of the columns that identify it. The caller must be able to read the row. NULL, the default: the answer is about rows whose stored values are not NULL. A key that is a literal needs its type or its name: row_key => ''{"sku": "A1"}''.
- system: The system that would write. NULL: an unidentified writer. Default: the system that this session writes as.
Returns one row for each column, in their order:
- column_name: Name of the column.
- allowed: Whether a new value would be stored, as far as the map is concerned: it says nothing of GRANTs, and of generated columns. NULL: it depends on the row.
- outcome: allowed, or the outcome of the conflict: observed, filled, kept, rejected or overridden. NULL: it depends on the row.
- owner: System of record. NULL: none, or the column is not on the map.
- policy: Policy that applies.
- reason: The rule in one sentence.';

/* For the views. */
CREATE FUNCTION ownership.row_filter_problem(relation regclass, row_filter text)
RETURNS text AS 'MODULE_PATHNAME', 'ownership_row_filter_problem' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION ownership.row_filter_problem(regclass, text) IS 'Internal: the error that a row filter raises on a table. NULL: it raises none.';

/* Like all settings, it exists only when the library is loaded. */
CREATE FUNCTION ownership.remember_time()
RETURNS interval AS 'MODULE_PATHNAME', 'ownership_remember_time' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ownership.remember_time() IS 'Internal: the setting ownership.remember as an interval.';

CREATE FUNCTION ownership.prune(older_than interval, outcomes text[] DEFAULT NULL, unresolved boolean DEFAULT false)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_prune' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.prune(interval, text[], boolean) IS
'Deletes old evidence, and old history of values. It leaves out evidence with the outcome kept, discarded, rejected or parked that is not resolved, unless the caller asks for it. Evidence with the outcome remembered does not go by older_than: it is deleted when its time to be remembered is over, resolved or not. The caller needs the privileges to read ownership.conflict and to delete from it.
Arguments:
- older_than: Least age of the evidence that it deletes, such as 90 days.
- outcomes: Outcomes of which it deletes evidence. The outcome written stands for ownership.history. NULL, the default: all outcomes; then a role that may not read ownership.history or not delete from it leaves the history as it is.
- unresolved: true: the function also deletes what is not resolved. Values that are parked are lost by this. Default: false.
Returns the number of deleted rows of ownership.conflict and ownership.history.';

CREATE FUNCTION ownership.flush()
RETURNS void AS 'MODULE_PATHNAME', 'ownership_flush' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.flush() IS
'Waits until everything that sessions have handed over, and everything that this session has counted, is in ownership.activity and ownership.conflict. It also deletes remembered values whose time is over; it does nothing else when the library is not preloaded, and a NOTICE says so. It fails on a standby, and when the background worker fails.
Returns nothing.';

CREATE FUNCTION ownership.loaded()
RETURNS boolean AS 'MODULE_PATHNAME', 'ownership_loaded' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ownership.loaded() IS 'Internal: true. The call loads the library, which defines the settings.';
