/*
 * group.c
 *		Groups that the map refuses: fields that are to be one value have one system of
 *		record and one policy, and none of them is a key.
 *
 * The trigger is deferred, so that an edit may take several statements.  Whether the
 * fields are in one table is not checked: columns come and go one by one, and each
 * table has the part of a group that it has columns of.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_group_check);

/* of the advisory lock; evidence/record.c has 3 */
#define LOCK_CLASS 4

/* A field of a group. */
typedef struct GroupField
{
	char *entity;
	char *name;
	char *column_group;
	char *owner;
	char *policy; /* its own, else its domain's; NULL: none */
	bool key;
} GroupField;

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *
policy_of_domain(const char *domain)
{
	const char *keys[1] = {domain};
	CatalogScan *scan = catalog_begin("domain", "domain_pkey", 1, keys, NULL);
	char *policy = catalog_next(scan) ? catalog_text(scan, Anum_domain_policy) : NULL;

	catalog_end(scan);
	return policy;
}

/* The fields in a group that `index` finds by `key`, a list of GroupField. */
static List *
grouped_fields(const char *index, const char *key)
{
	const char *keys[1] = {key};
	CatalogScan *scan = catalog_begin("field", index, 1, keys, NULL);
	List *fields = NIL;

	while (catalog_next(scan))
	{
		char *group = catalog_text(scan, Anum_field_column_group);
		char *domain = catalog_text(scan, Anum_field_domain);
		GroupField *field;

		if (group == NULL)
			continue;
		field = palloc(sizeof(GroupField));
		field->entity = catalog_text(scan, Anum_field_entity);
		field->name = catalog_text(scan, Anum_field_name);
		field->column_group = group;
		field->owner = catalog_text(scan, Anum_field_owner);
		field->policy = catalog_text(scan, Anum_field_policy);
		if (field->policy == NULL && domain != NULL)
			field->policy = policy_of_domain(domain);
		field->key = catalog_bool(scan, Anum_field_key);
		fields = lappend(fields, field);
	}
	catalog_end(scan);
	return fields;
}

static const char *
owner_sentence(const GroupField *field)
{
	return field->owner == NULL
			   ? psprintf("Field \"%s.%s\" has no system of record.", field->entity, field->name)
			   : psprintf("Field \"%s.%s\" has system of record \"%s\".", field->entity,
						  field->name, field->owner);
}

static const char *
policy_sentence(const GroupField *field)
{
	return field->policy == NULL
			   ? psprintf("Field \"%s.%s\" has no policy, so ownership.default_policy counts.",
						  field->entity, field->name)
			   : psprintf("Field \"%s.%s\" has policy %s.", field->entity, field->name,
						  field->policy);
}

/* Errors: the two fields of one group, of one owner, are planned to pass apart. */
static void
require_same_plan(const GroupField *a, const GroupField *b)
{
	TimestampTz at;

	if (succession_is_same(succession_of(a->entity, a->name, NULL),
						   succession_of(b->entity, b->name, NULL), a->owner, &at))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("the fields of group \"%s\" of entity \"%s\" must pass together",
					a->column_group, a->entity),
			 errdetail("Fields \"%s.%s\" and \"%s.%s\" would have different systems of record from %s on.",
					   a->entity, a->name, b->entity, b->name, timestamptz_to_str(at)),
			 errhint(
				 "Hand over all fields of the group in one call of ownership.hand_over(), or delete what is planned for one of them from ownership.handover.")));
}

/* Errors: the two fields of one group differ. */
static void
require_one_value(const GroupField *a, const GroupField *b)
{
	bool owners = !same_text(a->owner, b->owner);

	if (!owners && same_text(a->policy, b->policy))
	{
		if (succession_exists(NULL))
			require_same_plan(a, b);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 owners
				 ? errmsg("the fields of group \"%s\" of entity \"%s\" must have one system of record",
						  a->column_group, a->entity)
				 : errmsg("the fields of group \"%s\" of entity \"%s\" must have one policy",
						  a->column_group, a->entity),
			 owners ? errdetail("%s %s", owner_sentence(a), owner_sentence(b))
					: errdetail("%s %s", policy_sentence(a), policy_sentence(b)),
			 errhint(
				 "Change all fields of the group in one transaction, or set field.column_group of one of them to NULL.")));
}

/* Errors: the group is not one value. */
static void
check_group(const char *entity, const char *group)
{
	List *fields = grouped_fields("field_pkey", entity);
	ListCell *lc;
	ListCell *lc2;

	foreach(lc, fields)
	{
		const GroupField *field = lfirst(lc);

		if (strcmp(field->column_group, group) != 0)
			continue;
		if (field->key)
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("key field \"%s.%s\" cannot be part of group \"%s\"", field->entity,
							field->name, field->column_group),
					 errdetail("A key tells which row it is; it is no part of a value in the row."),
					 errhint("Set its field.column_group to NULL.")));
		foreach(lc2, fields)
		{
			const GroupField *first = lfirst(lc2);

			if (strcmp(first->column_group, field->column_group) != 0)
				continue;
			require_one_value(first, field);
			break;
		}
	}
}

/* The column_group of a field; NULL: none. */
char *
field_group(const char *entity, const char *field)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan;
	char *group;

	if (!field_knows_settings())
		return NULL;
	scan = catalog_begin("field", "field_pkey", 2, keys, NULL);
	group = catalog_next(scan) ? catalog_text(scan, Anum_field_column_group) : NULL;
	catalog_end(scan);
	return group;
}

static bool
try_group(void *arg)
{
	char **names = arg;

	check_group(names[0], names[1]);
	return true;
}

/* The error with which the map will refuse the group at the end of the transaction; NULL: none. */
ErrorData *
field_group_error(char *entity, char *group)
{
	char *names[2] = {entity, group};

	CommandCounterIncrement();
	return subxact_trial(try_group, names);
}

/*
 * group_check(), at the end of a transaction that changed a field of a group, what is
 * planned for one, or the policy of a domain.  Such transactions check one after the other: each sees what
 * the others have committed.  It checks nothing while a dump is restored.
 *
 * Errors: check_violation; the function was not called by such a trigger.
 */
Datum
ownership_group_check(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "group_check");
	HeapTuple tuple =
		TRIGGER_FIRED_BY_DELETE(td->tg_event) ? td->tg_trigtuple : call_written_tuple(td);
	bool planned = strcmp(RelationGetRelationName(td->tg_relation), "handover") == 0;
	char *group = NULL;
	LOCKTAG lock;

	if (call_is_restoring())
		return PointerGetDatum(NULL);
	if (planned)
	{
		group = field_group(call_row_text(td, tuple, "entity"), call_row_text(td, tuple, "field"));
		if (group == NULL)
			return PointerGetDatum(NULL);
	}
	SET_LOCKTAG_ADVISORY(lock, MyDatabaseId, 0, 0, LOCK_CLASS);
	(void) LockAcquire(&lock, ExclusiveLock, false, false);
	/* the commit follows the last statement at once */
	CommandCounterIncrement();
	if (strcmp(SPI_getrelname(td->tg_relation), "domain") == 0)
	{
		List *fields = grouped_fields("field_domain_idx", call_row_text(td, tuple, "name"));
		ListCell *lc;

		foreach(lc, fields)
		{
			const GroupField *field = lfirst(lc);

			check_group(field->entity, field->column_group);
		}
	}
	else
		check_group(call_row_text(td, tuple, "entity"),
					planned ? group : call_row_text(td, tuple, "column_group"));
	return PointerGetDatum(NULL);
}
