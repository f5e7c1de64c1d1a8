/*
 * publish.c
 *		The extension's tables in publications and subscriptions.
 *
 * A publication FOR ALL TABLES contains them, and the next hub has tables of
 * the same names.  Another hub's evidence, activity, history and bindings are
 * about that hub; its rows would violate unique constraints here, and the error
 * would stop the stream.  So a trigger on each of these tables leaves out every
 * row change that a replication worker applies or copies.  SQL that runs in
 * such a worker, for example in a user's trigger, is this hub's.
 *
 * A trigger cannot leave out a replicated TRUNCATE, it can only raise an error.
 * So the error comes at the source, too: a table that is published with its
 * TRUNCATE refuses TRUNCATE.
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
 * May a subscription write this table?  No table may be written so.  A setting
 * by which a hub lets the map, and only the map, be replicated belongs here.
 */
static bool
is_wanted(Relation rel)
{
	return false;
}

/*
 * Does a replication worker apply or copy the row change or the TRUNCATE?  SQL
 * that runs in a worker is neither.
 */
static bool
is_applied(void)
{
	return writer_is_worker() && statement_applies();
}

/*
 * Errors: a worker applies another hub's TRUNCATE; a publication would send
 * this hub's TRUNCATE to another hub.
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
				 errdetail(
					 "The table contains what this hub recorded, not the rows of the other hub."),
				 errhint(
					 "At the source, publish without TRUNCATE: ALTER PUBLICATION ... SET (publish = 'insert, update, delete'). Here, skip this transaction: ALTER SUBSCRIPTION ... SKIP.")));
	if (!XLogLogicalInfoActive())
		return;
	RelationBuildPublicationDesc(rel, &publications);
	if (publications.pubactions.pubtruncate)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot truncate table \"%s.%s\", because a publication would send the TRUNCATE to other hubs",
						OWNERSHIP_SCHEMA, table),
				 errdetail("Their tables of that name contain their own rows, not this hub's rows."),
				 errhint(
					 "Use DELETE or ownership.prune(), or publish without TRUNCATE: ALTER PUBLICATION ... SET (publish = 'insert, update, delete').")));
}

/*
 * another_hub(), BEFORE each row change and BEFORE TRUNCATE on every table of
 * the extension that is not unlogged.
 *
 * Errors: the function was not called by such a trigger; those of
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
