/*
 * systems.c
 *		add_system() and identify(): systems, and the roles, subscriptions and
 *		origins that write as them.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_add_system);
PG_FUNCTION_INFO_V1(ownership_identify);

/* Errors: a name or kind that the constraints of ownership.system refuse; the system exists. */
static void
require_new_system(const char *name, const char *kind)
{
	bool control = false;

	for (const char *c = name; *c != '\0'; c++)
		control |= (unsigned char) *c < ' ';
	if (names_is_blank_edged(name) || control || strpbrk(name, ";\"") != NULL ||
		names_mean_no_system(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("invalid system name: \"%s\"", name),
				 errhint(
					 "A system's name is not blank, contains no semicolon or double quote, and is none of the words that mean no system: ?, TBD, both.")));
	if (names_is_blank_edged(kind))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("invalid kind of system: \"%s\"", kind),
				 errhint("%s", SYSTEM_KINDS)));
	if (lookup_system_exists(name))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("system \"%s\" already exists", name),
				 errhint(
					 "Update its row in ownership.system; ownership.identify() adds roles and subscriptions.")));
}

/* A kind that is like one of the guide's is probably meant to be that one: no kind is refused. */
static void
report_unknown_kind(const char *name, const char *kind)
{
	Parameters p = {0};
	const char *nearest;

	sql_add_text(&p, kind);
	if (sql_run("SELECT FROM ownership.domain WHERE $1 = ANY (natural_owner || excluded_owner) "
				"UNION ALL SELECT FROM ownership.system WHERE kind = $1",
				&p) > 0)
		return;
	nearest = names_nearest(kind, sql_query_names("SELECT DISTINCT k FROM ownership.domain, "
												  "unnest(natural_owner || excluded_owner) k"));
	if (nearest != NULL)
		ereport(NOTICE, (errmsg("the guide knows no kind of system \"%s\"", kind),
						 errhint("Perhaps you meant \"%s\": UPDATE ownership.system SET kind = %s WHERE name = %s",
								 nearest, quote_literal_cstr(nearest), quote_literal_cstr(name))));
}

/* What an identity is besides its system. */
typedef struct Flags
{
	bool strict;
	bool steward;
	bool carrier;
	bool relay;
	bool knows_relay; /* false: the SQL of an older version does not */
} Flags;

/* An identity may be recorded first, and the feed start then. */
static void
report_no_subscription(const char *name, const char *nearest)
{
	ereport(NOTICE,
			(errmsg("subscription \"%s\" does not exist yet", name),
			 errdetail("It is identified as soon as it is created in this database."),
			 nearest == NULL ? 0 : errhint("Perhaps you meant subscription \"%s\".", nearest)));
}

/*
 * Write a row of ownership.identity; kind is "role", "subscription" or "origin".
 * A row that is there gets the system, if it has none, and the flags.
 *
 * Errors: the system or role does not exist; the row is another system's; there is
 * no system, and neither a steward, a carrier nor a relay; a role is to be a relay.
 */
