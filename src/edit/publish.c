/*
 * publish.c
 *		The extension's tables in publications and subscriptions.
 *
 * A publication FOR ALL TABLES takes them along, and the next hub has tables
 * of the same names.  What another hub's evidence, activity, history and
 * bindings say is about that hub; its rows would collide with this one's, and
 * an error would stop the stream.  So a trigger on each of these tables leaves
 * out every row change that a replication worker applies or copies.  SQL that
 * runs in such a worker, of users' triggers for one, is this hub's.
 *
 * A replicated TRUNCATE cannot be left out, only be an error.  So it is one
 * where it begins: a table that is published with its TRUNCATE refuses it.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_publication.h"
#include "commands/trigger.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_another_hub);

/*
 * May a subscription write this table?  None may, so far: this is the place
 * for asking that the map, and only the map, be replicated.
 */
static bool
is_wanted(Relation rel)
{
	return false;
}

/*
 * Is the row change, or the TRUNCATE, what a replication worker applies or
 * copies, and not SQL that runs in it?
 */
static bool
is_applied(void)
{
	return writer_is_worker() && statement_applies();
}

/*
 * Errors: another hub's TRUNCATE has come; a TRUNCATE of this hub would go to
 * the next one.
 */
static void
check_truncate(Relation rel)
{
	const char *table = RelationGetRelationName(rel);
	PublicationDesc publications = {0};

	if (is_applied() && !is_wanted(rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("another hub's TRUNCATE of table \"%s.%s\" is refused", OWNERSHIP_SCHEMA,
						table),
				 errdetail("What that hub recorded is not here; what is here is this hub's."),
				 errhint(
					 "At the source, publish without TRUNCATE: ALTER PUBLICATION ... SET (publish = 'insert, update, delete'). Here, pass over this transaction: ALTER SUBSCRIPTION ... SKIP.")));
	if (!XLogLogicalInfoActive())
		return;
	RelationBuildPublicationDesc(rel, &publications);
	if (publications.pubactions.pubtruncate)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot truncate table \"%s.%s\", because a publication would send that to other hubs",
						OWNERSHIP_SCHEMA, table),
				 errdetail("Their tables of that name hold their own rows, not this hub's."),
				 errhint(
					 "Use DELETE or ownership.prune(), or publish without TRUNCATE: ALTER PUBLICATION ... SET (publish = 'insert, update, delete').")));
}

/*
 * BEFORE each row change, and BEFORE TRUNCATE, on every table of the extension
 * that is not unlogged.
 *
 * Errors: the function is not called by a trigger on such a table; those of
 * check_truncate().
 */
Datum
ownership_another_hub(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "another_hub");
	Relation rel = td->tg_relation;

	if (TRIGGER_FIRED_BY_TRUNCATE(td->tg_event))
	{
		check_truncate(rel);
		return PointerGetDatum(NULL);
	}
	if (is_applied() && !is_wanted(rel))
		return PointerGetDatum(NULL);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? td->tg_newtuple
																 : td->tg_trigtuple);
}
