/*
 * sensitive.c
 *		Fields with a history in sensitive domains, which the map refuses: a history
 *		contains every value for a long time.
 *
 * A constraint of ownership.field refuses a field that has a history and is itself
 * sensitive.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_history_check);

/* of the advisory lock; group.c has 4 */
#define LOCK_CLASS 5

static void
refuse(const char *entity, const char *field, const char *domain)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("field \"%s.%s\" cannot have a history: its domain \"%s\" is sensitive", entity,
					field, domain),
			 errdetail("A history contains all values of the field, those of deleted rows, too."),
			 errhint("Set field.history to false, or give the field another domain.")));
}

/* Errors: the domain is sensitive. */
static void
check_field(TriggerData *td, HeapTuple tuple)
{
	char *domain = call_row_text(td, tuple, "domain");
	const char *keys[1] = {domain};
	CatalogScan *scan = catalog_begin("domain", "domain_pkey", 1, keys, NULL);

	if (catalog_next(scan) && catalog_bool(scan, Anum_domain_sensitive))
		refuse(call_row_text(td, tuple, "entity"), call_row_text(td, tuple, "name"), domain);
	catalog_end(scan);
}

/* Errors: a field of the domain has a history. */
static void
check_domain(const char *domain)
{
	const char *keys[1] = {domain};
	CatalogScan *scan = catalog_begin("field", "field_domain_idx", 1, keys, NULL);

	while (catalog_next(scan))
	{
		if (catalog_bool(scan, Anum_field_history))
			refuse(catalog_text(scan, Anum_field_entity), catalog_text(scan, Anum_field_name),
				   domain);
	}
	catalog_end(scan);
}

/*
 * history_check(), AFTER a field with a history got a domain, or a domain became
 * sensitive.  Such transactions come one after the other: each sees what the others
 * have committed.  It checks nothing while a dump is restored.
 *
 * Errors: check_violation; the function was not called by such a trigger.
 */
Datum
ownership_history_check(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "history_check");
	HeapTuple tuple = call_written_tuple(td);
	LOCKTAG lock;

	if (call_is_restoring())
		return PointerGetDatum(NULL);
	SET_LOCKTAG_ADVISORY(lock, MyDatabaseId, 0, 0, LOCK_CLASS);
	(void) LockAcquire(&lock, ExclusiveLock, false, false);
	if (strcmp(SPI_getrelname(td->tg_relation), "domain") == 0)
		check_domain(call_row_text(td, tuple, "name"));
	else
		check_field(td, tuple);
	return PointerGetDatum(NULL);
}
