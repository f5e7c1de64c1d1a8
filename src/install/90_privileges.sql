/*
 * Everyone may read the map; whoever is granted it may change it.  Evidence
 * holds values of tables that not everyone may read, so it is for those only
 * to whom it is granted.  Which functions may be used is decided by these
 * privileges, too: they run as their caller.
 */
GRANT USAGE ON SCHEMA ownership TO PUBLIC;
GRANT SELECT ON ownership.system, ownership.identity, ownership.domain, ownership.field,
	ownership.declared_access, ownership.mirrored_table, ownership.mirrored_column,
	ownership.row_owner, ownership.bound_role,
	ownership.map, ownership.sheet, ownership.guards, ownership.unmapped, ownership.risks,
	ownership.guarded_relation, ownership.weakened, ownership.only_copy, ownership.field_access,
	ownership.activity, ownership.declared, ownership.row_part, ownership.seen, ownership.matrix, ownership.status TO PUBLIC;
/* not ownership.readiness: it names other people's roles and applications */
