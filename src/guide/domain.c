/*
 * domain.c
 *		Triggers on the guide's tables: edits of its domains survive dumps and
 *		upgrades; a domain that no user edited comes with the extension's version.
 *
 * A row is `shipped` while it is as a script of the extension wrote it.  A
 * restore may replace or remove only such a row.  During a restore
 * check_function_bodies is off, which every dump sets at its beginning.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "guide.h"

PG_FUNCTION_INFO_V1(ownership_domain_edit);

/* ownership.domain's attribute numbers */
#define DOMAIN_NAME 1

#define DOMAIN_SHIPPED 11

/* Records that a domain was deleted, or that it is there again. */
static void
remember_deleted(const char *name, bool deleted)
{
	const char *keys[1] = {name};
	Relation rel = table_open(catalog_table("deleted_domain", false), RowExclusiveLock);
	CatalogScan *scan = catalog_begin("deleted_domain", "deleted_domain_pkey", 1, keys, NULL);
	bool found = catalog_next(scan);

	if (found && !deleted)
		CatalogTupleDelete(rel, catalog_tid(scan));
	catalog_end(scan);
	if (deleted && !found)
	{
		Datum value = CStringGetTextDatum(name);
		bool null = false;

		CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), &value, &null));
	}
	CommandCounterIncrement();
	table_close(rel, RowExclusiveLock);
}

/* Deletes the domain if its row is as the extension shipped it. */
static void
remove_shipped(const char *name)
{
	const char *keys[1] = {name};
	Relation rel = table_open(catalog_table("domain", false), RowExclusiveLock);
	CatalogScan *scan = catalog_begin("domain", "domain_pkey", 1, keys, NULL);

	if (catalog_next(scan) && catalog_bool(scan, DOMAIN_SHIPPED))
		CatalogTupleDelete(rel, catalog_tid(scan));
	catalog_end(scan);
	CommandCounterIncrement();
	table_close(rel, RowExclusiveLock);
}

/* Is a field of that domain?  The domain must stay, then. */
static bool
in_use(const char *name)
{
	const char *keys[1] = {name};
	CatalogScan *scan = catalog_begin("field", "field_domain_idx", 1, keys, NULL);
	bool found = catalog_next(scan);

	catalog_end(scan);
	return found;
}

/* The error context of check_pattern(). */
static void
pattern_context(void *arg)
{
	errcontext("%s", (char *) arg);
}

/*
 * Checks a pattern of a row; NULL is right.
 *
 * Errors: the pattern is no regular expression.
 */
static void
check_pattern(TriggerData *td, HeapTuple tuple, const char *column)
{
	TupleDesc desc = RelationGetDescr(td->tg_relation);
	char *pattern = SPI_getvalue(tuple, desc, SPI_fnumber(desc, column));
	ErrorContextCallback context;

	if (pattern == NULL)
		return;
	context.callback = pattern_context;
	context.arg = psprintf("%s of domain \"%s\"", column, SPI_getvalue(tuple, desc, DOMAIN_NAME));
	context.previous = error_context_stack;
	error_context_stack = &context;
	(void) pattern_hits(pattern, "");
	error_context_stack = context.previous;
}

/* The row, marked as not shipped: a user wrote it. */
static HeapTuple
mark(TriggerData *td, HeapTuple tuple)
{
	int attnum = DOMAIN_SHIPPED;
	Datum value = BoolGetDatum(false);
	bool null = false;

	return heap_modify_tuple_by_cols(tuple, RelationGetDescr(td->tg_relation), 1, &attnum, &value,
									 &null);
}

/*
 * BEFORE INSERT, UPDATE, DELETE and TRUNCATE on domain; AFTER INSERT on
 * deleted_domain, which in a restore removes the shipped row of a domain that was
 * deleted in the dumped database.
 *
 * Errors: a pattern is no regular expression.
 */
Datum
ownership_domain_edit(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "domain_edit");
	TupleDesc desc = RelationGetDescr(td->tg_relation);
	HeapTuple tuple;
	char *name;

	if (TRIGGER_FIRED_BY_TRUNCATE(td->tg_event))
	{
		CatalogScan *scan = catalog_begin("domain", NULL, 0, NULL, NULL);

		while (catalog_next(scan))
			remember_deleted(catalog_text(scan, DOMAIN_NAME), true);
		catalog_end(scan);
		return PointerGetDatum(NULL);
	}

	name = SPI_getvalue(td->tg_trigtuple, desc, DOMAIN_NAME);
	if (TRIGGER_FIRED_AFTER(td->tg_event))
	{
		if ((call_is_restoring() || writer_is_worker()) && !in_use(name))
			remove_shipped(name);
		return PointerGetDatum(NULL);
	}
	if (TRIGGER_FIRED_BY_DELETE(td->tg_event))
	{
		/* another hub's map brings what that hub remembers */
		if (!creating_extension && !writer_is_worker())
			remember_deleted(name, true);
		return PointerGetDatum(td->tg_trigtuple);
	}

	tuple = TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? td->tg_newtuple : td->tg_trigtuple;
	check_pattern(td, tuple, "column_pattern");
	check_pattern(td, tuple, "table_pattern");
	if (creating_extension)
		return PointerGetDatum(tuple);
	tuple = mark(td, tuple);
	if (TRIGGER_FIRED_BY_INSERT(td->tg_event))
	{
		if (name != NULL && call_is_restoring())
			remove_shipped(name);
	}
	else
	{
		char *new_name = SPI_getvalue(tuple, desc, DOMAIN_NAME);

		if (new_name != NULL && strcmp(name, new_name) != 0)
			remember_deleted(name, true);
		name = new_name;
	}
	if (name != NULL)
		remember_deleted(name, false);
	return PointerGetDatum(tuple);
}