static void
identify(const char *system, const char *kind, const char *name, const Flags *flags)
{
	Parameters p = {0};

	if (system == NULL && !flags->steward && !flags->carrier && !flags->relay)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s \"%s\" needs a system", kind, name),
						errhint("Only a steward, a carrier or a relay needs no system.")));
	if (flags->relay && strcmp(kind, "role") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("role \"%s\" cannot be a relay", name),
				 errdetail("A relay is the stream of another hub, which has judged what it brings."),
				 errhint("Identify the subscription or the replication origin of that stream.")));
	require_system(system);
	if (strcmp(kind, "role") == 0 && !OidIsValid(get_role_oid(name, true)))
		require_undefined(psprintf("role \"%s\" does not exist", name),
						  names_nearest(name, sql_query_names("SELECT rolname FROM pg_roles")),
						  "role",
						  "Create the role first. A row in ownership.identity may name a role that is not there yet.");
	if (strcmp(kind, "subscription") == 0)
	{
		Parameters q = {0};

		sql_add_text(&q, name);
		if (sql_run("SELECT 1 FROM pg_subscription WHERE subname = $1 "
					"AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
					&q) == 0)
			report_no_subscription(name,
								   names_nearest(name, sql_query_names(
														   "SELECT subname FROM pg_subscription")));
	}

	sql_add_text(&p, kind);
	sql_add_text(&p, name);
	sql_add_text(&p, system);
	if (sql_run("SELECT coalesce(system, '') FROM ownership.identity WHERE kind = $1 AND name = $2 "
				"AND system IS DISTINCT FROM $3 AND system IS NOT NULL",
				&p) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("%s \"%s\" already writes as system \"%s\"", kind, name,
						sql_result_text(0, 1)),
				 errhint("One %s writes as one system. Delete that row from ownership.identity first, or use a %s for each system.",
						 kind, kind)));
	sql_add_bool(&p, flags->strict);
	sql_add_bool(&p, flags->steward);
	sql_add_bool(&p, flags->carrier);
	if (flags->knows_relay)
	{
		sql_add_bool(&p, flags->relay);
		sql_run("INSERT INTO ownership.identity (kind, name, system, strict, steward, carrier, relay) "
				"VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, name) DO UPDATE "
				"SET system = excluded.system, strict = excluded.strict, "
				"steward = excluded.steward, carrier = excluded.carrier, relay = excluded.relay",
				&p);
	}
	else
		sql_run("INSERT INTO ownership.identity (kind, name, system, strict, steward, carrier) "
				"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, name) DO UPDATE "
				"SET system = excluded.system, strict = excluded.strict, "
				"steward = excluded.steward, carrier = excluded.carrier",
				&p);
}

/*
 * add_system(name, kind, role, subscription, title): register a system.  A role
 * and a subscription, unless NULL, are identified as it.
 *
 * Errors: the name or kind is NULL or not valid; the system exists; those of
 * identify().
 */
Datum
ownership_add_system(PG_FUNCTION_ARGS)
{
	Parameters p = {0};
	char *name = call_text(fcinfo, 0);
	char *kind = call_text(fcinfo, 1);
	char *role = call_text(fcinfo, 2);
	char *subscription = call_text(fcinfo, 3);
	Flags none = {0};

	if (name == NULL || kind == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a system needs a name and a kind"), errhint("%s", SYSTEM_KINDS)));
	require_new_system(name, kind);
	SPI_connect();
	sql_add_text(&p, name);
	sql_add_text(&p, kind);
	sql_add_text(&p, call_text(fcinfo, 4));
	report_unknown_kind(name, kind);
	sql_run("INSERT INTO ownership.system (name, kind, title) VALUES ($1, $2, $3)", &p);
	if (role != NULL)
		identify(name, "role", role, &none);
	if (subscription != NULL)
		identify(name, "subscription", subscription, &none);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * identify(system, role | subscription | origin, strict, steward, carrier, relay):
 * one role, subscription or origin writes as the system.  A flag that is NULL is
 * false.  A subscription need not exist yet.
 *
 * Errors: none or several of the three are given; those of identify().
 */
Datum
ownership_identify(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"role", "subscription", "origin"};
	char *name = NULL;
	const char *kind = NULL;
	Flags flags = {0};
	int given = 0;

	for (int i = 0; i < 3; i++)
	{
		if (PG_ARGISNULL(i + 1))
			continue;
		name = call_text(fcinfo, i + 1);
		kind = kinds[i];
		given++;
	}
	if (given != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("identify() needs exactly one of role, subscription and origin"),
				 errhint("For example: SELECT ownership.identify('erp', role => 'erp_sync').")));
	SPI_connect();
	flags.strict = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	flags.steward = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	flags.carrier = !PG_ARGISNULL(6) && PG_GETARG_BOOL(6);
	flags.knows_relay = PG_NARGS() > 7;
	flags.relay = flags.knows_relay && !PG_ARGISNULL(7) && PG_GETARG_BOOL(7);
	identify(call_text(fcinfo, 0), kind, name, &flags);
	SPI_finish();
	PG_RETURN_VOID();
}
