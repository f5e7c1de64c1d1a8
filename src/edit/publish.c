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
 * The map is another matter: several hubs may have one.  A subscription that
 * contains tables of the map, and none of those that are about one hub, brings the
 * map on purpose: its rows go in.  What foreign keys do for a system that was renamed
 * or deleted, they do not do in a replication worker: the trigger does it for the
 * tables that are not replicated.
 *
 * A trigger cannot leave out a replicated TRUNCATE, it can only raise an error.
 * So the error comes at the source, too: a table that is published with its
 * TRUNCATE refuses TRUNCATE.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_subscription_rel.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "replication/logicalworker.h"
#include "replication/origin.h"
#include "replication/worker_internal.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/pg_lsn.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../activity/activity.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_another_hub);
PG_FUNCTION_INFO_V1(ownership_applied_position);

/* The tables that several hubs may have in common. */
static const char *const map_tables[] = {"system",			 "identity",	   "domain",
										 "deleted_domain",	 "field",		   "declared_access",
										 "mirrored_pattern", "mirrored_table", "mirrored_column",
										 "row_owner",		 "handover",	   "pin"};

/* Of the others, those that tell a subscription of all tables: one of them is enough. */
static const char *const hub_tables[] = {"conflict", "history", "activity", "map_history",
										 "bound_table"};

/* Does the subscription contain none of the tables that are about one hub? */
static bool
brings_map(Oid subscription)
{
	for (size_t i = 0; i < lengthof(hub_tables); i++)
	{
		Oid relid = catalog_table(hub_tables[i], true);

		if (OidIsValid(relid) && SearchSysCacheExists2(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(relid),
													   ObjectIdGetDatum(subscription)))
			return false;
	}
	return true;
}

/*
 * May the worker's subscription write this table?  Only a table of the map, and only
 * if the subscription brings a map.
 */
static bool
is_wanted(Relation rel)
{
	Oid subscription = MyLogicalRepWorker != NULL ? MyLogicalRepWorker->subid : InvalidOid;
	bool map = false;

	for (size_t i = 0; i < lengthof(map_tables); i++)
		map |= strcmp(RelationGetRelationName(rel), map_tables[i]) == 0;
	return map && OidIsValid(subscription) && brings_map(subscription);
}

/* Does a subscription, which may be disabled, bring this table of the map from another hub? */
bool
publish_is_received(const char *table)
{
	Relation rel = table_open(SubscriptionRelRelationId, AccessShareLock);
	bool received = false;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_subscription_rel_srrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(catalog_table(table, false)));
	scan = systable_beginscan(rel, SubscriptionRelSrrelidSrsubidIndexId, true, NULL, 1, &key);
	while (!received && HeapTupleIsValid(tuple = systable_getnext(scan)))
		received = brings_map(((Form_pg_subscription_rel) GETSTRUCT(tuple))->srsubid);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return received;
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
 * A stream inserts a row of the map, and the hub has a row with its key, because it
 * subscribes again, or because it decided the same: gives that row the values that
 * arrive.  It is not deleted and made anew: rows of other tables refer to it.  False: there
 * is no such row.
 */
