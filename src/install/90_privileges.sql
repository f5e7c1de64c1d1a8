/*
 * Every role may read the map; roles with a GRANT may change it.  Evidence contains
 * values of tables that not every role may read, so only roles with a GRANT may
 * read it.  The same privileges decide which functions a role may use, because the
 * functions run as their caller.
 */
GRANT USAGE ON SCHEMA ownership TO PUBLIC;
GRANT SELECT ON ownership.system, ownership.identity, ownership.domain, ownership.field,
	ownership.declared_access, ownership.mirrored_table, ownership.mirrored_column,
	ownership.row_owner, ownership.handover, ownership.bound_role,
	ownership.map, ownership.sheet, ownership.guards, ownership.unmapped, ownership.risks,
	ownership.guarded_relation, ownership.weakened, ownership.only_copy, ownership.field_access,
	ownership.activity, ownership.conflict_count, ownership.declared, ownership.row_part, ownership.seen, ownership.matrix, ownership.status TO PUBLIC;
/* not ownership.readiness: it contains roles and applications of others */
