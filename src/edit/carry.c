/*
 * carry.c
 *		carry_privileges(): update scripts give a function that gained arguments the
 *		owner and the privileges of the function that it replaces.
 *
 * A function's arguments cannot be changed, so an update script creates the new
 * function, carries the privileges over, and drops the old one.
 */
#include "postgres.h"

#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/regproc.h"

#include "../base/base.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_carry_privileges);

/* One entry of the access control list of a function. */
typedef struct Grant
{
	Oid grantor;
	const char *grantee; /* as SQL names it */
	bool grantable;
} Grant;

/*
 * The grants on a function, in an order in which they can be made: what a role
 * passes on comes after what it was granted itself.
 */
static List *
grants_on(Oid function)
{
	Parameters p = {0};
	List *grants = NIL;
	uint64 n;

	sql_add_oid(&p, function);
	n = sql_run("WITH RECURSIVE a AS (SELECT p.proowner, x.* FROM pg_proc p "
				"CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x WHERE p.oid = $1), "
				"t AS (SELECT a.*, 0 AS depth FROM a WHERE grantor = proowner UNION "
				"SELECT a.*, t.depth + 1 FROM a JOIN t ON a.grantor = t.grantee AND t.is_grantable "
				"WHERE a.grantor <> a.proowner) "
				"SELECT grantor::oid::text, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, is_grantable "
				"FROM t GROUP BY grantor, grantee, is_grantable ORDER BY min(depth), grantor, grantee",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Grant *g = palloc(sizeof(Grant));

		g->grantor = atooid(sql_result_text(i, 1));
		g->grantee = sql_result_text(i, 2);
		g->grantable = sql_result_bool(i, 3);
		grants = lappend(grants, g);
	}
	return grants;
}

/* Run a command without a result, as another role. */
static void
run_as(Oid role, const char *sql)
{
	Oid caller;
	int context;

	GetUserIdAndSecContext(&caller, &context);
	SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "SPI_execute failed: %s", sql);
	SetUserIdAndSecContext(caller, context);
}

/* Give the function `to` the owner and the grants of `from`. */
static void
carry(Oid from, Oid to)
{
	const char *name = format_procedure_qualified(to);
	Parameters p = {0};
	ListCell *lc;
	char *owner;
	bool other_owner;

	sql_add_oid(&p, from);
	sql_add_oid(&p, to);
	(void) sql_run("SELECT o.proowner::regrole::text, o.proowner <> n.proowner, "
				   "o.proacl IS NOT NULL OR n.proacl IS NOT NULL "
				   "FROM pg_proc o, pg_proc n WHERE o.oid = $1 AND n.oid = $2",
				   &p);
	owner = sql_result_text(0, 1);
	other_owner = sql_result_bool(0, 2);
	if (!sql_result_bool(0, 3) && !other_owner)
		return; /* both have the privileges that every function has */
	if (other_owner)
		run_as(GetUserId(), psprintf("ALTER FUNCTION %s OWNER TO %s", name, owner));
	foreach(lc, grants_on(to))
	{
		Grant *g = lfirst(lc);

		run_as(g->grantor, psprintf("REVOKE ALL ON FUNCTION %s FROM %s", name, g->grantee));
	}
	foreach(lc, grants_on(from))
	{
		Grant *g = lfirst(lc);

		run_as(g->grantor, psprintf("GRANT EXECUTE ON FUNCTION %s TO %s%s", name, g->grantee,
									g->grantable ? " WITH GRANT OPTION" : ""));
	}
}

/*
 * carry_privileges(old, new): give a new function the owner, the grants, their
 * grantors and their options of an old one.  What users granted does not become
 * part of what the extension itself grants: pg_dump would leave it out.
 *
 * Errors: the caller is no superuser.
 */
Datum
ownership_carry_privileges(PG_FUNCTION_ARGS)
{
	bool creating = creating_extension;

	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("carry_privileges() is for update scripts")));
	SPI_connect();
	creating_extension = false;
	PG_TRY();
	{
		carry(PG_GETARG_OID(0), PG_GETARG_OID(1));
	}
	PG_FINALLY();
	{
		creating_extension = creating;
	}
	PG_END_TRY();
	SPI_finish();
	PG_RETURN_VOID();
}
