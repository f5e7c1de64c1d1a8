/*
 * teller.c
 *		Columns that tell who wrote a row.
 *
 * First the columns that loaders add to their tables; then those that name who
 * changed the row last, then who created it.  A column "source" may be about
 * something else, such as where a lead came from: it tells only if its value is the
 * name of a system, of an identity or of a role.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/htup_details.h"
#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "discover.h"

static const struct
{
	const char *prefix;
	const char *loader;
} loaders[] = {{"_fivetran_", "Fivetran"},
			   {"_airbyte_", "Airbyte"},
			   {"_sdc_", "Singer"},
			   {"_dlt_", "dlt"}};

/* names without underscores, in lower case; those that are asked first are first */
static const struct
{
	const char *name;
	TellerKind kind;
} names[] = {{"lastmodifiedby", TELLER_NAME}, {"lastupdatedby", TELLER_NAME},
			 {"modifiedby", TELLER_NAME},	  {"updatedby", TELLER_NAME},
			 {"changedby", TELLER_NAME},	  {"createdby", TELLER_NAME},
			 {"insertedby", TELLER_NAME},	  {"sourcesystem", TELLER_SOURCE},
			 {"recordsource", TELLER_SOURCE}, {"datasource", TELLER_SOURCE},
			 {"source", TELLER_SOURCE}};

/* The column's name without underscores, in lower case. */
static void
squeeze(const char *name, char *squeezed)
{
	for (; *name != '\0'; name++)
	{
		if (*name != '_')
			*squeezed++ = pg_ascii_tolower((unsigned char) *name);
	}
	*squeezed = '\0';
}

/* Sets kind, rank and loader of a column that tells; false: it does not. */
static bool
tells(Teller *teller, const char *column, Oid type)
{
	char squeezed[NAMEDATALEN];
	char category;
	bool preferred;

	for (size_t i = 0; i < lengthof(loaders); i++)
	{
		if (pg_strncasecmp(column, loaders[i].prefix, strlen(loaders[i].prefix)) != 0)
			continue;
		teller->kind = TELLER_LOADER;
		teller->loader = loaders[i].loader;
		teller->rank = (int) i;
		return true;
	}
	get_type_category_preferred(getBaseType(type), &category, &preferred);
	if (category != TYPCATEGORY_STRING && category != TYPCATEGORY_ENUM)
		return false; /* such as the number of a user, who is in another table */
	squeeze(column, squeezed);
	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (strcmp(squeezed, names[i].name) != 0)
			continue;
		teller->kind = names[i].kind;
		teller->rank = (int) (lengthof(loaders) + i);
		return true;
	}
	return false;
}

static int
compare_tellers(const ListCell *a, const ListCell *b)
{
	const Teller *x = lfirst(a);
	const Teller *y = lfirst(b);

	return x->rank != y->rank ? x->rank - y->rank : x->attnum - y->attnum;
}

/* The columns of a table that tell who wrote a row, as Teller *, the first to be asked first. */
List *
discover_tellers(Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);
	List *tellers = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Teller teller = {0};
		Teller *kept;
		Oid output;

		/* nothing computes a value here */
		if (att->attisdropped || att->attgenerated != '\0' ||
			!tells(&teller, NameStr(att->attname), att->atttypid))
			continue;
		teller.attnum = att->attnum;
		teller.column = pstrdup(NameStr(att->attname));
		getTypeOutputInfo(getBaseType(att->atttypid), &output, &teller.varlena);
		fmgr_info(output, &teller.output);
		kept = palloc(sizeof(Teller));
		*kept = teller;
		tellers = lappend(tellers, kept);
	}
	list_sort(tellers, compare_tellers);
	return tellers;
}

/* The system that a name means: a system's own, or one that is identified; NULL: none. */
char *
discover_system_named(DiscoverRun *run, const char *name)
{
	ListCell *lc;
	ListCell *owns;

	forboth(lc, run->identities, owns, run->identity_owns)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return ((char *) lfirst(owns))[0] == '\0' ? NULL : lfirst(owns);
	}
	foreach(lc, run->systems)
	{
		if (pg_strcasecmp(lfirst(lc), name) == 0)
			return lfirst(lc);
	}
	return NULL;
}

/* Is it the name of someone who can write here? */
static bool
is_known(DiscoverRun *run, const char *name)
{
	return discover_system_named(run, name) != NULL || names_contain(run->identities, name) ||
		   OidIsValid(get_role_oid(name, true));
}

/*
 * The value as a text without blanks around it, in `text`, which has NAMEDATALEN
 * bytes.  False: it is blank, or too long for a name.
 */
static bool
name_of(Teller *teller, Datum value, char *text)
{
	char *output;
	char *end;

	if (teller->varlena && toast_raw_datum_size(value) > 4 * NAMEDATALEN)
		return false;
	output = OutputFunctionCall(&teller->output, value);
	while (isspace((unsigned char) *output))
		output++;
	end = output + strlen(output);
	while (end > output && isspace((unsigned char) end[-1]))
		end--;
	if (end == output || end - output >= NAMEDATALEN)
		return false;
	memcpy(text, output, end - output);
	text[end - output] = '\0';
	return true;
}

/* Does a column of the row tell who wrote it?  Then it sets the key.  Leaks memory. */
bool
discover_tell(DiscoverRun *run, List *tellers, TupleTableSlot *slot, RowGroupKey *key)
{
	ListCell *lc;

	foreach(lc, tellers)
	{
		Teller *teller = lfirst(lc);
		bool isnull;
		Datum value = slot_getattr(slot, teller->attnum, &isnull);
		char text[NAMEDATALEN];

		if (isnull)
			continue;
		if (teller->kind == TELLER_LOADER)
			strlcpy(text, teller->loader, sizeof(text));
		else if (!name_of(teller, value, text) ||
				 (teller->kind == TELLER_SOURCE && !is_known(run, text)))
			continue;
		memset(key, 0, sizeof(RowGroupKey));
		key->told = TOLD_BY_COLUMN;
		key->teller = foreach_current_index(lc);
		strlcpy(key->value, text, sizeof(key->value));
		return true;
	}
	return false;
}