static bool
meets_row(TriggerData *td)
{
	Relation rel = td->tg_relation;
	TupleDesc desc = RelationGetDescr(rel);
	const char *table = RelationGetRelationName(rel);
	Oid types[1] = {rel->rd_rel->reltype};
	Datum values[1] = {heap_copy_tuple_as_datum(td->tg_trigtuple, desc)};
	Bitmapset *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	StringInfoData same;
	StringInfoData set;
	SavedRole caller;
	bool found;

	initStringInfo(&same);
	initStringInfo(&set);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const char *column = quote_identifier(NameStr(att->attname));

		if (att->attisdropped)
			continue;
		if (bms_is_member(att->attnum - FirstLowInvalidHeapAttributeNumber, key))
			appendStringInfo(&same, "%so.%s OPERATOR(pg_catalog.=) n.%s",
							 same.len > 0 ? " AND " : "", column, column);
		else
			appendStringInfo(&set, "%s%s = n.%s", set.len > 0 ? ", " : "", column, column);
	}

	caller = role_become_extension();
	/* what the row refers to may arrive later, as in the stream itself */
	(void) set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	if (SPI_execute_with_args(psprintf("SELECT FROM ownership.%s o, (SELECT ($1).*) n WHERE %s",
									   table, same.data),
							  1, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "cannot compare rows of table %s", table);
	found = SPI_processed > 0;
	if (found && set.len > 0 &&
		SPI_execute_with_args(psprintf("UPDATE ownership.%s o SET %s FROM (SELECT ($1).*) n "
									   "WHERE %s AND NOT (o.* OPERATOR(pg_catalog.*=) n.*)",
									   table, set.data, same.data),
							  1, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "cannot update rows of table %s", table);
	SPI_finish();
	role_restore(&caller);
	return found;
}

/* Does the row change of a stream go into this table of the map? */
static bool
goes_in(TriggerData *td)
{
	const char *table = RelationGetRelationName(td->tg_relation);
	HeapTuple new = TRIGGER_FIRED_BY_INSERT(td->tg_event)	? td->tg_trigtuple
					: TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? td->tg_newtuple
															: NULL;

	/* what the extension ships, each hub has in its own version */
	if (new != NULL && strcmp(table, "domain") == 0 &&
		strcmp(call_row_text(td, new, "shipped"), "t") == 0)
		return false;
	if (!TRIGGER_FIRED_BY_INSERT(td->tg_event))
		return true;
	if (meets_row(td))
		return false;
	if (ownership_guard_arriving && strcmp(table, "mirrored_table") == 0)
		handover_wake();
	return true;
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
	if (is_applied() && (!is_wanted(rel) || !goes_in(td)))
		return PointerGetDatum(NULL);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? td->tg_newtuple
																 : td->tg_trigtuple);
}

/*
 * AFTER a row change on a table of the map: if a stream renamed or deleted a system, does
 * that in the tables that are about this hub.
 */
void
publish_follow(TriggerData *td)
{
	char *old;
	char *new;
	Parameters p = {0};
	SavedRole caller;

	if (strcmp(RelationGetRelationName(td->tg_relation), "system") != 0 ||
		!TRIGGER_FIRED_FOR_ROW(td->tg_event) || TRIGGER_FIRED_BY_INSERT(td->tg_event) ||
		!is_applied())
		return;
	old = call_row_text(td, td->tg_trigtuple, "name");
	new = TRIGGER_FIRED_BY_DELETE(td->tg_event) ? NULL : call_row_text(td, td->tg_newtuple, "name");
	if (new != NULL && strcmp(old, new) == 0)
		return;
	caller = role_become_extension();
	SPI_connect();
	sql_add_text(&p, old);
	if (new != NULL)
	{
		sql_add_text(&p, new);
		sql_run("UPDATE ownership.activity SET system = $2 WHERE system = $1", &p);
		sql_run("UPDATE ownership.conflict_count SET system = $2 WHERE system = $1", &p);
		rename_system_evidence(old, new);
	}
	else
	{
		sql_run("DELETE FROM ownership.activity WHERE system = $1", &p);
		sql_run("DELETE FROM ownership.conflict_count WHERE system = $1", &p);
	}
	SPI_finish();
	role_restore(&caller);
}

/*
 * applied_position(): up to where a subscription of this database has applied what its
 * publisher has written; NULL: it has applied nothing, or is not there.
 */
Datum
ownership_applied_position(PG_FUNCTION_ARGS)
{
	char name[NAMEDATALEN];
	RepOriginId origin;
	XLogRecPtr position = InvalidXLogRecPtr;

	snprintf(name, sizeof(name), "pg_%u", PG_GETARG_OID(0));
	origin = replorigin_by_name(name, true);
	if (origin != InvalidRepOriginId)
		position = replorigin_get_progress(origin, false);
	if (XLogRecPtrIsInvalid(position))
		PG_RETURN_NULL();
	PG_RETURN_LSN(position);
}
